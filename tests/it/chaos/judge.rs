//! What must hold after every phase of a schedule, whatever befell it.

use std::collections::{BTreeMap, BTreeSet};

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{
    caller::{Ending, reason},
    content::Held,
    schedule::{Intent, Wish},
    wire::Passage,
};

/// One phase, when all of it is over.
pub(super) struct Phase<'a> {
    pub(super) is_cognito: bool,
    pub(super) before: Option<&'a Held>,
    /// All that AWS holds for the schedule.
    pub(super) after: &'a [Held],
    pub(super) intents: &'a [Intent],
    pub(super) endings: &'a [Ending],
    pub(super) passages: &'a [Passage],
    /// Whether replicas were killed meanwhile, so that calls end without a word.
    pub(super) is_deadly: bool,
    /// Whether a mesh between repeats calls.
    pub(super) is_meshed: bool,
}

/// A violation of something that is promised.
type Found = Vec<String>;

impl Phase<'_> {
    /// Everything that is wrong.
    pub(super) fn judge(&self) -> Found {
        let mut found = Found::new();
        if self.after.len() > 1 {
            found.push(format!("AWS holds {} providers", self.after.len()));
        }
        self.creations(&mut found);
        self.repetitions(&mut found);
        self.tokens(&mut found);
        for ending in self.endings {
            match &ending.outcome {
                Ok(_) => self.success(ending, &mut found),
                Err(status) => self.failure(ending, status, &mut found),
            }
            self.words(ending, &mut found);
        }
        self.state(&mut found);
        found
    }

    fn after(&self) -> Option<&Held> {
        self.after.first()
    }

    fn intent(&self, ending: &Ending) -> &Intent {
        &self.intents[ending.intent]
    }

    /// What AWS holds if this intent had its effect; none if that is nothing.
    fn wanted(&self, intent: &Intent) -> Option<Held> {
        match &intent.wish {
            Wish::Create(content) => Some(Held::created(content, self.is_cognito)),
            Wish::Update(content) => self.before.map(|before| before.updated(content)),
            Wish::Delete => None,
        }
    }

    /// Nobody gets in the way of the one intent.
    fn is_alone(&self) -> bool {
        self.intents.len() == 1
    }

    fn is_create(&self) -> bool {
        matches!(self.intents[0].wish, Wish::Create(_))
    }

    /// The same caller has used one request id for two contents.
    fn is_id_reused(&self) -> bool {
        let [first, second] = self.intents else { return false };
        first.request_id.is_some() && (&first.request_id, &first.caller) == (&second.request_id, &second.caller)
    }

    fn committed(&self, verb: &str) -> impl Iterator<Item = &Passage> {
        let verb = verb.to_owned();
        self.passages.iter().filter(move |passage| passage.is_committed() && passage.operation.starts_with(&verb))
    }

    /// Creations committed are intents, at the most; exactly one where a caller was told so.
    fn creations(&self, found: &mut Found) {
        let creations = if self.is_cognito {
            self.committed("Create").count()
        } else {
            // AWS answers a repeated token with the ARN that it has made before.
            let arn = |passage: &Passage| passage.answer.as_ref()?.1["identityProviderArn"].as_str().map(str::to_owned);
            self.committed("Create").filter_map(arn).collect::<BTreeSet<_>>().len()
        };
        let most = if self.is_create() { self.intents.len() } else { 0 };
        if creations > most {
            found.push(format!("{creations} creations for {most} intents"));
        }
        let is_told = self.is_create() && self.endings.iter().any(|ending| ending.outcome.is_ok());
        if is_told && creations == 0 {
            found.push("a create succeeded and nothing was made".to_owned());
        }
    }

    /// Never two creates for one call of Cognito's after the first may have been executed.
    fn repetitions(&self, found: &mut Found) {
        if !self.is_cognito {
            return;
        }
        let is_repeated = |passages: &[&Passage]| {
            let doubt = passages.iter().position(|passage| passage.left_doubt());
            doubt.is_some_and(|at| at + 1 < passages.len())
        };
        let creates = || self.passages.iter().filter(|passage| passage.operation.starts_with("Create"));
        let mut invocations: BTreeMap<&str, Vec<&Passage>> = BTreeMap::new();
        for passage in creates() {
            invocations.entry(&passage.invocation).or_default().push(passage);
        }
        if invocations.values().any(|passages| is_repeated(passages)) {
            found.push("the SDK repeated a create of unknown outcome".to_owned());
        }
        // What came in the time of one call was of that call, where calls do not overlap.
        let [ending] = self.endings else { return };
        let intent = self.intent(ending);
        let overlaps = intent.leaves_after.is_some() || intent.deadline.is_some();
        // A mesh may repeat what has an id; then it is another call.
        if self.is_deadly || overlaps || (self.is_meshed && intent.is_repeatable()) {
            return;
        }
        for one in &ending.tries {
            let (from, to) = one.window;
            let window = &self.passages[from..to];
            let creates: Vec<_> = window.iter().filter(|passage| passage.operation.starts_with("Create")).collect();
            if is_repeated(&creates) {
                found.push("one call sent a second create after one of unknown outcome".to_owned());
            }
        }
    }

    /// One token for one intent, and no token for two.
    fn tokens(&self, found: &mut Found) {
        let is_tokened =
            |passage: &&Passage| passage.operation.starts_with("Create") || passage.operation.starts_with("Update");
        if self.is_cognito {
            return;
        }
        let mut tokens: BTreeSet<&str> = BTreeSet::new();
        let mut contents: BTreeMap<&str, BTreeSet<BTreeMap<String, String>>> = BTreeMap::new();
        for passage in self.passages.iter().filter(is_tokened) {
            let Some(token) = &passage.client_token else {
                found.push("a request without a client token".to_owned());
                continue;
            };
            tokens.insert(token);
            // The order of a map's entries is nobody's.
            let details: BTreeMap<String, String> =
                serde_json::from_value(passage.body["identityProviderDetails"].clone()).unwrap_or_default();
            contents.entry(token).or_default().insert(details);
        }
        let intent = &self.intents[0];
        // A mesh gives one id to all the repetitions that it makes of one call.
        let is_one_call = self.is_meshed && self.endings.len() == 1 && self.endings[0].tries.len() == 1;
        let is_one = intent.is_repeatable() || intent.mesh_id.is_some() || is_one_call;
        if self.is_alone() && is_one && tokens.len() > 1 {
            found.push(format!("{} client tokens for one intent", tokens.len()));
        }
        // The same caller may use one id for two contents; AWS then refuses the second.
        if !self.is_id_reused() && contents.values().any(|contents| contents.len() > 1) {
            found.push("one client token for two contents".to_owned());
        }
        // AWS would answer a token that two callers share with the same provider to both.
        let makers: BTreeSet<&str> = self
            .endings
            .iter()
            .filter(|ending| self.is_create() && ending.outcome.is_ok())
            .map(|ending| self.intent(ending).caller.as_str())
            .collect();
        if makers.len() > 1 {
            found.push("two callers made the same provider: they share a client token".to_owned());
        }
    }

    /// What was acknowledged is there, with this content and no other.
    fn success(&self, ending: &Ending, found: &mut Found) {
        let intent = self.intent(ending);
        let Ok(answer) = &ending.outcome else { return };
        let wanted = self.wanted(intent);
        let is_there = match (self.after(), &wanted) {
            (None, None) => true,
            (Some(after), Some(wanted)) => after.is(wanted),
            _ => false,
        };
        // Of two updates the later one stays.
        if !is_there && (self.is_alone() || self.is_create()) {
            found.push(format!("intent {} succeeded and AWS holds something else", ending.intent));
        }
        if (self.is_alone() || self.is_create()) && !answer.fits(self.after()) {
            found.push(format!("the answer to intent {} is not what AWS holds", ending.intent));
        }
    }

    /// No error but those that the contract has for this.
    fn failure(&self, ending: &Ending, status: &Status, found: &mut Found) {
        let intent = self.intent(ending);
        let reason = reason(status);
        let was_in_doubt = || ending.tries.iter().rev().skip(1).any(super::caller::Try::may_have_been_applied);
        let may_have_been_applied = ending.tries.last().is_some_and(super::caller::Try::may_have_been_applied);
        let is_allowed = match (status.code(), reason.as_str()) {
            (Code::AlreadyExists, _) => self.may_exist_already(ending, intent),
            (Code::InvalidArgument, "REQUEST_ID_REUSED") | (Code::FailedPrecondition, "IDEMPOTENCY_TOKEN_REUSED") => {
                self.is_id_reused()
            }
            // Another try, its caller's or a mesh's, or a copy, has deleted it.
            (Code::NotFound, "RESOURCE_NOT_FOUND") => {
                let has_meshs_try = self.is_meshed && self.passages.iter().any(Passage::is_committed);
                matches!(intent.wish, Wish::Delete) && (was_in_doubt() || intent.copies > 1 || has_meshs_try)
            }
            // A create that nobody can repeat without risking a second effect.
            (Code::Unknown | Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled, _) => {
                !intent.is_repeatable() && may_have_been_applied
            }
            // A connection that was lost with its replica.
            (_, "") => self.is_deadly && !intent.is_repeatable(),
            _ => false,
        };
        if !is_allowed {
            found.push(format!("intent {} ended with {:?} {reason}", ending.intent, status.code()));
        }
    }

    /// A provider of this name is another one than this caller's own.
    fn may_exist_already(&self, ending: &Ending, intent: &Intent) -> bool {
        let Some(after) = self.after() else { return false };
        let is_equal = self.wanted(intent).is_some_and(|wanted| after.is(&wanted));
        if !self.is_create() {
            return false;
        }
        match self.is_cognito {
            // Under an id, what is equal is one's own.
            true if intent.is_repeatable() => !is_equal,
            true => !self.is_alone() || intent.copies > 1,
            // The tokens tell them apart.
            false => {
                let is_strange =
                    |other: &Ending| other.intent != ending.intent && self.passages.iter().any(Passage::is_committed);
                self.endings.iter().any(is_strange)
            }
        }
    }

    /// What each answer says about itself is true.
    fn words(&self, ending: &Ending, found: &mut Found) {
        for one in &ending.tries {
            let Err(status) = &one.outcome else { continue };
            let details = status.get_error_details();
            let Some(info) = details.error_info() else { continue };
            let applied = info.metadata.get("mayHaveBeenApplied").map(String::as_str);
            if status.code() == Code::Unknown && applied != Some("true") {
                found.push(format!("UNKNOWN {} without mayHaveBeenApplied", info.reason));
            }
            let (from, to) = one.window;
            let verb = match self.intent(ending).wish {
                Wish::Create(_) => "Create",
                Wish::Update(_) => "Update",
                Wish::Delete => "Delete",
            };
            let is_done = || {
                let of_verb = |passage: &&Passage| passage.operation.starts_with(verb) && passage.is_committed();
                self.passages[from..to].iter().any(|passage| of_verb(&passage))
            };
            // Only where what came in this time was of this call.
            let intent = self.intent(ending);
            let overlaps = intent.leaves_after.is_some() || intent.deadline.is_some();
            let is_quiet = !overlaps && !self.is_deadly && !self.is_meshed;
            let is_own = self.endings.len() == 1 && is_quiet;
            if is_own && applied == Some("false") && is_done() {
                found.push(format!("{:?} {} says it was not applied, and it was", status.code(), info.reason));
            }
        }
    }

    /// AWS holds what some order of the intents leaves, with every acknowledged one in it.
    fn state(&self, found: &mut Found) {
        let is_acknowledged =
            |at: usize| self.endings.iter().any(|ending| ending.intent == at && ending.outcome.is_ok());
        let all: Vec<usize> = (0..self.intents.len()).collect();
        let orders: Vec<Vec<usize>> = match all.as_slice() {
            [one] => vec![vec![], vec![*one]],
            _ => vec![vec![], vec![0], vec![1], vec![0, 1], vec![1, 0]],
        };
        let orders = orders.iter().filter(|order| all.iter().all(|at| order.contains(at) || !is_acknowledged(*at)));
        let effect = |held: Option<Held>, at: &usize| match (&self.intents[*at].wish, held) {
            // What exists is not made again.
            (Wish::Create(content), None) => Some(Held::created(content, self.is_cognito)),
            (Wish::Create(_), held) => held,
            (Wish::Update(content), held) => held.map(|held| held.updated(content)),
            (Wish::Delete, _) => None,
        };
        let is_it = |order: &Vec<usize>| {
            let end = order.iter().fold(self.before.cloned(), effect);
            match (self.after(), &end) {
                (None, None) => true,
                (Some(after), Some(end)) => after.is(end),
                _ => false,
            }
        };
        if !orders.clone().any(is_it) {
            found.push("AWS holds what no order of these intents leaves".to_owned());
        }
    }
}
