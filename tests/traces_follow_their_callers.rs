//! A call is a span in its caller's trace, or in one under its own id; it has the conventions' names, and no call waits for
//! whoever collects them.

use crate::http_api::client::Served;
use crate::mcp_api::rpc::{NEW, client, message};
use crate::metrics_count_every_call_once::{metrics, value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use strongroom::identify::Credential;
use strongroom::powers::{Environment, Zeroizing};
use strongroom::telemetry::{METRICS, TelemetryError};
use strongroom_tests::{Collector, House, attribute, house, request};

const TENANT: &str = "[tools]\nallow = [\"echo\"]\n";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// The variable with the endpoint's key.
#[derive(Debug)]
struct Given;

impl Environment for Given {
    fn variable(&self, name: &str) -> io::Result<Option<Zeroizing<String>>> {
        Ok((name == "OTLP_KEY").then(|| Zeroizing::new("key-of-the-collector".to_owned())))
    }
    fn operator_key(&self) -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }
}

async fn exporting(url: &str) -> House {
    let file = format!("[telemetry]\notlp = \"{url}\"\notlp_headers = {{ x-otlp-key = \"OTLP_KEY\" }}\n");
    let house = house().file("strongroom.toml", &file).tenant("acme", TENANT).tool("echo");
    house.build_with(|builder| builder.environment(Arc::new(Given))).await
}

/// Does some work, and sends what came of it.
async fn exported(house: &House, work: impl AsyncFnOnce(&House)) {
    let exporter = house.room.exporter().unwrap().expect("there is an endpoint");
    work(house).await;
    exporter.run(std::future::ready(())).await;
}

fn of<'a>(spans: &'a [Span], call: &str) -> &'a Span {
    let is = |span: &&Span| attribute(&span.attributes, "strongroom.call.id").as_deref() == Some(call);
    spans.iter().find(is).expect("the call has a span")
}

#[tokio::test]
async fn a_call_continues_its_callers_trace() {
    let collector = Collector::start().await;
    let house = exporting(&collector.url).await;
    let key = house.key("acme").await;
    let mut calls = Vec::new();
    exported(&house, async |house| {
        let served = Served::new(&house.room);
        let parents = [
            format!("traceparent: 00-{TRACE}-{SPAN}-01"),
            format!("traceparent: 00-{TRACE}-{SPAN}-00"),
            format!("traceparent: 00-{TRACE}-nonsense-01"),
            format!("traceparent: 00-{TRACE}-{SPAN}-01\r\ntraceparent: 00-{TRACE}-{SPAN}-01"),
        ];
        for parent in &parents {
            let reply = served.call(&key, "echo.nothing", &[parent], "{}").await;
            assert_eq!(reply.status, 200);
            calls.push(reply.header("strongroom-call-id").unwrap().to_owned());
        }
    })
    .await;
    let spans = collector.spans();
    let call = of(&spans, &calls[0]);
    assert_eq!((hex::encode(&call.trace_id), hex::encode(&call.parent_span_id)), (TRACE.into(), SPAN.into()));
    assert_eq!((call.name.as_str(), call.kind()), ("tools/call echo.nothing", SpanKind::Server));
    for (name, expected) in [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "echo.nothing"),
        ("gen_ai.operation.name", "execute_tool"),
        ("strongroom.tenant.id", "acme"),
        ("strongroom.reason_code", "ok"),
        ("strongroom.outcome", "executed"),
    ] {
        assert_eq!(attribute(&call.attributes, name).as_deref(), Some(expected), "{name}");
    }
    assert!(attribute(&call.attributes, "strongroom.fuel.consumed").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(attribute(&call.attributes, "error.type"), None);
    let steps: Vec<_> = spans.iter().filter(|span| span.parent_span_id == call.span_id).collect();
    let names: Vec<_> = steps.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["strongroom.admit", "strongroom.isolate", "strongroom.execute", "strongroom.settle"]);
    assert!(steps.iter().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano));
    // What its caller does not record is not exported; what is no parent begins a trace under the call's own id.
    assert!(
        spans
            .iter()
            .all(|span| attribute(&span.attributes, "strongroom.call.id").as_ref() != Some(&calls[1]))
    );
    for call in &calls[2..] {
        let span = of(&spans, call);
        assert_eq!(hex::encode(&span.trace_id), call.trim_start_matches("call_"));
        assert!(span.parent_span_id.is_empty());
    }
    assert!(collector.header("x-otlp-key").iter().all(|key| key == "key-of-the-collector"));
}

#[tokio::test]
async fn the_trace_in_meta_is_the_callers_and_counts_before_a_header() {
    let collector = Collector::start().await;
    let house = exporting(&collector.url).await;
    let key = house.key("acme").await;
    let (in_header, in_meta) = ("a".repeat(32), "b".repeat(32));
    let header = format!("traceparent: 00-{in_header}-{SPAN}-01");
    let meta = json!({ "traceparent": format!("00-{in_meta}-{SPAN}-01") });
    let mut calls = Vec::new();
    exported(&house, async |house| {
        let served = Served::new(&house.room);
        // Both ways that a request can go: without progress, and with it.
        for token in [None, Some("p")] {
            for (headers, meta, expected) in [
                (vec![header.as_str()], json!({}), &in_header),
                (vec![], meta.clone(), &in_meta),
                (vec![header.as_str()], meta.clone(), &in_meta),
                (vec![header.as_str()], json!({ "traceparent": "nonsense" }), &in_header),
            ] {
                let mut params = json!({ "name": "echo.nothing", "arguments": {}, "_meta": meta });
                if let Some(token) = token {
                    params["_meta"]["progressToken"] = json!(token);
                }
                let message = message(NEW, 1, "tools/call", params);
                let told = client(&served, &key).send(&message, &headers).await;
                let id = told.result()["_meta"]["strongroom/call-id"].as_str().unwrap().to_owned();
                calls.push((id, expected));
            }
        }
    })
    .await;
    let spans = collector.spans();
    for (call, expected) in calls {
        let span = of(&spans, &call);
        assert_eq!(
            (hex::encode(&span.trace_id), hex::encode(&span.parent_span_id)),
            (expected.clone(), SPAN.into())
        );
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_by_its_reason_code() {
    let collector = Collector::start().await;
    let house = exporting(&collector.url).await;
    let key = house.key("acme").await;
    let mut calls = Vec::new();
    exported(&house, async |house| {
        calls.push(house.call_as(&key, "echo.made-up-canary", "{}").await.call_id.to_string());
        calls
            .push(house.room.call(Credential::None, request("echo.nothing", "{}")).await.call_id.to_string());
    })
    .await;
    let spans = collector.spans();
    for (call, reason, name) in
        [(&calls[0], "tool_unknown", "tools/call"), (&calls[1], "tenant_missing", "strongroom.call")]
    {
        let span = of(&spans, call);
        assert_eq!(attribute(&span.attributes, "error.type").as_deref(), Some(reason));
        assert_eq!(span.name, name);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        assert_eq!(span.status.as_ref().unwrap().message, "");
    }
    assert!(!String::from_utf8_lossy(&collector.bytes()).contains("canary"));
}

#[tokio::test]
async fn metrics_are_sent_under_their_own_names() {
    let collector = Collector::start().await;
    let house = exporting(&collector.url).await;
    let key = house.key("acme").await;
    exported(&house, async |house| {
        assert!(house.call_as(&key, "echo.nothing", "{}").await.is_ok());
    })
    .await;
    let metrics = collector.metrics();
    for metric in &metrics {
        let known = METRICS.iter().find(|known| known.otlp == metric.name).expect("it is in the table");
        assert_eq!((known.unit, known.help), (metric.unit.as_str(), metric.description.as_str()));
    }
    let duration = metrics.iter().find(|metric| metric.name == "mcp.server.operation.duration").unwrap();
    let Some(Data::Histogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
    assert_eq!((point.count, point.bucket_counts.iter().sum::<u64>()), (1, 1));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert!(point.sum.unwrap() > 0.0 && point.start_time_unix_nano < point.time_unix_nano);
    assert_eq!(attribute(&point.attributes, "gen_ai.tool.name").as_deref(), Some("echo.nothing"));
}

#[tokio::test]
async fn a_collector_that_is_away_costs_traces_and_no_call() {
    // Nobody listens here.
    let house = exporting("http://127.0.0.1:1").await;
    let key = house.key("acme").await;
    exported(&house, async |house| {
        // More than the queue holds.
        for _ in 0..5_000 {
            house.room.identify(Credential::ApiKey(&key)).await.map(drop).unwrap();
        }
        assert!(house.call_as(&key, "echo.nothing", "{}").await.is_ok());
    })
    .await;
    let all = metrics(&house);
    assert_eq!(value(&all, "strongroom_telemetry_spans_dropped_total", &[]), 5_001.0);
    assert!(
        value(&all, "strongroom_telemetry_export_failures_total", &[("strongroom_signal", "traces")]) >= 1.0
    );
    assert_eq!(value(&all, "strongroom_calls_total", &[]), 5_001.0);
}

#[tokio::test]
async fn one_that_never_answers_is_left_after_two_seconds() {
    let silent = crate::http_api::client::listener("127.0.0.1");
    let house = exporting(&format!("http://{}", silent.local_addr().unwrap())).await;
    let key = house.key("acme").await;
    let done = exported(&house, async |house| {
        assert!(house.call_as(&key, "echo.nothing", "{}").await.is_ok());
    });
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("it has an end");
    assert_eq!(value(&metrics(&house), "strongroom_telemetry_spans_dropped_total", &[]), 1.0);
}

#[tokio::test]
async fn a_header_without_its_variable_is_told_at_the_start() {
    let file = "[telemetry]\notlp = \"http://127.0.0.1:1\"\notlp_headers = { authorization = \"NOT_SET\" }\n";
    let house = house().file("strongroom.toml", file).build_with(|b| b.environment(Arc::new(Given))).await;
    let error = house.room.exporter().unwrap_err();
    assert!(matches!(&error, TelemetryError::Header { variable, .. } if variable == "NOT_SET"), "{error}");
    assert_eq!(error.reason().code(), "config_invalid");
}
