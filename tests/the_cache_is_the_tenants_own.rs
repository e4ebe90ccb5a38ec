//! What a tool caches is found by the same tool of the same tenant, until its time; it costs nobody else anything, and a
//! damaged disk costs no call.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use strongroom::imports::Decision;
use strongroom::powers::{Clock, SystemClock};
use strongroom::reason::Reason;
use strongroom::storage::cache::{CacheSize, ENTRY_BYTES};
use strongroom_tests::{House, component, house};

const CACHE: &str = "[tools]\nallow = [\"*\"]\n[grants.prober.cache]\n[grants.other.cache]\n";
const NOTHING: &str = "[tools]\nallow = [\"*\"]\n";
const MANIFEST: &str = include_str!("guests/src/prober.toml");
const GET: &str = r#"{"key":"k"}"#;

async fn ok(house: &House, key: &str, function: &str, arguments: &str) -> String {
    let receipt = house.call_as(key, function, arguments).await;
    assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
    receipt.value.unwrap()
}

async fn set(house: &House, key: &str, name: &str, value: &str) {
    let value = base64(value.as_bytes());
    let arguments = format!("{{\"key\":\"{name}\",\"value\":\"{value}\",\"ttl-seconds\":3600}}");
    assert_eq!(ok(house, key, "prober.cache-set", &arguments).await, "null");
}

async fn get(house: &House, key: &str, name: &str) -> Option<String> {
    let value = ok(house, key, "prober.cache-get", &format!("{{\"key\":\"{name}\"}}")).await;
    (value != "null").then_some(value)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn quoted(value: &str) -> Option<String> {
    Some(format!("\"{}\"", base64(value.as_bytes())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cached_is_found_also_after_a_restart() {
    let house = house().tenant("acme", CACHE).tool("prober").build().await;
    let key = house.key("acme").await;
    assert_eq!(get(&house, &key, "k").await, None);
    set(&house, &key, "k", "tea").await;
    set(&house, &key, "other", "cup").await;
    assert_eq!(get(&house, &key, "k").await, quoted("tea"));
    let house = house.restart().await;
    assert_eq!(get(&house, &key, "k").await, quoted("tea"));
    ok(&house, &key, "prober.cache-delete", GET).await;
    assert_eq!((get(&house, &key, "k").await, get(&house, &key, "other").await), (None, quoted("cup")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_it_is_refused_and_recorded() {
    let plan = house().tenant("acme", NOTHING).tenant("globex", CACHE).tenant("later", CACHE);
    let house = plan.tool("prober").build().await;
    let (none, granted, later) =
        (house.key("acme").await, house.key("globex").await, house.key("later").await);
    for (function, arguments) in [
        ("prober.cache-get", GET),
        ("prober.cache-set", r#"{"key":"k","value":"MQ==","ttl-seconds":60}"#),
        ("prober.cache-delete", GET),
    ] {
        for (key, reason, decision) in
            [(&none, Reason::CapabilityDenied, Decision::Deny), (&granted, Reason::Ok, Decision::Allow)]
        {
            let receipt = house.call_as(key, function, arguments).await;
            assert_eq!(receipt.reason, reason, "{function}: {receipt:?}");
            let own = receipt.imports.iter().filter(|i| i.import.interface == "strongroom:host/cache");
            let own: Vec<_> = own.map(|i| (i.decision, i.target.as_deref())).collect();
            assert_eq!(own, [(decision, Some("cache"))], "{function}");
        }
    }
    let without = MANIFEST.replace("[needs.cache]\n", "");
    house.room.install(component("prober"), "prober", Some(&without)).await.unwrap();
    let receipt = house.call_as(&later, "prober.cache-get", GET).await;
    assert_eq!(receipt.reason, Reason::CapabilityDenied, "a grant without a need gives nothing: {receipt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_declared_to_read_may_use_its_cache() {
    let house = house().tenant("acme", CACHE).tool("prober").build().await;
    let key = house.key("acme").await;
    let through = r#"{"key":"k","value":"MQ=="}"#;
    assert_eq!(ok(&house, &key, "prober.cache-through", through).await, "false");
    assert_eq!(ok(&house, &key, "prober.cache-through", through).await, "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_tenant_and_no_other_tool_finds_it() {
    let other = MANIFEST.replace("name = \"prober\"", "name = \"other\"");
    let plan = house().tenant("acme", CACHE).tenant("globex", CACHE).tool("prober");
    let house = plan.tool_with("prober", &other).build().await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    set(&house, &a, "k", "canary of acme").await;
    assert_eq!(get(&house, &b, "k").await, None);
    assert_eq!(ok(&house, &a, "other.cache-get", GET).await, "null");
    ok(&house, &b, "prober.cache-delete", GET).await;
    ok(&house, &a, "other.cache-delete", GET).await;
    set(&house, &b, "k", "canary of globex").await;
    assert_eq!(get(&house, &a, "k").await, quoted("canary of acme"));
    assert_eq!(get(&house, &b, "k").await, quoted("canary of globex"));
    assert_eq!(ok(&house, &a, "other.cache-get", GET).await, "null");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_call_has_cached_stays_when_it_fails() {
    let house = house().tenant("acme", CACHE).tool("prober").build().await;
    let key = house.key("acme").await;
    let receipt = house.call_as(&key, "prober.cache-set-and-trap", r#"{"key":"k","value":"dGVh"}"#).await;
    assert_eq!(receipt.reason, Reason::Trapped, "{receipt:?}");
    assert_eq!(get(&house, &key, "k").await, quoted("tea"));
}

#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn unix_us(&self) -> u64 {
        SystemClock.unix_us() + self.0.load(Ordering::SeqCst) * 1_000_000
    }
    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_ends_with_its_time() {
    let clock = Arc::new(Ahead::default());
    let plan = house().tenant("acme", CACHE).tool("prober");
    let house = plan.build_with(|builder| builder.clock(clock.clone())).await;
    let key = house.key("acme").await;
    set(&house, &key, "k", "tea").await;
    clock.0.store(3590, Ordering::SeqCst);
    assert_eq!(get(&house, &key, "k").await, quoted("tea"));
    clock.0.store(3600, Ordering::SeqCst);
    assert_eq!(get(&house, &key, "k").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_costs_its_own_tenant_its_oldest_and_nobody_else_anything() {
    let quota = CacheSize { bytes: 100 * (1000 + ENTRY_BYTES), entries: 50 };
    let part = CACHE.replace("[grants.prober.cache]\n", "[grants.prober.cache]\nmax_bytes = \"11280B\"\n");
    let few = format!("{CACHE}[storage]\ncache = {{ entries = 7 }}\n");
    let plan = house()
        .tenant("acme", CACHE)
        .tenant("globex", CACHE)
        .tenant("part", &part)
        .tenant("few", &few)
        .tool("prober");
    let house = plan.build_with(|builder| builder.cache_quota(quota)).await;
    let (a, b, part) = (house.key("acme").await, house.key("globex").await, house.key("part").await);
    let few = house.key("few").await;
    set(&house, &b, "mine", "stays").await;
    for (key, kept) in [(&a, 50), (&part, 10), (&few, 7)] {
        ok(&house, key, "prober.cache-flood", r#"{"count":200,"bytes":1000}"#).await;
        for (n, there) in [(199, true), (200 - kept, true), (199 - kept, false), (0, false)] {
            assert_eq!(get(&house, key, &n.to_string()).await.is_some(), there, "{n} of {kept}");
        }
    }
    assert_eq!(get(&house, &b, "mine").await, quoted("stays"));
    for (key, bytes, told) in [
        (&a, 200_000, "TooLarge(\\\"the entry counts 200128 bytes, and the cache holds at most 112800\\\")"),
        (&part, 12_000, "TooLarge(\\\"the entry counts 12128 bytes, and the cache holds at most 11280\\\")"),
        (&a, 262_145, "TooLarge(\\\"a value has at most 262144 bytes, this one has 262145\\\")"),
    ] {
        let flood = format!("{{\"count\":1,\"bytes\":{bytes}}}");
        let receipt = house.call_as(key, "prober.cache-flood", &flood).await;
        assert_eq!(receipt.reason, Reason::ToolError, "the guest can handle it: {receipt:?}");
        assert!(receipt.value.as_deref().is_some_and(|value| value.contains(told)), "{receipt:?}");
    }
    for wrong in [
        r#"{"key":"","value":"","ttl-seconds":1}"#,
        r#"{"key":"k","value":"","ttl-seconds":0}"#,
        r#"{"key":"k","value":"","ttl-seconds":604801}"#,
    ] {
        let receipt = house.call_as(&a, "prober.cache-set", wrong).await;
        assert!(receipt.value.as_deref().is_some_and(|value| value.contains("Invalid")), "{receipt:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_tenant_leaves_nothing_of_its_cache() {
    let house = house().tenant("acme", CACHE).tenant("globex", CACHE).tool("prober").build().await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    set(&house, &a, "key-canary-5c1f", "value-canary-7f3a91").await;
    set(&house, &b, "k", "stays").await;
    assert!(house.path().join("tenant-cache/keys/acme").exists());
    house.room.delete_tenant(&"acme".parse().unwrap()).await.unwrap();
    assert!(!house.path().join("tenant-cache/keys/acme").exists());
    let house = house.restart().await;
    for canary in ["key-canary-5c1f", "value-canary-7f3a91"] {
        let cache = house.path().join("tenant-cache");
        assert!(!on_disk(&cache, canary.as_bytes()), "{canary}");
        assert!(!on_disk(&cache, base64(canary.as_bytes()).as_bytes()), "{canary}");
    }
    assert_eq!(get(&house, &b, "k").await, quoted("stays"));
}

/// Whether a file in a folder holds these bytes.
fn on_disk(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => on_disk(&path, bytes),
        false => std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes),
    })
}

/// Hears what the host says about itself.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<String>>);

impl tracing::Subscriber for Ear {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Words<'a>(&'a mut String);
        impl tracing::field::Visit for Words<'_> {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{value:?}\n"));
            }
        }
        event.record(&mut Words(&mut self.0.lock().unwrap()));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_damaged_cache_is_dropped_with_a_warning_and_costs_no_call() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ear = Ear::default();
    let _guard = tracing::subscriber::set_default(ear.clone());
    runtime.block_on(async {
        let mut house = house().tenant("acme", CACHE).tool("prober").build().await;
        let key = house.key("acme").await;
        for file in ["db", "conf"] {
            set(&house, &key, "k", "tea").await;
            house = house.restart().await;
            house.room.open_cache().await;
            assert_eq!((get(&house, &key, "k").await, ear.0.lock().unwrap().as_str()), (quoted("tea"), ""));
            house.room.close().await.unwrap();
            let path = house.path().join("tenant-cache/db").join(file);
            let garbage = "garbage ".repeat(std::fs::metadata(&path).unwrap().len() as usize / 8 + 1);
            std::fs::write(&path, garbage).unwrap();
            house = house.start_again().await;
            house.room.open_cache().await;
            let said = std::mem::take(&mut *ear.0.lock().unwrap());
            assert_eq!(said.matches("the tenants' cache on disk is damaged").count(), 1, "{said}");
            assert_eq!(get(&house, &key, "k").await, None);
        }
        set(&house, &key, "k", "new").await;
        let house = house.restart().await;
        assert_eq!(get(&house, &key, "k").await, quoted("new"));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_home_is_not_kept_waiting() {
    let house = house().tenant("acme", CACHE).tool("prober").build().await;
    let key = house.key("acme").await;
    set(&house, &key, "k", "first").await;
    let second = strongroom::Strongroom::builder(strongroom::powers::Home::open(house.path()).unwrap());
    let second = second.build().await.unwrap();
    let call = |function: &str, arguments: &str| {
        let request = strongroom_tests::request(function, arguments);
        let (second, key) = (second.clone(), key.clone());
        async move { second.call(strongroom::identify::Credential::ApiKey(&key), request).await }
    };
    assert_eq!(call("prober.cache-get", GET).await.value.unwrap(), "null");
    let set = call("prober.cache-set", r#"{"key":"k","value":"MQ==","ttl-seconds":60}"#).await;
    assert_eq!(set.reason, Reason::Ok, "{set:?}");
    assert_eq!(call("prober.cache-get", GET).await.value.unwrap(), "\"MQ==\"");
    assert_eq!(get(&house, &key, "k").await, quoted("first"));
}
