//! What is compared: how each is started, and what it can do.

use std::{
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    load::Caller,
    others,
    process::{Aws, Process, Ready, Scratch, this_program},
    released::released,
    work::{self, Work},
};

/// The core of the contender; the caller and the fake AWS have the other one.
const CORE: usize = 0;
/// Policies that ours decides by.
const POLICIES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Contender {
    Direct,
    Echo,
    Naive,
    NaiveReleased,
    Ours,
    Envoy,
    Node,
    Python,
}

impl Contender {
    pub(crate) const ALL: [Self; 8] =
        [Self::Direct, Self::Echo, Self::Naive, Self::NaiveReleased, Self::Ours, Self::Envoy, Self::Node, Self::Python];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "aws-sdk-rust, no gRPC",
            Self::Echo => "bare tonic echo, no AWS",
            Self::Naive => "naive: tonic + aws-sdk-rust",
            Self::NaiveReleased => "naive, with LTO like idp-proxy",
            Self::Ours => "idp-proxy",
            Self::Envoy => "Envoy 1.40",
            Self::Node => "Node: grpc-js + AWS SDK v3",
            Self::Python => "Python: grpcio + boto3",
        }
    }

    /// Whether it has an answer to such a call: what is wrong or forbidden only ours knows.
    pub(crate) fn does(self, work: Work) -> bool {
        !matches!(work, Work::Invalid | Work::Denied) || self == Self::Ours
    }

    /// Calls of one measurement, so that each takes about as long.
    pub(crate) fn calls(self, at_once: usize) -> usize {
        let calls = match self {
            Self::Python => 300,
            Self::Node => 600,
            _ => 2000,
        };
        if at_once == 1 { calls / 2 } else { calls }
    }

    /// The program's file, where it is one.
    pub(crate) fn binary(self) -> Option<PathBuf> {
        match self {
            Self::Ours => Some(released().proxy.clone()),
            Self::Envoy => Some(others::envoy_binary()),
            _ => None,
        }
    }

    pub(crate) fn start(self, scratch: &Scratch, aws: &Aws, is_tls: bool) -> Running {
        let name = format!("{self:?}{}", if is_tls { "-tls" } else { "" });
        let (mut command, ready) = match self {
            Self::Direct => (this_program(&["direct"]), Ready::Line),
            Self::Echo => (this_program(&["echo"]), Ready::Line),
            Self::Naive => (this_program(&["naive"]), Ready::Line),
            Self::NaiveReleased => {
                let mut naive = Command::new(&released().speed);
                naive.arg("naive");
                (naive, Ready::Line)
            }
            Self::Ours => (ours(&released().proxy, scratch, &name, aws), Ready::Log),
            Self::Envoy => others::envoy(scratch, aws),
            Self::Node => (others::node(), Ready::Line),
            Self::Python => (others::python(scratch), Ready::Line),
        };
        command.envs(aws.environment(is_tls));
        let process = Process::start(CORE, &command, &scratch.file(&format!("{name}.log")), ready);
        Running { contender: self, process }
    }
}

/// Everything on: mesh identity, policies, quota, audit to a file, metrics, every span to a collector, the log.
fn ours(binary: &Path, scratch: &Scratch, name: &str, aws: &Aws) -> Command {
    scratch.with("policies/teams.cedar", work::policies(POLICIES));
    let mut command = Command::new(binary);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    command.arg("serve").envs([
        ("IDP_PROXY__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("IDP_PROXY__SERVER__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("IDP_PROXY__IDENTITY__MESH__HEADER", "x-forwarded-client-cert".to_owned()),
        ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", "[\"127.0.0.1/32\"]".to_owned()),
        ("IDP_PROXY__POLICY__DIRECTORY", path(&scratch.file("policies"))),
        ("IDP_PROXY__AUDIT__SINK", path(&scratch.file(&format!("{name}-audit.jsonl")))),
        ("IDP_PROXY__TELEMETRY__OTLP_ENDPOINT", aws.collector()),
    ]);
    // Buckets that never empty: AWS's own would end the measurement.
    for key in ["COGNITO_WRITE", "COGNITO_READ", "COGNITO_PER_POOL", "WORKSPACESWEB"] {
        command.env(format!("IDP_PROXY__QUOTA__{key}"), "100000");
    }
    command
}

/// A contender at work.
pub(crate) struct Running {
    pub(crate) contender: Contender,
    pub(crate) process: Process,
}

impl Running {
    /// Another build of the proxy.
    pub(crate) fn build(binary: &Path, number: usize, scratch: &Scratch, aws: &Aws, is_tls: bool) -> Self {
        let name = format!("build-{number}");
        let mut command = ours(binary, scratch, &name, aws);
        command.envs(aws.environment(is_tls));
        let process = Process::start(CORE, &command, &scratch.file(&format!("{name}.log")), Ready::Log);
        Self { contender: Contender::Ours, process }
    }

    /// So many calls, so many of them at once.
    pub(crate) async fn run(&mut self, work: Work, calls: usize, at_once: usize) {
        if self.contender == Contender::Direct {
            self.order(work, calls, at_once, 0);
        } else {
            self.caller(work).await.run(calls, at_once).await;
        }
    }

    /// The time of each of so many calls at a fixed rate, in order.
    pub(crate) async fn at_rate(&mut self, work: Work, calls: u32, every: Duration) -> Vec<Duration> {
        if self.contender == Contender::Direct {
            let every = usize::try_from(every.as_micros()).unwrap();
            let line = self.order(work, calls as usize, 1, every);
            let mut times: Vec<_> = line.split(' ').map(|time| Duration::from_nanos(time.parse().unwrap())).collect();
            times.sort_unstable();
            times
        } else {
            self.caller(work).await.at_rate(calls, every).await
        }
    }

    async fn caller(&self, work: Work) -> Caller {
        Caller::connect(&self.process.ready, work, self.contender == Contender::Ours).await
    }

    fn order(&mut self, work: Work, calls: usize, at_once: usize, every: usize) -> String {
        let number = Work::ALL.into_iter().position(|other| other == work).unwrap();
        writeln!(self.process.input, "{number} {calls} {at_once} {every}").unwrap();
        let mut line = String::new();
        self.process.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program that calls the SDK has ended");
        line.trim().to_owned()
    }
}
