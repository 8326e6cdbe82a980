//! The log on standard error, capped where libraries would print what they carry.

use std::io::IsTerminal as _;

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Libraries that print bodies, headers or frames at finer levels than this. The cap holds whatever `RUST_LOG` says.
const CAPPED: [(&str, Level); 11] = [
    // Its warnings hold STS's whole answers.
    ("aws_config", Level::ERROR),
    ("aws_", Level::INFO),
    ("hyper", Level::INFO),
    ("h2", Level::INFO),
    ("rustls", Level::INFO),
    ("tokio_rustls", Level::INFO),
    ("tonic", Level::INFO),
    ("tower", Level::INFO),
    ("prost", Level::INFO),
    ("axum", Level::INFO),
    ("opentelemetry", Level::INFO),
];

fn is_within_cap(metadata: &Metadata<'_>) -> bool {
    let cap = CAPPED.iter().find(|(target, _)| metadata.target().starts_with(target));
    cap.is_none_or(|(_, level)| metadata.level() <= level)
}

/// Whether a text of `RUST_LOG` can be read; nothing and blanks can.
///
/// # Errors
/// What is wrong with it.
pub fn check_filter(text: &str) -> Result<(), String> {
    filter(Some(text)).map(drop)
}

fn filter(text: Option<&str>) -> Result<EnvFilter, String> {
    let text = text.filter(|text| !text.trim().is_empty()).unwrap_or("info");
    EnvFilter::try_new(text).map_err(|why| format!("cannot be read: {why}"))
}

/// Starts the log for this process; `wanted` is the text of `RUST_LOG`. Records of the `log` crate are not taken:
/// they would come with a target that the caps cannot see.
///
/// # Errors
/// When the filter cannot be read, or there is a log already.
pub fn init(format: LogFormat, wanted: Option<&str>) -> Result<(), String> {
    let filter = filter(wanted).map_err(|why| format!("RUST_LOG: {why}"))?.and(filter_fn(is_within_cap));
    let is_json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if is_json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    Registry::default().with(lines.with_filter(filter)).try_init().map_err(|why| why.to_string())?;
    std::panic::set_hook(Box::new(|panic| {
        // The payload may quote the text that a slice failed on: only the place is logged.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: a defect of the proxy; the call it happened in fails");
    }));
    Ok(())
}
