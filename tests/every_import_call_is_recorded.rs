//! Completeness is a conservation law with an independent witness: the engine's own bindings emit a tracing span for every
//! import call, and their number equals what the receipt and the book say, also for calls that were refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom::imports::ImportRecord;
use strongroom_tests::{GROUPS, house};
use tracing::span;

/// Counts the spans that the bindings open, and does nothing else.
#[derive(Clone, Default)]
struct Witness(Arc<AtomicU64>);

impl tracing::Subscriber for Witness {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "wit-bindgen import"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1 + self.0.fetch_add(1, Ordering::SeqCst))
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// The calls that the bindings tell of: they are silent about handles that are given back, and a rename or a link is one
/// call on two directories, recorded at each.
fn told(records: &[ImportRecord]) -> u64 {
    let (mut sum, mut ends) = (0, 0);
    for record in records {
        match record.import.function {
            drop if drop.starts_with("[drop]") => {}
            "[method]descriptor.rename-at" | "[method]descriptor.link-at" => ends += record.count,
            _ => sum += record.count,
        }
    }
    sum + u64::div_ceil(ends, 2)
}

const ACME: &str = r#"
[tools]
allow = ["*"]
[grants.prober.dir.data]
path = "shared"
mode = "rw"
[grants.prober.memory]
mode = "rw"
[grants.prober.cache]
[grants.prober.keyvalue.cart]
mode = "rw"
[grants.prober.config]
values = { greeting = "hello", region = "eu" }
[grants.every.dir.data]
path = "shared"
mode = "rw"
[grants.every.keyvalue.cart]
mode = "rw"
[grants.every.ask]
[grants.every.memory]
mode = "ro"
[grants.files.dir.workspace]
path = "shared"
mode = "rw"
"#;

#[test]
fn the_record_equals_what_the_engine_saw() {
    let witness = Witness::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (house, key) = runtime.block_on(async {
        let plan = house().tenant("acme", ACME).tool("prober").tool("files").tool("orders").tool("fetch");
        std::fs::create_dir_all(plan.path().join("shared")).unwrap();
        let house =
            plan.tool("plain").tool("sleeper").tool("panicker").tool("busy").tool("every").build().await;
        let key = house.key("acme").await;
        (house, key)
    });
    let calls = [
        ("prober.write-file", r#"{"path":"/data/a.txt","text":"hello"}"#),
        ("prober.append-file", r#"{"path":"/data/a.txt","text":"more"}"#),
        ("prober.read-file", r#"{"path":"/data/a.txt"}"#),
        ("prober.list-dir", r#"{"path":"/data"}"#),
        ("prober.make-dir", r#"{"path":"/data/d"}"#),
        ("prober.rename-file", r#"{"from":"/data/a.txt","to":"/data/b.txt"}"#),
        ("prober.hard-link", r#"{"from":"/data/b.txt","to":"/data/c.txt"}"#),
        ("prober.open-many", r#"{"path":"/data/b.txt","times":20}"#),
        ("prober.read-file", r#"{"path":"/archive/x"}"#),
        ("prober.write-file", r#"{"path":"/archive/x","text":"refused"}"#),
        ("prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#),
        ("prober.kv-get", r#"{"bucket":"cart","key":"k"}"#),
        ("prober.kv-list", r#"{"bucket":"cart"}"#),
        ("prober.kv-get", r#"{"bucket":"ledger","key":"k"}"#),
        ("prober.mem-remember", r#"{"id":"m","text":"tea","tags":[]}"#),
        ("prober.mem-remember-and-retrieve", r#"{"id":"n","text":"tea","query":"tea"}"#),
        ("prober.mem-forget", r#"{"id":"m"}"#),
        ("prober.mem-remember-and-trap", r#"{"id":"o","text":"x","bucket":"cart"}"#),
        ("prober.cache-set", r#"{"key":"k","value":"MQ==","ttl-seconds":60}"#),
        ("prober.cache-get", r#"{"key":"k"}"#),
        ("prober.cache-get", r#"{"key":"none"}"#),
        ("prober.cache-set", r#"{"key":"","value":"MQ==","ttl-seconds":0}"#),
        ("prober.cache-through", r#"{"key":"new","value":"MQ=="}"#),
        ("prober.cache-flood", r#"{"count":100,"bytes":1000}"#),
        ("prober.cache-delete", r#"{"key":"k"}"#),
        ("prober.cache-set-and-trap", r#"{"key":"k","value":"MQ=="}"#),
        ("prober.kv-set-and-trap", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#),
        ("prober.config-all", "{}"),
        ("prober.config-get", r#"{"key":"nothing"}"#),
        ("prober.http-get", r#"{"url":"http://127.0.0.1:1/"}"#),
        ("prober.connect", r#"{"address":"127.0.0.1:1"}"#),
        ("prober.resolve", r#"{"host":"localhost"}"#),
        ("prober.random", r#"{"bytes":1000}"#),
        ("prober.random", r#"{"bytes":18446744073709551615}"#),
        ("prober.poll-many", r#"{"count":50}"#),
        ("prober.many-headers", r#"{"count":2000}"#),
        ("prober.empty-writes", r#"{"times":500}"#),
        ("prober.print", r#"{"text":"hello","times":50}"#),
        ("prober.context", "{}"),
        ("prober.log", r#"{"message":"hello","times":20}"#),
        ("prober.progress", r#"{"done":1,"total":2,"message":"half"}"#),
        ("files.list", "{}"),
        ("files.write", r#"{"path":"n.txt","text":"x","mode":"create"}"#),
        ("orders.list", "{}"),
        ("fetch.get", r#"{"url":"http://127.0.0.1:1/"}"#),
        ("plain.forecast.get", r#"{"city":"Berlin"}"#),
        ("sleeper.sleep", r#"{"ms":5}"#),
        ("panicker.panic", r#"{"message":"no"}"#),
        ("busy.clock", r#"{"times":1000}"#),
        ("busy.get", r#"{"times":10}"#),
    ];
    let groups: Vec<_> = GROUPS.iter().map(|group| format!("{{\"group\":\"{group}\"}}")).collect();
    let calls = calls.into_iter().chain(groups.iter().map(|group| ("every.touch", group.as_str())));
    let _guard = tracing::subscriber::set_default(witness.clone());
    let mut most = 0;
    for (function, arguments) in calls {
        let before = witness.0.load(Ordering::SeqCst);
        let receipt = runtime.block_on(house.call_as(&key, function, arguments));
        let seen = witness.0.load(Ordering::SeqCst) - before;
        assert!(receipt.fuel > 0, "{function} ran: {receipt:?}");
        assert_eq!(told(&receipt.imports), seen, "{function} {arguments}: {:#?}", receipt.imports);
        most = most.max(seen);
    }
    assert!(most > 400, "the witness sees: {most}");
}
