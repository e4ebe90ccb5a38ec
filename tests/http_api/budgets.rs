//! What is left of budgets is in every answer; usage and alerts are the caller's tenant's own.

use super::client::{Served, request};
use serde_json::Value;
use strongroom_tests::{House, house};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const BUDGETS: &str = "[tools]\nallow = [\"echo\"]\n[[budgets]]\nof = \"calls\"\nper = \"day\"\nlimit = 4\n\
    [[budgets]]\nof = \"calls\"\nper = \"run\"\nlimit = 2\n";

async fn budgeted() -> (House, String, String) {
    let house =
        house().tool("echo").tenant("acme", BUDGETS).tenant("globex", "[tools]\nallow = [\"echo\"]\n");
    let house = house.build().await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    (house, acme, globex)
}

#[tokio::test]
async fn every_answer_says_what_is_left() {
    let (house, acme, globex) = budgeted().await;
    let served = Served::new(&house.room);
    let call = async |key: &str, function: &str, headers: &[&str]| {
        let reply = served.call(key, function, headers, r#"{"value":1}"#).await;
        let header = |name| reply.header(name).map(str::to_owned);
        (reply.status, header("ratelimit-policy"), header("ratelimit").unwrap_or_default())
    };
    let run = ["strongroom-run: r1"];
    let (status, policy, limit) = call(&acme, "echo.echo-u8", &run).await;
    assert_eq!(status, 200);
    let policy = policy.unwrap();
    assert_eq!(policy, r#""calls-day";q=4;qu="requests";w=86400, "calls-run";q=2;qu="requests""#);
    assert!(limit.starts_with(r#""calls-day";r=3;t="#) && limit.ends_with(r#", "calls-run";r=1"#), "{limit}");
    // A call that is refused by something else says it too, and counts.
    let (status, _, limit) = call(&acme, "echo.no-such", &[]).await;
    assert_eq!(status, 404);
    assert!(limit.starts_with(r#""calls-day";r="#), "{limit}");
    call(&acme, "echo.echo-u8", &run).await;
    let (status, _, limit) = call(&acme, "echo.echo-u8", &run).await;
    assert_eq!(status, 429);
    assert!(limit.ends_with(r#""calls-run";r=0"#), "{limit}");
    let (status, policy, limit) = call(&globex, "echo.echo-u8", &[]).await;
    assert_eq!((status, policy, limit.as_str()), (200, None, ""));
}

#[tokio::test]
async fn usage_is_the_callers_tenants_own() {
    let (house, acme, globex) = budgeted().await;
    let served = Served::new(&house.room);
    served.call(&acme, "echo.echo-u8", &["strongroom-run: r1"], r#"{"value":1}"#).await;
    let usage = async |headers: &[&str]| {
        let reply = served.get("/v1/usage", headers).await;
        (reply.status, serde_json::from_str::<Value>(&reply.body).unwrap())
    };
    let (status, told) = usage(&[&format!("authorization: Bearer {acme}")]).await;
    assert_eq!((status, &told["schema_version"], &told["tenant"]), (200, &1.into(), &"acme".into()));
    let day = &told["budgets"][0];
    assert_eq!((&day["of"], &day["per"], &day["limit"]), (&"calls".into(), &"day".into(), &4.into()));
    assert_eq!((&day["spent"], &day["left"], &day["run"]), (&1.into(), &3.into(), &Value::Null));
    assert!(day["window_ends_ms"].as_u64().unwrap() > day["window_start_ms"].as_u64().unwrap());
    assert_eq!((&told["budgets"][1]["run"], &told["budgets"][1]["left"]), (&"r1".into(), &1.into()));
    let (_, told) = usage(&[&format!("authorization: Bearer {globex}")]).await;
    assert_eq!((&told["tenant"], told["budgets"].as_array().unwrap().len()), (&"globex".into(), 0));
    assert_eq!(usage(&[]).await.0, 401);
    assert_eq!(usage(&["authorization: Bearer sr_live_0_0"]).await.0, 401);
}

/// Reads lines of a stream until one begins so; gives that line.
async fn until(stream: &mut BufReader<TcpStream>, beginning: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "the stream ended before {beginning:?}");
        if line.starts_with(beginning) {
            return line.trim_end().to_owned();
        }
    }
}

#[tokio::test]
async fn alerts_come_to_their_own_tenant_and_the_stream_ends_with_the_server() {
    let (house, acme, globex) = budgeted().await;
    let mut served = Served::new(&house.room);
    let open = async |served: &Served, key: &str, headers: &[&str]| {
        let authorization = format!("authorization: Bearer {key}");
        let headers: Vec<_> = headers.iter().copied().chain([authorization.as_str()]).collect();
        let mut stream = served.connect().await;
        stream.write_all(&request("GET", "/v1/usage/events", &headers, "")).await.unwrap();
        stream
    };
    let mut live = open(&served, &acme, &[]).await;
    let mut others = open(&served, &globex, &[]).await;
    assert_eq!(until(&mut live, "HTTP/1.1").await, "HTTP/1.1 200 OK");
    until(&mut live, "content-type: text/event-stream").await;
    until(&mut live, "retry: ").await;
    until(&mut others, "retry: ").await;
    for _ in 0..2 {
        served.call(&acme, "echo.echo-u8", &[], r#"{"value":1}"#).await;
    }
    let number = until(&mut live, "id: ").await;
    until(&mut live, "event: budget-alert").await;
    let data = until(&mut live, "data: ").await;
    let alert: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&alert["tenant"], &alert["percent"], &alert["spent"]),
        (&"acme".into(), &50.into(), &2.into())
    );
    for _ in 0..2 {
        served.call(&acme, "echo.echo-u8", &[], r#"{"value":1}"#).await;
    }
    // Who was away says what it has, and gets the rest.
    let last = number.replace("id: ", "last-event-id: ");
    let mut again = open(&served, &acme, &[&last]).await;
    let data = until(&mut again, "data: ").await;
    assert!(data.contains("\"percent\":100"), "{data}");
    served.stop();
    served.ended().await;
    let mut rest = String::new();
    others.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("data:"), "{rest}");
    again.read_to_string(&mut rest).await.unwrap();
    assert_eq!(served_refused(&house).await, 401);
}

/// Without a key there is no stream.
async fn served_refused(house: &House) -> u16 {
    Served::new(&house.room).get("/v1/usage/events", &[]).await.status
}
