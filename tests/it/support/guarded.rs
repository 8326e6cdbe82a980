//! Proxies with an identity, a policy and an audit of a test's own, and waiting for what they do by themselves.

use std::{path::Path, time::Duration};

use serde_json::Value;

use super::{Proxy, Scratch, http::metric, process::UNLIMITED};

/// Longer than anything here takes on a busy machine; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at something that does not tell when it changes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// `serve` with this configuration file on free ports, in front of a stand-in for AWS; `more` are further variables.
pub(crate) async fn configured(scratch: &Scratch, toml: &str, endpoint: &str, more: &[(&str, &str)]) -> Proxy {
    let file = scratch.file("idp-proxy.toml", toml);
    let file = file.to_str().expect("a path in UTF-8");
    let aws = [("AWS_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", "AKIDTEST"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let arguments = ["serve", "--config", file, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    Proxy::start(&arguments, &[&UNLIMITED, &aws[..], more].concat()).await
}

/// Waits until `look` finds something, for what no log line tells.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, &mut look).await
}

/// Waits until policy has let so many calls pass: each of them joins an equal one, or the queue, in the same breath. That they
/// are in flight would not say that they have been read.
pub(crate) async fn allowed(proxy: &Proxy, calls: usize) {
    eventually(&format!("{calls} calls are allowed"), async || {
        let allowed = metric(proxy, "idp_proxy_policy_decisions_total{decision=\"allow\"}").await;
        (allowed == u64::try_from(calls).ok()).then_some(())
    })
    .await;
}

/// The same within a time that is promised.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let found = async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(limit, found).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// The whole lines of an audit; each is JSON.
pub(crate) fn audit_lines(text: &str) -> Vec<Value> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line:?}"));
    whole.lines().filter(|line| !line.is_empty()).map(line).collect()
}

/// The lines of an audit file that are about one call; none while there is no file.
pub(crate) fn lines_about(file: &Path, request_id: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    audit_lines(&text).into_iter().filter(|line| line["request_id"] == request_id).collect()
}

/// All lines about one call, once the last of them is there.
pub(crate) async fn ended(file: &Path, request_id: &str) -> Vec<Value> {
    eventually(&format!("the last line about {request_id}"), async || {
        Some(lines_about(file, request_id)).filter(|lines| lines.iter().any(|line| line["stage"] == "outcome"))
    })
    .await
}

/// The one line that a call leaves on standard output when it is over.
pub(crate) async fn printed_outcome(proxy: &Proxy, request_id: &str) -> Value {
    eventually(&format!("the last line about {request_id}"), async || {
        let is_it = |line: &Value| line["request_id"] == request_id && line["stage"] == "outcome";
        audit_lines(&proxy.stdout()).into_iter().find(is_it)
    })
    .await
}
