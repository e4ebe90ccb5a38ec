//! What a tenant's tools remember is found by that tenant with the right to it, by nobody else, whole or not at all.

use strongroom::imports::Decision;
use strongroom::reason::Reason;
use strongroom::storage::tenant::Size;
use strongroom_tests::{House, component, house};

const BOTH: &str = "[tools]\nallow = [\"*\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n\
                    [grants.prober.memory]\nmode = \"rw\"\n";
const READS: &str = "[tools]\nallow = [\"*\"]\n[grants.prober.memory]\n";
const NOTHING: &str = "[tools]\nallow = [\"*\"]\n";

async fn ok(house: &House, key: &str, function: &str, arguments: &str) -> String {
    let receipt = house.call_as(key, function, arguments).await;
    assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
    receipt.value.unwrap()
}

fn keep(id: &str, text: &str) -> String {
    format!("{{\"id\":\"{id}\",\"text\":\"{text}\",\"tags\":[]}}")
}

fn ask(query: &str) -> String {
    serde_json::json!({ "query": query, "top-k": 10 }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_remembered_is_found_until_it_is_forgotten() {
    let house = house().tenant("acme", BOTH).tool("prober").build().await;
    let key = house.key("acme").await;
    ok(&house, &key, "prober.mem-remember", &keep("a", "green tea and a cup")).await;
    ok(&house, &key, "prober.mem-remember", &keep("b", "tea is made of leaves and water and time")).await;
    let named = ok(&house, &key, "prober.mem-remember", r#"{"text":"a bicycle","tags":["red one"]}"#).await;
    assert!(named.starts_with("\"call_"), "{named}");
    let best = ok(&house, &key, "prober.mem-retrieve", &ask("tea cup")).await;
    assert_eq!(best, r#"[["a","green tea and a cup"],["b","tea is made of leaves and water and time"]]"#);
    assert!(ok(&house, &key, "prober.mem-retrieve", &ask("red")).await.contains("bicycle"));
    let own = r#"{"id":"c","text":"tea of this call","query":"tea cup"}"#;
    let own = ok(&house, &key, "prober.mem-remember-and-retrieve", own).await;
    assert!(own.starts_with(r#"[["*c","tea of this call"],["a","#), "{own}");

    let house = house.restart().await;
    assert_eq!(ok(&house, &key, "prober.mem-forget", r#"{"id":"a"}"#).await, "true");
    assert_eq!(ok(&house, &key, "prober.mem-forget", r#"{"id":"a"}"#).await, "false");
    assert_eq!(ok(&house, &key, "prober.mem-retrieve", &ask("cup")).await, "[]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_it_is_refused_and_recorded() {
    let house = house().tenant("acme", NOTHING).tenant("reader", READS).tool("prober").build().await;
    let (none, reads) = (house.key("acme").await, house.key("reader").await);
    let remember = keep("a", "tea");
    let (retrieve, forget) = (ask("tea"), r#"{"id":"a"}"#);
    for (key, function, arguments, reason) in [
        (&none, "prober.mem-remember", remember.as_str(), Reason::CapabilityDenied),
        (&none, "prober.mem-retrieve", &retrieve, Reason::CapabilityDenied),
        (&none, "prober.mem-forget", forget, Reason::CapabilityDenied),
        (&reads, "prober.mem-remember", &remember, Reason::CapabilityDenied),
        (&reads, "prober.mem-retrieve", &retrieve, Reason::Ok),
        (&reads, "prober.mem-forget", forget, Reason::CapabilityDenied),
    ] {
        let receipt = house.call_as(key, function, arguments).await;
        assert_eq!(receipt.reason, reason, "{function}: {receipt:?}");
        let denied = receipt
            .imports
            .iter()
            .any(|i| i.import.interface == "strongroom:host/memory" && i.decision == Decision::Deny);
        assert_eq!(denied, reason != Reason::Ok, "{function}: {:?}", receipt.imports);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_declared_to_read_remembers_nothing() {
    let house = house().tenant("acme", BOTH).build().await;
    let key = house.key("acme").await;
    let manifest = include_str!("guests/src/prober.toml")
        .replace("[functions]\n", "[functions]\nmem-remember.effect = \"read\"\n");
    house.room.install_accepted(component("prober"), "prober", Some(&manifest)).await.unwrap();
    let receipt = house.call_as(&key, "prober.mem-remember", &keep("a", "tea")).await;
    assert_eq!(receipt.reason, Reason::CapabilityDenied, "{receipt:?}");
    assert_eq!(ok(&house, &key, "prober.mem-retrieve", &ask("tea")).await, "[]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_tenant_finds_it_or_changes_it_and_embedders_see_the_same() {
    let house = house().tenant("acme", BOTH).tenant("globex", BOTH).tool("prober").build().await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    ok(&house, &a, "prober.mem-remember", &keep("k", "canary of acme")).await;
    assert_eq!(ok(&house, &b, "prober.mem-retrieve", &ask("canary of acme")).await, "[]");
    assert_eq!(ok(&house, &b, "prober.mem-forget", r#"{"id":"k"}"#).await, "false");
    ok(&house, &b, "prober.mem-remember", &keep("k", "canary of globex")).await;
    assert!(!ok(&house, &b, "prober.mem-retrieve", &ask("canary acme")).await.contains("acme"));
    assert!(ok(&house, &a, "prober.mem-retrieve", &ask("canary")).await.contains("acme"));
    for (key, own) in [(&a, "canary of acme"), (&b, "canary of globex")] {
        let caller = house.room.identify(strongroom::identify::Credential::ApiKey(key)).await.unwrap();
        let found = house.room.retrieve(&caller, "canary", 5).await.unwrap();
        assert_eq!(found.iter().map(|f| f.text.as_str()).collect::<Vec<_>>(), [own]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_dies_half_way_leaves_nothing_in_memory_or_keyvalue() {
    let house = house().tenant("acme", BOTH).tool("prober").build().await;
    let key = house.key("acme").await;
    let half = r#"{"id":"half","text":"half done","bucket":"cart"}"#;
    let receipt = house.call_as(&key, "prober.mem-remember-and-trap", half).await;
    assert_eq!(receipt.reason, Reason::Trapped, "{receipt:?}");
    let set = receipt.imports.iter().any(|i| i.import.function == "[method]bucket.set");
    assert!(set, "it got as far as keyvalue: {:?}", receipt.imports);
    assert_eq!(ok(&house, &key, "prober.mem-retrieve", &ask("half done")).await, "[]");
    assert_eq!(ok(&house, &key, "prober.kv-exists", r#"{"bucket":"cart","key":"half"}"#).await, "false");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_a_query_is_an_operator() {
    let house = house().tenant("acme", BOTH).tool("prober").build().await;
    let key = house.key("acme").await;
    ok(&house, &key, "prober.mem-remember", &keep("secret", "nothing of this is asked for")).await;
    let (words, long) = ("near ".repeat(800), "(".repeat(4096));
    for query in [
        "\" OR *",
        "NEAR(",
        "NEAR(a b, 2)",
        "text:*",
        "-x",
        "^",
        "\"",
        "\"\"\"",
        "a\0b",
        "* OR rowid:1",
        "'; DROP TABLE memory; --",
        "{text tags} : x",
        "x AND NOT",
        "AND",
        "",
        "(((((",
        "\u{202e}\u{0}\u{ffff}",
        &words,
        &long,
    ] {
        let found = ok(&house, &key, "prober.mem-retrieve", &ask(query)).await;
        assert_eq!(found, "[]", "{query:?}");
    }
    let receipt = house.call_as(&key, "prober.mem-retrieve", &ask(&"x".repeat(100_000))).await;
    assert_eq!(receipt.reason, Reason::ToolError, "{receipt:?}");
    assert!(receipt.value.unwrap().contains("at most 4096 bytes"));
    assert!(ok(&house, &key, "prober.mem-retrieve", &ask("\"asked* NEAR(")).await.contains("secret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_a_reason_and_no_crash() {
    let quota = Size { entries: 2, bytes: 1000 };
    let plan = house().tenant("acme", BOTH).tenant("globex", BOTH).tool("prober");
    let house = plan.build_with(|builder| builder.memory_quota(quota)).await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    ok(&house, &a, "prober.mem-remember", &keep("a", "tea")).await;
    ok(&house, &a, "prober.mem-remember", &keep("b", "tea")).await;
    for full in [keep("c", "one entry more"), keep("a", &"long ".repeat(250))] {
        let receipt = house.call_as(&a, "prober.mem-remember", &full).await;
        assert_eq!(receipt.reason, Reason::QuotaExceeded, "{receipt:?}");
        assert_eq!((receipt.reason.http_status(), receipt.reason.exit_code()), (507, 6));
        assert!(receipt.message.unwrap().contains("at most 2 entries and 1000 bytes"));
    }
    ok(&house, &b, "prober.mem-remember", &keep("c", "the other tenant has its own room")).await;
    ok(&house, &a, "prober.mem-forget", r#"{"id":"a"}"#).await;
    ok(&house, &a, "prober.mem-remember", &keep("c", "now there is room")).await;
}
