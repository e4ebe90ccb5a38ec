//! Calls end with their client, a drain waits for them, and a host whose book is closed says so.

use super::client::{Reply, Served, book, call, listener, request};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use strongroom::audit::{AuditUnavailable, Entry, Journal, Pending};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, house};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A house whose tool `prober` may ask the service at this address.
pub(super) async fn asking(service: SocketAddr) -> (House, String) {
    let tenant = format!(
        "[tools]\nallow = [\"prober\"]\n[grants.prober.http.api]\norigin = \"http://{service}\"\nallow_private = true\n"
    );
    let house = house().tool("prober").tenant("acme", &tenant).tenant("globex", &tenant).build().await;
    let key = house.key("acme").await;
    (house, key)
}

/// A service that has been asked and has not answered: as long as it is silent, the call runs.
pub(super) async fn asked(service: &TcpListener) -> TcpStream {
    let (mut stream, _) = service.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
}

pub(super) const GET: &str = r#"{"url":"http://api/thing"}"#;

#[tokio::test]
async fn a_drain_lets_every_call_end_that_runs() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let mut served = Served::new(&house.room);
    let mut idle = served.connect().await;
    idle.write_all(&request("GET", "/livez", &[], "")).await.unwrap();
    assert_eq!(Reply::read(&mut idle).await.status, 200);

    let mut calls = JoinSet::new();
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = served.connect().await;
        stream.write_all(&call(&key, "prober.http-get", &[], GET)).await.unwrap();
        calls.spawn(async move { Reply::read(&mut stream).await });
        held.push(asked(&service).await);
    }
    served.stop();
    // The idle connection is closed: the sign has been seen, and there is nobody any more to connect to.
    assert!(Reply::try_read(&mut idle).await.is_none());
    let refused = tokio::net::TcpSocket::new_v4().unwrap().connect(served.address).await;
    assert!(refused.is_err());
    for mut stream in held {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    }
    let replies = calls.join_all().await;
    assert_eq!(replies.len(), 16);
    for reply in replies {
        assert_eq!((reply.status, reply.json()["body"].as_str()), (200, Some("b2s=")), "{reply:?}");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    served.ended().await;
    house.room.close().await.unwrap();
    let done = book(&house)
        .iter()
        .filter(|e| e.action == "call prober.http-get" && e.reason_code == Reason::Ok)
        .count();
    assert_eq!(done, 16);
}

#[tokio::test]
async fn a_call_whose_client_goes_away_is_stopped_and_cancelled_in_the_book() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let mut served = Served::new(&house.room);
    let mut stream = served.connect().await;
    stream.write_all(&call(&key, "prober.http-get", &[], GET)).await.unwrap();
    let mut held = asked(&service).await;
    drop(stream);
    // The guest's own connection ends with it.
    assert_eq!(held.read(&mut [0; 16]).await.unwrap_or(0), 0);
    served.stop();
    served.ended().await;
    house.room.close().await.unwrap();
    let entries: Vec<_> = book(&house).into_iter().filter(|e| e.action == "call prober.http-get").collect();
    let last = entries.last().unwrap();
    assert_eq!((last.reason_code, last.outcome), (Reason::Cancelled, Outcome::Failed), "{entries:?}");
}

#[tokio::test]
async fn serving_that_is_dropped_drops_its_calls() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let served = Served::new(&house.room);
    let mut stream = served.connect().await;
    stream.write_all(&call(&key, "prober.http-get", &[], GET)).await.unwrap();
    let mut held = asked(&service).await;
    drop(served);
    assert!(Reply::try_read(&mut stream).await.is_none());
    assert_eq!(held.read(&mut [0; 16]).await.unwrap_or(0), 0);
    house.room.close().await.unwrap();
    assert!(book(&house).iter().any(|e| e.reason_code == Reason::Cancelled));
}

/// A book that takes nothing.
#[derive(Debug)]
struct Closed;

impl Journal for Closed {
    fn append(&self, _: Entry) -> Result<Pending, AuditUnavailable> {
        Err(AuditUnavailable::new("/secret/path is full"))
    }

    fn ready(&self) -> Result<(), AuditUnavailable> {
        Err(AuditUnavailable::new("/secret/path is full"))
    }
}

#[tokio::test]
async fn a_host_that_cannot_write_its_book_is_alive_and_not_ready() {
    let house = house().build_with(|builder| builder.journal(Arc::new(Closed))).await;
    let served = Served::new(&house.room);
    assert_eq!(served.get("/livez", &[]).await.status, 200);
    let ready = served.get("/readyz", &[]).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["reason_code"], "audit_unavailable");
    assert!(!ready.body.contains("/secret"));
    let refused = served.raw(request("POST", "/v1/tools/echo.nothing", &[], "{}")).await;
    refused.is_problem(503, "audit_unavailable");
    assert!(!refused.body.contains("/secret"), "{refused:?}");
    served.get("/v1/tools", &[]).await.is_problem(503, "audit_unavailable");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let house = house().build().await;
    let served = Served::new(&house.room);
    let mut silent = served.connect().await;
    silent.write_all(b"GET /livez HTTP/1.1\r\nhost: local").await.unwrap();
    let wait = async {
        let mut rest = Vec::new();
        drop(silent.read_to_end(&mut rest).await);
        rest
    };
    let closed = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(closed.is_ok());
}
