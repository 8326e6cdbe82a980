//! The order of a call: identity → parse → policy → same effect → quota → audit → AWS → status. It is written here and
//! nowhere else.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Extensions;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Request, Response, Status,
    metadata::{AsciiMetadataValue, MetadataMap},
};

use crate::{
    audit::{self, Audit},
    deadline::TimeLimit,
    domain::{AccountId, Intent, Repeat, Subject, Violations},
    fault::Fault,
    identity::Caller,
    operation::{Aws, CallContext, Operation, Rules},
    policy::{Permit, Policy},
    quota::{Demand, Quota, Refusal, Spending},
    report::Report,
    same_effect::{Content, Flights, Likeness, Name, RequestIds, Share},
    status::{self, About},
    telemetry::{CallTrace, InFlight, Metrics},
    upstream::Attempts,
};

/// What the server knows of a call before its message is read.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The id under which log and errors know the call: the caller's `x-request-id`, or one of our own.
    pub request_id: Arc<str>,
    /// Whether the caller, or its mesh, chose that id.
    pub is_id_given: bool,
    /// When its headers were read.
    pub at: Instant,
    /// Whether its message has been read, so that the pipeline is at work.
    pub is_begun: Arc<AtomicBool>,
    /// Its place in a trace.
    pub trace: CallTrace,
    /// That nobody waits for the answer any more.
    pub gone: CancellationToken,
}

/// A call's place among the calls in flight, and that it counts as one of them; both until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Place {
    _held: Arc<(OwnedSemaphorePermit, InFlight)>,
}

impl Place {
    /// Taken by a call that has arrived.
    pub fn taken(permit: OwnedSemaphorePermit, counted: InFlight) -> Self {
        Self { _held: Arc::new((permit, counted)) }
    }
}

/// Everything a call goes through. A clone is a reference.
#[derive(Clone, Debug)]
pub struct Pipeline(Arc<Stages>);

/// What the stages work with.
#[derive(Debug)]
pub struct Stages {
    /// How requests are read.
    pub rules: Rules,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// The equal calls in flight.
    pub flights: Flights,
    /// Which content came under which `request_id`.
    pub request_ids: RequestIds,
    /// AWS's request quotas, and who waits for them.
    pub quota: Quota,
    /// The record of every call that reached policy.
    pub audit: Audit,
    /// The way to AWS.
    pub aws: Aws,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// For one call.
    pub limit: Duration,
    /// Knows the calls in flight, so that a drain can wait for them.
    pub tasks: TaskTracker,
    /// That the server goes down and gives up on what is still in flight.
    pub given_up: CancellationToken,
}

/// A call that has arrived and whose message has been decoded.
struct Call<O: Operation> {
    arrival: Arrival,
    metadata: MetadataMap,
    caller: Option<Caller>,
    message: O::Request,
}

/// How far a call has come: what its log line, its audit line and its error speak about.
struct Progress<O> {
    operation: Option<O>,
    /// What the audit says of it, once policy has decided.
    line: Option<audit::Line>,
    attempts: Arc<Attempts>,
    share: Share,
}

/// What a call to AWS brought back: for the call that made it, and for equal ones that waited for it.
#[derive(Clone)]
struct Brought<T> {
    outcome: Result<T, Fault>,
    attempts: Arc<Attempts>,
}

impl Pipeline {
    /// With these stages.
    pub fn new(stages: Stages) -> Self {
        Self(Arc::new(stages))
    }

    /// The server gives up on calls at `by`: those that wait and could not be sent before are refused now.
    pub fn drain(&self, by: Instant) {
        self.0.quota.drain(by);
    }

    /// When this is cancelled, every call in flight ends and says how far it came.
    pub fn given_up(&self) -> &CancellationToken {
        &self.0.given_up
    }

    /// Serves one call: the only thing that a method of the gRPC services can do.
    ///
    /// It runs in a task of its own, which logs and audits it also when its caller goes away: a write when it is finished, a
    /// read when it is dropped.
    ///
    /// # Errors
    /// What `status` makes of the fault.
    pub async fn serve<O: Operation>(&self, request: Request<O::Request>) -> Result<Response<O::Reply>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = arrival(&extensions);
        arrival.is_begun.store(true, Ordering::Relaxed);
        let _caller_is_there = arrival.gone.clone().drop_guard();
        let call = Call::<O> { arrival: arrival.clone(), metadata, caller: extensions.get().cloned(), message };
        let (stages, place) = (Arc::clone(&self.0), extensions.get::<Place>().cloned());
        let answer = async move {
            // Here and not with the caller, or callers that go away would leave behind as many writes as they like.
            let _place = place;
            stages.answer(call).await
        };
        // On the heap, or the runtime would copy kilobytes each time it hands the task on: ten times a call.
        let task = self.0.tasks.spawn(Box::pin(answer));
        let outcome = task.await;
        // A task that did not end by itself panicked, and the panic hook has logged where.
        let about = About { action: Some(O::ACTION), subject: None, request_id: &arrival.request_id };
        outcome.unwrap_or_else(|_| Err(status::of(&Fault::Internal, &about)))
    }
}

impl Stages {
    /// Runs the stages, records how it went, and puts it into the caller's words.
    async fn answer<O: Operation>(&self, call: Call<O>) -> Result<Response<O::Reply>, Status> {
        let Call { arrival, metadata, caller, message } = call;
        let mut progress = Progress::<O> {
            operation: None,
            line: None,
            attempts: Attempts::of_call(&arrival.trace),
            share: Share::Made,
        };
        let outcome = {
            let run = pin!(self.run(caller.as_ref(), &metadata, &arrival, message, &mut progress));
            if O::ACTION.is_write() {
                run.await
            } else {
                // What nobody reads need not be asked for any further.
                arrival.gone.run_until_cancelled(run).await.unwrap_or(Err(Fault::CallerGone))
            }
        };

        let Progress { operation, line, attempts, share } = &progress;
        let subject = operation.as_ref().map(|operation| (self.subject(operation), operation.repeat()));
        let subject = subject.as_ref().map(|(subject, repeat)| (subject, *repeat));
        let about = About { action: Some(O::ACTION), subject, request_id: &arrival.request_id };
        let elapsed = arrival.at.elapsed();
        let verdict = outcome.as_ref().err().map(|fault| status::verdict(fault, &about));
        if let Some(line) = line {
            let ended = audit::Outcome {
                code: verdict.map_or("OK", |verdict| status::code_name(verdict.code)),
                reason: verdict.map(|verdict| verdict.reason),
                aws_request_id: attempts.aws_request_id(),
                attempts: attempts.started(),
                is_confirmed: attempts.is_confirmed(),
                is_joined: *share == Share::Joined,
                duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            };
            self.audit.complete(line, &ended).await;
        }
        let is_confirmed = attempts.is_confirmed() && outcome.is_ok();
        if is_confirmed && *share == Share::Made {
            self.metrics.confirmed();
        }
        let attempts = Some(&**attempts);
        let report = Report {
            action: O::ACTION,
            caller: caller.as_ref(),
            about: &about,
            attempts,
            elapsed,
            trace: &arrival.trace,
        };
        match outcome {
            Ok(reply) => {
                report.success();
                let mut response = Response::new(reply);
                if is_confirmed {
                    response.metadata_mut().insert(OUTCOME_HEADER, AsciiMetadataValue::from_static("confirmed"));
                }
                Ok(response)
            }
            Err(fault) => {
                report.fault(&fault, &self.metrics);
                Err(status::of(&fault, &about))
            }
        }
    }

    /// The order.
    async fn run<O: Operation>(
        &self,
        caller: Option<&Caller>,
        metadata: &MetadataMap,
        arrival: &Arrival,
        message: O::Request,
        progress: &mut Progress<O>,
    ) -> Result<O::Reply, Fault> {
        let Progress { operation: known, line, attempts, share } = progress;
        // 1 identity: the server asked before the message was read; without its answer nothing goes on.
        let caller = caller.ok_or(Fault::Internal)?;
        // 2 what is asked for, and by when
        let limit = TimeLimit::of(metadata.as_ref(), arrival.at, self.limit);
        let limit = limit.map_err(|why| Fault::Invalid(Violations::one("grpc-timeout", why)))?;
        let says = Content::of(&message);
        let operation = known.insert(O::parse(message, &self.rules).map_err(Fault::Invalid)?);
        // 3 policy
        let subject = self.subject(operation);
        *attempts = attempts.in_session(self.aws.upstream.session_name(subject.resource, caller.id()));
        let judged = self.policy.authorize(caller, &subject);
        self.metrics.decided(judged.is_ok());
        let policies =
            judged.as_ref().map_or_else(|denial| denial.policies().into(), |permit| permit.policies().clone());
        let line = line.insert(self.line(caller, &subject, judged.is_ok(), &policies, arrival));
        let permit = judged.map_err(Fault::Denied)?;
        // 4 the same effect: other content under a known id is refused, an equal call in flight is waited for
        let request_id = subject.intent.and_then(Intent::request_id).map(Name::RequestId);
        let transport = arrival.is_id_given.then_some(Name::Transport(&arrival.request_id));
        let likeness = Likeness { caller, action: O::ACTION, name: request_id.or(transport), content: &says };
        if subject.is_write() && self.request_ids.is_reused(&likeness) {
            return Err(Fault::RequestIdReused);
        }
        let may_try_again = operation.repeat() != Repeat::Once || request_id.is_some();
        let is_good = |brought: &Brought<O::Reply>| match brought.outcome {
            // Only that call's own caller, or its own deadline, was the reason, and nothing was sent.
            Err(Fault::CallerGone | Fault::RateLimited(_)) => false,
            Err(Fault::OutOfTime { .. }) => !may_try_again,
            _ => true,
        };
        let key = self.flights.key(&likeness, attempts.session_name()).filter(|_| !subject.validate_only());
        let derived_token = if subject.is_write() { likeness.client_token() } else { None };
        // The message itself is not kept while the call waits.
        drop(says);
        let own = Arc::clone(attempts);
        // What is handed on here and below is pinned, or each hand that it goes through would copy it and have its size.
        let fly = pin!(async {
            let context = CallContext { caller, began: arrival.at, deadline: limit.at, derived_token };
            // 5 the quota: what cannot be sent in time is not sent
            let asked = Instant::now();
            let admitted = self.admit(caller, &subject, limit, &arrival.gone).await;
            own.waited(asked.elapsed());
            let outcome = match admitted {
                Ok(spending) => {
                    own.pay_with(spending);
                    self.fly(operation, permit, &context, limit, line, &own).await
                }
                Err(fault) => Err(fault),
            };
            Brought { outcome, attempts: Arc::clone(&own) }
        });
        let Some((brought, shared)) = self.flights.share(key, limit.at, is_good, fly).await else {
            return Err(Fault::OutOfTime { deadline: limit.whose, may_have_been_applied: subject.is_write() });
        };
        (*attempts, *share) = (brought.attempts, shared);
        brought.outcome
    }

    /// Leave to send one request to AWS, as soon as its quotas allow it and the other callers have had their turns.
    async fn admit(
        &self,
        caller: &Caller,
        subject: &Subject<'_>,
        limit: TimeLimit,
        gone: &CancellationToken,
    ) -> Result<Spending, Fault> {
        let asked = Instant::now();
        let demand = Demand {
            caller: caller.id(),
            account: subject.account.map(AccountId::as_str),
            subject,
            deadline: limit.at,
        };
        // Nothing has been sent yet, so a write without a caller need not be made either.
        let asking = pin!(self.quota.admit(demand));
        let asking = pin!(gone.run_until_cancelled(asking));
        // A call that takes over when its time is over is out of time, whatever the quota.
        let out_of_time = |deadline| Fault::OutOfTime { deadline, may_have_been_applied: false };
        let admitted = limit.bound(&self.given_up, asking).await.map_err(out_of_time)?.ok_or(Fault::CallerGone)?;
        let budget = match &admitted {
            Ok(spending) => Some(spending.budget()),
            Err(Refusal::Limited(limited)) => Some(limited.budget()),
            Err(Refusal::Draining) => None,
        };
        if let Some(budget) = budget {
            self.metrics.quota_waited(budget, asked.elapsed());
        }
        admitted.map_err(|refusal| match refusal {
            Refusal::Limited(limited) => Fault::RateLimited(limited),
            Refusal::Draining => Fault::Draining,
        })
    }

    /// The part of a call that equal calls share.
    async fn fly<O: Operation>(
        &self,
        operation: &O,
        permit: Permit,
        context: &CallContext<'_>,
        limit: TimeLimit,
        line: &audit::Line,
        attempts: &Arc<Attempts>,
    ) -> Result<O::Reply, Fault> {
        let is_write = operation.subject().is_write();
        let out_of_time =
            |deadline| Fault::OutOfTime { deadline, may_have_been_applied: is_write && attempts.may_have_executed() };
        // 6 the record, before anything changes: without it nothing does
        if is_write {
            let recorded = limit.bound(&self.given_up, self.audit.record(line)).await.map_err(out_of_time)?;
            recorded.map_err(|_| Fault::Unrecorded)?;
        }
        // 7 AWS
        let _noted = is_write.then(|| self.flights.begin_write());
        let call = pin!(operation.call(&self.aws, permit, context));
        let call = limit.bound(&self.given_up, call);
        let in_time = attempts.watch(call).await.map_err(out_of_time)?;
        in_time.map_err(|fault| Fault::Upstream(Box::new(fault)))
    }

    /// What a call is about, with what only the configuration knows of it.
    fn subject<'a, O: Operation>(&'a self, operation: &'a O) -> Subject<'a> {
        let subject = operation.subject();
        Subject { account: self.aws.upstream.account(subject.resource), ..subject }
    }

    fn line(
        &self,
        caller: &Caller,
        subject: &Subject<'_>,
        is_allowed: bool,
        policies: &[String],
        arrival: &Arrival,
    ) -> audit::Line {
        let session = self.aws.upstream.session_name(subject.resource, caller.id()).filter(|_| is_allowed);
        let (id, fingerprinter) = (&arrival.request_id, &self.aws.fingerprinter);
        audit::Line::new(caller, subject, is_allowed, policies, session.as_ref(), id, fingerprinter)
    }
}

/// What the server left; made up only if a service were ever added without it.
fn arrival(extensions: &Extensions) -> Arrival {
    let made_up = || Arrival::now(None, CallTrace::default());
    extensions.get::<Arrival>().cloned().unwrap_or_else(made_up)
}

/// The response metadata that says that a write succeeded as a later read showed: `confirmed`.
pub const OUTCOME_HEADER: &str = "idp-proxy-outcome";

/// The header in which a call's id travels both ways.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

impl Arrival {
    /// A call whose headers have just been read, under the id that it came with or a new one.
    pub fn now(given: Option<&str>, trace: CallTrace) -> Self {
        // From this process's generator: asking the system for 16 bytes is a call to it for each of ours.
        let new = || uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string().into();
        let request_id = given.map_or_else(new, Into::into);
        Self {
            request_id,
            is_id_given: given.is_some(),
            at: Instant::now(),
            is_begun: Arc::default(),
            gone: CancellationToken::new(),
            trace,
        }
    }

    /// The id as a header's value.
    pub fn header(&self) -> AsciiMetadataValue {
        AsciiMetadataValue::try_from(&*self.request_id).unwrap_or_else(|_| AsciiMetadataValue::from_static("unknown"))
    }
}
