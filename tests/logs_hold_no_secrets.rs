//! Canaries in arguments, results, headers, credentials, tools' errors and what tools write, with every trace event of the
//! process heard and the exporter's requests kept: none of them is in either, in any form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::io::Write;
use std::sync::{Arc, Mutex};
use strongroom::reason::Reason;
use strongroom_tests::{Bytes, Collector, House, house, request, wire};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const ARGUMENT: &str = "canary-arg/5e+1f=90?a&b~\"c";
const RESULT: &str = "canary-result:31;d2/+ x<y>'";
const TOOL_ERROR: &str = "canary-error/77 0c+%41=z";
const MESSAGE: &str = "canary-message-9b3f27d2 by a tool";
const CREDENTIAL: &str = "canary-credential-4c81f6a0+/=";
const HEADER: &str = "canary-header-2d90be17";
const COLLECTOR: &str = "canary-collector-81fa3c55";

/// Everything that a subscriber writes.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Given;

impl strongroom::powers::Environment for Given {
    fn variable(&self, name: &str) -> std::io::Result<Option<strongroom::powers::Zeroizing<String>>> {
        Ok((name == "OTLP_KEY").then(|| strongroom::powers::Zeroizing::new(COLLECTOR.to_owned())))
    }
    fn operator_key(&self) -> std::io::Result<Option<strongroom::powers::Zeroizing<String>>> {
        Ok(None)
    }
}

/// The forms in which a text could be written.
fn forms(text: &str) -> Vec<(&'static str, String)> {
    let percent: String = text
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    let numbers = format!("{:?}", text.as_bytes());
    let mut forms = vec![
        ("raw", text.to_owned()),
        ("hex", hex::encode(text)),
        ("HEX", hex::encode_upper(text)),
        ("url", percent.clone()),
        ("form", percent.replace("%20", "+")),
        ("json", serde_json::to_string(text).unwrap().trim_matches('"').to_owned()),
        ("debug", format!("{text:?}").trim_matches('"').to_owned()),
        ("bytes", numbers.trim_matches(['[', ']']).to_owned()),
    ];
    for offset in 0..3 {
        let padded = format!("{}{text}", "x".repeat(offset));
        let whole = padded.len() / 3 * 4;
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
            // The first and the last characters depend on what stands beside it.
            let from = if offset == 0 { 0 } else { offset + 1 };
            forms.push((name, engine.encode(&padded)[from..whole].to_owned()));
        }
    }
    forms
}

fn found(bytes: &[u8], canaries: &[&str]) -> Vec<String> {
    let plain = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let text = plain(bytes);
    let mut all = Vec::new();
    for canary in canaries {
        for (name, form) in forms(canary) {
            if let Some(at) = text.find(&plain(form.as_bytes())) {
                let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                let line: String =
                    text[line..].lines().next().unwrap_or_default().chars().take(400).collect();
                all.push(format!("{canary} as {name}: {line}"));
            }
        }
    }
    all
}

async fn calls(house: &House, key: &str) {
    let call = async |function: &str, arguments: serde_json::Value, reason: Reason| {
        let receipt = house.call_as(key, function, &arguments.to_string()).await;
        assert_eq!(receipt.reason, reason, "{function}: {receipt:?}");
        receipt
    };
    call("echo.echo-string", serde_json::json!({ "value": ARGUMENT }), Reason::Ok).await;
    call("echo.echo-u8", serde_json::json!({ "value": ARGUMENT }), Reason::ArgumentsInvalid).await;
    call("echo.nothing", serde_json::json!({ ARGUMENT: 1 }), Reason::ArgumentsInvalid).await;
    let problem = serde_json::json!({ "problem": { "tag": "because", "val": TOOL_ERROR } });
    call("echo.fail", problem, Reason::ToolError).await;
    call("prober.log", serde_json::json!({ "message": MESSAGE, "times": 2 }), Reason::Ok).await;
    call("prober.print", serde_json::json!({ "text": MESSAGE, "times": 2 }), Reason::Ok).await;
    call("prober.progress", serde_json::json!({ "done": 1, "total": 2, "message": MESSAGE }), Reason::Ok)
        .await;
    let set = serde_json::json!({ "bucket": "cart", "key": ARGUMENT, "value": "YQ==" });
    call("prober.kv-set", set, Reason::Ok).await;
    let write = serde_json::json!({ "path": format!("/data/{HEADER}"), "text": ARGUMENT });
    call("prober.write-file", write, Reason::Ok).await;
    call("prober.read-file", serde_json::json!({ "path": format!("/data/{HEADER}") }), Reason::Ok).await;
    call(
        "prober.mem-remember",
        serde_json::json!({ "id": "a", "text": ARGUMENT, "tags": [ARGUMENT] }),
        Reason::Ok,
    )
    .await;
    let query = serde_json::json!({ "query": "canary arg", "top-k": 3 });
    call("prober.mem-retrieve", query, Reason::Ok).await;
    call(
        "prober.cache-set",
        serde_json::json!({ "key": ARGUMENT, "value": "YQ==", "ttl-seconds": 60 }),
        Reason::Ok,
    )
    .await;
    let headers = serde_json::json!([["x-more", HEADER]]);
    let http = serde_json::json!({ "method": "POST", "url": format!("http://api/echo?q={HEADER}"), "headers": headers, "body": "YWJj" });
    let answered = call("prober.http", http, Reason::Ok).await;
    let body = serde_json::from_str::<serde_json::Value>(&answered.value.unwrap()).unwrap()["body"].clone();
    let body = base64::engine::general_purpose::STANDARD.decode(body.as_str().unwrap()).unwrap();
    assert_eq!(body, RESULT.as_bytes(), "the answer reached the tool");
    // A key that opens nothing, and a caller who goes away.
    house.call_as(&format!("sr_live_0123456789abcdef_{HEADER}"), "echo.nothing", "{}").await;
    let sleeping = house.room.call(
        strongroom::identify::Credential::ApiKey(key),
        request("prober.log", &serde_json::json!({ "message": ARGUMENT, "times": 100_000 }).to_string()),
    );
    drop(tokio::time::timeout(std::time::Duration::from_millis(20), sleeping).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_the_log_nor_the_exporter_holds_a_canary() {
    let said = Said::default();
    let writer = said.clone();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish()
        .with(filter_fn(strongroom::telemetry::is_tellable))
        .init();
    let answer = |_: &str| Bytes::whole("200 OK", &format!("x-answer: {RESULT}\r\n"), RESULT.as_bytes());
    let service = wire(answer).await;
    let collector = Collector::start().await;
    let tenant = format!(
        "[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigin = \"{0}\"\ncredential = \"acme-api\"\nallow_private = true\n\
         [grants.prober.keyvalue.cart]\nmode = \"rw\"\n[grants.prober.memory]\nmode = \"rw\"\n[grants.prober.cache]\n\
         [grants.prober.dir.data]\npath = \"shared\"\nmode = \"rw\"\n",
        service.origin()
    );
    let credentials = format!(
        "[acme-api]\ntenant = \"acme\"\norigins = [\"{}\"]\nheader = \"x-key\"\nvalue = \"{CREDENTIAL}\"\n",
        service.origin()
    );
    let file = format!(
        "[telemetry]\notlp = \"{}\"\notlp_headers = {{ x-otlp-key = \"OTLP_KEY\" }}\n",
        collector.url
    );
    let plan = house().file("strongroom.toml", &file).file("credentials.toml", &credentials);
    let plan = plan.tenant("acme", &tenant).tool("echo").tool("prober");
    std::fs::create_dir_all(plan.path().join("shared")).unwrap();
    let house = plan.build_with(|builder| builder.environment(Arc::new(Given))).await;
    let key = house.key("acme").await;
    let exporter = house.room.exporter().unwrap().unwrap();
    calls(&house, &key).await;
    exporter.run(std::future::ready(())).await;
    house.room.close().await.unwrap();

    let secret = key.rsplit('_').next().unwrap();
    let canaries = [ARGUMENT, RESULT, TOOL_ERROR, MESSAGE, CREDENTIAL, HEADER, COLLECTOR, secret];
    let log = said.0.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&log);
    // What is looked through is what is said, at the finest level, with the marks that lines of calls carry.
    for known in
        ["call.running", "reason_code=\"tool_error\"", "tenant=\"acme\"", "the tool has written a message"]
    {
        assert!(text.contains(known), "{known:?} is not in the log, so nothing was looked at");
    }
    assert_eq!(found(&log, &canaries), Vec::<String>::new(), "in the log");
    let sent = collector.bytes();
    assert!(collector.spans().len() > 10 && String::from_utf8_lossy(&sent).contains("tool_error"));
    // The collector's own key is in the header that is its own, and nowhere else.
    assert!(collector.header("x-otlp-key").iter().all(|value| value == COLLECTOR));
    let bodies: Vec<_> = canaries.into_iter().filter(|canary| *canary != COLLECTOR).collect();
    assert_eq!(found(&sent, &bodies), Vec::<String>::new(), "in what was exported");
    // The search finds what is there.
    assert!(!found(format!("x {} y", hex::encode(ARGUMENT)).as_bytes(), &canaries).is_empty());
}
