//! The figures as text: medians, ratios of one run with their spread, and the goals.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use crate::{contender::Contender, process::Scratch, side_by_side::Cell, work::Work};

/// The median of some rounds, the smallest and the greatest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self { median: rounds[rounds.len() / 2], least: rounds[0], most: rounds[rounds.len() - 1] }
    }

    /// The ratio of two costs, taken round by round.
    fn of_ratios(above: &[f64], below: &[f64]) -> Self {
        Self::of(above.iter().zip(below).map(|(above, below)| above / below).collect())
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}-{:.2})", self.median, self.least, self.most)
    }
}

/// What a process is, at rest and after its work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) ready: Duration,
    pub(crate) idle_bytes: u64,
    pub(crate) loaded_bytes: u64,
    pub(crate) binary_bytes: Option<u64>,
}

/// Everything that was measured.
pub(crate) struct Figures {
    pub(crate) costs: BTreeMap<Cell, Spread>,
    pub(crate) rates: BTreeMap<Cell, Spread>,
    /// Costs by round, for ratios within one round.
    pub(crate) raw: BTreeMap<Cell, Vec<f64>>,
    pub(crate) p50: BTreeMap<Contender, Spread>,
    pub(crate) p99: BTreeMap<Contender, Spread>,
    pub(crate) sizes: BTreeMap<Contender, Size>,
}

const CREATE_64: (Work, usize) = (Work::Create, 64);

impl Figures {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.creates(&mut text).unwrap();
        self.works(&mut text).unwrap();
        self.rest(&mut text).unwrap();
        self.goals(&mut text).unwrap();
        text
    }

    fn ratio(&self, above: Cell, below: Cell) -> Spread {
        Spread::of_ratios(&self.raw[&above], &self.raw[&below])
    }

    fn creates(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nCognito create (OIDC, 9 keys), CPU time of the contender's process, median of the rounds\n")?;
        writeln!(text, "| contender | CPU, 1 at once | CPU, 64 at once | calls/s on one core | CPU / naive (64) |")?;
        writeln!(text, "|---|---|---|---|---|")?;
        for is_tls in [false, true] {
            for contender in Contender::ALL {
                let at = |at_once| (contender, is_tls, Work::Create, at_once);
                let (Some(one), Some(many)) = (self.costs.get(&at(1)), self.costs.get(&at(64))) else { continue };
                let ratio = self.ratio(at(64), (Contender::Naive, is_tls, Work::Create, 64));
                writeln!(
                    text,
                    "| {}{} | {:.0} us | {:.0} us | {:.0} | {ratio} |",
                    contender.name(),
                    if is_tls { ", TLS to AWS" } else { "" },
                    one.median,
                    many.median,
                    self.rates[&at(64)].median,
                )?;
                if contender == Contender::Echo {
                    self.floor_row(text)?;
                }
            }
        }
        Ok(())
    }

    /// Bare tonic and the bare SDK, round by round: the two halves of a proxy, each measured alone.
    fn floor(&self, at_once: usize) -> Vec<f64> {
        let of = |contender| &self.raw[&(contender, false, Work::Create, at_once)];
        of(Contender::Direct).iter().zip(of(Contender::Echo)).map(|(sdk, echo)| sdk + echo).collect()
    }

    fn floor_row(&self, text: &mut String) -> std::fmt::Result {
        let ratio = Spread::of_ratios(&self.floor(64), &self.raw[&(Contender::Naive, false, Work::Create, 64)]);
        let [one, many] = [1, 64].map(|at_once| Spread::of(self.floor(at_once)).median);
        writeln!(text, "| floor: the two together | {one:.0} us | {many:.0} us | - | {ratio} |")
    }

    fn works(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nCPU time of a call, 64 at once\n")?;
        write!(text, "| |")?;
        for contender in Contender::ALL {
            write!(text, " {} |", contender.name())?;
        }
        writeln!(text, "\n|---|{}", "---|".repeat(Contender::ALL.len()))?;
        for work in Work::ALL {
            write!(text, "| {} |", work.name())?;
            for contender in Contender::ALL {
                match self.costs.get(&(contender, false, work, 64)) {
                    Some(cost) => write!(text, " {:.0} us |", cost.median)?,
                    None => write!(text, " - |")?,
                }
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn rest(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\nTime of a call at 500 calls/s (open loop, from the moment at which it was due), memory, start, size\n"
        )?;
        writeln!(text, "| contender | p50 | p99 | memory idle | loaded | start to ready | binary |")?;
        writeln!(text, "|---|---|---|---|---|---|---|")?;
        for (contender, size) in &self.sizes {
            let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
            writeln!(
                text,
                "| {} | {:.2} ms | {:.2} ms | {} | {} | {} ms | {} |",
                contender.name(),
                self.p50[contender].median,
                self.p99[contender].median,
                mib(size.idle_bytes),
                mib(size.loaded_bytes),
                size.ready.as_millis(),
                size.binary_bytes.map_or_else(|| "-".to_owned(), mib),
            )?;
        }
        Ok(())
    }

    fn goals(&self, text: &mut String) -> std::fmt::Result {
        use Contender::{Echo, Envoy, Naive, Node, Ours, Python};
        let cell = |contender, (work, at_once)| (contender, false, work, at_once);
        let one = (Work::Create, 1);
        let ours = self.sizes[&Ours];
        let exact = |value: f64| Spread { median: value, least: value, most: value };
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let mib = |bytes: u64| exact(bytes as f64 / f64::from(1 << 20));
        let goals = [
            (
                "CPU of a create / naive, 64 at once",
                self.ratio(cell(Ours, CREATE_64), cell(Naive, CREATE_64)),
                "<=",
                0.9,
            ),
            ("Envoy / idp-proxy, 64 at once", self.ratio(cell(Envoy, CREATE_64), cell(Ours, CREATE_64)), ">=", 1.2),
            ("Envoy / idp-proxy, 1 at once", self.ratio(cell(Envoy, one), cell(Ours, one)), ">=", 1.4),
            ("Node / idp-proxy, 64 at once", self.ratio(cell(Node, CREATE_64), cell(Ours, CREATE_64)), ">=", 5.0),
            ("Python / idp-proxy, 64 at once", self.ratio(cell(Python, CREATE_64), cell(Ours, CREATE_64)), ">=", 11.0),
            (
                "refused as invalid / echo",
                self.ratio(cell(Ours, (Work::Invalid, 64)), cell(Echo, CREATE_64)),
                "<=",
                1.5,
            ),
            ("refused by policy / echo", self.ratio(cell(Ours, (Work::Denied, 64)), cell(Echo, CREATE_64)), "<=", 1.5),
            (
                "p99 over the SDK's at 500 calls/s, ms",
                exact(self.p99[&Ours].median - self.p99[&Contender::Direct].median),
                "<=",
                1.0,
            ),
            ("start to ready, ms", exact(ours.ready.as_secs_f64() * 1e3), "<=", 50.0),
            ("memory idle, MiB", mib(ours.idle_bytes), "<=", 20.0),
            ("memory after 10,000 calls and more, MiB", mib(ours.loaded_bytes), "<=", 40.0),
        ];
        writeln!(text, "\n| goal | | measured | |\n|---|---|---|---|")?;
        for (name, found, relation, bound) in goals {
            let is_met = if relation == "<=" { found.median <= bound } else { found.median >= bound };
            let met = if is_met { "met" } else { "not met" };
            let found = if found.least < found.most { found.to_string() } else { format!("{:.2}", found.median) };
            writeln!(text, "| {name} | {relation} {bound} | {found} | {met} |")?;
        }
        let with_lto = self.ratio(cell(Ours, CREATE_64), cell(Contender::NaiveReleased, CREATE_64));
        let floor = Spread::of_ratios(&self.raw[&cell(Ours, CREATE_64)], &self.floor(64));
        writeln!(text, "\nA create of ours, 64 at once: {with_lto} of naive with LTO, {floor} of the floor.")
    }
}

/// Bytes of a program without what only debuggers read.
pub(crate) fn stripped(binary: &Path, scratch: &Scratch) -> u64 {
    let copy = scratch.file("stripped");
    let status = std::process::Command::new("strip").arg("-o").arg(&copy).arg(binary).status();
    let copied = status.is_ok_and(|status| status.success());
    std::fs::metadata(if copied { copy.as_path() } else { binary }).unwrap().len()
}
