//! Runs schedules, and says which of them broke a promise and how to see it again.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use tonic::transport::Channel;

use super::{
    caller::{Caller, Ending, Try, reason},
    content::Held,
    harm::{Fate, Harm, Odds},
    judge::Phase,
    schedule::{Habits, Intent, NAME, Schedule, Wish},
    wire::Passage,
    world::World,
};

/// The seed of the first schedule; the next ones follow.
const SEED: &str = "CHAOS_SEED";
/// How many schedules.
const COUNT: &str = "CHAOS_SCHEDULES";
/// Violations that are shown at length.
const SHOWN_MAX: usize = 5;

/// A run of schedules.
pub(super) struct Run {
    /// The test's path, to name it in the command that repeats a schedule.
    pub(super) test: &'static str,
    pub(super) seed: u64,
    pub(super) count: u64,
    /// Whether the seed was asked for: then it is no whole run, and does not meet everything.
    pub(super) is_replay: bool,
    pub(super) habits: Habits,
    pub(super) odds: Odds,
    pub(super) is_deadly: bool,
    pub(super) is_meshed: bool,
    /// At the same time.
    pub(super) at_once: usize,
    /// Judged when nothing goes on anywhere any more.
    pub(super) open: Mutex<Vec<Played>>,
    pub(super) seen: Mutex<Seen>,
}

/// A phase that is over for its callers.
pub(super) struct Played {
    schedule: Arc<Schedule>,
    place: usize,
    before: Vec<Held>,
    endings: Vec<Ending>,
    mark: usize,
}

impl Played {
    /// Whether a caller's own clock ended a try: the call may reach the proxy afterwards, and nobody knows until when.
    fn is_open(&self) -> bool {
        let intents = &self.schedule.phases[self.place];
        let is_cut = |one: &Try| one.outcome.as_ref().is_err_and(|status| reason(status).is_empty());
        let has_clock = |ending: &Ending| intents[ending.intent].deadline.is_some();
        self.endings.iter().any(|ending| has_clock(ending) && ending.tries.iter().any(is_cut))
    }
}

/// What a run has met: one that meets nothing proves nothing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) harms: BTreeMap<Harm, usize>,
    /// Endings by what they were: `OK`, `OK confirmed`, or code and reason.
    pub(super) endings: BTreeMap<String, usize>,
    pub(super) calls: usize,
    violations: BTreeMap<String, usize>,
    broken: Vec<String>,
}

fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var_os(variable)?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{variable} is no number")))
}

impl Run {
    /// Of `count` schedules by a seed of chance, unless the environment says which.
    pub(super) fn of(test: &'static str, count: u64, habits: Habits, odds: Odds) -> Self {
        let is_replay = std::env::var_os(SEED).is_some();
        let seed = asked(SEED).unwrap_or_else(|| rand::random_range(0..1_000_000_000));
        let count = asked(COUNT).unwrap_or(if is_replay { 1 } else { count });
        Self {
            test,
            seed,
            count,
            is_replay,
            habits,
            odds,
            is_deadly: false,
            is_meshed: false,
            at_once: 128,
            open: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// What repeats the schedule of this seed.
    fn replay(&self, seed: u64) -> String {
        format!("{SEED}={seed} cargo test --locked --test it -- {} --nocapture", self.test)
    }

    /// Runs all schedules; `routes` are the ways of a caller for this schedule, in the order of its tries.
    pub(super) async fn all(self: &Arc<Self>, world: &Arc<World>, routes: impl Fn(u64) -> Vec<Channel>) {
        let places = Arc::new(tokio::sync::Semaphore::new(self.at_once));
        let mut running = tokio::task::JoinSet::new();
        for number in 0..self.count {
            let place = Arc::clone(&places).acquire_owned().await.expect("it is open");
            let (run, world, routes) = (Arc::clone(self), Arc::clone(world), routes(number));
            running.spawn(async move {
                run.one(&world, number, &routes).await;
                drop(place);
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.expect("a schedule ends");
        }
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        world.quiet().await;
        for played in open {
            self.is_kept(world, played).await;
        }
    }

    /// Runs the phases of one schedule until one breaks a promise.
    async fn one(&self, world: &World, number: u64, routes: &[Channel]) {
        let schedule = Arc::new(Schedule::of(self.seed + number, number, self.habits));
        world.wire.harm(number, Some(Fate::new(schedule.seed, self.odds)));
        for (place, intents) in schedule.phases.iter().enumerate() {
            let before = held(world, &schedule).await;
            // A create that failed leaves nothing to update; one that was refused to delete, nothing to make.
            if before.is_empty() != matches!(intents[0].wish, Wish::Create(_)) {
                continue;
            }
            let mark = world.wire.mark(number);
            let endings = self.play(world, &schedule, intents, before.first(), routes).await;
            let played = Played { schedule: Arc::clone(&schedule), place, before, endings, mark };
            if played.is_open() {
                self.open.lock().unwrap().push(played);
                return;
            }
            if !self.is_kept(world, played).await {
                return;
            }
        }
    }

    /// Whether everything that is promised holds after a phase.
    async fn is_kept(&self, world: &World, played: Played) -> bool {
        let Played { schedule, place, before, mut endings, mark } = played;
        let ids = endings.iter().flat_map(|ending| &ending.tries).filter_map(|one| one.id.as_deref());
        world.settled(schedule.number, &ids.collect::<Vec<_>>()).await;
        let passages = world.wire.since(schedule.number, mark);
        for one in endings.iter_mut().flat_map(|ending| &mut ending.tries) {
            one.window = (one.window.0 - mark, one.window.1 - mark);
        }
        let after = held(world, &schedule).await;
        let phase = Phase {
            is_cognito: schedule.is_cognito,
            before: before.first(),
            after: &after,
            intents: &schedule.phases[place],
            endings: &endings,
            passages: &passages,
            is_deadly: self.is_deadly,
            is_meshed: self.is_meshed,
        };
        let mut found = phase.judge();
        self.audited(world, &endings, &mut found);
        self.note(&endings, &passages);
        if !found.is_empty() {
            self.broke(&schedule, place, &phase, &found);
        }
        found.is_empty()
    }

    /// All copies of all intents at the same time.
    async fn play(
        &self,
        world: &World,
        schedule: &Schedule,
        intents: &[Intent],
        before: Option<&Held>,
        routes: &[Channel],
    ) -> Vec<Ending> {
        let copies = intents.iter().enumerate().flat_map(|(at, intent)| (0..intent.copies).map(move |_| (at, intent)));
        let mut calls = Vec::new();
        for (turn, (at, intent)) in copies.enumerate() {
            let mut routes = routes.to_vec();
            let turns = turn % routes.len();
            routes.rotate_left(turns);
            let caller = Caller {
                number: schedule.number,
                is_cognito: schedule.is_cognito,
                routes,
                world,
                arn: before.and_then(|held| held.arn.as_deref()),
                sends_ids: self.habits.name_calls,
            };
            calls.push(async move { caller.persist(at, intent).await });
        }
        join_all(calls).await
    }

    /// Every success is on record as one. A replica that was killed may have answered and not have recorded it; then what it
    /// made has a line from before, its own or that of the equal call that it joined.
    fn audited(&self, world: &World, endings: &[Ending], found: &mut Vec<String>) {
        let lines = |id: &str| world.replicas.iter().map(|replica| replica.record.about(id)).collect::<Vec<_>>();
        let succeeded = |id: &str| lines(id).iter().any(|lines| lines.successes > 0);
        let is_cut_off = |id: &str| lines(id).iter().any(|lines| lines.successes > 0 || lines.is_torn);
        for ending in endings {
            let joined = |other: &&Ending| other.intent == ending.intent && !std::ptr::eq(*other, ending);
            let equal = || endings.iter().filter(joined).flat_map(|other| &other.tries);
            let has_one_from_before =
                |id: &str| is_cut_off(id) || equal().filter_map(|one| one.id.as_deref()).any(is_cut_off);
            let is_recorded = |id: &str| succeeded(id) || (self.is_deadly && has_one_from_before(id));
            for id in ending.tries.iter().filter(|one| one.outcome.is_ok()).filter_map(|one| one.id.as_deref()) {
                if !is_recorded(id) {
                    found.push(format!("a success has no line in the audit: {:?}", lines(id)));
                }
            }
        }
    }

    fn note(&self, endings: &[Ending], passages: &[Passage]) {
        let mut seen = self.seen.lock().unwrap();
        for harm in passages.iter().filter_map(|passage| passage.harm) {
            *seen.harms.entry(harm).or_default() += 1;
        }
        for ending in endings {
            let what = match &ending.outcome {
                Ok(_) if ending.is_confirmed => "OK confirmed".to_owned(),
                Ok(_) => "OK".to_owned(),
                Err(status) => format!("{:?} {}", status.code(), reason(status)),
            };
            *seen.endings.entry(what).or_default() += 1;
            seen.calls += ending.tries.len();
        }
    }

    fn broke(&self, schedule: &Schedule, place: usize, phase: &Phase<'_>, found: &[String]) {
        let mut story = format!("schedule of seed {}, phase {place}: {}\n", schedule.seed, found.join("; "));
        let _ = writeln!(story, "  again: {}", self.replay(schedule.seed));
        let _ = writeln!(story, "  before: {:?}, after: {:?}", phase.before, phase.after);
        for (at, intent) in phase.intents.iter().enumerate() {
            let _ = writeln!(story, "  intent {at}: {intent:?}");
        }
        for ending in phase.endings {
            let _ = writeln!(story, "  {ending:?}");
        }
        for (at, passage) in phase.passages.iter().enumerate() {
            let _ = writeln!(story, "  wire {at}: {passage:?}");
        }
        let mut seen = self.seen.lock().unwrap();
        seen.broken.push(story);
        for one in found {
            *seen.violations.entry(one.clone()).or_default() += 1;
        }
    }

    /// Panics if a promise was broken; answers what the run has met.
    #[expect(clippy::print_stderr, reason = "the seed of a run is told, also when all is well")]
    pub(super) fn verdict(&self) -> Seen {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let (first, count) = (self.seed, self.count);
        eprintln!("{}: {count} schedules from seed {first}, {} calls, {:?}", self.test, seen.calls, seen.endings);
        eprintln!("{}: {:?}", self.test, seen.harms);
        let shown: Vec<_> = seen.broken.iter().take(SHOWN_MAX).map(String::as_str).collect();
        let (broken, violations) = (seen.broken.len(), &seen.violations);
        assert!(
            shown.is_empty(),
            "{broken} of {count} schedules from seed {first} broke a promise: {violations:#?}\n{}",
            shown.join("\n")
        );
        seen
    }
}

/// What AWS holds for a schedule.
async fn held(world: &World, schedule: &Schedule) -> Vec<Held> {
    if schedule.is_cognito {
        world.direct.cognito(schedule.number, NAME).await.into_iter().collect()
    } else {
        world.direct.web(schedule.number).await
    }
}
