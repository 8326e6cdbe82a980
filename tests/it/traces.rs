//! Traces as a collector of somebody else's gets them: a span for each call and each attempt, in the caller's trace.

use std::time::Duration;

use idp_proxy::domain::Action;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};
use tonic::{Code, client::Grpc};

use crate::{
    rpcs::Rpc,
    support::{ANYONE, Answer, Authority, Collector, Proxy, Scratch, ScriptedAws, eventually, idp_proxy, metric},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Spans leave soon, so that tests need not wait.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");
const ENDPOINT: &str = "IDP_PROXY__TELEMETRY__OTLP_ENDPOINT";

/// The metadata of a call in a trace that its caller has chosen to keep, or not.
fn traced(is_sampled: bool) -> String {
    format!("00-{TRACE}-{CALLER}-0{}", u8::from(is_sampled))
}

/// A proxy that sends its spans to `collector`, in front of `aws`; `more` are further variables.
async fn traced_proxy(collector: &Collector, aws: &ScriptedAws, more: &[(&str, &str)]) -> Proxy {
    let endpoint = format!("http://{}", collector.address);
    Proxy::against(&aws.endpoint, &[&[(ENDPOINT, endpoint.as_str()), SOON], more].concat()).await
}

/// Calls an RPC with its valid request and this metadata; answers the gRPC code.
async fn call(proxy: &Proxy, action: Action, metadata: &[(&'static str, &str)]) -> Code {
    let rpc = Rpc::of(action);
    let outcome = rpc.send(&mut Grpc::new(proxy.channel().await), rpc.valid.clone(), metadata).await;
    outcome.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// The log line of the call with this id.
async fn line(proxy: &Proxy, request_id: &str) -> Value {
    proxy
        .log_line(|line| (line.get("request_id")? == request_id && line.get("code").is_some()).then(|| line.clone()))
        .await
}

/// Spans of this kind, in the order of their beginning.
fn of_kind(spans: &[Value], kind: &str) -> Vec<Value> {
    let mut found: Vec<Value> = spans.iter().filter(|span| span["kind"] == kind).cloned().collect();
    found.sort_by_key(|span| span["start_ns"].as_u64());
    found
}

#[tokio::test]
async fn a_call_is_a_span_of_its_callers_trace_with_a_child_for_each_attempt() {
    let collector = Collector::start(&[]).await;
    let list = Rpc::of(Action::CognitoList);
    let refusal = r#"{"__type":"TooManyRequestsException","message":"slow down"}"#;
    let answers = [Answer::new(400, refusal), list.answer()];
    let aws = ScriptedAws::start(move |at, _| answers[at.min(1)].clone()).await;
    let proxy = traced_proxy(&collector, &aws, &[]).await;
    let metadata = [("traceparent", &*traced(true)), ("tracestate", "vendor=x"), ("x-request-id", "traced")];
    assert_eq!(call(&proxy, Action::CognitoList, &metadata).await, Code::Ok);

    let spans = collector.has(3).await;
    let [server] = &of_kind(&spans, "SERVER")[..] else { panic!("one span for the call: {spans:#?}") };
    let method = Action::CognitoList.grpc_method();
    assert_eq!(
        (&server["trace_id"], &server["parent_span_id"], &server["name"], &server["status"], &server["trace_state"]),
        (&json!(TRACE), &json!(CALLER), &json!(method), &json!("UNSET"), &json!("vendor=x"))
    );
    let attributes = json!({
        "rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": "OK",
        "idp_proxy.request_id": "traced", "idp_proxy.resource": "userPools/us-east-1_Sandbox01", "idp_proxy.attempts": 2,
    });
    let mut told = server["attributes"].clone();
    let quota_wait = told.as_object_mut().unwrap().remove("idp_proxy.quota_wait_ms").unwrap();
    assert_eq!(told, attributes);
    let attempts = of_kind(&spans, "CLIENT");
    assert_eq!(attempts.len(), 2, "{spans:#?}");
    for attempt in &attempts {
        assert_eq!((&attempt["trace_id"], &attempt["parent_span_id"]), (&json!(TRACE), &server["span_id"]));
        assert_eq!(attempt["name"], "Cognito Identity Provider.ListIdentityProviders");
        assert!(attempt["start_ns"].as_u64() >= server["start_ns"].as_u64());
        assert!(attempt["end_ns"].as_u64() <= server["end_ns"].as_u64());
    }
    let common = json!({
        "rpc.system.name": "aws-api", "rpc.method": "Cognito Identity Provider/ListIdentityProviders",
        "cloud.region": "us-east-1", "server.address": "127.0.0.1", "aws.request_id": "aws-request-1",
    });
    let with = |more: Value| {
        let mut all = common.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let first = with(json!({
        "http.response.status_code": 400, "idp_proxy.outcome": "throttled", "error.type": "TooManyRequestsException",
    }));
    let second = with(json!({
        "http.response.status_code": 200, "idp_proxy.outcome": "ok", "http.request.resend_count": 1,
    }));
    assert_eq!((&attempts[0]["attributes"], &attempts[0]["status"]), (&first, &json!("ERROR")));
    assert_eq!((&attempts[1]["attributes"], &attempts[1]["status"]), (&second, &json!("UNSET")));

    // The log, and what AWS was sent, lead to the same spans.
    let line = line(&proxy, "traced").await;
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(TRACE), &server["span_id"]));
    assert_eq!((&line["quota_wait_ms"], &line["attempts"]), (&quota_wait, &json!(2)));
    for (seen, attempt) in aws.seen().iter().zip(&attempts) {
        let header = |name: &str| seen.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let id = attempt["span_id"].as_str().unwrap();
        assert_eq!(header("traceparent"), Some(&*format!("00-{TRACE}-{id}-01")));
        let root = format!("1-{}-{}", &TRACE[..8], &TRACE[8..]);
        assert_eq!(header("x-amzn-trace-id"), Some(&*format!("Root={root};Parent={id};Sampled=1")));
        assert_eq!(header("tracestate"), None, "it is what the caller's own systems tell each other");
        let signed = header("authorization").unwrap();
        assert!(!signed.contains("trace"), "gateways may change it: {signed}");
    }
    let resource = &server["resource"];
    assert_eq!(resource["service.name"], "idp-proxy");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(server["schema"], "https://opentelemetry.io/schemas/1.45.0");
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_keep_is_not_sent_and_still_told() {
    let collector = Collector::start(&[]).await;
    let aws = ScriptedAws::always(Rpc::of(Action::WebGet).answer()).await;
    let proxy = traced_proxy(&collector, &aws, &[("OTEL_SERVICE_NAME", "renamed")]).await;
    let unsampled = [("traceparent", &*traced(false)), ("x-request-id", "unsampled")];
    assert_eq!(call(&proxy, Action::WebGet, &unsampled).await, Code::Ok);
    assert_eq!(line(&proxy, "unsampled").await["trace_id"], TRACE);
    let sent = aws.seen()[0].headers.iter().find(|(name, _)| name == "traceparent").unwrap().1.clone();
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"), "{sent}");

    // Without a context, or with one that makes no sense, a call begins a trace of its own.
    for (at, metadata) in [vec![], vec![("traceparent", "00-nonsense-01")]].into_iter().enumerate() {
        assert_eq!(call(&proxy, Action::WebGet, &metadata).await, Code::Ok);
        let spans = collector.has(2 * (at + 1)).await;
        let server = of_kind(&spans, "SERVER")[at].clone();
        assert_eq!(server["parent_span_id"], "");
        assert_ne!(server["trace_id"], TRACE);
        assert_eq!(server["resource"]["service.name"], "renamed");
    }
    assert_eq!(collector.spans().len(), 4, "nothing of the first call");
    let exported = "idp_proxy_spans_total{outcome=\"exported\"}";
    eventually("four spans", async || metric(&proxy, exported).await.filter(|count| *count == 4)).await;
}

#[tokio::test]
async fn the_standard_sampler_variables_count() {
    let collector = Collector::start(&[]).await;
    let aws = ScriptedAws::always(Rpc::of(Action::WebGet).answer()).await;
    let none = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];
    let proxy = traced_proxy(&collector, &aws, &none).await;
    assert_eq!(call(&proxy, Action::WebGet, &[]).await, Code::Ok);
    assert_eq!(call(&proxy, Action::WebGet, &[("traceparent", &*traced(true))]).await, Code::Ok);
    let spans = collector.has(2).await;
    assert!(spans.iter().all(|span| span["trace_id"] == TRACE), "only what the caller keeps: {spans:#?}");
}

#[tokio::test]
async fn without_a_collector_the_callers_trace_is_carried_on() {
    let aws = ScriptedAws::always(Rpc::of(Action::WebGet).answer()).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let metadata = [("traceparent", &*traced(true)), ("x-request-id", "carried")];
    assert_eq!(call(&proxy, Action::WebGet, &metadata).await, Code::Ok);
    let line = line(&proxy, "carried").await;
    assert_eq!((&line["trace_id"], line.get("span_id")), (&json!(TRACE), None));
    let sent = aws.seen()[0].headers.iter().find(|(name, _)| name == "traceparent").unwrap().1.clone();
    assert_eq!(sent, traced(true));

    assert_eq!(call(&proxy, Action::WebGet, &[("x-request-id", "alone")]).await, Code::Ok);
    let line = self::line(&proxy, "alone").await;
    assert_eq!(line.get("trace_id"), None);
    assert!(aws.seen()[1].headers.iter().all(|(name, _)| !name.contains("trace")), "{:?}", aws.seen()[1].headers);
}

#[tokio::test]
async fn refusals_have_spans_too_and_only_ours_are_errors() {
    let collector = Collector::start(&[]).await;
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let more = [("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")];
    let proxy = traced_proxy(&collector, &aws, &more).await;
    let rpc = Rpc::of(Action::CognitoDescribe);
    let mut client = Grpc::new(proxy.channel().await);
    let token = [("authorization", "Bearer x")];
    for (message, metadata) in
        [(rpc.valid.clone(), &token[..]), (vec![], &[]), (vec![0xff], &[]), (rpc.valid.clone(), &[])]
    {
        assert!(rpc.send(&mut client, message, metadata).await.is_err());
    }
    let spans = collector.has(5).await;
    let told: Vec<_> = of_kind(&spans, "SERVER")
        .iter()
        .map(|span| {
            let attribute = |name: &str| span["attributes"][name].as_str().unwrap_or_default().to_owned();
            let told = ["rpc.response.status_code", "idp_proxy.reason", "error.type"].map(attribute);
            format!("{} {}", told.join(" "), span["status"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "UNAUTHENTICATED CALLER_UNIDENTIFIED  UNSET",
            "INVALID_ARGUMENT INVALID_REQUEST  UNSET",
            "INVALID_ARGUMENT INVALID_REQUEST  UNSET",
            "UNAVAILABLE AWS_UNPARSABLE_RESPONSE UNAVAILABLE ERROR",
        ]
    );
    assert_eq!(of_kind(&spans, "CLIENT").len(), 1, "refused calls asked nothing of AWS");
}

#[tokio::test]
async fn a_write_whose_caller_went_away_leaves_both_of_its_spans() {
    let collector = Collector::start(&[]).await;
    let (aws, gate) = crate::drain::held().await;
    let proxy = traced_proxy(&collector, &aws, &[]).await;
    let rpc = Rpc::of(Action::CognitoDelete);
    let channel = proxy.channel().await;
    let call = tokio::spawn(async move { rpc.call(channel).await });
    aws.has_seen(1).await;
    call.abort();
    let [server] = &collector.has(1).await[..] else { panic!("the call is over for its caller") };
    assert_eq!(server["attributes"]["rpc.response.status_code"], "CANCELLED");
    gate.add_permits(1);
    let spans = collector.has(2).await;
    assert_eq!(spans[1]["parent_span_id"], server["span_id"]);
    assert_eq!(spans[1]["attributes"]["idp_proxy.outcome"], "ok");
}

#[tokio::test]
async fn spans_that_wait_for_their_batch_are_sent_before_the_end() {
    let collector = Collector::start(&[]).await;
    let aws = ScriptedAws::always(Rpc::of(Action::WebGet).answer()).await;
    let never = ("OTEL_BSP_SCHEDULE_DELAY", "600000");
    let proxy = traced_proxy(&collector, &aws, &[never]).await;
    for _ in 0..300 {
        assert_eq!(call(&proxy, Action::WebGet, &[]).await, Code::Ok);
        if collector.spans().len() > 100 {
            break;
        }
    }
    assert_eq!(call(&proxy, Action::WebGet, &[("x-request-id", "the-last")]).await, Code::Ok);
    let count = aws.seen().len() * 2;
    assert_eq!(proxy.terminate().await.code(), Some(0));
    let spans = collector.has(count).await;
    assert_eq!(spans.len(), count, "each call with its attempt");
    assert!(spans.iter().any(|span| span["attributes"]["idp_proxy.request_id"] == "the-last"));
}

#[tokio::test]
async fn a_collector_that_is_dead_or_silent_harms_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (address, fails) in [(silent.local_addr().unwrap(), false), (dead, true)] {
        let aws = ScriptedAws::always(Rpc::of(Action::WebGet).answer()).await;
        let endpoint = format!("http://{address}");
        // A queue that is full at once, so that spans are dropped.
        let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "2"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")];
        let proxy = Proxy::against(&aws.endpoint, &[(ENDPOINT, &*endpoint), SOON, small[0], small[1]]).await;
        for _ in 0..20 {
            assert_eq!(call(&proxy, Action::WebGet, &[]).await, Code::Ok);
        }
        if fails {
            let failed = "idp_proxy_spans_total{outcome=\"failed\"}";
            eventually("failed spans", async || metric(&proxy, failed).await.filter(|count| *count > 0)).await;
            let told = |line: &Value| line["message"].as_str()?.starts_with("spans could not be sent").then_some(());
            proxy.log_line(told).await;
        }
        let asked = Instant::now();
        assert_eq!(proxy.terminate().await.code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(10), "far less than the 30 seconds of the drain");
    }
}

#[tokio::test]
async fn spans_go_over_tls_with_the_headers_of_the_standard_variable() {
    let (scratch, authority) = (Scratch::new(), Authority::new("collectors"));
    let leaf = authority.loopback_server();
    let key = scratch.file("collector.key", &leaf.private_key);
    let certificate = scratch.file("collector.pem", &leaf.certificate);
    let roots = scratch.file("roots.pem", authority.pem());
    let collector = Collector::start(&[key.to_str().unwrap(), certificate.to_str().unwrap()]).await;
    let aws = ScriptedAws::always(Rpc::of(Action::WebGet).answer()).await;
    let endpoint = format!("https://{}", collector.address);
    let environment = [
        (ENDPOINT, &*endpoint),
        SOON,
        ("SSL_CERT_FILE", roots.to_str().unwrap()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=federation"),
        // Would take the TLS away, where the library chooses the scheme.
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
    ];
    let proxy = Proxy::against(&aws.endpoint, &environment).await;
    assert_eq!(call(&proxy, Action::WebGet, &[]).await, Code::Ok);
    let spans = collector.has(2).await;
    assert_eq!(spans[0]["headers"]["x-tenant"], "federation");
}

#[tokio::test]
async fn an_endpoint_that_is_unencrypted_or_no_endpoint_is_refused() {
    let check = async |name: &str, value: &str, more: &[(&str, &str)]| {
        let output = idp_proxy(&["check"], &[&[(name, value), ANYONE[0], ANYONE[1]], more].concat()).await;
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for good in ["http://127.0.0.1:4317", "http://localhost:4317", "http://[::1]:4317", "https://collector.example", ""]
    {
        let (code, error) = check(ENDPOINT, good, &[]).await;
        assert_eq!(code, Some(0), "{good}: {error}");
    }
    for (bad, why) in [
        ("http://collector.example:4317", "loopback"),
        ("http://10.0.0.1:4317", "allow_unencrypted_to_any_host"),
        ("collector:4317", "http:// or https://"),
        ("collector", "must be a URL"),
        ("https://user:password@collector.example", "nothing else"),
        ("https://collector.example/v1/traces", "nothing else"),
        ("https://collector.example?token=x", "nothing else"),
        ("ftp://collector.example", "http:// or https://"),
    ] {
        let (code, error) = check(ENDPOINT, bad, &[]).await;
        assert!(code == Some(64) && error.contains("telemetry.otlp_endpoint") && error.contains(why), "{bad}: {error}");
        assert!(!error.contains("password") && !error.contains("token"), "{error}");
    }
    let anywhere = [("IDP_PROXY__TELEMETRY__OTLP_PLAIN_HTTP", "allow_unencrypted_to_any_host")];
    assert_eq!(check(ENDPOINT, "http://10.0.0.1:4317", &anywhere).await.0, Some(0));
    for (sampler, ratio, is_good) in [
        ("always_off", "", true),
        ("traceidratio", "0.1", true),
        ("traceidratio", "2", false),
        ("sometimes", "", false),
    ] {
        let (code, error) = check("OTEL_TRACES_SAMPLER", sampler, &[("OTEL_TRACES_SAMPLER_ARG", ratio)]).await;
        assert_eq!(code == Some(0), is_good, "{sampler} {ratio}: {error}");
    }
}
