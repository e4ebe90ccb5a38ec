//! Bad input of every kind gets its own clear answer, and nothing runs.

use super::client::{Served, book, entries, listener, request};
use super::two_tenants;
use strongroom::config::Settings;
use strongroom::reason::{Outcome, Reason};
use strongroom::serve::{self, ServeError};
use strongroom_tests::house;

#[tokio::test]
async fn a_body_that_is_no_arguments_object_is_refused_and_in_the_book() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    for bad in ["", "{", "[]", "null", "{}x", "\"a\"", r#"{"value":1,"value":2}"#, r#"{"value":"one"}"#, "{}"]
    {
        let refused = served.call(&key, "echo.echo-u8", &[], bad).await;
        refused.is_problem(400, "arguments_invalid");
    }
    let authorization = format!("authorization: Bearer {key}");
    let bytes = request("POST", "/v1/tools/echo.echo-string", &[&authorization], b"{\"value\":\"\xff\"}");
    let refused = served.raw(bytes).await;
    refused.is_problem(400, "arguments_invalid");
    let entries = entries(&house, refused.header("strongroom-call-id").unwrap());
    let entry = entries.last().unwrap();
    assert_eq!((entry.reason_code, entry.outcome), (Reason::ArgumentsInvalid, Outcome::Denied));
    assert_eq!(entry.action, "call echo.echo-string");
    assert_eq!(entry.tenant_id.as_ref().unwrap().as_str(), "acme");

    for media in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"] {
        let refused = served.call(&key, "echo.nothing", &[&format!("content-type: {media}")], "{}").await;
        refused.is_problem(415, "arguments_invalid");
    }
    served
        .call(&key, "echo.nothing", &["content-encoding: gzip"], "{}")
        .await
        .is_problem(415, "arguments_invalid");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_however_it_comes() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let max = usize::try_from(house.room.settings().host.max_request_body).unwrap();
    let exactly = |length: usize| format!(r#"{{"value":"{}"}}"#, "x".repeat(length - 12));
    let fits = served.call(&key, "echo.echo-string", &[], &exactly(max)).await;
    assert_ne!(fits.status, 413, "{fits:?}");
    let refused = served.call(&key, "echo.echo-string", &[], &exactly(max + 1)).await;
    refused.is_problem(413, "arguments_invalid");

    let authorization = format!("authorization: Bearer {key}");
    let head = format!(
        "POST /v1/tools/echo.echo-string HTTP/1.1\r\nhost: a\r\n{authorization}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let body = exactly(max + 1);
    let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    served.raw(chunked).await.is_problem(413, "arguments_invalid");

    // A client that asks first is answered before it sends anything.
    let asks = format!(
        "POST /v1/tools/echo.echo-string HTTP/1.1\r\nhost: a\r\n{authorization}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        max + 1
    );
    served.raw(asks).await.is_problem(413, "arguments_invalid");
}

#[tokio::test]
async fn strangers_are_refused_before_their_body_is_read() {
    let (house, _, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let head = "POST /v1/tools/echo.nothing HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    served.raw(head).await.is_problem(401, "tenant_missing");
}

#[tokio::test]
async fn paths_methods_and_heads_keep_to_their_form() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    for path in ["/", "/v1", "/v1/tools/", "/v1/tools/a/b", "/v2/tools", "/mcp/x", "/v1/tools/../tools"] {
        let reply = served.get(path, &[]).await;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert_eq!(reply.json()["type"], "about:blank");
    }
    for (method, path, allow) in [
        ("GET", "/v1/tools/echo.nothing", "POST"),
        ("DELETE", "/v1/tools/echo.nothing", "POST"),
        ("POST", "/v1/tools", "GET,HEAD"),
        ("PUT", "/livez", "GET,HEAD"),
    ] {
        let reply = served.raw(request(method, path, &[], "")).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(reply.json()["status"], 405);
    }
    served.call(&key, "echo.unheard-of", &[], "{}").await.is_problem(404, "tool_unknown");
    let long = format!("x-long: {}", "x".repeat(serve::MAX_HEAD));
    assert_eq!(served.get("/livez", &[&long]).await.status, 431);
    assert_eq!(served.get("/livez", &["x-many: 1"; 101]).await.status, 431);
    assert_eq!(served.raw("no http at all\r\n\r\n").await.status, 400);
    assert_eq!(served.get("/livez", &[]).await.status, 200);
    assert_eq!(served.get("/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn no_page_of_another_site_asks_whatever_key_it_has() {
    let host = "[mcp]\norigins = [\"https://app.example\"]\n";
    let house =
        house().tool("echo").tenant("acme", "[tools]\nallow = [\"*\"]\n").file("strongroom.toml", host);
    let house = house.build().await;
    let key = house.key("acme").await;
    let served = Served::new(&house.room);
    for good in ["origin: http://localhost:3000", "origin: https://app.example"] {
        assert_eq!(served.call(&key, "echo.nothing", &[good], "{}").await.status, 200, "{good}");
    }
    let authorization = format!("authorization: Bearer {key}");
    let n = entries_of_denials(&house);
    let bad = [
        "origin: https://evil.example",
        "origin: null",
        "origin: ",
        "origin: https://app.example.evil.example",
    ];
    for bad in bad {
        served.call(&key, "echo.nothing", &[bad], "{}").await.is_problem(403, "policy_denied");
        served.get("/v1/tools", &[&authorization, bad]).await.is_problem(403, "policy_denied");
    }
    let twice = ["origin: https://app.example", "origin: https://app.example"];
    served.call(&key, "echo.nothing", &twice, "{}").await.is_problem(403, "policy_denied");
    assert_eq!(entries_of_denials(&house) - n, 9, "each refusal is in the book");
}

fn entries_of_denials(house: &strongroom_tests::House) -> usize {
    book(house).iter().filter(|entry| entry.reason_code == Reason::PolicyDenied).count()
}

#[tokio::test]
async fn without_tenants_only_this_machine_is_served() {
    let house = house().tool("echo").build().await;
    let exposed = serve::run(house.room.clone(), listener("0.0.0.0"), std::future::pending()).await;
    assert!(matches!(exposed, Err(ServeError::Exposed(_))), "{exposed:?}");

    let served = Served::new(&house.room);
    let call = |host: &str, headers: &[&str]| {
        let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
        let head = format!("POST /v1/tools/echo.nothing HTTP/1.1\r\nhost: {host}\r\n{headers}");
        served.raw(format!("{head}content-length: 2\r\n\r\n{{}}"))
    };
    for host in ["localhost", "127.0.0.1:80", "[::1]"] {
        let reply = call(host, &["origin: http://localhost:3000"]).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "null"), "{host}");
    }
    // A page whose name was pointed at this machine, and a page of another site.
    call("evil.example", &[]).await.is_problem(403, "policy_denied");
    let foreign = call("localhost", &["origin: https://evil.example"]).await;
    foreign.is_problem(403, "policy_denied");
    assert_eq!(entries(&house, foreign.header("strongroom-call-id").unwrap()).len(), 1);
    call("localhost", &["origin: null"]).await.is_problem(403, "policy_denied");
    let page = served.raw("GET /v1/tools HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    page.is_problem(403, "policy_denied");
    let absolute = "GET http://evil.example/v1/tools HTTP/1.1\r\nhost: localhost\r\n\r\n";
    served.raw(absolute).await.is_problem(403, "policy_denied");
    // What is no credential is not "no credential": it does not become the tenant `default`.
    for bad in
        ["authorization: Basic eDp5", "authorization:", "authorization: Bearer a\r\nauthorization: Bearer b"]
    {
        call("localhost", &[bad]).await.is_problem(401, "tenant_unknown");
    }
    let executed = book(&house)
        .iter()
        .filter(|e| e.action.starts_with("call") && e.outcome == Outcome::Executed)
        .count();
    assert_eq!(executed, 3);
}

#[tokio::test]
async fn a_host_that_loses_its_tenants_does_not_open_to_everybody() {
    let (house, key, _) = two_tenants().await;
    let served = Served::on(&house.room, listener("0.0.0.0"));
    assert_eq!(served.call(&key, "echo.nothing", &[], "{}").await.status, 200);
    house.room.apply(Settings::single()).await.unwrap();
    let stranger = request("POST", "/v1/tools/echo.nothing", &[], "{}");
    served.raw(&stranger).await.is_problem(403, "policy_denied");
    served.get("/v1/tools", &[]).await.is_problem(403, "policy_denied");
    house.room.apply(house.read_settings()).await.unwrap();
    served.raw(&stranger).await.is_problem(401, "tenant_missing");
}
