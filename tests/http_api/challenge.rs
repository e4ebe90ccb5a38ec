//! Whoever has no token, or one that is not enough, is told where to get it, by the operator's word alone.

use super::client::{Served, request};
use crate::tokens_are_verified::Scene;
use serde_json::json;

const METADATA: &str = "https://tools.example.com/.well-known/oauth-protected-resource/base";

#[tokio::test]
async fn refusals_say_where_tokens_come_from() {
    let scene = Scene::new("scope_prefix = \"tools:\"").await;
    let served = Served::new(&scene.house.room);
    let bare = format!("Bearer realm=\"strongroom\", resource_metadata=\"{METADATA}\"");
    // The host's URL is the operator's word, whatever the request says.
    let reply = served.get("/v1/tools", &["x-forwarded-host: evil.example"]).await;
    reply.is_problem(401, "tenant_missing");
    assert_eq!(reply.header("www-authenticate"), Some(bare.as_str()));
    let invalid =
        format!("Bearer realm=\"strongroom\", error=\"invalid_token\", resource_metadata=\"{METADATA}\"");
    let expired = scene.token(json!({ "exp": 1 }));
    for (token, reason) in
        [("a.b.c", "token_invalid"), (&*expired, "token_invalid"), ("sr_live_a_b", "tenant_unknown")]
    {
        let reply = served.call(token, "echo.nothing", &[], "{}").await;
        reply.is_problem(401, reason);
        assert_eq!(reply.header("www-authenticate"), Some(invalid.as_str()));
    }
    let texts = [
        served.call("a.b.c", "echo.nothing", &[], "{}").await,
        served.call(&expired, "echo.nothing", &[], "{}").await,
    ];
    assert_eq!(texts[0].json()["detail"], texts[1].json()["detail"]);
    let mcp = served.raw(request("POST", "/mcp", &["content-type: application/json"], "{}")).await;
    assert!(mcp.header("www-authenticate").unwrap().contains("/base/mcp\""), "{mcp:?}");
}

#[tokio::test]
async fn a_token_with_too_few_scopes_is_told_all_that_it_needs_at_once() {
    let scene = Scene::new("scope_prefix = \"tools:\"").await;
    let served = Served::new(&scene.house.room);
    let token = scene.token(json!({ "scope": "openid tools:echo.nothing" }));
    assert_eq!(served.call(&token, "echo.nothing", &[], "{}").await.status, 200);
    let reply = served.call(&token, "echo.fail", &["idempotency-key: a"], "{}").await;
    reply.is_problem(403, "policy_denied");
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\", scope=\"tools:echo.nothing tools:echo.fail\""),
        "{challenge}"
    );
    // However the answer was to come.
    for header in ["accept: text/event-stream", "prefer: respond-async"] {
        let reply = served.call(&token, "echo.fail", &["idempotency-key: a", header], "{}").await;
        reply.is_problem(403, "policy_denied");
        assert_eq!(reply.header("www-authenticate"), Some(challenge), "{header}");
        let reply = served.call(&token, "echo.nothing", &[header], "{}").await;
        assert!([200, 202].contains(&reply.status), "{reply:?}");
    }
    // What another rule denies, no scope would help.
    let all = scene.token(json!({ "scope": "tools:*" }));
    let reply = served.call(&all, "prober.kv-get", &[], "{}").await;
    assert!(reply.status >= 403 && reply.header("www-authenticate").is_none(), "{reply:?}");
}

#[tokio::test]
async fn metadata_names_the_resource_and_its_issuers() {
    let scene = Scene::new("").await;
    let served = Served::new(&scene.house.room);
    for (path, resource) in
        [("", "https://tools.example.com/base"), ("/mcp", "https://tools.example.com/base/mcp")]
    {
        let reply = served.get(&format!("/.well-known/oauth-protected-resource{path}"), &[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["resource"], resource);
        assert_eq!(reply.json()["authorization_servers"], json!([scene.issuer.url()]));
        assert_eq!(reply.json()["bearer_methods_supported"], json!(["header"]));
    }
    let (house, _, _) = super::two_tenants().await;
    let keys_alone = Served::new(&house.room);
    assert_eq!(keys_alone.get("/.well-known/oauth-protected-resource", &[]).await.status, 404);
    let reply = keys_alone.get("/v1/tools", &[]).await;
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"strongroom\""));
}

#[tokio::test]
async fn a_token_in_the_query_is_no_token() {
    let scene = Scene::new("").await;
    let served = Served::new(&scene.house.room);
    let token = scene.token(json!({}));
    for name in ["access_token", "token", "authorization"] {
        served.get(&format!("/v1/tools?{name}={token}"), &[]).await.is_problem(401, "tenant_missing");
    }
    assert!(!scene.house.book().contains(&token));
}
