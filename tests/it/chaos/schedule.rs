//! A schedule: what callers want of one pool or portal, made from a number. Its phases run one after the other, what is in
//! one phase runs at the same time.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::content::Content;

/// The name of every Cognito provider, and of every `WorkSpaces` Web provider; each schedule has its own pool and portal.
pub(super) const NAME: &str = "Corp";

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Create(Content),
    Update(Content),
    Delete,
}

/// A caller's intent: one effect, however often it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    /// The caller's id in its sidecar's header.
    pub(super) caller: String,
    pub(super) wish: Wish,
    pub(super) request_id: Option<String>,
    /// An `x-request-id` that stays the same in every try, as meshes send it.
    pub(super) mesh_id: Option<String>,
    /// How many times the same is asked for at once.
    pub(super) copies: usize,
    /// The caller's own deadline for its first try.
    pub(super) deadline: Option<Duration>,
    /// When the caller goes away in its first try, after the proxy has begun to write.
    pub(super) leaves_after: Option<Duration>,
}

impl Intent {
    /// Whether a repetition is known as such to the proxy.
    pub(super) fn is_repeatable(&self) -> bool {
        self.request_id.is_some()
    }
}

/// What callers do in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Callers go away and have deadlines.
    pub(super) leave: bool,
    /// Callers send an `x-request-id`; otherwise the mesh between makes one.
    pub(super) name_calls: bool,
    /// Of a hundred intents, how many have a request id.
    pub(super) request_ids_percent: u32,
}

/// A schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) number: u64,
    pub(super) seed: u64,
    pub(super) is_cognito: bool,
    pub(super) phases: Vec<Vec<Intent>>,
}

impl Schedule {
    /// The schedule of this seed, on the pool and the portal of this number.
    pub(super) fn of(seed: u64, number: u64, habits: Habits) -> Self {
        let mut maker = Maker { rng: StdRng::seed_from_u64(seed), made: 0, seed, habits };
        let is_cognito = maker.rng.random_ratio(3, 5);
        let mut phases = Vec::new();
        let mut content = maker.content(is_cognito, None);
        phases.push(maker.rivalry(Wish::Create(content.clone()), is_cognito));
        for _ in 0..maker.rng.random_range(0..=2) {
            content = maker.content(is_cognito, Some(content.kind));
            phases.push(maker.rivalry(Wish::Update(content.clone()), is_cognito));
        }
        if maker.rng.random_ratio(2, 5) {
            phases.push(vec![maker.intent(Wish::Delete)]);
            if maker.rng.random() {
                let again = maker.content(is_cognito, None);
                phases.push(vec![maker.intent(Wish::Create(again))]);
            }
        }
        Self { number, seed, is_cognito, phases }
    }
}

struct Maker {
    rng: StdRng,
    made: u32,
    seed: u64,
    habits: Habits,
}

impl Maker {
    /// Any content; an update at Cognito cannot change the type.
    fn content(&mut self, is_cognito: bool, kind: Option<&str>) -> Content {
        loop {
            self.made += 1;
            let mut content = Content::any(&mut self.rng, &format!("c{}", self.made));
            if !is_cognito {
                (content.mapping, content.identifiers, content.acr) = (None, None, None);
            }
            if kind.is_none_or(|kind| kind == content.kind) {
                return content;
            }
        }
    }

    fn intent(&mut self, wish: Wish) -> Intent {
        self.made += 1;
        // No caller has the ids of another schedule's: the same ones come from different callers within one.
        let id = format!("{:x}-{}", self.seed, self.made);
        let rng = &mut self.rng;
        let has_request_id = rng.random_ratio(self.habits.request_ids_percent, 100);
        let has_mesh_id = self.habits.name_calls && rng.random_ratio(1, 3);
        let copies = if rng.random_ratio(1, 4) { rng.random_range(2..=3) } else { 1 };
        // Without an id a repetition is a call of its own, which is nobody's mistake but the caller's.
        let copies = if has_request_id { copies } else { 1 };
        let mut time = |ratio: u32, milliseconds: std::ops::Range<u64>| {
            let is_short = self.habits.leave && has_request_id && rng.random_ratio(1, ratio);
            is_short.then(|| Duration::from_millis(rng.random_range(milliseconds)))
        };
        Intent {
            caller: format!("caller-{:x}.chaos.example", self.seed),
            wish,
            request_id: has_request_id.then(|| format!("request {id}")),
            mesh_id: has_mesh_id.then(|| format!("mesh-{id}")),
            copies,
            deadline: time(6, 50..600),
            // A caller that goes away is known by its call's own id.
            leaves_after: time(8, 1..80).filter(|_| !has_mesh_id),
        }
    }

    /// An intent, and sometimes another one that gets in its way.
    fn rivalry(&mut self, wish: Wish, is_cognito: bool) -> Vec<Intent> {
        let first = self.intent(wish);
        let (Wish::Create(content) | Wish::Update(content)) = &first.wish else { return vec![first] };
        if !self.rng.random_ratio(2, 5) {
            return vec![first];
        }
        let (other, _) = content.rival(&mut self.rng, is_cognito);
        let like = |content: Content| match first.wish {
            Wish::Create(_) => Wish::Create(content),
            _ => Wish::Update(content),
        };
        let stranger = format!("stranger-{:x}.chaos.example", self.seed);
        let mut second = match self.rng.random_range(0..4) {
            // The same caller forgets to take a new id.
            0 => Intent { wish: like(other), ..first.clone() },
            // The same caller wants something else.
            1 => self.intent(like(other)),
            // Another caller with the same id and the same content.
            2 => Intent { caller: stranger, ..first.clone() },
            // Another caller with the same id wants something else.
            _ => Intent { caller: stranger, wish: like(other), ..first.clone() },
        };
        second.copies = 1;
        vec![first, second]
    }
}
