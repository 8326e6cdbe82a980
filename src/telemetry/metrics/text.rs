//! The metrics as text: OpenMetrics for who asks for it, Prometheus's own format for everyone else.

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;

use super::Metrics;

/// A text format of Prometheus's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Version 0.0.4, which every tool reads.
    Prometheus,
    /// Version 1.0.0, which Prometheus servers ask for.
    OpenMetrics,
}

impl Exposition {
    /// By the `accept` header of a request.
    pub fn asked_for(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `content-type` of it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// All of it, as `/metrics` serves it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&self, exposition: Exposition) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        match exposition {
            Exposition::OpenMetrics => Ok(text),
            Exposition::Prometheus => prometheus(&text),
        }
    }
}

/// OpenMetrics names a counter without the suffix of its samples, and has units and an end: the older format has not.
fn prometheus(open_metrics: &str) -> Result<String, std::fmt::Error> {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        // The type follows its help.
        let kind = line.strip_prefix("# TYPE ").or_else(|| lines.peek()?.strip_prefix("# TYPE "));
        let renamed = kind.and_then(|kind| kind.strip_suffix(" counter")).and_then(|name| {
            let (before, after) = line.split_once(&format!(" {name} "))?;
            Some((before, name, after))
        });
        match renamed {
            Some((before, name, after)) => writeln!(text, "{before} {name}_total {after}")?,
            None => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}
