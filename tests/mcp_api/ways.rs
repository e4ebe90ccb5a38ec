//! A request that can go the short way gets there what it would get at length: the same answer, the same entries in the book.

use super::rpc::{NEW, OLD, message};
use super::two_tenants;
use crate::http_api::client::{Reply, Served, book, request};
use serde_json::{Value, json};

/// What both ways must take alike: lines of the head besides the key and `accept`, and the body.
struct Case {
    head: Vec<String>,
    body: String,
}

/// Names both kinds of answers as the short way reads it, and so that it leaves the request to rmcp.
const SHORT: &str = "accept: application/json, text/event-stream";
const AT_LENGTH: &str = "accept: application/json;q=1, text/event-stream";

fn case(version: &str, message: &Value) -> Case {
    let mut head =
        vec!["content-type: application/json".to_owned(), format!("mcp-protocol-version: {version}")];
    head.extend(message["method"].as_str().map(|method| format!("mcp-method: {method}")));
    head.extend(message["params"]["name"].as_str().map(|name| format!("mcp-name: {name}")));
    Case { head, body: message.to_string() }
}

fn call(version: &str, params: Value) -> Value {
    message(version, 1, "tools/call", params)
}

fn good() -> Value {
    call(NEW, json!({ "name": "echo.echo-string", "arguments": { "value": "x" } }))
}

/// Requests of the revisions, well-formed.
fn fit() -> Vec<Case> {
    let mut all = Vec::new();
    let calls = [
        json!({ "name": "echo.echo-string", "arguments": { "value": "hello \u{1f980} \"quoted\"" } }),
        json!({ "name": "echo.nothing", "arguments": {} }),
        json!({ "name": "echo.nothing" }),
        json!({ "name": "echo.nothing", "arguments": null }),
        json!({ "name": "echo.fail", "arguments": { "problem": { "tag": "because", "val": "it rains" } } }),
        json!({ "name": "echo.echo-string", "arguments": {} }),
        json!({ "name": "echo.echo-string", "arguments": { "value": "x", "more": [1, 2.50, -0.0, 1e300] } }),
        json!({ "name": "prober.kv-get", "arguments": { "bucket": "cart", "key": "k" } }),
        json!({ "name": "nosuch.tool", "arguments": {} }),
        json!({ "name": "", "arguments": {} }),
        json!({ "name": "echo.nothing", "_meta": { "strongroom/idempotency-key": "a b" } }),
        json!({ "name": "echo.nothing", "_meta": { "strongroom/run": 7, "traceparent": "nonsense" } }),
        json!({ "name": "echo.nothing", "requestState": "x", "inputResponses": {} }),
        json!({ "name": "echo.nothing", "unknown": [] }),
    ];
    let large = json!({ "name": "echo.echo-string", "arguments": { "value": "long ".repeat(60_000) } });
    all.extend([NEW, OLD].map(|version| case(version, &call(version, large.clone()))));
    for version in [NEW, OLD, "2025-06-18", "2025-03-26", "2024-11-05"] {
        all.extend(calls.iter().map(|params| case(version, &call(version, params.clone()))));
        for params in [json!({}), json!({ "cursor": "x" }), json!({ "cursor": null }), json!({ "more": 1 })] {
            all.push(case(version, &message(version, 2, "tools/list", params)));
        }
        let mut bare = message(version, 2, "tools/list", json!({}));
        bare.as_object_mut().unwrap().remove("params");
        all.push(case(version, &bare));
        for id in [json!("seven"), json!("7"), json!(0), json!(-1), json!(i64::MAX), json!("")] {
            let mut message = call(version, calls[1].clone());
            message["id"] = id;
            all.push(case(version, &message));
        }
    }
    all
}

/// Heads that do not fit, or only look so.
fn heads() -> Vec<Case> {
    let without = |line: &str| {
        let mut case = case(NEW, &good());
        case.head.retain(|other| !other.starts_with(line));
        case
    };
    let with = |line: &str, lines: &[&str]| {
        let mut case = without(line);
        case.head.extend(lines.iter().map(|&line| line.to_owned()));
        case
    };
    let tool = "mcp-name: echo.echo-string";
    let mut all: Vec<_> =
        ["content-type", "mcp-protocol-version", "mcp-method", "mcp-name"].map(without).into();
    all.extend([
        with("content-type", &["content-type: text/plain"]),
        with("content-type", &["content-type: application/json; charset=utf-8"]),
        with("content-type", &["content-type: APPLICATION/JSON"]),
        with("-", &["content-type: application/json"]),
        with("mcp-protocol-version", &["mcp-protocol-version: 2025-11-25"]),
        with("mcp-protocol-version", &["mcp-protocol-version: 2099-01-01"]),
        with("mcp-protocol-version", &["mcp-protocol-version: "]),
        with("-", &["mcp-protocol-version: 2026-07-28"]),
        with("-", &["mcp-protocol-version: 2025-11-25"]),
        with("mcp-method", &["mcp-method: tools/list"]),
        with("mcp-method", &["mcp-method: Tools/Call"]),
        with("-", &["mcp-method: tools/call"]),
        with("mcp-name", &["mcp-name: echo.nothing"]),
        with("mcp-name", &["mcp-name: =?base64?ZWNoby5lY2hvLXN0cmluZw==?="]),
        with("-", &[tool]),
        with("-", &["idempotency-key: a", "idempotency-key: b"]),
        with("-", &["strongroom-run: r", "traceparent: 00-x"]),
        with("-", &["mcp-param-value: y", "mcp-session-id: s"]),
        with("-", &["origin: https://evil.example"]),
    ]);
    all
}

/// Bodies that do not fit, or only look so.
fn bodies() -> Vec<Case> {
    let mut all = Vec::new();
    let mut changed = |change: &dyn Fn(&mut Value)| {
        let mut message = good();
        change(&mut message);
        all.push(Case { body: message.to_string(), ..case(NEW, &good()) });
    };
    for (key, values) in [
        ("id", vec![json!(null), json!(1.5), json!([]), json!(u64::MAX)]),
        ("jsonrpc", vec![json!("1.0"), json!(2.0), json!(null)]),
        ("method", vec![json!("tools/list"), json!("no/such"), json!(1), json!("ping")]),
        ("params", vec![json!(null), json!([]), json!("x"), json!({})]),
        ("result", vec![json!({})]),
        ("error", vec![json!({ "code": 1, "message": "x" })]),
        ("more", vec![json!(1)]),
    ] {
        changed(&|message| drop(message.as_object_mut().unwrap().remove(key)));
        for value in values {
            changed(&|message| message[key] = value.clone());
        }
    }
    for (key, values) in [
        ("name", vec![json!(null), json!(1), json!("echo.nothing")]),
        ("arguments", vec![json!([]), json!("x"), json!(1)]),
        ("_meta", vec![json!(null), json!([]), json!({})]),
        ("requestState", vec![json!(1)]),
        ("inputResponses", vec![json!(1)]),
    ] {
        changed(&|message| drop(message["params"].as_object_mut().unwrap().remove(key)));
        for value in values {
            changed(&|message| message["params"][key] = value.clone());
        }
    }
    for (key, values) in [
        ("io.modelcontextprotocol/protocolVersion", vec![json!(1), json!("2025-11-25"), json!("2099-01-01")]),
        ("io.modelcontextprotocol/clientCapabilities", vec![json!("x"), json!(null), json!({ "tasks": {} })]),
        ("io.modelcontextprotocol/clientInfo", vec![json!("x"), json!(null)]),
        ("io.modelcontextprotocol/logLevel", vec![json!("debug"), json!("x"), json!(null)]),
        ("progressToken", vec![json!(null), json!([])]),
    ] {
        changed(&|message| drop(message["params"]["_meta"].as_object_mut().unwrap().remove(key)));
        for value in values {
            changed(&|message| message["params"]["_meta"][key] = value.clone());
        }
    }
    let text = good().to_string();
    let replaced = |from: &str, to: &str| {
        assert!(text.contains(from));
        text.replacen(from, to, 1)
    };
    let deep = format!("{{\"value\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        String::new(),
        "null".into(),
        "{".into(),
        format!("[{text}]"),
        "[]".into(),
        format!("{text}x"),
        format!(" \n{text}\t"),
        format!("{text}{text}"),
        replaced("\"id\":1", "\"id\":1,\"id\":2"),
        replaced("\"method\":\"tools/call\"", "\"method\":\"tools/call\",\"method\":\"tools/list\""),
        replaced("\"method\":\"tools/call\"", "\"method\":\"tools\\u002fcall\""),
        replaced("\"name\":\"echo.echo-string\"", "\"name\":\"echo.nothing\",\"name\":\"echo.echo-string\""),
        replaced("{\"value\":\"x\"}", "{\"value\":\"y\",\"value\":\"x\"}"),
        replaced("{\"value\":\"x\"}", "{\"value\":\"\\ud800\"}"),
        replaced("{\"value\":\"x\"}", "{\"value\":1e999}"),
        replaced("{\"value\":\"x\"}", "{\"value\":123456789012345678901234567890}"),
        replaced("{\"value\":\"x\"}", &deep),
    ] {
        all.push(Case { body, ..case(NEW, &good()) });
    }
    all
}

/// The answer without what differs between any two calls.
fn shown(reply: &Reply) -> String {
    fn blank(value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with("call_") => *text = "call".into(),
            // A link is known to one host alone.
            Value::String(text) => {
                if let Some((before, rest)) = text.split_once("strongroom://result/") {
                    assert!(rest.len() >= 32, "{rest}");
                    *text = format!("{before}strongroom://result/{}", &rest[32..]);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(blank),
            Value::Object(fields) => fields.values_mut().for_each(blank),
            _ => {}
        }
    }
    let body = serde_json::from_str(&reply.body).map(|mut body: Value| {
        blank(&mut body);
        body.to_string()
    });
    let headers = ["content-type", "x-accel-buffering", "cache-control", "strongroom-reason", "allow"];
    let headers = headers.map(|name| reply.header(name));
    format!("{} {headers:?} {}", reply.status, body.unwrap_or(reply.body.clone()))
}

#[tokio::test]
async fn both_ways_give_one_answer() {
    let cases: Vec<_> = fit().into_iter().chain(heads()).chain(bodies()).collect();
    let mut answers = Vec::new();
    for accept in [SHORT, AT_LENGTH] {
        let (house, key, _) = two_tenants().await;
        let served = Served::new(&house.room);
        let mut all = Vec::new();
        for case in &cases {
            let key = format!("authorization: Bearer {key}");
            let head: Vec<_> = case.head.iter().map(String::as_str).chain([accept, key.as_str()]).collect();
            let reply = served.raw(request("POST", "/mcp", &head, &case.body)).await;
            let entries = book(&house).into_iter().filter(|entry| entry.call_id.is_some());
            let entries: Vec<_> = entries.map(|e| (e.action, e.phase, e.reason_code, e.outcome)).collect();
            all.push((shown(&reply), entries));
        }
        answers.push(all);
    }
    let [short, at_length] = &answers[..] else { panic!() };
    let mut statuses = std::collections::BTreeSet::new();
    for (case, (short, at_length)) in cases.iter().zip(short.iter().zip(at_length)) {
        assert_eq!(short, at_length, "{:?} {}", case.head, case.body);
        statuses.insert(short.0[..3].to_owned());
    }
    let all: Vec<_> = statuses.iter().map(String::as_str).collect();
    assert_eq!(all, ["200", "202", "400", "403", "404", "415"], "the cases reach every kind of answer");
}
