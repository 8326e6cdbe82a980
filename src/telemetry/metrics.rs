//! Metrics in Prometheus's text form, with names from OpenTelemetry's conventions for RPC servers.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Labels of a finished call; both are from closed lists, so their number is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    rpc_method: &'static str,
    rpc_response_status_code: &'static str,
}

/// Upper bounds in seconds: OpenTelemetry's advice for `rpc.server.call.duration`.
const DURATIONS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<Call, Histogram, fn() -> Histogram>,
    in_flight: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let calls = Family::new_with_constructor((|| Histogram::new(DURATIONS)) as fn() -> Histogram);
        registry.register_with_unit(
            "rpc_server_call_duration",
            "Time from a call's headers to its answer",
            Unit::Seconds,
            calls.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("idp_proxy_in_flight", "Calls that are being served", in_flight.clone());
        Self { registry, calls, in_flight }
    }
}

impl Metrics {
    /// Counts a call while it is being served; the count falls again when the answer is dropped.
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Notes a finished call.
    pub fn finish(&self, rpc_method: &'static str, code: &'static str, elapsed: Duration) {
        let labels = Call { rpc_method, rpc_response_status_code: code };
        self.calls.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }

    /// All of it, as `/metrics` serves it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map(|()| text)
    }
}

/// A call that is being served.
#[derive(Debug)]
pub struct InFlight(Gauge<i64, AtomicI64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
