//! A tool asks its caller: in rounds where there are no sessions, and by a request of the server where there is one. What comes
//! back is the caller's own word for its own call, and nothing happens twice for it.

use super::rpc::{Answer, Client, NEW, OLD, client as of, message};
use super::session::{Session, next};
use crate::http_api::client::{Served, book, request};
use serde_json::{Value, json};
use strongroom::config::ToolPattern;
use strongroom::id::{ActorId, TenantId};
use strongroom::reason::{Outcome, Reason};
use strongroom::{NewKey, audit};
use strongroom_tests::{House, house};

pub(super) const GRANTS: &str =
    "[tools]\nallow = [\"mcp\"]\n[grants.mcp.ask]\n[grants.mcp.keyvalue.counts]\nmode = \"rw\"\n";

pub(super) async fn asking() -> (House, String) {
    let house = house().tool("mcp").tenant("acme", GRANTS).tenant("globex", GRANTS).build().await;
    let key = house.key("acme").await;
    (house, key)
}

async fn other(house: &House, actor: &str) -> String {
    let key = NewKey {
        tenant: TenantId::new("acme").unwrap(),
        actor: ActorId::new(actor).unwrap(),
        role: None,
        scopes: Vec::<ToolPattern>::new(),
        expires_ms: None,
    };
    house.room.create_key(key).await.unwrap().text.to_string()
}

/// A call by a client that can be asked for everything, with what it brings.
async fn round(client: &Client<'_>, tool: &str, arguments: Value, brings: Value) -> Answer {
    let mut params = json!({ "name": tool, "arguments": arguments });
    for (key, value) in brings.as_object().unwrap() {
        params[key] = value.clone();
    }
    let mut message = message(NEW, 1, "tools/call", params);
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "elicitation": {}, "sampling": {}, "roots": {} });
    client.send(&message, &[]).await
}

fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

fn entries(house: &House, action: &str) -> Vec<audit::Entry> {
    book(house).into_iter().filter(|e| e.action == action && e.phase != audit::Phase::Intent).collect()
}

#[tokio::test]
async fn an_answer_is_its_callers_own_for_its_own_call() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    let acme = of(&served, &key);
    let first = round(&acme, "mcp.greet", json!({}), json!({})).await;
    let asked = first.result();
    assert_eq!(asked["resultType"], "input_required", "{first:?}");
    assert_eq!(asked["inputRequests"]["user_name"]["params"]["message"], "What is your name?");
    let state = asked["requestState"].as_str().unwrap();
    let answers = json!({ "user_name": accept(json!({ "name": "Ada" })) });
    let brings = |state: &str| json!({ "inputResponses": answers, "requestState": state });
    let done = round(&acme, "mcp.greet", json!({}), brings(state)).await;
    assert_eq!(done.result()["content"][0]["text"], "Hello, {\"name\":\"Ada\"}!", "{done:?}");

    let (agent, globex) = (other(&house, "somebody").await, house.key("globex").await);
    let (agent, globex) = (of(&served, &agent), of(&served, &globex));
    let mut changed = state.to_owned();
    changed.replace_range(8..9, if &state[8..9] == "A" { "B" } else { "A" });
    for (client, tool, state) in [
        (&agent, "mcp.greet", state),
        (&globex, "mcp.greet", state),
        (&acme, "mcp.confirm", state),
        (&acme, "mcp.greet", &changed),
        (&acme, "mcp.greet", "anything"),
    ] {
        let refused = round(client, tool, json!({}), brings(state)).await;
        let error = &refused.last()["error"];
        assert_eq!(error["code"], -32602, "{refused:?}");
        assert_eq!(error["data"]["strongroom/reason-code"], "request_state_invalid", "{refused:?}");
    }
    // Other arguments are another call.
    let first = round(&acme, "mcp.ask-contact", json!({ "message": "a" }), json!({})).await;
    let state = first.result()["requestState"].clone();
    let other =
        round(&acme, "mcp.ask-contact", json!({ "message": "b" }), json!({ "requestState": state })).await;
    assert_eq!(other.last()["error"]["data"]["strongroom/reason-code"], "request_state_invalid");

    house.room.close().await.unwrap();
    let greeted = entries(&house, "call mcp.greet");
    let ends: Vec<_> = greeted.iter().map(|e| (e.reason_code, e.outcome)).collect();
    let refused = (Reason::RequestStateInvalid, Outcome::Denied);
    let expected =
        [(Reason::InputRequired, Outcome::Failed), (Reason::Ok, Outcome::Executed), refused, refused];
    assert_eq!(ends[..4], expected, "{greeted:?}");
    let asks = greeted[0].imports.iter().any(|import| import.import == "strongroom:host/ask.all");
    assert!(asks, "the question is in the book: {:?}", greeted[0].imports);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    let client = of(&served, &key);
    let mut state = Value::Null;
    for answer in [json!(7), json!({ "action": "perhaps" }), accept(json!({})), accept(json!({ "name": 7 }))]
    {
        let mut brings = json!({ "inputResponses": { "user_name": answer } });
        if !state.is_null() {
            brings["requestState"] = state;
        }
        let asked = round(&client, "mcp.greet", json!({}), brings).await;
        assert_eq!(asked.result()["resultType"], "input_required", "{asked:?}");
        state = asked.result()["requestState"].clone();
    }
    let brings = json!({ "inputResponses": { "user_name": { "action": "decline" } }, "requestState": state });
    let declined = round(&client, "mcp.greet", json!({}), brings).await;
    assert_eq!(declined.result()["structuredContent"]["error"], "declined", "{declined:?}");
}

#[tokio::test]
async fn nothing_is_asked_after_an_effect_where_the_call_would_run_again() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    for n in [1, 2] {
        let answers = json!({ "inputResponses": { "sure": accept(json!({ "ok": true })) } });
        let keyed = json!({ "strongroom/idempotency-key": format!("k{n}") });
        let mut params = json!({ "name": "mcp.count-and-ask", "arguments": {}, "_meta": keyed });
        if n == 2 {
            params["inputResponses"] = answers["inputResponses"].clone();
        }
        let mut message = message(NEW, 1, "tools/call", params);
        message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": {} });
        let answer = of(&served, &key).send(&message, &[]).await;
        let text = answer.result()["content"][0]["text"].as_str().unwrap();
        match n {
            1 => assert_eq!(text, "1 nothing can be asked after an effect; ask before it"),
            // What was answered before needs no other round.
            _ => assert_eq!(text, "2 {\"ok\":true}"),
        }
    }
}

#[tokio::test]
async fn a_write_that_asks_keeps_nothing_until_it_is_answered() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    let client = of(&served, &key);
    let keyed = |brings: Value| {
        let mut brings = brings;
        brings["_meta"] = json!({ "strongroom/idempotency-key": "once" });
        brings
    };
    let asked = round(&client, "mcp.set-and-ask", json!({}), keyed(json!({}))).await;
    let state = asked.result()["requestState"].clone();
    assert_eq!(client.call("mcp.count", json!({})).await.result()["content"][0]["text"], "0", "{asked:?}");
    let brings =
        json!({ "inputResponses": { "sure": accept(json!({ "ok": true })) }, "requestState": state });
    for replayed in [false, true] {
        let done = round(&client, "mcp.set-and-ask", json!({}), keyed(brings.clone())).await;
        assert_eq!(done.result()["content"][0]["text"], "kept", "{done:?}");
        assert_eq!(done.result()["_meta"]["strongroom/replayed"] == true, replayed, "{done:?}");
    }
    assert_eq!(client.call("mcp.count", json!({})).await.result()["content"][0]["text"], "1");
}

#[tokio::test]
async fn who_cannot_be_asked_is_not_and_the_tool_is_told() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    // Over the HTTP API there is nobody to ask.
    let reply = served.call(&key, "mcp.greet", &[], "{}").await;
    assert_eq!(reply.status, 422, "{reply:?}");
    assert_eq!(reply.json()["reason_code"], "caller_unable", "{reply:?}");
    // A client of the current revision without the capability is told what it lacks.
    let answer = of(&served, &key).call("mcp.capital", json!({})).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.last()["error"]["code"], -32021);
    assert_eq!(answer.last()["error"]["data"]["requiredCapabilities"], json!({ "sampling": {} }));
    // One of an older revision without a session could give no answer.
    let old = Client { version: OLD, ..of(&served, &key) };
    let answer = old.call("mcp.greet", json!({})).await;
    assert_eq!(answer.result()["structuredContent"]["reason_code"], "caller_unable", "{answer:?}");
    // What is not granted is not asked, whoever could answer.
    let bare = house_without_grant().await;
    let (served, key) = (Served::new(&bare.room), bare.key("acme").await);
    let answer = round(&of(&served, &key), "mcp.greet", json!({}), json!({})).await;
    assert_eq!(answer.result()["structuredContent"]["reason_code"], "capability_denied", "{answer:?}");
}

async fn house_without_grant() -> House {
    house().tool("mcp").tenant("acme", "[tools]\nallow = [\"mcp\"]\n").build().await
}

#[tokio::test]
async fn what_one_caller_answered_is_not_kept_for_another() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    // The manifest lets answers of this function be kept.
    for ok in [true, false] {
        let brings = json!({ "inputResponses": { "confirm": accept(json!({ "ok": ok })) } });
        let answer = round(&of(&served, &key), "mcp.confirm", json!({}), brings).await;
        let text = answer.result()["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, format!("state-ok {{\"ok\":{ok}}}"), "{answer:?}");
    }
}

#[tokio::test]
async fn in_a_session_the_call_waits_longer_than_it_may_compute() {
    let limits = format!("{GRANTS}[limits]\ndeadline_ms = 300\n");
    let house = house().tool("mcp").tenant("acme", &limits).build().await;
    let (served, key) = (Served::new(&house.room), house.key("acme").await);
    let session = Session::begin(&served, &key, json!({ "elicitation": {} })).await;
    let mut stream = session.call("mcp.greet").await;
    let asked = next(&mut stream).await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": accept(json!({ "name": "Ada" })) });
    assert_eq!(session.send(&answer).await.status, 202);
    let done = next(&mut stream).await;
    assert_eq!(done["result"]["content"][0]["text"], "Hello, {\"name\":\"Ada\"}!", "{done}");
    // What its client did not declare is not asked.
    let done = next(&mut session.call("mcp.capital").await).await;
    assert_eq!(done["result"]["structuredContent"]["reason_code"], "caller_unable", "{done}");
}

#[tokio::test]
async fn a_session_is_its_callers_own() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    let session = Session::begin(&served, &key, json!({})).await;
    let list = message(OLD, 2, "tools/list", json!({}));
    assert_eq!(session.send(&list).await.status, 200);
    for stranger in [house.key("globex").await, other(&house, "somebody").await] {
        let stolen =
            Session { client: Client { version: OLD, ..of(&served, &stranger) }, name: session.name.clone() };
        assert_eq!(stolen.send(&list).await.status, 404);
        assert_eq!(stolen.open("GET").await.0, 404);
        assert_eq!(stolen.open("DELETE").await.0, 404);
    }
    let unknown = Session { client: Client { version: OLD, ..of(&served, &key) }, name: "made-up".into() };
    assert_eq!(unknown.send(&list).await.status, 404);
    assert!(session.open("DELETE").await.0 < 300);
    assert_eq!(session.send(&list).await.status, 404);
    // Without a session there is nothing to open.
    let bare = request("GET", "/mcp", &[&format!("authorization: Bearer {key}")], "");
    assert_eq!(served.raw(bare).await.status, 405);
}

#[tokio::test]
async fn a_tenant_has_a_few_sessions_and_goes_on_without_more() {
    let (house, key) = asking().await;
    let served = Served::new(&house.room);
    for _ in 0..16 {
        Session::begin(&served, &key, json!({})).await;
    }
    let client = Client { version: OLD, ..of(&served, &key) };
    let hello =
        json!({ "protocolVersion": OLD, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let answer = client.ask("initialize", hello).await;
    assert!(answer.header("mcp-session-id").is_none() && answer.status == 200, "{answer:?}");
    assert!(!client.tools().await.is_empty());
    // Others have theirs.
    Session::begin(&served, &house.key("globex").await, json!({})).await;
}
