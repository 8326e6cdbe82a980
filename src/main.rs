//! Arguments → configuration → run; exit codes.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{Read as _, Write as _},
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use idp_proxy::{
    config::{Config, DEFAULTS, Flags},
    fake_aws::{FakeAwsError, Quota, Settings},
    policy::{Expectation, explain},
    proto,
    start::{self, AnyError, Misconfigured, Parts, Summary},
    telemetry::{self, LogFormat},
};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::{Builder, Runtime};

/// A call allocates a thousand times, and calls at once mix what they free: the lists of glibc's allocator grow long then.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Bad configuration or arguments (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// How the script gets to where the shell reads it.
const COMPLETIONS: &str = "\
Examples:
  idp-proxy completions bash > ~/.local/share/bash-completion/completions/idp-proxy
  idp-proxy completions zsh > ~/.zfunc/_idp-proxy          with fpath+=~/.zfunc in ~/.zshrc
  idp-proxy completions fish > ~/.config/fish/completions/idp-proxy.fish";

/// Below the list of commands.
const EXAMPLES: &str = "\
Examples:
  idp-proxy serve --sandbox                   try it: everything fake, nothing needed
  idp-proxy config > idp-proxy.toml           begin a configuration
  idp-proxy check --config idp-proxy.toml     is it good, and what does it mean?
  idp-proxy serve --config idp-proxy.toml     run it

Every key of the file can also be set in the environment, as IDP_PROXY__SECTION__KEY.
Exit codes: 0 after a clean end, 64 for a wrong configuration or wrong arguments, 1 otherwise.";

/// gRPC proxy for the identity providers of Amazon Cognito user pools and Amazon WorkSpaces Web.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy.
    Serve(Serve),
    /// Check configuration, certificates and policies; say every mistake, or what the configuration means.
    ///
    /// Touches no network. Exit code 0 or 64.
    Check(Check),
    /// Print every key of the configuration with its default and what it means.
    Config,
    /// Print a script that completes commands and flags, for a shell to read.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Write the services' descriptors (`google.protobuf.FileDescriptorSet`, error details included) to standard output.
    DescriptorSet,
    /// Run only the fake AWS: both wire protocols on one loopback port, for any AWS client.
    FakeAws(Fake),
}

#[derive(Debug, Args)]
struct Serve {
    /// TOML file; `config.default.toml` in the sources documents every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Need nothing: embedded fake AWS, anonymous callers may do everything, loopback only.
    #[arg(long)]
    sandbox: bool,
    /// Where calls come in: `ADDRESS:PORT` (port 0: a free one) or `unix:/path` [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where /metrics, /livez and /readyz are, or `off` [default: 127.0.0.1:9090].
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
}

#[derive(Debug, Args)]
struct Check {
    /// TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Decide a made-up call and say which policies decide it.
    Explain(Explain),
}

#[derive(Debug, Args)]
struct Explain {
    /// JSON with `caller` (`id`, `kind`, `groups`, `trust_domain`), `action`, `resource` (a pool's id or a portal's ARN)
    /// and `context` (the fields of the schema; all may be left out); `-` for standard input.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Directory with *.cedar files [default: `policy.directory` of the configuration].
    #[arg(long, value_name = "DIRECTORY")]
    policies: Option<PathBuf>,
    /// TOML file to read `policy.directory` from.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Exit with 1 if the decision is another one: for tests of policies.
    #[arg(long, value_name = "DECISION")]
    expect: Option<Expected>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Expected {
    Allow,
    Deny,
}

#[derive(Debug, Args)]
struct Fake {
    /// Where AWS clients call, plain HTTP.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4567")]
    listen: SocketAddr,
    /// A user pool that exists; may be repeated [default: us-east-1_Sandbox01].
    #[arg(long, value_name = "ID")]
    user_pool: Vec<String>,
    /// A portal that exists; may be repeated [default: the sandbox's].
    #[arg(long, value_name = "ARN")]
    portal: Vec<String>,
    /// Whether AWS's quotas hold: `off` or `real`.
    #[arg(long, default_value_t = Quota::Off)]
    quota: Quota,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => {
            // Help and version are answers, not errors; a closed pipe is nobody's mistake.
            drop(why.print());
            return if why.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let environment = match environment() {
        Ok(environment) => environment,
        Err(mistakes) => return usage(&mistakes),
    };
    match cli.command {
        Command::Serve(arguments) => serve(arguments, &environment),
        Command::Check(arguments) => check(arguments, &environment),
        Command::Config => {
            say(DEFAULTS.trim_end());
            ExitCode::SUCCESS
        }
        Command::Completions { shell } => completions(shell),
        Command::Policy(PolicyCommand::Explain(arguments)) => explain_policy(&arguments, &environment),
        Command::DescriptorSet => descriptor_set(),
        Command::FakeAws(arguments) => fake_aws(arguments, &environment),
    }
}

type Environment = BTreeMap<String, String>;

/// The environment's texts. Other programs' variables may be anything; ours must be legible.
fn environment() -> Result<Environment, Vec<String>> {
    let (mut environment, mut mistakes) = (Environment::new(), Vec::new());
    for (name, value) in std::env::vars_os() {
        match (name.to_str(), value.to_str()) {
            (Some(name), Some(value)) => drop(environment.insert(name.to_owned(), value.to_owned())),
            _ if name.to_string_lossy().starts_with("IDP_PROXY__") => {
                mistakes.push(format!("{}: is not UTF-8", name.to_string_lossy()));
            }
            _ => {}
        }
    }
    if mistakes.is_empty() { Ok(environment) } else { Err(mistakes) }
}

fn serve(arguments: Serve, environment: &Environment) -> ExitCode {
    let Serve { config, sandbox, listen, admin_listen } = arguments;
    let flags = Flags { file: config, listen, admin_listen, is_sandbox: sandbox };
    let config = match Config::load(&flags, environment) {
        Ok(config) => config,
        Err(mistakes) => return usage(&mistakes),
    };
    if let Err(why) = telemetry::init(config.log_format, config.log_filter.as_deref()) {
        return usage(&[why]);
    }
    match Parts::load(&config) {
        Ok(parts) => run(start::serve(config, parts)),
        Err(mistakes) => usage(&mistakes),
    }
}

fn check(arguments: Check, environment: &Environment) -> ExitCode {
    let flags = Flags { file: arguments.config, ..Flags::default() };
    let checked = Config::load(&flags, environment).map_err(|mistakes| texts(&mistakes));
    match checked.and_then(|config| Ok(Summary::of(&config, &Parts::load(&config)?))) {
        Ok(summary) => {
            say(&format!("the configuration, its certificates and its policies are good\n\n{summary}"));
            ExitCode::SUCCESS
        }
        Err(mistakes) => usage(&mistakes),
    }
}

fn completions(shell: Shell) -> ExitCode {
    // Into memory first: a pipe that nobody reads to its end is no reason to panic.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "idp-proxy", &mut script);
    // clap_complete 4.6 writes the hyphen of our name in two ways, so that bash would find no subcommand.
    let script = String::from_utf8_lossy(&script).replace("idp__subcmd__proxy", "idp__proxy");
    drop(std::io::stdout().write_all(script.as_bytes()));
    ExitCode::SUCCESS
}

fn explain_policy(arguments: &Explain, environment: &Environment) -> ExitCode {
    let flags = Flags { file: arguments.config.clone(), ..Flags::default() };
    let directory = arguments.policies.clone().map_or_else(|| Config::policies_only(&flags, environment), Ok);
    let directory = match directory {
        Ok(directory) => directory,
        Err(mistakes) => return usage(&mistakes),
    };
    let explained = match read(&arguments.request) {
        Ok(request) => explain(&directory, &request),
        Err(why) => return usage(&[format!("{}: {why}", arguments.request.display())]),
    };
    match explained {
        Ok(explanation) => {
            say(&serde_json::to_string_pretty(&explanation).unwrap_or_default());
            let is_expected = match arguments.expect {
                None => true,
                Some(Expected::Allow) => explanation.decision == Expectation::Allow,
                Some(Expected::Deny) => explanation.decision == Expectation::Deny,
            };
            if is_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(mistakes) => usage(&mistakes),
    }
}

/// Half a set is none: here a closed pipe or a full disk is an error.
fn descriptor_set() -> ExitCode {
    let written = proto::descriptor_set_for_gateways().map_err(AnyError::from).and_then(|set| {
        let mut stdout = std::io::stdout();
        stdout.write_all(&set)?;
        Ok(stdout.flush()?)
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why.to_string());
            ExitCode::FAILURE
        }
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        return std::io::stdin().read_to_string(&mut text).map(|_| text);
    }
    std::fs::read_to_string(file)
}

fn fake_aws(arguments: Fake, environment: &Environment) -> ExitCode {
    let Fake { listen, user_pool, portal, quota } = arguments;
    let settings = Settings { user_pools: user_pool, portals: portal, quota };
    let filter = environment.get("RUST_LOG").map(String::as_str);
    if let Err(why) = telemetry::init(LogFormat::Auto, filter) {
        return usage(&[why]);
    }
    run(start::fake_aws(listen, settings))
}

/// On one core one thread does everything: handing work from thread to thread would gain nothing and cost a third of a call.
/// On more, calls go to whichever thread is free, since a mesh's sidecar has one connection for all of its calls.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = match cores {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

/// Runs to the end on a runtime of its own: 0 after a clean end, 1 otherwise.
fn run(work: impl Future<Output = Result<bool, AnyError>>) -> ExitCode {
    match runtime().map_err(AnyError::from).and_then(|runtime| runtime.block_on(work)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            complain("not every call could end within the drain time, or not all are on record; the log says more");
            ExitCode::FAILURE
        }
        Err(why) => {
            complain(&why.to_string());
            let fake = why.downcast_ref::<FakeAwsError>().is_some_and(|why| !matches!(why, FakeAwsError::Bind { .. }));
            if fake || why.is::<Misconfigured>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn texts(mistakes: &[impl Display]) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}

fn usage(mistakes: &[impl Display]) -> ExitCode {
    for mistake in mistakes {
        complain(&mistake.to_string());
    }
    ExitCode::from(EXIT_USAGE)
}

/// To standard output. That nobody reads it is no reason to stop.
fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// To standard error.
fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "idp-proxy: {text}"));
}
