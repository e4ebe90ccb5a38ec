//! Clients of the protocol with access tokens: which scopes are missing is told as its authorization has it, and what they listen to
//! ends with the token.

use super::rpc::{Client, NEW, OLD, chunk, client as of, events, head, message};
use crate::http_api::client::Served;
use crate::tokens_are_verified::{NOW, Scene};
use serde_json::json;

#[tokio::test]
async fn a_call_beyond_the_scopes_is_403_and_names_them() {
    let scene = Scene::new("scope_prefix = \"tools:\"").await;
    let served = Served::new(&scene.house.room);
    let token = scene.token(json!({ "scope": "tools:echo.nothing" }));
    for version in [NEW, OLD] {
        let client = Client { version, ..of(&served, &token) };
        for meta in [json!({}), json!({ "progressToken": "p" })] {
            let call = |name: &str| {
                let params = json!({ "name": name, "arguments": {}, "_meta": meta });
                message(version, 1, "tools/call", params)
            };
            let good = client.send(&call("echo.nothing"), &[]).await;
            assert_eq!((good.status, good.header("www-authenticate")), (200, None), "{good:?}");
            let answer = client.send(&call("echo.fail"), &[]).await;
            assert_eq!(answer.status, 403, "{version} {meta}: {answer:?}");
            assert_eq!(answer.result()["structuredContent"]["reason_code"], "policy_denied");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("scope=\"tools:echo.nothing tools:echo.fail\""), "{challenge}");
            assert!(challenge.contains("/base/mcp\""), "{challenge}");
        }
    }
    // What another rule denies is an answer as any other.
    let all = scene.token(json!({ "scope": "tools:*" }));
    scene.rules("acme", "[tools]\nallow = []\n").await;
    let answer = of(&served, &all).call("echo.nothing", json!({})).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (200, None), "{answer:?}");
}

#[tokio::test]
async fn a_subscription_ends_with_its_token() {
    let scene = Scene::new("leeway = 0").await;
    let served = Served::new(&scene.house.room);
    let token = scene.token(json!({ "exp": NOW + 100 }));
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = of(&served, &token).begin(&message(NEW, 5, "subscriptions/listen", filter), &[]).await;
    assert_eq!(head(&mut stream).await.0, 200);
    scene.clock.pass(100_000);
    let mut told = Vec::new();
    while let Some(piece) = chunk(&mut stream).await {
        told.extend(events(&piece));
    }
    assert_eq!(told.last().unwrap()["id"], 5, "{told:?}");
}
