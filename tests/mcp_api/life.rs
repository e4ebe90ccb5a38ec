//! Calls of the protocol tell how far they are, end with their client, and hear of other tools.

use super::rpc::{Client, NEW, OLD, chunk, client as of, events, head, message, read};
use super::session::Session;
use crate::http_api::client::{Served, book, listener};
use serde_json::{Value, json};
use std::net::SocketAddr;
use strongroom::audit::Entry;
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, house};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

async fn asking(service: SocketAddr) -> (House, String) {
    let tenant = format!(
        "[tools]\nallow = [\"prober\"]\n[grants.prober.http.api]\norigin = \"http://{service}\"\nallow_private = true\n"
    );
    let house = house().tool("prober").tenant("acme", &tenant).build().await;
    let key = house.key("acme").await;
    (house, key)
}

/// The connection on which the guest asks, once it has asked.
async fn asked(service: &TcpListener) -> TcpStream {
    let (stream, _) = service.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.trim().is_empty() {
            return stream.into_inner();
        }
    }
}

fn get(version: &str) -> Value {
    message(
        version,
        1,
        "tools/call",
        json!({ "name": "prober.http-get", "arguments": { "url": "http://api/x" } }),
    )
}

#[tokio::test]
async fn a_call_whose_client_goes_away_is_stopped_and_cancelled_in_the_book() {
    for version in [NEW, OLD] {
        let service = listener("127.0.0.1");
        let (house, key) = asking(service.local_addr().unwrap()).await;
        let mut served = Served::new(&house.room);
        let client = Client { version, ..of(&served, &key) };
        let stream = client.begin(&get(version), &[]).await;
        let mut held = asked(&service).await;
        drop(stream);
        // The guest's own connection ends with it.
        assert_eq!(held.read(&mut [0; 16]).await.unwrap_or(0), 0);
        served.stop();
        served.ended().await;
        house.room.close().await.unwrap();
        let entries: Vec<_> =
            book(&house).into_iter().filter(|e| e.action == "call prober.http-get").collect();
        let last = entries.last().unwrap();
        assert_eq!((last.reason_code, last.outcome), (Reason::Cancelled, Outcome::Failed), "{entries:?}");
    }
}

#[tokio::test]
async fn an_id_is_in_use_in_its_session_until_its_answer_is_whole() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let served = Served::new(&house.room);
    let session = Session::begin(&served, &key, json!({})).await;
    let header = session.header();
    let call = async || {
        let stream = session.client.begin(&get(OLD), &[&header]).await;
        (stream, asked(&service).await)
    };
    // The tool gives what it read in base64.
    let answered = async |word: &str, told: &str, (mut stream, mut held): (_, TcpStream)| {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", word.len());
        held.write_all((head + word).as_bytes()).await.unwrap();
        let answer = read(&mut stream).await;
        assert_eq!((answer.status, &answer.last()["id"]), (200, &json!(1)));
        assert_eq!(answer.result()["structuredContent"]["body"], told);
    };
    let first = call().await;
    let list = |id: u64| message(OLD, id, "tools/list", json!({}));
    assert_eq!(session.send(&list(2)).await.status, 200);
    // In another session it is another one's.
    let other = Session::begin(&served, &key, json!({})).await;
    assert_eq!(other.send(&list(1)).await.status, 200);
    let refused = session.send(&list(1)).await;
    assert_eq!((refused.status, &refused.last()["reason_code"]), (400, &json!("arguments_invalid")));
    answered("first", "Zmlyc3Q=", first).await;
    answered("again", "YWdhaW4=", call().await).await;
    let denied = |entry: &Entry| entry.reason_code == Reason::ArgumentsInvalid;
    assert_eq!(book(&house).iter().filter(|entry| denied(entry)).count(), 1);
}

#[tokio::test]
async fn serving_that_is_dropped_drops_its_calls() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let served = Served::new(&house.room);
    let _stream = of(&served, &key).begin(&get(NEW), &[]).await;
    let mut held = asked(&service).await;
    drop(served);
    assert_eq!(held.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_subscriber_hears_when_its_own_list_changes() {
    let house = house().tool("echo").tenant("acme", "[tools]\nallow = [\"echo\"]\n");
    let house = house.tenant("globex", "[tools]\nallow = []\n").build().await;
    let key = house.key("acme").await;
    let mut served = Served::new(&house.room);
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = of(&served, &key).begin(&message(NEW, 5, "subscriptions/listen", filter), &[]).await;
    let (status, headers) = head(&mut stream).await;
    assert_eq!(status, 200, "{headers:?}");
    let mut next = async || loop {
        let piece = chunk(&mut stream).await.expect("an event");
        if let Some(event) = events(&piece).pop() {
            return event;
        }
    };
    let first = next().await;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    // Another tenant's change is nothing to hear of.
    let home = strongroom::powers::Home::open(house.path()).unwrap();
    std::fs::write(house.path().join("tenants/globex.toml"), "[tools]\nallow = [\"echo\"]\n").unwrap();
    house.room.reload(&home).await.unwrap();
    std::fs::write(house.path().join("tenants/acme.toml"), "[tools]\nallow = [\"echo.nothing\"]\n").unwrap();
    house.room.reload(&home).await.unwrap();
    assert_eq!(next().await["method"], "notifications/tools/list_changed");
    assert_eq!(of(&served, &key).tools().await, ["echo.nothing"]);
    // The server ends it when it ends itself.
    served.stop();
    let last = next().await;
    assert_eq!((&last["id"], last.get("result").is_some()), (&json!(5), true), "{last}");
    served.ended().await;
}

#[tokio::test]
async fn progress_comes_to_who_asked_for_it() {
    let house = house().tool("mcp").build().await;
    let served = Served::new(&house.room);
    for version in [NEW, OLD] {
        let client = Client { key: None, version, ..of(&served, "") };
        let params = json!({ "name": "mcp.work", "arguments": {}, "_meta": { "progressToken": "p1" } });
        let answer = read(&mut client.begin(&message(version, 3, "tools/call", params), &[]).await).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        let (last, told) = answer.messages.split_last().unwrap();
        assert_eq!(last["id"], 3);
        let done: Vec<_> =
            told.iter().map(|message| message["params"]["progress"].as_f64().unwrap()).collect();
        assert_eq!(done, [0.0, 50.0, 100.0], "{answer:?}");
        assert!(told.iter().all(|message| message["params"]["progressToken"] == "p1"));
        let quiet = client.call("mcp.work", json!({})).await;
        assert_eq!((quiet.header("content-type"), quiet.messages.len()), (Some("application/json"), 1));
    }
}
