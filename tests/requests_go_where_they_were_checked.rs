//! Names that lead inside, that change, or that answer with a mixture reach nobody; what is connected is the address that
//! was checked. And redirects, other ports and disguised hosts are new requests with rights of their own.

use axum::Router;
use axum::http::{StatusCode, header::LOCATION};
use axum::routing::any;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use strongroom::powers::{BoxFuture, Dial};
use strongroom::reason::Reason;
use strongroom_tests::{House, house};
use tokio::net::TcpStream;

/// A network whose names answer as the test says, and whose every connection leads to one loopback service.
#[derive(Debug)]
struct Stage {
    answers: Mutex<Vec<Vec<SocketAddr>>>,
    service: SocketAddr,
    connected: Mutex<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Dial for Stage {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.lock().unwrap();
        let answer = answers.get(asked).or(answers.last()).cloned().unwrap_or_default();
        Box::pin(async move { Ok(answer) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.connected.lock().unwrap().push(address);
        let service = self.service;
        Box::pin(async move { TcpStream::connect(service).await })
    }
}

async fn staged(answers: &[&[&str]]) -> (House, String, Arc<Stage>) {
    let app = Router::new().fallback(any(|| async {
        (StatusCode::FOUND, [(LOCATION, "http://169.254.169.254/latest/meta-data")], "moved")
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let parse = |list: &&[&str]| list.iter().map(|a| SocketAddr::new(a.parse().unwrap(), 80)).collect();
    let stage = Arc::new(Stage {
        answers: Mutex::new(answers.iter().map(parse).collect()),
        service,
        connected: Mutex::default(),
        asked: AtomicUsize::new(0),
    });
    let rules = "[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigins = [\"http://api.example.com\", \"https://*.wild.example.com\"]\n";
    let house = house().tenant("acme", rules).tool("prober").build_with(|b| b.dial(stage.clone())).await;
    let key = house.key("acme").await;
    (house, key, stage)
}

async fn get(house: &House, key: &str, url: &str) -> Reason {
    house.call_as(key, "prober.http-get", &format!("{{\"url\":{}}}", serde_json::json!(url))).await.reason
}

#[tokio::test]
async fn a_public_name_is_reached_at_exactly_the_address_that_was_checked() {
    let (house, key, stage) = staged(&[&["93.184.216.34"], &["127.0.0.1"]]).await;
    assert_eq!(get(&house, &key, "http://api.example.com/x").await, Reason::Ok);
    assert_eq!(*stage.connected.lock().unwrap(), ["93.184.216.34:80".parse().unwrap()]);
    assert_eq!(
        stage.asked.load(Ordering::SeqCst),
        1,
        "a name is resolved once: what was checked is what is connected"
    );
    assert_eq!(
        get(&house, &key, "http://api.example.com/x").await,
        Reason::CapabilityDenied,
        "it changed its mind"
    );
    assert_eq!(stage.connected.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn names_that_lead_inside_reach_nobody() {
    for inside in [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "::127.0.0.1",
    ] {
        let (house, key, stage) = staged(&[&[inside]]).await;
        assert_eq!(get(&house, &key, "http://api.example.com/x").await, Reason::CapabilityDenied, "{inside}");
        let (mixed, key, both) = staged(&[&["93.184.216.34", inside]]).await;
        assert_eq!(
            get(&mixed, &key, "http://api.example.com/x").await,
            Reason::CapabilityDenied,
            "mixed {inside}"
        );
        assert!(
            stage.connected.lock().unwrap().is_empty() && both.connected.lock().unwrap().is_empty(),
            "{inside}"
        );
    }
}

#[tokio::test]
async fn disguises_of_hosts_are_other_hosts() {
    let (house, key, stage) = staged(&[&["93.184.216.34"]]).await;
    for url in [
        "http://api.example.com:81/x",
        "https://api.example.com/x",
        "http://api.example.com.evil.example/x",
        "http://evil-api.example.com/x",
        "http://api.example.com@evil.example/x",
        "http://evil.example/api.example.com",
        "http://example.com/x",
        "http://xn--pi-7ka.example.com/x",
        "http://wild.example.com/x",
        "https://evil-wild.example.com/x",
        "http://a.wild.example.com/x",
    ] {
        let reason = get(&house, &key, url).await;
        assert!(matches!(reason, Reason::CapabilityDenied | Reason::ToolError), "{url}: {reason}");
    }
    assert!(stage.connected.lock().unwrap().is_empty(), "{:?}", stage.connected.lock().unwrap());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_following_it_needs_a_right() {
    let (house, key, stage) = staged(&[&["93.184.216.34"]]).await;
    let receipt = house.call_as(&key, "prober.http-get", r#"{"url":"http://api.example.com/moved"}"#).await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    let answer: serde_json::Value = serde_json::from_str(&receipt.value.unwrap()).unwrap();
    assert_eq!(answer["status"], 302, "the host follows nothing by itself");
    assert_eq!(get(&house, &key, "http://169.254.169.254/latest/meta-data").await, Reason::CapabilityDenied);
    assert_eq!(stage.connected.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn headers_cannot_name_another_host_or_smuggle_a_line() {
    let (house, key, stage) = staged(&[&["93.184.216.34"]]).await;
    for header in [r#"["host","evil.example"]"#, r#"["x-a","b\r\nx-c: d"]"#, r#"["connection","upgrade"]"#] {
        let arguments = format!(
            "{{\"method\":\"GET\",\"url\":\"http://api.example.com/x\",\"headers\":[{header}],\"body\":\"\"}}"
        );
        let receipt = house.call_as(&key, "prober.http", &arguments).await;
        assert_ne!(receipt.reason, Reason::Ok, "{header}: {receipt:?}");
    }
    assert!(stage.connected.lock().unwrap().is_empty());
}
