//! What a tenant keeps never grows over its quota, by no call and by no number of them; and what is there stays usable.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom::reason::Reason;
use strongroom::storage::tenant::Size;
use strongroom_tests::{House, house};
use tokio::task::JoinSet;

fn rules(storage: &str) -> String {
    format!(
        "[tools]\nallow = [\"*\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n[grants.prober.memory]\n\
         mode = \"rw\"\n{storage}"
    )
}

fn set(key: &str, value: &str) -> String {
    serde_json::json!({ "bucket": "cart", "key": key, "value": STANDARD.encode(value) }).to_string()
}

fn at(key: &str) -> String {
    serde_json::json!({ "bucket": "cart", "key": key }).to_string()
}

async fn ends(house: &House, key: &str, function: &str, arguments: &str, reason: Reason) -> Option<String> {
    let receipt = house.call_as(key, function, arguments).await;
    assert_eq!(receipt.reason, reason, "{function} {arguments}: {receipt:?}");
    receipt.message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_keyvalue_is_a_reason_and_no_crash() {
    let storage = "[storage]\nkeyvalue = { bytes = \"20B\", entries = 3 }\n";
    let plan = house().tenant("acme", &rules(storage)).tenant("globex", &rules("")).tool("prober");
    let house = plan.build().await;
    let (a, b) = (house.key("acme").await, house.key("globex").await);
    ends(&house, &a, "prober.kv-set", &set("k1", "12345678"), Reason::Ok).await;
    let why =
        ends(&house, &a, "prober.kv-set", &set("k2", "123456789"), Reason::QuotaExceeded).await.unwrap();
    assert!(why.contains("the tenant's keyvalue holds at most 3 entries and 20 bytes"), "{why}");
    ends(&house, &a, "prober.kv-exists", &at("k2"), Reason::Ok).await;
    let two =
        serde_json::json!({ "bucket": "cart", "pairs": [["m1", ""], ["m2", ""], ["m3", ""]] }).to_string();
    ends(&house, &a, "prober.kv-set-many", &two, Reason::QuotaExceeded).await;
    assert_eq!(house.room.tenant(&"acme".parse().unwrap()).await.unwrap().stored.unwrap().0.entries, 1);
    let add = |key: &str, n: u64| serde_json::json!({ "bucket": "cart", "key": key, "delta": n }).to_string();
    ends(&house, &a, "prober.kv-increment", &add("n", 1), Reason::Ok).await;
    ends(&house, &a, "prober.kv-increment", &add("n", 1_000_000_000), Reason::QuotaExceeded).await;
    ends(&house, &a, "prober.kv-increment", &add("n", 10_000_000), Reason::Ok).await;
    ends(&house, &a, "prober.kv-set", &set("k3", ""), Reason::QuotaExceeded).await;
    ends(&house, &a, "prober.kv-delete", &at("k1"), Reason::Ok).await;
    ends(&house, &a, "prober.kv-set", &set("k3", "now it fits"), Reason::QuotaExceeded).await;
    ends(&house, &a, "prober.kv-set", &set("k3", "it fits"), Reason::Ok).await;
    ends(&house, &b, "prober.kv-set", &set("k", &"the other tenant has its own room".repeat(99)), Reason::Ok)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_calls_that_fit_alone_only_so_many_are_kept_as_fit_together() {
    let storage = "[storage]\nkeyvalue = { entries = 10 }\nmemory = { entries = 5 }\n";
    let house = house().tenant("acme", &rules(storage)).tool("prober").build().await;
    let key = house.key("acme").await;
    for (function, fit) in [("prober.kv-set", 10), ("prober.mem-remember", 5)] {
        let mut calls = JoinSet::new();
        for number in 0..30 {
            let (room, key) = (house.room.clone(), key.clone());
            let arguments = match function {
                "prober.kv-set" => set(&format!("k{number}"), "v"),
                _ => format!("{{\"id\":\"m{number}\",\"text\":\"tea\",\"tags\":[]}}"),
            };
            calls.spawn(async move {
                let request = strongroom_tests::request(function, &arguments);
                room.call(strongroom::identify::Credential::ApiKey(&key), request).await.reason
            });
        }
        let ended = calls.join_all().await;
        assert_eq!(ended.iter().filter(|reason| **reason == Reason::Ok).count(), fit, "{ended:?}");
        assert!(ended.iter().all(|reason| matches!(reason, Reason::Ok | Reason::QuotaExceeded)), "{ended:?}");
    }
    let (keyvalue, memory) = house.room.tenant(&"acme".parse().unwrap()).await.unwrap().stored.unwrap();
    assert_eq!((keyvalue.entries, memory.entries), (10, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_changes_the_quota_and_a_lower_one_refuses_growth_alone() {
    let house = house().tenant("acme", &rules("")).tool("prober");
    let small = Size { entries: 2, bytes: 100 };
    let house = house.build_with(|builder| builder.keyvalue_quota(small)).await;
    let key = house.key("acme").await;
    let reload = async |file: &str, text: &str| {
        std::fs::write(house.path().join(file), text).unwrap();
        house.room.apply(house.read_settings()).await.unwrap();
    };
    for name in ["a", "b"] {
        ends(&house, &key, "prober.kv-set", &set(name, "12345"), Reason::Ok).await;
    }
    ends(&house, &key, "prober.kv-set", &set("c", ""), Reason::QuotaExceeded).await;
    reload("strongroom.toml", "[storage.keyvalue]\nentries = 3\n").await;
    ends(&house, &key, "prober.kv-set", &set("c", "12345"), Reason::Ok).await;
    ends(&house, &key, "prober.kv-set", &set("d", ""), Reason::QuotaExceeded).await;
    reload("tenants/acme.toml", &rules("[storage]\nkeyvalue = { entries = 1, bytes = \"1B\" }\n")).await;
    ends(&house, &key, "prober.kv-set", &set("c", "123456"), Reason::QuotaExceeded).await;
    ends(&house, &key, "prober.kv-set", &set("c", "54321"), Reason::Ok).await;
    ends(&house, &key, "prober.kv-set", &set("c", "1"), Reason::Ok).await;
    ends(&house, &key, "prober.kv-set", &set("c", "12"), Reason::QuotaExceeded).await;
    ends(&house, &key, "prober.kv-delete", &at("a"), Reason::Ok).await;
    let report = house.room.tenant(&"acme".parse().unwrap()).await.unwrap();
    assert_eq!(report.quotas.unwrap().keyvalue, Size { entries: 1, bytes: 1 });
    assert_eq!(report.stored.unwrap().0, Size { entries: 2, bytes: 8 });
}
