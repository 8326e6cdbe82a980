//! Processes of the set-up: started, ready, what they cost, ended.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// How a process says that it is ready.
#[derive(Clone, Copy)]
pub(crate) enum Ready {
    /// By its first line.
    Line,
    /// By the field `listen` of a line of its log.
    Log,
    /// By taking connections.
    Port(u16),
}

/// A running process, ended when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) input: ChildStdin,
    pub(crate) output: BufReader<ChildStdout>,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
    /// What it said then: mostly its address.
    pub(crate) ready: String,
}

impl Process {
    /// Starts it on one core, and waits until it is ready.
    pub(crate) fn start(core: usize, command: &Command, log: &Path, ready: Ready) -> Self {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => drop(pinned.env(name, value)),
                None => drop(pinned.env_remove(name)),
            }
        }
        let file = std::fs::File::create(log).unwrap();
        let begun = Instant::now();
        let mut child =
            pinned.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).spawn().expect("taskset starts");
        let (input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut try_it = || match ready {
            Ready::Line => {
                let mut line = String::new();
                output.read_line(&mut line).unwrap();
                assert!(!line.is_empty(), "{command:?} ended before it was ready; see {}", log.display());
                Some(line.trim().to_owned())
            }
            Ready::Log => {
                let log = std::fs::read_to_string(log).unwrap();
                let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
                lines.into_iter().find_map(|line| line.get("listen")?.as_str().map(str::to_owned))
            }
            Ready::Port(port) => {
                let address = format!("127.0.0.1:{port}");
                std::net::TcpStream::connect(&address).ok().map(|_| address)
            }
        };
        let ready = loop {
            if let Some(ready) = try_it() {
                break ready;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended:\n{}", std::fs::read_to_string(log).unwrap());
            assert!(begun.elapsed() < Duration::from_mins(2), "{command:?} is not ready; see {}", log.display());
            std::thread::sleep(Duration::from_micros(500));
        };
        Self { child, input, output, ready_after: begun.elapsed(), ready }
    }

    /// Ends it as operators do, so that it does what it does at its end.
    pub(crate) fn end(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "it ended with {ended}");
    }

    /// User and system time of all of its threads.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(&format!("/proc/{}", self.child.id()))
    }

    /// Bytes of memory that are its own or shared and in use.
    pub(crate) fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The kernel's count of nanoseconds on a core: the first field of each thread's `schedstat`.
fn cpu_of(process: &str) -> Duration {
    let threads = std::fs::read_dir(format!("{process}/task")).unwrap();
    let time = |thread: std::fs::DirEntry| -> u64 {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        stat.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
    };
    Duration::from_nanos(threads.map(|thread| time(thread.unwrap())).sum())
}

/// CPU time of this process, exact at the moment of the call.
pub(crate) fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// A directory that is removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("idp-proxy-speed-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with this text.
    pub(crate) fn with(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// This program again, in another part.
pub(crate) fn this_program(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments);
    command
}

/// The fake AWS, the environment that leads the AWS SDKs of all languages to it, and a collector of spans.
pub(crate) struct Aws {
    _http: Process,
    _https: Process,
    collector: Process,
    pub(crate) endpoint: String,
    pub(crate) endpoint_tls: String,
    pub(crate) authority: PathBuf,
}

impl Aws {
    pub(crate) fn start(scratch: &Scratch, core: usize) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = scratch.with("aws.pem", certified.cert.pem());
        let key = scratch.with("aws.key", certified.signing_key.serialize_pem());
        let http = this_program(&["canned", "http"]);
        let http = Process::start(core, &http, &scratch.file("aws.log"), Ready::Line);
        let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
        let https = this_program(&["canned", "https", files[0], files[1]]);
        let https = Process::start(core, &https, &scratch.file("aws-tls.log"), Ready::Line);
        let collector = this_program(&["collector"]);
        let collector = Process::start(core, &collector, &scratch.file("collector.log"), Ready::Line);
        let port = https.ready.rsplit(':').next().unwrap();
        Self {
            endpoint: format!("http://{}", http.ready),
            endpoint_tls: format!("https://localhost:{port}"),
            authority: certificate,
            _http: http,
            _https: https,
            collector,
        }
    }

    /// Where spans can be sent.
    pub(crate) fn collector(&self) -> String {
        format!("http://{}", self.collector.ready)
    }

    pub(crate) fn environment(&self, is_tls: bool) -> [(&'static str, String); 6] {
        let endpoint = if is_tls { &self.endpoint_tls } else { &self.endpoint };
        [
            ("AWS_ENDPOINT_URL", endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDBENCH".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
            ("SSL_CERT_FILE", self.authority.to_str().unwrap().to_owned()),
        ]
    }
}
