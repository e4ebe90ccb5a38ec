//! A client hears what it asked to hear: what tools log, and that a resource has another origin. Nothing else, and no secret.

use super::asks::{GRANTS, asking};
use super::rpc::{NEW, OLD, client as of, head, message, read};
use super::session::{Session, next};
use crate::http_api::client::Served;
use serde_json::{Value, json};
use strongroom_tests::{component, house};

#[tokio::test]
async fn what_a_tool_logs_goes_to_who_asked_for_it_where_the_operator_lets_it() {
    for allowed in [true, false] {
        let plan =
            house().tool("mcp").file("strongroom.toml", &format!("[mcp]\ntool_messages = {allowed}\n"));
        let house = plan.tenant("acme", GRANTS).build().await;
        let (served, key) = (Served::new(&house.room), house.key("acme").await);
        let levels = [None, Some("debug"), Some("info"), Some("error")];
        for (level, expected) in levels.into_iter().zip([0, 6, 3, 0]) {
            let mut params = json!({ "name": "mcp.log-along", "arguments": {}, "_meta": {} });
            if let Some(level) = level {
                params["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
            }
            let message = message(NEW, 1, "tools/call", params);
            let answer = read(&mut of(&served, &key).begin(&message, &[]).await).await;
            let logged = |m: &&Value| m["method"] == "notifications/message";
            let count = answer.messages.iter().filter(logged).count();
            assert_eq!(count, if allowed { expected } else { 0 }, "{level:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn who_follows_a_resource_hears_that_its_tool_was_replaced() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    let session = Session::begin(&served, &key, json!({})).await;
    let uri = "test://watched-resource";
    let follow = |uri: &str| message(OLD, 3, "resources/subscribe", json!({ "uri": uri }));
    assert_eq!(session.send(&follow("test://nothing")).await.last()["error"]["code"], -32002);
    assert!(session.send(&follow(uri)).await.last().get("result").is_some());
    let (status, mut stream) = session.open("GET").await;
    assert_eq!(status, 200);
    let filter = json!({ "notifications": { "resourceSubscriptions": [uri, "test://static-text"] } });
    let mut listening = of(&served, &key).begin(&message(NEW, 5, "subscriptions/listen", filter), &[]).await;
    assert_eq!(head(&mut listening).await.0, 200);
    assert_eq!(next(&mut listening).await["method"], "notifications/subscriptions/acknowledged");
    // Both have made their first list once another request was answered after them.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let mut replaced = component("mcp");
    // A custom section more: the same tool, in another edition.
    replaced.extend([0, 3, 1, b'x', b'y']);
    house.room.install(replaced, "mcp", None).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 4 {
        heard.push(next(&mut stream).await);
    }
    let updated = |m: &&Value| m["method"] == "notifications/resources/updated";
    let uris: Vec<_> = heard.iter().filter(updated).map(|m| m["params"]["uri"].clone()).collect();
    assert_eq!(uris, [uri], "{heard:?}");
    let mut uris = vec![next(&mut listening).await, next(&mut listening).await];
    uris.sort_by_key(|m| m["params"]["uri"].to_string());
    assert!(uris.iter().all(|m| m["method"] == "notifications/resources/updated"), "{uris:?}");
    assert_eq!(uris[1]["params"]["uri"], uri);
}

#[tokio::test]
async fn no_form_of_a_credential_is_in_what_a_tool_logs() {
    let secret = "canary-9f2b61c07d";
    let credentials = format!(
        "[api]\ntenant = \"acme\"\norigins = [\"https://api.example.com\"]\nheader = \"authorization\"\nvalue = \"{secret}\"\n"
    );
    let plan = house().tool("prober").file("strongroom.toml", "[mcp]\ntool_messages = true\n");
    let plan = plan.file("credentials.toml", &credentials);
    let house = plan.tenant("acme", "[tools]\nallow = [\"prober\"]\n").build().await;
    let (served, key) = (Served::new(&house.room), house.key("acme").await);
    // However a tool came to it: here its caller gave it.
    let text = format!("a {secret} b {} c", hex::encode(secret));
    let mut params = json!({ "name": "prober.log", "arguments": { "message": text, "times": 1 } });
    params["_meta"] = json!({ "io.modelcontextprotocol/logLevel": "debug" });
    let answer = read(&mut of(&served, &key).begin(&message(NEW, 1, "tools/call", params), &[]).await).await;
    let logged = &answer.messages[0]["params"];
    assert_eq!(logged["logger"], "prober.log", "{answer:?}");
    let told = logged["data"].as_str().unwrap();
    assert!(told.starts_with("a ***") && told.ends_with("*** c"), "{told}");
    assert!(!told.contains("canary") && !told.contains(&hex::encode(secret)), "{told}");
}
