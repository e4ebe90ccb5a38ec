//! An answer that goes on ends when its key or token does, and says why: by its own end, or by a revocation, also by another process.

use super::client::{Served, call, listener, request};
use crate::tokens_are_verified::{NOW, Scene};
use serde_json::json;
use strongroom::Strongroom;
use strongroom::audit::Phase;
use strongroom::powers::Home;
use strongroom::reason::Outcome;
use strongroom::storage::ledger::{KillScope, TokenScope, Which};
use strongroom_tests::component;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Opens a stream and reads its head.
async fn open(served: &Served, path: &str, token: &str) -> BufReader<TcpStream> {
    let authorization = format!("authorization: Bearer {token}");
    opened(served, &request("GET", path, &[&authorization], "")).await
}

async fn opened(served: &Served, request: &[u8]) -> BufReader<TcpStream> {
    let mut stream = served.connect().await;
    stream.write_all(request).await.unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    stream
}

/// Reads until the last piece, which is an empty one.
async fn ended(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    while !text.ends_with("0\r\n\r\n") {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    text
}

#[tokio::test]
async fn a_stream_of_usage_ends_with_its_token() {
    let scene = Scene::new("leeway = 0").await;
    let served = Served::new(&scene.house.room);
    let home = Home::open(scene.house.path()).unwrap();
    let other = Strongroom::builder(home).clock(scene.clock.clone()).build().await.unwrap();
    let revoked = scene.token(json!({ "jti": "t-1" }));
    let expires = scene.token(json!({ "jti": "t-2", "exp": NOW + 100 }));
    let stays = scene.token(json!({ "jti": "t-3", "exp": NOW + 10_000 }));
    let mut streams = Vec::new();
    for token in [&revoked, &expires, &stays] {
        streams.push(open(&served, "/v1/usage/events", token).await);
    }
    let which = Which::Id("t-1".into());
    other.kill(KillScope::Token(TokenScope { issuer: scene.issuer.url(), which }), "lost").await.unwrap();
    for (at, passes) in [(0, 0), (1, 100_000)] {
        scene.clock.pass(passes);
        let last = ended(&mut streams[at]).await;
        assert!(
            last.contains("event: problem") && last.contains("\"reason_code\":\"token_invalid\""),
            "{last}"
        );
    }
    // The one whose token is good was looked at as often, and hears on.
    scene
        .rules("acme", "[tools]\nallow = [\"echo\"]\n[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 1\n")
        .await;
    assert_eq!(served.call(&stays, "echo.nothing", &[], "{}").await.status, 200);
    let mut text = String::new();
    while !text.contains("event: budget-alert") {
        text.push(char::from(streams[2].read_u8().await.unwrap()));
    }
}

/// A scene whose tool `prober` may ask the service.
async fn asking(service: &TcpListener) -> Scene {
    let address = service.local_addr().unwrap();
    let scene = Scene::new("").await;
    let tenant = format!(
        "[tools]\nallow = [\"prober\"]\n[grants.prober.http.api]\norigin = \"http://{address}\"\nallow_private = true\n"
    );
    scene.house.room.install(component("prober"), "prober", None).await.unwrap();
    scene.rules("acme", &tenant).await;
    scene
}

#[tokio::test]
async fn the_progress_of_a_call_is_heard_no_more_and_the_call_goes_on() {
    let service = listener("127.0.0.1");
    let scene = asking(&service).await;
    let served = Served::new(&scene.house.room);
    let token = scene.token(json!({}));
    let begun = served.call(&token, "prober.http-get", &["prefer: respond-async"], super::life::GET).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = begun.header("location").unwrap().to_owned();
    let mut held = super::life::asked(&service).await;
    let mut stream = open(&served, &format!("{path}/events"), &token).await;
    let which = Which::Subject("agent-7".into());
    let scope = KillScope::Token(TokenScope { issuer: scene.issuer.url(), which });
    scene.house.room.kill(scope.clone(), "lost").await.unwrap();
    let last = ended(&mut stream).await;
    assert!(last.contains("token_invalid") && !last.contains("event: answer"), "{last}");
    held.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    scene.house.room.revive(scope).await.unwrap();
    let authorization = format!("authorization: Bearer {token}");
    let done = served.raw(request("GET", &path, &[&authorization, "prefer: wait=60"], "")).await;
    assert_eq!((done.status, done.json()["body"].as_str()), (200, Some("b2s=")), "{done:?}");
}

#[tokio::test]
async fn a_call_that_is_told_as_it_runs_is_told_no_more_and_is_made_once() {
    let service = listener("127.0.0.1");
    let scene = asking(&service).await;
    let served = Served::new(&scene.house.room);
    let (token, key) = (scene.token(json!({})), scene.house.key("acme").await);
    let which = Which::Subject("agent-7".into());
    let scope = KillScope::Token(TokenScope { issuer: scene.issuer.url(), which });
    let post = r#"{"method":"POST","url":"http://api/thing","headers":[],"body":""}"#;
    for (bearer, reason) in [(&token, "token_invalid"), (&key, "tenant_unknown")] {
        let name = format!("idempotency-key: {reason}");
        let told = call(bearer, "prober.http", &["accept: text/event-stream", &name], post);
        let mut stream = opened(&served, &told).await;
        let mut held = super::life::asked(&service).await;
        if reason == "token_invalid" {
            scene.house.room.kill(scope.clone(), "lost").await.unwrap();
        } else {
            let id = scene
                .house
                .room
                .keys(None)
                .iter()
                .find(|known| bearer.contains(known.id.as_str()))
                .unwrap()
                .id
                .clone();
            scene.house.room.revoke_key(&id).await.unwrap();
        }
        let last = ended(&mut stream).await;
        assert!(
            last.contains("event: problem") && last.contains(reason) && !last.contains("answer\n"),
            "{last}"
        );
        // The write was allowed when it began, and ends when the service answers, although nobody hears of it.
        held.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        scene.house.room.revive(scope.clone()).await.unwrap();
        let again = scene.house.key("acme").await;
        let answer = loop {
            let answer = served.call(&again, "prober.http", &[&name], post).await;
            if answer.status != 409 {
                break answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (200, Some("true")), "{answer:?}");
    }
    let made = strongroom_tests::book(scene.house.path());
    let made =
        made.iter().filter(|entry| entry.action == "call prober.http" && entry.outcome == Outcome::Executed);
    assert_eq!(made.filter(|entry| entry.phase == Phase::Outcome).count(), 2, "each is in the book, once");
}
