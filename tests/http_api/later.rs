//! A call that takes long can be begun and fetched later, or watched; only by whoever began it.

use super::client::{Reply, Served, book, call, entries, listener, request};
use super::life::{GET, asked, asking};
use serde_json::{Value, json};
use strongroom::NewKey;
use strongroom::id::{ActorId, TenantId};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::house;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const ASYNC: &str = "prefer: respond-async";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Asks for something under `/v1/calls/`.
async fn calls(served: &Served, method: &str, path: &str, key: &str, headers: &[&str]) -> Reply {
    let authorization = format!("authorization: Bearer {key}");
    let headers: Vec<_> = headers.iter().copied().chain([authorization.as_str()]).collect();
    served.raw(request(method, path, &headers, "")).await
}

/// The events of a stream until it ends.
async fn events(served: &Served, bytes: Vec<u8>) -> Vec<(String, Value)> {
    let mut stream = served.connect().await;
    stream.write_all(&bytes).await.unwrap();
    let mut text = String::new();
    // The connection stays open after the last piece, which is an empty one.
    while !text.ends_with("\r\n0\r\n\r\n") {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("content-type: text/event-stream"), "{text}");
    let lines: Vec<_> = text.lines().collect();
    let event = |pair: &[&str]| {
        let name = pair[0].strip_prefix("event: ")?;
        let data = pair[1].strip_prefix("data: ").unwrap();
        Some((name.to_owned(), serde_json::from_str(data).unwrap()))
    };
    lines.windows(2).filter_map(event).collect()
}

#[tokio::test]
async fn a_call_is_begun_and_fetched_by_whoever_began_it() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let kim = NewKey {
        tenant: TenantId::new("acme").unwrap(),
        actor: ActorId::new("kim").unwrap(),
        role: None,
        scopes: Vec::new(),
        expires_ms: None,
    };
    let kim = house.room.create_key(kim).await.unwrap().text.to_string();
    let strangers = [kim, house.key("globex").await];
    let served = Served::new(&house.room);
    let begun = served.call(&key, "prober.http-get", &[ASYNC], GET).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!(begun.header("preference-applied"), Some("respond-async"));
    let id = begun.json()["call_id"].as_str().unwrap().to_owned();
    let path = begun.header("location").unwrap().to_owned();
    assert_eq!(
        (path.as_str(), begun.json()["status"].as_str()),
        (&*format!("/v1/calls/{id}"), Some("running"))
    );
    let mut stream = asked(&service).await;
    let runs = calls(&served, "GET", &path, &key, &[]).await;
    assert_eq!((runs.status, runs.header("retry-after"), runs.json()), (202, Some("1"), begun.json()));

    for method in ["GET", "DELETE"] {
        for stranger in &strangers {
            assert_eq!(calls(&served, method, &path, stranger, &[]).await.status, 404);
        }
        for wrong in ["/v1/calls/call_0", "/v1/calls/call_00000000000000000000000000000000", "/v1/calls/%ff"]
        {
            assert_eq!(calls(&served, method, wrong, &key, &[]).await.status, 404, "{wrong}");
        }
        served.raw(request(method, &path, &[], "")).await.is_problem(401, "tenant_missing");
    }
    let waits = calls(&served, "GET", &path, &key, &["prefer: wait=60"]);
    let (done, ()) = tokio::join!(waits, async { stream.write_all(ANSWER).await.unwrap() });
    assert_eq!((done.status, done.json()["body"].as_str()), (200, Some("b2s=")), "{done:?}");
    assert_eq!(done.header("strongroom-call-id"), Some(id.as_str()));
    let again = calls(&served, "GET", &path, &key, &[]).await;
    assert_eq!((again.status, &again.body), (200, &done.body));
    assert_eq!(calls(&served, "DELETE", &path, &key, &[]).await.status, 204);
    assert_eq!(calls(&served, "GET", &path, &key, &[]).await.status, 404);
    assert_eq!(entries(&house, &id).last().unwrap().outcome, Outcome::Executed);
}

#[tokio::test]
async fn what_is_refused_later_says_why_and_what_cannot_be_read_is_refused_at_once() {
    let house = house().tool("echo").tenant("acme", super::TENANT).build().await;
    let key = house.key("acme").await;
    let served = Served::new(&house.room);
    let begun = served.call(&key, "echo.is-not-there", &[ASYNC], "{}").await;
    assert_eq!(begun.status, 202);
    let path = begun.header("location").unwrap();
    calls(&served, "GET", path, &key, &["prefer: wait=60"]).await.is_problem(404, "tool_unknown");
    let wrong = [ASYNC, "content-type: text/plain"];
    served.call(&key, "echo.nothing", &wrong, "{}").await.is_problem(415, "arguments_invalid");
}

#[tokio::test]
async fn a_call_that_is_cancelled_is_so_in_the_book() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let served = Served::new(&house.room);
    let begun = served.call(&key, "prober.http-get", &[ASYNC], GET).await;
    let path = begun.header("location").unwrap();
    let mut stream = asked(&service).await;
    assert_eq!(calls(&served, "DELETE", path, &key, &[]).await.status, 204);
    // The tool's connection is closed when the call has gone.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let id = begun.json()["call_id"].as_str().unwrap().to_owned();
    while entries(&house, &id).last().is_none_or(|entry| entry.reason_code != Reason::Cancelled) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(calls(&served, "GET", path, &key, &[]).await.status, 404);
}

#[tokio::test]
async fn progress_is_told_on_the_way() {
    let (house, key, _) = super::two_tenants().await;
    let served = Served::new(&house.room);
    let (tell, report) = ("prober.progress", r#"{"done":1,"total":2,"message":"half"}"#);
    let told = events(&served, call(&key, tell, &["accept: text/event-stream"], report)).await;
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["call", "progress", "answer"], "{told:?}");
    assert_eq!(told[1].1, json!({ "done": 1, "total": 2, "message": "half" }));
    assert_eq!(told[2].1, Value::Null);
    let id = told[0].1["call_id"].as_str().unwrap();
    assert_eq!(entries(&house, id).last().unwrap().outcome, Outcome::Executed);
    let told = events(&served, call(&key, "prober.nope", &["accept: text/event-stream"], "{}")).await;
    assert_eq!((told[1].0.as_str(), &told[1].1["reason_code"]), ("problem", &json!("tool_unknown")));

    let begun = served.call(&key, tell, &[ASYNC], report).await;
    let path = begun.header("location").unwrap();
    assert_eq!(calls(&served, "GET", path, &key, &["prefer: wait=60"]).await.status, 200);
    let authorization = format!("authorization: Bearer {key}");
    let told = events(&served, request("GET", &format!("{path}/events"), &[&authorization], "")).await;
    assert_eq!(told, [("answer".to_owned(), Value::Null)]);
}

#[tokio::test]
async fn a_stream_that_is_closed_cancels_its_call() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let served = Served::new(&house.room);
    let mut stream = served.connect().await;
    stream.write_all(&call(&key, "prober.http-get", &["accept: text/event-stream"], GET)).await.unwrap();
    let mut held = asked(&service).await;
    drop(stream);
    let mut rest = Vec::new();
    held.read_to_end(&mut rest).await.unwrap();
    while !book(&house)
        .iter()
        .any(|e| e.action == "call prober.http-get" && e.reason_code == Reason::Cancelled)
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_drain_waits_for_calls_that_were_begun() {
    let service = listener("127.0.0.1");
    let (house, key) = asking(service.local_addr().unwrap()).await;
    let mut served = Served::new(&house.room);
    let begun = served.call(&key, "prober.http-get", &[ASYNC], GET).await;
    let id = begun.json()["call_id"].as_str().unwrap().to_owned();
    let mut stream = asked(&service).await;
    served.stop();
    stream.write_all(ANSWER).await.unwrap();
    served.ended().await;
    assert_eq!(entries(&house, &id).last().unwrap().outcome, Outcome::Executed);
}
