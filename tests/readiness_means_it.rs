//! A host says that it is ready when a call could run, and names the part that is ill when none could.

use crate::http_api::client::{Reply, Served, call, listener, request};
use std::sync::Arc;
use strongroom::audit::MemoryJournal;
use strongroom::reason::Reason;
use strongroom_tests::{House, house};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

async fn ready(served: &Served) -> Reply {
    served.get("/readyz", &[]).await
}

/// Not ready, because of this part alone, in words that name no file and no tenant.
fn is_ill(reply: &Reply, part: &str, reason: &str) {
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let body = reply.json();
    for (name, told) in body["checks"].as_object().unwrap() {
        assert_eq!(told, if name == part { reason } else { "ok" }, "{name}: {body}");
    }
    assert!(!reply.body.contains('/') && !reply.body.contains("acme"), "{}", reply.body);
}

#[tokio::test]
async fn a_host_that_is_well_is_ready_and_names_its_parts() {
    let house = house().tenant("acme", "").build().await;
    let served = Served::new(&house.room);
    for _ in 0..3 {
        let reply = ready(&served).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        assert_eq!((body["status"].as_str(), body["config"].as_str()), (Some("ok"), Some("current")));
        for part in ["audit", "ledger", "engine", "serving"] {
            assert_eq!(body["checks"][part], "ok", "{body}");
        }
        assert!(!reply.body.contains("acme"));
    }
}

#[tokio::test]
async fn without_its_audit_log_it_is_not() {
    let book = Arc::new(MemoryJournal::new());
    let house = house().tenant("acme", "").build_with(|builder| builder.journal(book.clone())).await;
    let served = Served::new(&house.room);
    book.break_with(Some("/var/acme is full"));
    let reply = ready(&served).await;
    is_ill(&reply, "audit", "audit_unavailable");
    assert_eq!(reply.json()["reason_code"], "audit_unavailable");
    assert_eq!(served.get("/livez", &[]).await.status, 200);
    book.break_with(None);
    assert_eq!(ready(&served).await.status, 200);
}

#[tokio::test]
async fn with_a_ledger_that_takes_nothing_it_is_not() {
    let house = house().tenant("acme", "").build().await;
    let served = Served::new(&house.room);
    // Another program that holds the file's lock keeps every change out, as a full disk would.
    let lock = rusqlite::Connection::open(house.path().join("ledger.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reply = ready(&served).await;
    is_ill(&reply, "ledger", "storage_unavailable");
    lock.execute_batch("ROLLBACK").unwrap();
    let well = async {
        while ready(&served).await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), well).await.expect("it recovers");
}

#[tokio::test]
async fn while_it_drains_it_says_so_where_the_operator_listens() {
    let service = listener("127.0.0.1");
    let tenant = format!(
        "[tools]\nallow = [\"prober\"]\n[grants.prober.http.api]\norigin = \"http://{}\"\nallow_private = true\n",
        service.local_addr().unwrap()
    );
    let house: House = house().tool("prober").tenant("acme", &tenant).build().await;
    let key = house.key("acme").await;
    let mut served = Served::new(&house.room);
    let watch = listener("127.0.0.1");
    let address = watch.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let watching = strongroom::serve::telemetry::run(house.room.clone(), watch, async { drop(ended.await) });
    let watching = tokio::spawn(watching);
    let ask = async || {
        let mut stream = tokio::io::BufReader::new(TcpStream::connect(address).await.unwrap());
        stream.write_all(&request("GET", "/readyz", &[], "")).await.unwrap();
        Reply::read(&mut stream).await
    };
    assert_eq!(ask().await.status, 200);

    let mut stream = served.connect().await;
    stream.write_all(&call(&key, "prober.http-get", &[], r#"{"url":"http://api/thing"}"#)).await.unwrap();
    let (mut held, _) = service.accept().await.unwrap();
    served.stop();
    while !house.room.is_draining() {
        tokio::task::yield_now().await;
    }
    is_ill(&ask().await, "serving", "draining");
    held.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(Reply::read(&mut stream).await.status, 200);
    served.ended().await;
    assert_eq!(ask().await.status, 503);
    end.send(()).unwrap();
    watching.await.unwrap().unwrap();
    assert!(house.room.health().await.draining);
    assert_eq!(house.room.health().await.ledger, Ok::<(), Reason>(()));
}
