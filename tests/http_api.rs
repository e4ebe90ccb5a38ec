//! Over HTTP a caller gets what the pipeline gives, and nothing that a client can choose says who it is.

mod budgets;
mod challenge;
pub(crate) mod client;
mod described;
mod hostile;
mod later;
mod life;
mod own;
mod streams;

use client::{Served, entries};
use serde_json::{Value, json};
use strongroom::reason::Outcome;
use strongroom_tests::{House, house};

pub(crate) const TENANT: &str = r#"
[tools]
allow = ["echo", "prober"]
[grants.prober.keyvalue.cart]
mode = "rw"
"#;

/// Two tenants and a key of each.
pub(crate) async fn two_tenants() -> (House, String, String) {
    let house = house().tool("echo").tool("prober").tenant("acme", TENANT).tenant("globex", TENANT);
    let house = house.build().await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    (house, acme, globex)
}

#[tokio::test]
async fn a_call_is_answered_with_the_tools_own_bytes() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let arguments = r#"{"message":{"from":"a","number":18446744073709551615,"text":"ü\n","urgency":"high",
        "tags":["x"],"place":{"latitude":1.5,"longitude":-0.25}}}"#;
    let reply = served.call(&key, "echo.echo", &["content-type: application/json"], arguments).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let direct = house.call_as(&key, "echo.echo", arguments).await;
    assert_eq!(reply.body, direct.value.unwrap());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("strongroom-reason"), Some("ok"));
    assert!(reply.header("strongroom-fuel").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(reply.header("idempotent-replayed"), None);
    let entries = entries(&house, reply.header("strongroom-call-id").unwrap());
    assert_eq!(entries.last().unwrap().outcome, Outcome::Executed);
    assert_eq!(entries.last().unwrap().action, "call echo.echo");
}

#[tokio::test]
async fn a_repeat_is_answered_again_and_takes_effect_once() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let set = r#"{"bucket":"cart","key":"k","value":"YQ=="}"#;
    let first = served.call(&key, "prober.kv-set", &["idempotency-key: one"], set).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None), "{first:?}");
    // The quoted form of the draft is the same key, and other spaces are the same arguments.
    let spaced = r#" { "key":"k", "bucket":"cart", "value":"YQ==" } "#;
    let again = served.call(&key, "prober.kv-set", &["Idempotency-Key: \"one\""], spaced).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{again:?}");
    assert_eq!(first.body, again.body);

    let other = r#"{"bucket":"cart","key":"k","value":"Yg=="}"#;
    let mismatch = served.call(&key, "prober.kv-set", &["idempotency-key: one"], other).await;
    mismatch.is_problem(422, "idempotency_mismatch");
    served.call(&key, "prober.kv-set", &[], set).await.is_problem(400, "idempotency_key_required");
    for bad in ["idempotency-key: a b", "idempotency-key: ", "idempotency-key: a\r\nidempotency-key: a"] {
        served.call(&key, "prober.kv-set", &[bad], set).await.is_problem(400, "arguments_invalid");
    }
    let kept = served.call(&key, "prober.kv-get", &[], r#"{"bucket":"cart","key":"k"}"#).await;
    assert_eq!(kept.json(), "YQ==");
}

#[tokio::test]
async fn a_tools_own_error_is_in_the_problem_and_is_replayed_too() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let arguments = r#"{"problem":{"tag":"because","val":"it rains"}}"#;
    for replayed in [None, Some("true")] {
        let reply = served.call(&key, "echo.fail", &["idempotency-key: f"], arguments).await;
        reply.is_problem(422, "tool_error");
        assert_eq!(reply.json()["error"], json!({ "tag": "because", "val": "it rains" }));
        assert_eq!(reply.header("idempotent-replayed"), replayed);
    }
}

#[tokio::test]
async fn a_caller_lists_what_it_may_call_and_nothing_else() {
    let (house, _, _) = two_tenants().await;
    let narrow = house.key_for("acme", None, &["prober.kv-get", "echo.nothing"]).await;
    let served = Served::new(&house.room);
    let headers = format!("authorization: Bearer {narrow}");
    let reply = served.get("/v1/tools", &[&headers]).await;
    assert_eq!(reply.status, 200);
    let list = reply.json();
    assert_eq!(list["schema_version"], 1);
    let tools = list["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo.nothing", "prober.kv-get"]);
    assert_eq!(tools[1]["input_schema"]["required"], json!(["bucket", "key"]));
    assert_eq!(tools[0]["description"], "Nothing in, nothing out.");
    for field in ["effect", "output_schema", "tool", "version", "digest"] {
        assert!(tools.iter().all(|tool| tool.get(field).is_some_and(|f| !f.is_null())), "{field}");
    }
    assert_eq!(served.get("/v1/tools", &[&headers]).await.body, reply.body);
    served.get("/v1/tools", &[]).await.is_problem(401, "tenant_missing");
}

#[tokio::test]
async fn the_tenant_comes_from_the_key_alone() {
    let (house, acme, globex) = two_tenants().await;
    let served = Served::new(&house.room);
    let claims = [
        "strongroom-tenant: globex",
        "x-tenant-id: globex",
        "x-strongroom-tenant: globex",
        "cookie: tenant=globex",
        "x-forwarded-user: globex",
        "forwarded: host=globex.example",
    ];
    let tenant = |reply: client::Reply| reply.json()["tenant"].clone();
    let reply = served.call(&acme, "prober.context", &claims, "{}").await;
    assert_eq!(tenant(reply), "acme");
    let path = "prober.context?tenant=globex&tenant_id=globex&access_token=";
    assert_eq!(tenant(served.call(&acme, &format!("{path}{globex}"), &[], "{}").await), "acme");
    // A query is no credential either, and a path is no tenant.
    let none = served.raw(client::request("POST", &format!("/v1/tools/{path}{globex}"), &claims, "{}")).await;
    none.is_problem(401, "tenant_missing");
    assert!(!none.body.contains(&globex));
    served.call(&acme, "globex%2Fprober.context", &[], "{}").await.is_problem(404, "tool_unknown");
    served.call(&acme, "%ff", &[], "{}").await.is_problem(404, "tool_unknown");
    assert_eq!(tenant(served.call(&globex, "prober.context", &[], "{}").await), "globex");
}

#[tokio::test]
async fn without_a_key_that_opens_nothing_is_called() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let attempt = async |headers: &[&str]| {
        served.raw(client::request("POST", "/v1/tools/echo.nothing", headers, "{}")).await
    };
    let none = attempt(&[]).await;
    none.is_problem(401, "tenant_missing");
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"strongroom\""));
    let good = format!("authorization: Bearer {key}");
    let basic = format!("authorization: Basic {key}");
    let bare = format!("authorization: {key}");
    let mut near = key.clone();
    let last = near.pop();
    near.push(if last == Some('0') { '1' } else { '0' });
    let wrong = format!("authorization: Bearer {near}");
    let (twice, broken) = ([good.as_str(), good.as_str()], ["authorization: Bearer", &good]);
    let bads: [&[&str]; 6] = [&[&basic], &[&bare], &[&wrong], &twice, &broken, &["authorization: "]];
    for bad in bads {
        let refused = attempt(bad).await;
        refused.is_problem(401, "tenant_unknown");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer realm=\"strongroom\""));
        let entries = entries(&house, refused.header("strongroom-call-id").unwrap());
        assert_eq!(entries.last().unwrap().outcome, Outcome::Denied);
        assert_eq!(entries.last().unwrap().tenant_id, None);
    }
    assert_eq!(attempt(&[&good]).await.json(), Value::Null);
}
