//! The operators' endpoint, plain HTTP: `/metrics`, `/livez`, `/readyz`.

use std::{io, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Exposition, Metrics};

/// What the endpoint answers from.
#[derive(Clone, Debug)]
struct Admin {
    metrics: Arc<Metrics>,
    draining: CancellationToken,
}

/// Serves until `stop`; from `draining` on, the server is not ready.
pub(super) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    draining: CancellationToken,
    stop: CancellationToken,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state(Admin { metrics, draining });
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    if admin.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn text(State(admin): State<Admin>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let exposition = Exposition::asked_for(accept);
    let kind = [(CONTENT_TYPE, exposition.content_type())];
    match admin.metrics.text(exposition) {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, kind, String::new()),
    }
}
