//! Each capability works with its right, and without it is refused as `capability_denied`, recorded, and nothing happens.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use strongroom::audit::{Decision, Filter, read};
use strongroom::powers::Home;
use strongroom::reason::Reason;
use strongroom_tests::{House, house};

/// A service that counts what reaches it and gives back the headers it was sent.
async fn service() -> (String, Arc<AtomicUsize>) {
    let hits = Arc::new(AtomicUsize::new(0));
    let seen = hits.clone();
    let app = Router::new().fallback(any(move |headers: HeaderMap| {
        seen.fetch_add(1, Ordering::SeqCst);
        async move { format!("authorization={:?}", headers.get("authorization")) }
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (origin, hits)
}

/// Every right that the prober can have, one line each, so that a test can leave one out.
fn grants(origin: &str) -> Vec<(&'static str, String)> {
    vec![
        ("http", format!("[grants.prober.http.api]\norigin = \"{origin}\"\nallow_private = true\n")),
        ("dir", "[grants.prober.dir.data]\npath = \"data/shared/acme\"\nmode = \"rw\"\n".into()),
        ("archive", "[grants.prober.dir.archive]\npath = \"data/shared/acme\"\nmode = \"ro\"\n".into()),
        ("cart", "[grants.prober.keyvalue.cart]\nmode = \"rw\"\n".into()),
        ("ledger", "[grants.prober.keyvalue.ledger]\nmode = \"ro\"\n".into()),
        ("memory", "[grants.prober.memory]\nmode = \"rw\"\n".into()),
        ("cache", "[grants.prober.cache]\n".into()),
        ("config", "[grants.prober.config]\nvalues = { greeting = \"hello\", region = \"eu\" }\n".into()),
    ]
}

/// Which call needs which right.
fn needs(origin: &str) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("http", "prober.http-get", format!("{{\"url\":\"{origin}/x\"}}")),
        ("dir", "prober.write-file", r#"{"path":"/data/a.txt","text":"a"}"#.into()),
        ("dir", "prober.read-file", r#"{"path":"/data/a.txt"}"#.into()),
        ("archive", "prober.list-dir", r#"{"path":"/archive"}"#.into()),
        ("cart", "prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#.into()),
        ("cart", "prober.kv-increment", r#"{"bucket":"cart","key":"n","delta":2}"#.into()),
        ("cart", "prober.kv-get", r#"{"bucket":"cart","key":"k"}"#.into()),
        ("ledger", "prober.kv-list", r#"{"bucket":"ledger"}"#.into()),
        ("memory", "prober.mem-remember", r#"{"id":"m","text":"tea","tags":[]}"#.into()),
        ("memory", "prober.mem-retrieve", r#"{"query":"tea","top-k":3}"#.into()),
        ("memory", "prober.mem-forget", r#"{"id":"m"}"#.into()),
        ("cache", "prober.cache-set", r#"{"key":"k","value":"MQ==","ttl-seconds":60}"#.into()),
        ("cache", "prober.cache-get", r#"{"key":"k"}"#.into()),
        ("cache", "prober.cache-delete", r#"{"key":"k"}"#.into()),
        ("config", "prober.config-get", r#"{"key":"greeting"}"#.into()),
    ]
}

async fn acme(origin: &str, without: Option<&str>) -> (House, String) {
    let kept = grants(origin).into_iter().filter(|(right, _)| Some(*right) != without);
    let rules: String = kept.map(|(_, text)| text).collect();
    let plan = house().tenant("acme", &format!("[tools]\nallow = [\"*\"]\n{rules}")).tool("prober");
    std::fs::create_dir_all(plan.path().join("data/shared/acme")).unwrap();
    std::fs::write(plan.path().join("data/shared/acme/a.txt"), "there before").unwrap();
    let house = plan.build().await;
    let key = house.key("acme").await;
    (house, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_right_every_call_works() {
    let (origin, hits) = service().await;
    let (house, key) = acme(&origin, None).await;
    for (_, function, arguments) in needs(&origin) {
        let receipt = house.call_as(&key, function, &arguments).await;
        assert_eq!(receipt.reason, Reason::Ok, "{function}: {receipt:?}");
    }
    assert_eq!(hits.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_one_right_away_denies_its_calls_and_no_other() {
    for (removed, _) in grants("http://127.0.0.1:1") {
        let (origin, hits) = service().await;
        let (house, key) = acme(&origin, Some(removed)).await;
        for (right, function, arguments) in needs(&origin) {
            let receipt = house.call_as(&key, function, &arguments).await;
            let expected = if right == removed { Reason::CapabilityDenied } else { Reason::Ok };
            assert_eq!(receipt.reason, expected, "without {removed}: {function}: {receipt:?}");
            if right == removed {
                let denied =
                    receipt.imports.iter().any(|i| i.decision == strongroom::imports::Decision::Deny);
                assert!(denied, "{function}: {:?}", receipt.imports);
            }
        }
        let expected = usize::from(removed != "http");
        assert_eq!(hits.load(Ordering::SeqCst), expected, "a refused request reaches nobody");
        if removed == "dir" {
            let text = std::fs::read_to_string(house.path().join("data/shared/acme/a.txt")).unwrap();
            assert_eq!(text, "there before", "a refused write changes nothing");
        }
        let entries: Vec<_> = read(Home::open(house.path().join("audit")).unwrap().dir(), Filter::default())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let denials =
            entries.iter().flat_map(|e| &e.imports).filter(|i| i.decision == Decision::Deny).count();
        assert!(denials > 0, "the refusals are in the book on disk");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_rights_do_not_write() {
    let (origin, _) = service().await;
    let (house, key) = acme(&origin, None).await;
    for (function, arguments) in [
        ("prober.write-file", r#"{"path":"/archive/a.txt","text":"x"}"#),
        ("prober.append-file", r#"{"path":"/archive/a.txt","text":"x"}"#),
        ("prober.truncate-file", r#"{"path":"/archive/a.txt"}"#),
        ("prober.make-dir", r#"{"path":"/archive/new"}"#),
        ("prober.remove-file", r#"{"path":"/archive/a.txt"}"#),
        ("prober.rename-file", r#"{"from":"/archive/a.txt","to":"/archive/b.txt"}"#),
        ("prober.rename-file", r#"{"from":"/archive/a.txt","to":"/data/b.txt"}"#),
        ("prober.hard-link", r#"{"from":"/archive/a.txt","to":"/archive/c.txt"}"#),
        ("prober.sym-link", r#"{"target":"a.txt","path":"/archive/d.txt"}"#),
        ("prober.kv-set", r#"{"bucket":"ledger","key":"k","value":"MQ=="}"#),
        ("prober.kv-delete", r#"{"bucket":"ledger","key":"k"}"#),
        ("prober.kv-increment", r#"{"bucket":"ledger","key":"n","delta":1}"#),
    ] {
        let receipt = house.call_as(&key, function, arguments).await;
        assert_eq!(receipt.reason, Reason::CapabilityDenied, "{function} {arguments}: {receipt:?}");
    }
    assert_eq!(std::fs::read_dir(house.path().join("data/shared/acme")).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(house.path().join("data/shared/acme/a.txt")).unwrap(), "there before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_rights_end_at_origin_method_path_and_private_addresses() {
    let (origin, hits) = service().await;
    let port = origin.rsplit(':').next().unwrap().to_owned();
    let rules = format!(
        "[tools]\nallow = [\"*\"]\n[grants.prober.http.narrow]\norigin = \"{origin}\"\nallow_private = true\n\
         [grants.prober.http.api]\norigin = \"http://localhost:{port}\"\nmethods = [\"GET\"]\n"
    );
    let house = house().tenant("acme", &rules).tool("prober").build().await;
    let key = house.key("acme").await;
    let ok = house.call_as(&key, "prober.http-get", &format!("{{\"url\":\"{origin}/only/this\"}}")).await;
    assert_eq!(ok.reason, Reason::Ok, "{ok:?}");
    let need = house.call_as(&key, "prober.http-get", r#"{"url":"http://narrow/only/this"}"#).await;
    assert_eq!(need.reason, Reason::Ok, "a need's name stands for its origin: {need:?}");
    for url in [
        format!("{origin}/other"),
        format!("{origin}/only/this/deeper"),
        format!("{origin}/only/%2e%2e/secret"),
        format!("{origin}/only/..%2fsecret"),
        "http://127.0.0.1:1/only/this".to_owned(),
        origin.replace("http:", "https:") + "/only/this",
        format!("http://2130706433:{port}/other"),
        // Granted, but without `allow_private`: the name leads inside.
        format!("http://localhost:{port}/anything"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let receipt = house.call_as(&key, "prober.http-get", &format!("{{\"url\":\"{url}\"}}")).await;
        assert_eq!(receipt.reason, Reason::CapabilityDenied, "{url}: {receipt:?}");
    }
    let post = format!("{{\"method\":\"POST\",\"url\":\"{origin}/only/this\",\"headers\":[],\"body\":\"\"}}");
    let receipt = house.call_as(&key, "prober.http", &post).await;
    assert_eq!(receipt.reason, Reason::CapabilityDenied, "{receipt:?}");
    assert_eq!(hits.load(Ordering::SeqCst), 2, "nothing else reached the service");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_and_the_hosts_environment_are_given_to_nobody() {
    let (origin, hits) = service().await;
    let (house, key) = acme(&origin, None).await;
    let address = origin.trim_start_matches("http://");
    for (function, arguments) in [
        ("prober.connect", format!("{{\"address\":\"{address}\"}}")),
        ("prober.listen", r#"{"address":"127.0.0.1:0"}"#.to_owned()),
        ("prober.resolve", r#"{"host":"localhost"}"#.to_owned()),
    ] {
        let receipt = house.call_as(&key, function, &arguments).await;
        assert_eq!(receipt.reason, Reason::CapabilityDenied, "{function}: {receipt:?}");
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
    let environment = house.call_as(&key, "prober.env", "{}").await;
    assert_eq!(environment.value.as_deref(), Some("[]"));
    let arguments = house.call_as(&key, "prober.args", "{}").await;
    assert_eq!(arguments.value.as_deref(), Some("[]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_declared_to_read_cannot_write_whatever_is_granted() {
    let (origin, _) = service().await;
    let (house, key) = acme(&origin, None).await;
    let manifest = include_str!("guests/src/prober.toml")
        .replace("[functions]\n", "[functions]\nwrite-file.effect = \"read\"\nkv-set.effect = \"read\"\n");
    house
        .room
        .install_accepted(strongroom_tests::component("prober"), "prober", Some(&manifest))
        .await
        .unwrap();
    for (function, arguments) in [
        ("prober.write-file", r#"{"path":"/data/b.txt","text":"x"}"#),
        ("prober.kv-set", r#"{"bucket":"cart","key":"k","value":"MQ=="}"#),
    ] {
        let receipt = house.call_as(&key, function, arguments).await;
        assert_eq!(receipt.reason, Reason::CapabilityDenied, "{function}: {receipt:?}");
    }
    assert!(!house.path().join("data/shared/acme/b.txt").exists());
}
