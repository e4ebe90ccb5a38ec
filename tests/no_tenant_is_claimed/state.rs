//! What a tenant keeps, put there by every way and looked for by every way.

use super::Hosts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strongroom_tests::{Ask, Told, Way};

fn seen(told: &Told) -> String {
    String::from_utf8_lossy(&told.raw).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_tenant_keeps_is_out_of_reach_on_every_way() {
    let hosts = Hosts::open().await;
    for way in Way::ALL {
        let canary = format!("canary-{way:?}-of-globex");
        let value = STANDARD.encode(&canary);
        let mut globex = hosts.caller(way, "globex");
        let memory = json!({ "id": "m", "text": format!("the secret word is {canary}"), "tags": ["t"] });
        for (function, arguments) in [
            ("prober.kv-set", json!({ "bucket": "cart", "key": "k", "value": value })),
            ("prober.mem-remember", memory),
            ("prober.cache-set", json!({ "key": "c", "value": value, "ttl-seconds": 600 })),
            ("prober.write-file", json!({ "path": "/data/planted", "text": canary })),
        ] {
            let told = globex.call(Ask::new(function, arguments)).await;
            assert_eq!(told.reason, "ok", "{way:?} {function}: {}", seen(&told));
        }
        let mine = globex.call(Ask::new("prober.kv-get", json!({ "bucket": "cart", "key": "k" }))).await;
        assert_eq!(mine.value, value, "{way:?}: it is there, and its owner sees it");
        globex.end();
        for from in Way::ALL {
            let mut acme = hosts.caller(from, "acme");
            for (function, arguments) in [
                ("prober.kv-get", json!({ "bucket": "cart", "key": "k" })),
                ("prober.kv-get", json!({ "bucket": "globex/cart", "key": "k" })),
                ("prober.kv-get", json!({ "bucket": "../globex/cart", "key": "k" })),
                ("prober.kv-list", json!({ "bucket": "cart" })),
                ("prober.mem-retrieve", json!({ "query": "secret word canary globex", "top-k": 10 })),
                ("prober.mem-retrieve", json!({ "query": "globex OR secret* OR \"canary\"", "top-k": 10 })),
                ("prober.cache-get", json!({ "key": "c" })),
                ("prober.cache-get", json!({ "key": "globex/c" })),
                ("prober.read-file", json!({ "path": "/data/planted" })),
                ("prober.read-file", json!({ "path": "/data/../globex/planted" })),
                ("prober.read-file", json!({ "path": "/data/../../stores/globex.db" })),
                ("prober.list-dir", json!({ "path": "/data/.." })),
                ("prober.config-all", json!({})),
                ("prober.env", json!({})),
                ("prober.context", json!({})),
            ] {
                let all = seen(&acme.call(Ask::new(function, arguments.clone())).await);
                let clean = ![&canary, &value, "hello globex"].into_iter().any(|text| all.contains(text));
                assert!(clean, "{way:?} to {from:?}: {function} {arguments}: {all}");
            }
            acme.end();
        }
    }
    hosts.serving.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_answer_is_not_given_again() {
    let hosts = Hosts::open().await;
    for way in Way::ALL {
        let arguments = || json!({ "bucket": "cart", "key": format!("{way:?}"), "delta": 1 });
        let key = format!("{way:?}-same");
        let ask = || Ask { idempotency: Some(&key), ..Ask::new("prober.kv-increment", arguments()) };
        let (mut globex, mut acme) = (hosts.caller(way, "globex"), hosts.caller(way, "acme"));
        for ours in [&mut globex, &mut acme] {
            // The first is this tenant's own, whatever the other has had under that key; the second is the first again.
            let (first, again) = (ours.call(ask()).await, ours.call(ask()).await);
            assert_eq!((first.replayed, &first.value), (false, &json!(1)), "{way:?}: {}", seen(&first));
            assert_eq!((again.replayed, &again.value), (true, &json!(1)), "{way:?}: {}", seen(&again));
        }
        // A key that another tenant used for something else is no mismatch either.
        let pair = json!({ "bucket": "cart", "key": "x", "value": "YQ==" });
        let own = format!("{way:?}-other");
        let ask = |function, arguments| Ask { idempotency: Some(&own), ..Ask::new(function, arguments) };
        assert_eq!(globex.call(ask("prober.kv-increment", arguments())).await.reason, "ok", "{way:?}");
        assert_eq!(acme.call(ask("prober.kv-set", pair)).await.reason, "ok", "{way:?}");
        acme.end();
        globex.end();
    }
    hosts.serving.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_with_one_id_at_once_get_their_own_answers_on_one_stream() {
    let hosts = Hosts::open().await;
    let mut acme = hosts.caller(Way::Stdio, "acme");
    for id in [json!(9), json!("9"), json!(0), json!("")] {
        let message = |n: u64| {
            let params =
                json!({ "name": "echo.echo-string", "arguments": { "value": format!("value {n}") } });
            json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
        };
        let messages: Vec<Value> = (0..16).map(message).collect();
        let answers = acme.stream(&messages, 16);
        assert!(answers.iter().all(|answer| answer["id"] == id), "{answers:?}");
        let texts: BTreeSet<_> = answers
            .iter()
            .map(|answer| {
                let text = answer["result"]["structuredContent"]["result"].as_str();
                text.unwrap_or_default().to_owned()
            })
            .collect();
        assert_eq!(texts.len(), 16, "each call has its own answer: {answers:?}");
    }
    acme.end();
    hosts.serving.stop();
}
