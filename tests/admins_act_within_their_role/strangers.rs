//! What is no admin's program: web pages, foreign names, bodies that are too long or no JSON.

use super::office::Office;
use crate::http_api::client::request;

const PATH: &str = "/admin/v1/tenants/acme/keys";

#[tokio::test]
async fn a_web_page_is_refused_whatever_it_shows() {
    let office = Office::open().await;
    let key = format!("authorization: Bearer {}", office.operator);
    for origin in ["https://evil.example", "http://localhost:3000", "http://127.0.0.1:8788", "null"] {
        let origin = format!("origin: {origin}");
        let reply = office.raw(&request("GET", "/admin/v1/tenants", &[&key, &origin], "")).await;
        reply.is_problem(403, "policy_denied");
        assert_eq!(reply.header("access-control-allow-origin"), None);
        assert_eq!(office.told(&reply)[0].action, "admin.request");
        // No preflight is answered with leave.
        let asks = request("OPTIONS", PATH, &[&origin, "access-control-request-method: POST"], "");
        let preflight = office.raw(&asks).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (403, None));
    }
    let elsewhere = b"GET /admin/v1/self HTTP/1.1\r\nhost: evil.example\r\n".to_vec();
    let rebound = [elsewhere, format!("{key}\r\n\r\n").into_bytes()].concat();
    office.raw(&rebound).await.is_problem(403, "policy_denied");
}

#[tokio::test]
async fn a_body_is_json_within_its_bounds_and_says_what_the_route_takes() {
    let office = Office::open().await;
    let (key, once) = (format!("authorization: Bearer {}", office.operator), "idempotency-key: k");
    let post = async |headers: &[&str], body: &str| {
        let headers: Vec<_> = [key.as_str(), once].into_iter().chain(headers.iter().copied()).collect();
        office.raw(&request("POST", PATH, &headers, body)).await
    };
    let before = office.state();
    post(&["content-type: text/plain"], r#"{"actor":"a"}"#).await.is_problem(415, "arguments_invalid");
    post(&["content-type: application/x-www-form-urlencoded"], "actor=a")
        .await
        .is_problem(415, "arguments_invalid");
    let long = format!(r#"{{"actor":"{}"}}"#, "a".repeat(2 << 20));
    post(&[], &long).await.is_problem(413, "arguments_invalid");
    for bad in [
        "",
        "[]",
        "{",
        r#"{"actor":"a b"}"#,
        r#"{"actor":"a","tenant":"globex"}"#,
        r#"{"actor":"a","actor":"b"}"#,
        r#"{"actor":"a","role":"no role"}"#,
        r#"{"actor":"a","role":"nobody"}"#,
        r#"{"actor":"a","scopes":["a b"]}"#,
        r#"{"actor":"a","expires_ms":-1}"#,
    ] {
        post(&[], bad).await.is_problem(400, "arguments_invalid");
    }
    let without = request("POST", PATH, &[&key], r#"{"actor":"a"}"#);
    office.raw(&without).await.is_problem(400, "idempotency_key_required");
    assert_eq!(office.state(), before);
}
