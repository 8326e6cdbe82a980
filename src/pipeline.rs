//! The order of a call: identity → parse → policy → AWS → status. It is written here and nowhere else.

use std::{sync::Arc, time::Duration};

use http::Extensions;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tonic::{
    Request, Response, Status,
    metadata::{AsciiMetadataValue, MetadataMap},
};
use tracing::Instrument as _;

use crate::{
    deadline::TimeLimit,
    domain::Violations,
    fault::Fault,
    identity::Caller,
    operation::{Aws, Operation, Rules},
    policy::Policy,
    status::{self, About},
    telemetry::{self, CallLine},
    upstream::Attempts,
};

/// What the server knows of a call before its message is read.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The id under which log and errors know the call: the caller's `x-request-id`, or one of our own.
    pub request_id: Arc<str>,
    /// When its headers were read.
    pub at: Instant,
}

/// Everything a call goes through. A clone is a reference.
#[derive(Clone, Debug)]
pub struct Pipeline(Arc<Stages>);

#[derive(Debug)]
struct Stages {
    rules: Rules,
    policy: Policy,
    aws: Aws,
    limit: Duration,
    tasks: TaskTracker,
}

/// A call that has arrived and whose message has been decoded.
struct Call<O: Operation> {
    arrival: Arrival,
    metadata: MetadataMap,
    caller: Option<Caller>,
    message: O::Request,
}

impl Pipeline {
    /// `limit` bounds every call; `tasks` knows the calls in flight, so that a drain can wait for them.
    pub fn new(rules: Rules, policy: Policy, aws: Aws, limit: Duration, tasks: TaskTracker) -> Self {
        Self(Arc::new(Stages { rules, policy, aws, limit, tasks }))
    }

    /// Serves one call: the only thing that a method of the gRPC services can do.
    ///
    /// It runs in a task of its own: a write is finished, and logged, also when its caller goes away; a read is not.
    ///
    /// # Errors
    /// What `status` makes of the fault.
    pub async fn serve<O: Operation>(&self, request: Request<O::Request>) -> Result<Response<O::Reply>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = arrival(&extensions);
        let call = Call::<O> { arrival: arrival.clone(), metadata, caller: extensions.get().cloned(), message };
        let stages = Arc::clone(&self.0);
        let task = self.0.tasks.spawn(async move { stages.answer(call).await }.in_current_span());
        let outcome = if O::ACTION.is_write() { task.await } else { AbortOnDropHandle::new(task).await };
        // A task that did not end by itself panicked, and the panic hook has logged where.
        let about = About { action: Some(O::ACTION), subject: None, request_id: &arrival.request_id };
        outcome.unwrap_or_else(|_| Err(status::of(&Fault::Internal, &about))).map(Response::new)
    }
}

impl Stages {
    /// Runs the stages, logs how it went, and puts it into the caller's words.
    async fn answer<O: Operation>(&self, call: Call<O>) -> Result<O::Reply, Status> {
        let Call { arrival, metadata, caller, message } = call;
        let mut operation = None;
        let outcome = self.run::<O>(caller.as_ref(), &metadata, &arrival, message, &mut operation).await;

        let subject = operation.as_ref().map(|operation| (operation.subject(), operation.repeat()));
        let subject = subject.as_ref().map(|(subject, repeat)| (subject, *repeat));
        let about = About { action: Some(O::ACTION), subject, request_id: &arrival.request_id };
        let elapsed = arrival.at.elapsed();
        let line = CallLine { action: O::ACTION, caller: caller.as_ref(), about: &about, elapsed };
        match outcome {
            Ok(reply) => {
                telemetry::log_success(&line);
                Ok(reply)
            }
            Err(fault) => {
                telemetry::log_fault(&line, &fault);
                Err(status::of(&fault, &about))
            }
        }
    }

    /// The order. `known` keeps the operation once there is one: an error speaks about it.
    async fn run<O: Operation>(
        &self,
        caller: Option<&Caller>,
        metadata: &MetadataMap,
        arrival: &Arrival,
        message: O::Request,
        known: &mut Option<O>,
    ) -> Result<O::Reply, Fault> {
        // 1 identity: the server asked before the message was read; without its answer nothing goes on.
        let caller = caller.ok_or(Fault::Internal)?;
        // 2 what is asked for, and by when
        let limit = TimeLimit::of(metadata, arrival.at, self.limit);
        let limit = limit.map_err(|why| Fault::Invalid(Violations::one("grpc-timeout", why)))?;
        let operation = known.insert(O::parse(message, &self.rules).map_err(Fault::Invalid)?);
        // 3 policy
        let permit = self.policy.authorize(caller, &operation.subject()).map_err(Fault::Denied)?;
        // 4 AWS
        let attempts = Arc::new(Attempts::default());
        let call = timeout_at(limit.at, operation.call(&self.aws, permit));
        let in_time = attempts.watch(call).await.map_err(|_| Fault::OutOfTime {
            deadline: limit.whose,
            may_have_been_applied: O::ACTION.is_write() && attempts.has_sent(),
        })?;
        in_time.map_err(|fault| Fault::Upstream(Box::new(fault)))
    }
}

/// What the server left; made up only if a service were ever added without it.
fn arrival(extensions: &Extensions) -> Arrival {
    let made_up = || Arrival { request_id: uuid::Uuid::new_v4().to_string().into(), at: Instant::now() };
    extensions.get::<Arrival>().cloned().unwrap_or_else(made_up)
}

/// The header in which a call's id travels both ways.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

impl Arrival {
    /// The id as a header's value.
    pub fn header(&self) -> AsciiMetadataValue {
        AsciiMetadataValue::try_from(&*self.request_id).unwrap_or_else(|_| AsciiMetadataValue::from_static("unknown"))
    }
}
