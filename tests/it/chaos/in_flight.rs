//! Equal calls at the same time are one call at AWS; calls that only look alike are not.

use std::sync::Arc;

use futures_util::future::join_all;
use idp_proxy::proto::{cognito::v1 as c, workspacesweb::v1 as w};
use prost::Message as _;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use super::{
    ask::{About, Answer, Envelope},
    caller::reason,
    content::{Content, Held},
    schedule::{NAME, Wish},
    world::{PATIENT, World},
};
use crate::support::eventually;

/// Calls at the same time.
const CALLS: usize = 20;
/// What policy has let pass.
const ALLOWED: &str = "idp_proxy_policy_decisions_total{decision=\"allow\"}";
const CALLER: &str = "caller.chaos.example";

/// A burst of creates on the pool or the portal of one number.
struct Burst<'a> {
    world: &'a World,
    number: u64,
    is_cognito: bool,
}

/// One of them: its caller, request id, `x-request-id` and content.
#[derive(Clone)]
struct One {
    caller: String,
    request_id: &'static str,
    id: Option<String>,
    content: Content,
}

fn content(is_cognito: bool) -> Content {
    let mut content = Content::any(&mut StdRng::seed_from_u64(1), "burst");
    if !is_cognito {
        (content.mapping, content.identifiers, content.acr) = (None, None, None);
    }
    content
}

impl Burst<'_> {
    /// All of them, released at AWS when policy has let each pass and AWS has seen `at_aws` creates; and how many it has
    /// seen then.
    async fn fire(&self, calls: Vec<One>, at_aws: usize) -> (Vec<Result<Vec<u8>, Status>>, usize) {
        let replica = &self.world.replicas[0];
        let gate = Arc::new(Semaphore::new(0));
        self.world.wire.hold(self.number, &gate);
        let allowed = async || {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
            let allowed = replica.metric(ALLOWED).await as usize;
            allowed
        };
        let (before, count) = (allowed().await, calls.len());
        let release = async {
            // A call that has passed policy joins an equal one in the same breath.
            eventually("every call has arrived", async || {
                let has_arrived = allowed().await - before >= count;
                (has_arrived && self.world.wire.since(self.number, 0).len() >= at_aws).then_some(())
            })
            .await;
            let seen = self.world.wire.since(self.number, 0).len();
            gate.add_permits(1000);
            seen
        };
        let asked = calls.into_iter().map(|call| self.ask(call));
        tokio::join!(join_all(asked), release)
    }

    async fn ask(&self, one: One) -> Result<Vec<u8>, Status> {
        let channel = self.world.replicas[0].channel(self.number);
        let about = About { number: self.number, arn: "", request_id: one.request_id };
        let envelope = Envelope { caller: &one.caller, id: one.id.as_deref(), deadline: None };
        let wish = Wish::Create(one.content);
        let (answer, _) = if self.is_cognito {
            about
                .cognito(
                    &mut c::identity_provider_service_client::IdentityProviderServiceClient::new(channel),
                    &wish,
                    envelope,
                )
                .await?
        } else {
            about
                .web(
                    &mut w::identity_provider_service_client::IdentityProviderServiceClient::new(channel),
                    &wish,
                    envelope,
                )
                .await?
        };
        Ok(match answer {
            Answer::Provider(provider) => provider.encode_to_vec(),
            Answer::Arn(arn) => arn.into_bytes(),
            Answer::WebProvider(_) | Answer::Nothing => unreachable!("not of a create"),
        })
    }

    async fn held(&self) -> Option<Held> {
        if self.is_cognito {
            self.world.direct.cognito(self.number, NAME).await
        } else {
            self.world.direct.web(self.number).await.pop()
        }
    }
}

#[tokio::test]
async fn equal_creates_in_flight_are_one_call_with_one_answer() {
    let world = World::start(0..4, 1, PATIENT).await;
    for (number, is_cognito) in [(0, true), (1, true), (2, false), (3, false)] {
        // Known as one by the request's id, or by the id that a mesh repeats.
        let has_request_id = number % 2 == 0;
        let burst = Burst { world: &world, number, is_cognito };
        let call = One {
            caller: CALLER.to_owned(),
            request_id: if has_request_id { "the same" } else { "" },
            id: (!has_request_id).then(|| format!("mesh-{number}")),
            content: content(is_cognito),
        };
        let (answers, seen) = burst.fire(vec![call.clone(); CALLS], 1).await;
        let first = answers[0].as_ref().expect("a success");
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer == first)), "{number}");
        assert_eq!((seen, world.wire.mark(number)), (1, 1), "{number}: one call at AWS, and none afterwards");
        assert!(burst.held().await.expect("it is there").is(&Held::created(&call.content, is_cognito)), "{number}");
    }
}

#[tokio::test]
async fn writes_of_different_callers_are_never_one() {
    let world = World::start(0..2, 1, PATIENT).await;
    for (number, is_cognito) in [(0, true), (1, false)] {
        let burst = Burst { world: &world, number, is_cognito };
        let call = |place: usize| One {
            caller: format!("caller-{place}.chaos.example"),
            request_id: "the same",
            id: Some(format!("mesh-{number}")),
            content: content(is_cognito),
        };
        let (answers, seen) = burst.fire((0..CALLS).map(call).collect(), CALLS).await;
        assert_eq!(seen, CALLS, "each is a call of its own");
        let tokens = world.wire.since(number, 0).into_iter().filter_map(|passage| passage.client_token);
        let tokens: std::collections::BTreeSet<String> = tokens.collect();
        assert_eq!(tokens.len(), if is_cognito { 0 } else { CALLS }, "no token for two callers");
        if !is_cognito {
            // At Cognito, where there is no token, an equal provider that was made just now counts as one's own.
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        }
        for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
        }
    }
}

#[tokio::test]
async fn one_request_id_for_two_contents_is_refused_while_the_first_is_known() {
    let world = World::start(0..2, 1, PATIENT).await;
    for (number, is_cognito) in [(0, true), (1, false)] {
        let burst = Burst { world: &world, number, is_cognito };
        let first = One { caller: CALLER.to_owned(), request_id: "once", id: None, content: content(is_cognito) };
        let (other, _) = first.content.rival(&mut StdRng::seed_from_u64(2), is_cognito);
        let second = One { content: other, ..first.clone() };
        let (answers, seen) = burst.fire(vec![first.clone(), second], 1).await;
        assert_eq!(seen, 1, "one of them only comes to AWS");
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 1);
        assert_eq!((refused[0].code(), reason(refused[0]).as_str()), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
    }
}
