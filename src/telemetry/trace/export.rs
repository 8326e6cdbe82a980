//! Spans to a collector: OTLP over gRPC, in batches, from a thread of its own. A full queue drops spans, never calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{InstrumentationScope, KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter},
};
use tonic::transport::{ClientTlsConfig, Endpoint};

use super::Metrics;

/// The conventions that names of spans and attributes follow.
const CONVENTIONS: &str = "https://opentelemetry.io/schemas/1.45.0";
/// For a connection to the collector to come about.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// For the collector to take one batch; OpenTelemetry's default.
const EXPORT_MAX: Duration = Duration::from_secs(10);
/// For what is left when the process ends.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpTarget {
    /// `https://host:port`, or `http://` where that was asked for.
    pub endpoint: String,
    /// `OTEL_SERVICE_NAME`: under which name the spans are filed, if not under the program's.
    pub service_name: Option<String>,
}

/// Sampling and the queue are as the standard variables say: `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`; without them, all that
/// callers have not decided otherwise, and 2048 spans.
pub(super) fn provider(target: &OtlpTarget, metrics: Arc<Metrics>) -> Result<SdkTracerProvider, String> {
    let channel = Endpoint::from_shared(target.endpoint.clone()).map_err(|why| why.to_string())?;
    let channel = if target.endpoint.starts_with("https:") {
        channel.tls_config(ClientTlsConfig::new().with_enabled_roots()).map_err(|why| why.to_string())?
    } else {
        channel
    };
    let channel = channel.connect_timeout(CONNECT_MAX).timeout(EXPORT_MAX).connect_lazy();
    let exporter = OtlpExporter::builder().with_tonic().with_channel(channel).with_timeout(EXPORT_MAX).build();
    let exporter = exporter.map_err(|why| why.to_string())?;
    let of_the_process = [
        KeyValue::new("service.name", env!("CARGO_PKG_NAME")),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(of_the_process)
        .with_detector(Box::new(TelemetryResourceDetector))
        // What operators say counts more, and among it the variable of its own.
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(target.service_name.clone().map(|name| KeyValue::new("service.name", name)));
    let exporter = Told { inner: exporter, metrics, is_failing: AtomicBool::new(false) };
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}

pub(super) fn tracer(provider: &SdkTracerProvider) -> SdkTracer {
    let scope = InstrumentationScope::builder("idp-proxy").with_version(env!("CARGO_PKG_VERSION"));
    provider.tracer_with_scope(scope.with_schema_url(CONVENTIONS).build())
}

pub(super) fn close(provider: &SdkTracerProvider) -> OTelSdkResult {
    provider.shutdown_with_timeout(CLOSE_MAX)
}

/// An exporter that is counted, and whose failure is logged once.
#[derive(Debug)]
struct Told {
    inner: OtlpExporter,
    metrics: Arc<Metrics>,
    is_failing: AtomicBool,
}

impl SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let outcome = self.inner.export(batch).await;
        self.metrics.exported(outcome.is_ok(), count);
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(why) if !was_failing => {
                tracing::warn!(%why, "spans could not be sent; they are dropped until they can be");
            }
            Ok(()) if was_failing => tracing::info!("spans can be sent again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
