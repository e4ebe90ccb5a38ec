//! A tenant reads its own entries and its own memory, and nobody reads those of another.

use super::client::{Reply, Served, request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strongroom_tests::{House, house};

const RULES: &str = "[tools]\nallow = ['*']\n[grants.prober.memory]\nmode = 'rw'\n";

async fn get(served: &Served, key: &str, path: &str) -> Reply {
    served.get(path, &[&format!("authorization: Bearer {key}")]).await
}

async fn retrieve(served: &Served, key: &str, body: &str) -> Reply {
    let authorization = format!("authorization: Bearer {key}");
    served.raw(request("POST", "/v1/memory/retrieve", &[&authorization], body)).await
}

async fn two() -> (House, [String; 2]) {
    let house = house().tool("prober").tenant("acme", RULES).tenant("globex", RULES).build().await;
    let keys = [house.key("acme").await, house.key("globex").await];
    (house, keys)
}

/// All pages from the first.
async fn pages(served: &Served, key: &str, limit: usize) -> (Vec<Value>, String) {
    let (mut all, mut from) = (Vec::new(), String::new());
    loop {
        let page = get(served, key, &format!("/v1/audit?limit={limit}{from}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let entries = page["entries"].as_array().unwrap().clone();
        assert!(entries.len() <= limit);
        all.extend(entries);
        let next = page["next"].as_str().unwrap().to_owned();
        if page["end"] == true {
            return (all, next);
        }
        from = format!("&from={next}");
    }
}

#[tokio::test]
async fn a_tenant_reads_its_own_entries_and_learns_nothing_of_others() {
    let (house, [acme, globex]) = two().await;
    let served = Served::new(&house.room);
    let mut calls = BTreeSet::new();
    for n in 0..20 {
        let key = if n % 3 == 0 { &acme } else { &globex };
        let reply = served.call(key, "prober.now", &[], "{}").await;
        if n % 3 == 0 {
            calls.insert(reply.header("strongroom-call-id").unwrap().to_owned());
        }
    }
    let (entries, next) = pages(&served, &acme, 3).await;
    assert!(entries.iter().all(|entry| entry["tenant_id"] == "acme" && entry.get("seq").is_none()));
    let action = |action: &str| entries.iter().filter(|entry| entry["action"] == action).count();
    assert_eq!(action("call prober.now"), calls.len());
    assert!(action("read audit log") > 2, "reading is in the log, too");
    let ids: BTreeSet<_> = entries.iter().filter_map(|e| e["call_id"].as_str().map(str::to_owned)).collect();
    assert!(ids.is_superset(&calls));
    // A place is the tenant's own, and where one page ended, what came since begins.
    get(&served, &globex, &format!("/v1/audit?from={next}")).await.is_problem(400, "arguments_invalid");
    served.call(&acme, "prober.now", &[], "{}").await;
    let since = get(&served, &acme, &format!("/v1/audit?from={next}")).await.json();
    assert_eq!(since["entries"].as_array().unwrap().last().unwrap()["action"], "call prober.now");
    for wrong in ["from=17", "from=", "limit=x", "tenant=globex", "tenant_id=globex"] {
        get(&served, &acme, &format!("/v1/audit?{wrong}")).await.is_problem(400, "arguments_invalid");
    }
    served.get("/v1/audit", &[]).await.is_problem(401, "tenant_missing");
}

#[tokio::test]
async fn what_is_remembered_is_retrieved_by_its_tenant_alone() {
    let (house, [acme, globex]) = two().await;
    let served = Served::new(&house.room);
    let remember = r#"{"id":"a1","text":"the invoice of March is late","tags":["invoice"]}"#;
    let kept = served.call(&acme, "prober.mem-remember", &["idempotency-key: 1"], remember).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let found = retrieve(&served, &acme, r#"{"query":"invoice","top_k":3}"#).await;
    assert_eq!(found.status, 200, "{found:?}");
    let entries = found.json()["entries"].clone();
    assert_eq!((&entries[0]["id"], &entries[0]["tags"]), (&json!("a1"), &json!(["invoice"])));
    assert_eq!(entries.as_array().unwrap().len(), 1);
    assert_eq!(retrieve(&served, &globex, r#"{"query":"invoice"}"#).await.json()["entries"], json!([]));
    let long = json!({ "query": "x".repeat(4097) }).to_string();
    for wrong in ["", "{}", r#"{"query":1}"#, r#"{"query":"invoice","tenant":"acme"}"#, &long] {
        retrieve(&served, &globex, wrong).await.is_problem(400, "arguments_invalid");
    }
    let huge = json!({ "query": "x".repeat(100_000) }).to_string();
    retrieve(&served, &acme, &huge).await.is_problem(413, "arguments_invalid");
    served.raw(request("POST", "/v1/memory/retrieve", &[], "{}")).await.is_problem(401, "tenant_missing");
}

#[tokio::test]
async fn who_does_not_stand_for_the_whole_tenant_reads_neither() {
    let rules = format!("{RULES}[roles.agent]\ntools = ['*']\n");
    let house = house().tool("prober").tenant("acme", &rules).build().await;
    let narrow =
        [house.key_for("acme", Some("agent"), &[]).await, house.key_for("acme", None, &["prober"]).await];
    let served = Served::new(&house.room);
    for key in &narrow {
        get(&served, key, "/v1/audit").await.is_problem(403, "policy_denied");
        retrieve(&served, key, r#"{"query":"invoice"}"#).await.is_problem(403, "policy_denied");
    }
}
