//! Each call is in the metrics once, whatever way it ends, under the reason that the audit log has; and nothing that a
//! caller makes up becomes a label.

use crate::http_api::client::{Served, listener};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strongroom::audit::{MemoryJournal, Phase};
use strongroom::identify::Credential;
use strongroom::reason::Reason;
use strongroom::telemetry::{METRICS, MOST_FUNCTIONS, MetricKind, OTHER};
use strongroom_tests::{House, house, request, request_with_key};

const TENANT: &str = r#"
[tools]
allow = ["echo", "sleeper", "prober"]
block = ["echo.echo-u16"]
[grants.prober.keyvalue.cart]
mode = "rw"
"#;

/// One line of Prometheus' text: name, labels, value.
pub(crate) type Sample = (String, BTreeMap<String, String>, f64);

/// Reads Prometheus' text format 0.0.4, strictly: every sample after its `# HELP` and `# TYPE`, no series twice.
pub(crate) fn parse(text: &str) -> Vec<Sample> {
    let (mut samples, mut seen, mut family, mut helped) =
        (Vec::new(), BTreeSet::new(), String::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').expect("a help text").0.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name, helped);
            family = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series.to_owned()), "{series} is there twice");
            let (name, labels) =
                series.split_once('{').map_or((series, ""), |(n, l)| (n, l.strip_suffix('}').unwrap()));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            assert!(name == family || base == Some(&family), "{name} is not of {family}");
            let labels = labels.split("\",").filter(|label| !label.is_empty());
            let labels = labels.map(|label| {
                let (name, value) = label.split_once("=\"").unwrap();
                (name.to_owned(), value.trim_end_matches('"').to_owned())
            });
            samples.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
        }
    }
    samples
}

pub(crate) fn metrics(house: &House) -> Vec<Sample> {
    parse(&String::from_utf8(house.room.metrics().unwrap()).unwrap())
}

pub(crate) fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |of: &BTreeMap<String, String>| labels.iter().all(|(n, v)| of.get(*n).is_some_and(|x| x == v));
    samples.iter().filter(|(n, of, _)| n == name && fits(of)).map(|(_, _, value)| value).sum()
}

/// Calls that ended, by reason and outcome, as the metrics have them.
fn counted(house: &House) -> BTreeMap<(String, String), u64> {
    let mut all = BTreeMap::new();
    for (name, labels, value) in metrics(house) {
        if name == "strongroom_calls_total" {
            let key = (labels["strongroom_reason_code"].clone(), labels["strongroom_outcome"].clone());
            *all.entry(key).or_default() += value as u64;
        }
    }
    all
}

/// The same as the audit log has them.
fn booked(book: &MemoryJournal) -> BTreeMap<(String, String), u64> {
    let mut all = BTreeMap::new();
    for entry in book.entries() {
        if entry.call_id.is_some() && entry.phase == Phase::Outcome {
            let key = (entry.reason_code.code().to_owned(), entry.outcome.as_str().to_owned());
            *all.entry(key).or_default() += 1;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_totals_are_those_of_the_audit_log_by_reason() {
    let book = Arc::new(MemoryJournal::new());
    let house = house().file("strongroom.toml", "[telemetry]\ntenants = [\"acme\"]\n");
    let house = house.tenant("acme", TENANT).tenant("globex", TENANT);
    let house = house.tool("echo").tool("sleeper").tool("prober");
    let house = house.build_with(|builder| builder.journal(book.clone())).await;
    let (key, other) = (house.key("acme").await, house.key("globex").await);
    assert_eq!(counted(&house), BTreeMap::new());

    for _ in 0..5 {
        assert!(house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
    }
    assert!(house.call_as(&other, "echo.echo-u8", r#"{"value":1}"#).await.is_ok());
    house.room.call(Credential::None, request("echo.echo-u8", "{}")).await;
    house.call_as("nonsense", "echo.echo-u8", "{}").await;
    house.call_as(&key, "echo.echo-u16", r#"{"value":1}"#).await;
    house.call_as(&key, "echo.echo-u8", r#"{"value":256}"#).await;
    house.call_as(&key, "echo.fail", r#"{"problem":{"tag":"because","val":"it rains"}}"#).await;
    house.call_as(&key, "echo.is-not-there", "{}").await;
    // A write, its answer again, and its key with other arguments.
    let set = |value: &str| format!(r#"{{"bucket":"cart","key":"k","value":"{value}"}}"#);
    for (value, reason) in [("YQ==", Reason::Ok), ("YQ==", Reason::Ok), ("Yg==", Reason::IdempotencyMismatch)]
    {
        let again = request_with_key("prober.kv-set", &set(value), "one");
        assert_eq!(house.room.call(Credential::ApiKey(&key), again).await.reason, reason);
    }
    // Steps of an embedder who drops the proof in between.
    let caller = house.room.identify(Credential::ApiKey(&key)).await.unwrap();
    drop(house.room.admit(caller, request("echo.echo-u8", r#"{"value":1}"#)).await.unwrap());
    // A list, and a caller who goes away while the call runs.
    house.room.list(house.room.identify(Credential::ApiKey(&key)).await.unwrap()).await.unwrap();
    let call = house.room.call(Credential::ApiKey(&key), request("sleeper.sleep", r#"{"ms":60000}"#));
    let running = async {
        while house.room.running().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { _ = call => panic!("it sleeps"), () = running => {} }

    let counted = counted(&house);
    assert_eq!(counted, booked(&book));
    assert!(counted.len() >= 9, "{counted:?}");
    assert_eq!(counted.values().sum::<u64>(), 18);

    let all = metrics(&house);
    let of = |name: &str, labels: &[(&str, &str)]| value(&all, name, labels);
    assert_eq!(of("mcp_server_operation_duration_seconds_count", &[]), 18.0);
    assert_eq!(of("strongroom_calls_total", &[("mcp_method_name", "tools/list")]), 1.0);
    assert_eq!(of("strongroom_calls_total", &[("gen_ai_tool_name", OTHER)]), 1.0);
    assert_eq!(of("strongroom_calls_total", &[("gen_ai_tool_name", "echo.echo-u8")]), 8.0);
    assert!(of("strongroom_fuel_consumed_total", &[("gen_ai_tool_name", "echo.echo-u8")]) > 0.0);
    assert!(of("strongroom_import_calls_total", &[("strongroom_import_class", "effect")]) > 0.0);
    // Of tenants, only those that the operator names.
    assert_eq!(of("strongroom_tenant_calls_total", &[("strongroom_tenant_id", "acme")]), 15.0);
    assert!(!String::from_utf8(house.room.metrics().unwrap()).unwrap().contains("globex"));
    for (name, expected) in [
        ("strongroom_calls_running", 0.0),
        ("strongroom_calls_waiting", 0.0),
        ("strongroom_calls_limit", 256.0),
        ("strongroom_audit_writable", 1.0),
        ("strongroom_tenants", 2.0),
        ("strongroom_tools", 3.0),
    ] {
        assert_eq!(of(name, &[]), expected, "{name}");
    }
}

#[tokio::test]
async fn a_call_whose_entry_cannot_be_written_counts_as_what_its_caller_heard() {
    let book = Arc::new(MemoryJournal::new());
    let house = house().tool("echo").build_with(|builder| builder.journal(book.clone())).await;
    book.break_with(Some("no space left"));
    assert_eq!(house.call("echo.nothing", "{}").await.reason, Reason::AuditUnavailable);
    let all = metrics(&house);
    assert_eq!(
        value(&all, "strongroom_calls_total", &[("strongroom_reason_code", "audit_unavailable")]),
        1.0
    );
    assert_eq!(value(&all, "strongroom_audit_writable", &[]), 0.0);
    assert_eq!(counted(&house).values().sum::<u64>(), 1);
}

#[tokio::test]
async fn made_up_names_become_no_labels() {
    let house = house().tenant("acme", TENANT).tool("echo").build().await;
    let key = house.key("acme").await;
    for number in 0..1_000 {
        let name = match number % 3 {
            0 => format!("echo.canary-{number}"),
            1 => format!("canary-{number}.f"),
            _ => format!("canary \"{number}\"\n\\"),
        };
        let receipt = house.call_as(&key, &name, "{}").await;
        assert_eq!(receipt.reason, Reason::ToolUnknown);
    }
    let all = metrics(&house);
    assert!(all.iter().all(|(_, labels, _)| !labels.values().any(|value| value.contains("canary"))));
    assert_eq!(value(&all, "strongroom_calls_total", &[("gen_ai_tool_name", OTHER)]), 1_000.0);
    let functions: BTreeSet<_> =
        all.iter().filter_map(|(_, labels, _)| labels.get("gen_ai_tool_name")).collect();
    assert!(functions.len() <= MOST_FUNCTIONS + 2, "{functions:?}");
    // A call's series and its histogram's, and the host's own.
    assert!(all.len() < 400, "{}", all.len());
}

#[tokio::test]
async fn whoever_the_operator_lets_reads_them_over_http() {
    let house = house().tool("echo").build().await;
    house.call("echo.nothing", "{}").await;
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let socket = listener("127.0.0.1");
    let address = socket.local_addr().unwrap();
    let serving = strongroom::serve::telemetry::run(house.room.clone(), socket, async { drop(ended.await) });
    let task = tokio::spawn(serving);
    let ask = async |path: &str, host: &str| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let text = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = ask("/metrics", "127.0.0.1:9464").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(value(&parse(body), "strongroom_calls_total", &[]), 1.0);
    assert!(ask("/readyz", "localhost").await.starts_with("HTTP/1.1 200"));
    assert!(ask("/livez", "localhost").await.starts_with("HTTP/1.1 200"));
    // Neither calls nor pages of other sites come in here.
    assert!(ask("/v1/tools", "localhost").await.starts_with("HTTP/1.1 404"));
    assert!(ask("/metrics", "evil.example").await.starts_with("HTTP/1.1 403"));
    // And callers do not come to the metrics.
    let served = Served::new(&house.room);
    assert_eq!(served.get("/metrics", &[]).await.status, 404);
    end.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn everything_that_is_told_is_in_the_table() {
    let house = house()
        .file("strongroom.toml", "[telemetry]\ntenants = [\"default\"]\n")
        .tool("prober")
        .build()
        .await;
    house.call("prober.now", "{}").await;
    let told: BTreeSet<_> = metrics(&house)
        .into_iter()
        .map(|(name, labels, _)| {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let base = base.filter(|base| METRICS.iter().any(|m| m.prometheus == *base)).map(str::to_owned);
            let name = base.unwrap_or(name);
            let labels: Vec<_> = labels.into_keys().filter(|label| label != "le").collect();
            (name, labels)
        })
        .collect();
    let table: BTreeSet<_> = METRICS
        .iter()
        .map(|metric| {
            let mut labels: Vec<_> = metric.prometheus_labels().collect();
            labels.sort();
            (metric.prometheus.to_owned(), labels)
        })
        .collect();
    assert_eq!(told, table);
    assert!(METRICS.iter().any(|metric| matches!(metric.kind, MetricKind::Histogram(_))));
}
