//! Arguments → configuration → run; exit codes.

use std::{collections::BTreeMap, io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use idp_proxy::{
    config::{Config, Flags, Mistake},
    domain::Fingerprinter,
    fake_aws::{FakeAws, FakeAwsError, Quota, SANDBOX_PORTAL, SANDBOX_USER_POOL, Settings},
    identity::{Anonymous, Identity},
    operation::Aws,
    pipeline::Pipeline,
    policy::Policy,
    server::{Listen, Server},
    telemetry,
    upstream::Upstream,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Bad configuration or arguments (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// gRPC proxy for the identity providers of Amazon Cognito user pools and Amazon `WorkSpaces` Web.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy.
    Serve(Serve),
    /// Check the configuration, report every mistake, touch no network; exit 0 or 64.
    Check(Check),
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
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match cli.command {
        Command::Serve(arguments) => {
            let flags = Flags {
                file: arguments.config,
                listen: arguments.listen,
                admin_listen: arguments.admin_listen,
                is_sandbox: arguments.sandbox,
            };
            match Config::load(&flags, &environment) {
                Ok(config) => run(&config.clone(), serve(config)),
                Err(mistakes) => usage(&mistakes),
            }
        }
        Command::Check(arguments) => {
            let flags = Flags { file: arguments.config, ..Flags::default() };
            match Config::load(&flags, &environment) {
                Ok(_) => {
                    say("the configuration is good");
                    ExitCode::SUCCESS
                }
                Err(mistakes) => usage(&mistakes),
            }
        }
        Command::FakeAws(arguments) => fake_aws(&arguments, &environment),
    }
}

/// Runs to the end on a runtime of its own: 0 after a clean end, 1 otherwise.
fn run(config: &Config, work: impl Future<Output = Result<bool, AnyError>>) -> ExitCode {
    if let Err(why) = telemetry::init(config.log_format, config.log_filter.as_deref()) {
        complain(&why);
        return ExitCode::from(EXIT_USAGE);
    }
    block_on(work)
}

fn block_on(work: impl Future<Output = Result<bool, AnyError>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(AnyError::from)
        .and_then(|runtime| runtime.block_on(work));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            complain("calls were still in flight when the drain time was over");
            ExitCode::FAILURE
        }
        Err(why) => {
            complain(&why.to_string());
            let malformed = why.downcast_ref::<FakeAwsError>().filter(|why| !matches!(why, FakeAwsError::Bind { .. }));
            if malformed.is_some() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

async fn serve(config: Config) -> Result<bool, AnyError> {
    let stop = stop_on_signal()?;
    let upstream = if config.is_sandbox {
        let fake = FakeAws::bind(SocketAddr::from(([127, 0, 0, 1], 0)), &Settings::sandbox()).await?;
        let endpoint = format!("http://{}", fake.local_addr());
        // It ends with the process: calls in flight need it until then.
        tokio::spawn(fake.serve(std::future::pending()));
        Upstream::of_sandbox(&endpoint, config.aws)
    } else {
        Upstream::from_environment(config.aws).await
    };
    let policy = match config.anonymous {
        Anonymous::Allow => Policy::EverythingForTestPurposesOnly,
        Anonymous::Refuse => Policy::Nothing,
    };
    let server = Server::bind(config.server.clone()).await?;
    tracing::info!(listen = server.address(), admin_listen = server.admin_address(), "listening");
    if config.anonymous == Anonymous::Allow {
        tracing::warn!("anonymous callers may do everything: for test purposes only");
    }
    if config.is_sandbox {
        say(&invitation(&server.address(), &config.server.listen));
    }
    let aws = Aws { upstream, fingerprinter: Fingerprinter::of_this_process()? };
    let tasks = TaskTracker::new();
    let pipeline = Pipeline::new(config.rules, policy, aws, config.server.deadline_max, tasks.clone());
    server.serve(pipeline, Identity::new(config.anonymous), tasks, stop).await
}

fn fake_aws(arguments: &Fake, environment: &BTreeMap<String, String>) -> ExitCode {
    let settings =
        Settings { user_pools: arguments.user_pool.clone(), portals: arguments.portal.clone(), quota: arguments.quota };
    let filter = environment.get("RUST_LOG").map(String::as_str);
    if let Err(why) = telemetry::init(telemetry::LogFormat::Auto, filter) {
        complain(&why);
        return ExitCode::from(EXIT_USAGE);
    }
    block_on(async {
        let stop = stop_on_signal()?;
        let fake = FakeAws::bind(arguments.listen, &settings).await?;
        tracing::info!(listen = %fake.local_addr(), "listening");
        fake.serve(stop.cancelled_owned()).await?;
        Ok(true)
    })
}

/// Cancelled by SIGTERM (an orchestrator's) and SIGINT (a person's).
fn stop_on_signal() -> Result<CancellationToken, AnyError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}

/// What a newcomer can paste into a second terminal.
fn invitation(address: &str, listen: &Listen) -> String {
    let target = match listen {
        Listen::Tcp(_) => address.to_owned(),
        Listen::Unix(path) => format!("-unix {}", path.display()),
    };
    format!(
        "Sandbox: user pool {SANDBOX_USER_POOL}, portal {SANDBOX_PORTAL}. Paste into another terminal:\n\n\
         grpcurl -plaintext -d '{{\"UserPoolId\":\"{SANDBOX_USER_POOL}\",\"ProviderName\":\"MyOidc\",\"ProviderType\":\"OIDC\",\
         \"ProviderDetails\":{{\"client_id\":\"my-client\",\"client_secret\":\"my-secret\",\"authorize_scopes\":\"openid email\",\
         \"oidc_issuer\":\"https://idp.example\",\"attributes_request_method\":\"GET\"}}}}' \
         {target} idpproxy.cognito.v1.IdentityProviderService/CreateIdentityProvider\n"
    )
}

fn usage(mistakes: &[Mistake]) -> ExitCode {
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
