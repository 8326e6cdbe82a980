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
    policy::{Permit, Policy},
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

/// Everything a call goes through.
#[derive(Debug)]
pub struct Pipeline {
    rules: Rules,
    policy: Policy,
    aws: Arc<Aws>,
    limit: Duration,
    tasks: TaskTracker,
}

impl Pipeline {
    /// `limit` bounds every call; `tasks` knows the calls that are on their way to AWS, so that a drain can wait for them.
    pub fn new(rules: Rules, policy: Policy, aws: Aws, limit: Duration, tasks: TaskTracker) -> Self {
        Self { rules, policy, aws: Arc::new(aws), limit, tasks }
    }

    /// Serves one call: the only thing that a method of the gRPC services can do.
    ///
    /// # Errors
    /// What `status` makes of the fault.
    pub async fn serve<O: Operation>(&self, request: Request<O::Request>) -> Result<Response<O::Reply>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let arrival = arrival(&extensions);
        let mut operation = None;
        let outcome = self.run::<O>(&metadata, &extensions, &arrival, message, &mut operation).await;

        let subject = operation.as_deref().map(|operation| (operation.subject(), operation.repeat()));
        let subject = subject.as_ref().map(|(subject, repeat)| (subject, *repeat));
        let about = About { action: Some(O::ACTION), subject, request_id: &arrival.request_id };
        let caller = extensions.get::<Caller>();
        let line = CallLine { action: O::ACTION, caller, about: &about, elapsed: arrival.at.elapsed() };
        match outcome {
            Ok(reply) => {
                telemetry::log_success(&line);
                Ok(Response::new(reply))
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
        metadata: &MetadataMap,
        extensions: &Extensions,
        arrival: &Arrival,
        message: O::Request,
        known: &mut Option<Arc<O>>,
    ) -> Result<O::Reply, Fault> {
        // 1 identity: the server asked before the message was read; without its answer there is no caller.
        let caller = extensions.get::<Caller>().ok_or(Fault::Internal)?;
        // 2 what is asked for, and by when
        let limit = TimeLimit::of(metadata, arrival.at, self.limit);
        let limit = limit.map_err(|why| Fault::Invalid(Violations::one("grpc-timeout", why)))?;
        let operation = Arc::new(O::parse(message, &self.rules).map_err(Fault::Invalid)?);
        let operation = known.insert(operation);
        // 3 policy
        let permit = self.policy.authorize(caller, &operation.subject()).map_err(Fault::Denied)?;
        // 4 AWS
        self.call_aws(Arc::clone(operation), permit, limit).await
    }

    /// In a task of its own: a write is finished also when its caller goes away, a read is not.
    async fn call_aws<O: Operation>(
        &self,
        operation: Arc<O>,
        permit: Permit,
        limit: TimeLimit,
    ) -> Result<O::Reply, Fault> {
        let attempts = Arc::new(Attempts::default());
        let watched = Arc::clone(&attempts);
        let aws = Arc::clone(&self.aws);
        let call = async move { watched.watch(timeout_at(limit.at, operation.call(&aws, permit))).await };
        let task = self.tasks.spawn(call.in_current_span());
        let outcome = if O::ACTION.is_write() { task.await } else { AbortOnDropHandle::new(task).await };
        match outcome {
            Ok(Ok(reply)) => reply.map_err(|fault| Fault::Upstream(Box::new(fault))),
            Ok(Err(_)) => Err(Fault::OutOfTime {
                deadline: limit.whose,
                may_have_been_applied: O::ACTION.is_write() && attempts.has_sent(),
            }),
            // The task panicked: the hook has logged where.
            Err(_) => Err(Fault::Internal),
        }
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
