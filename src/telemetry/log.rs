//! The log on standard error, capped where libraries would print what they carry.

use std::{fmt, io::IsTerminal as _};

use serde::ser::{SerializeMap as _, Serializer as _};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_serde::SerdeMapVisitor;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::{FilterExt as _, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
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

/// Of a call that succeeded, with room.
const LINE_BYTES: usize = 1024;
/// Of `2026-11-26T10:50:13.000000Z`, with room.
const TIME_BYTES: usize = 32;

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

/// One JSON object a line, its keys those of `tracing-subscriber`'s own format, which goes through the text once more for each
/// of its tokens: at a line for each call that is several per cent of the call.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::with_capacity(TIME_BYTES);
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let line = line(&time, event).map_err(|_| fmt::Error)?;
        writer.write_str(str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

fn line(time: &str, event: &Event<'_>) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(LINE_BYTES);
    let mut json = serde_json::Serializer::new(&mut line);
    let mut object = json.serialize_map(None)?;
    object.serialize_entry("timestamp", time)?;
    object.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = SerdeMapVisitor::new(object);
    event.record(&mut fields);
    let mut object = fields.take_serializer()?;
    object.serialize_entry("target", event.metadata().target())?;
    object.end()?;
    line.push(b'\n');
    Ok(line)
}

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
        lines.event_format(JsonLine).boxed()
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
