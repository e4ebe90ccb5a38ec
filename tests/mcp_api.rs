//! A client of the Model Context Protocol gets what the pipeline gives, and nothing that it can choose says who it is.

mod asks;
mod hears;
mod large_results_are_links;
mod life;
pub(crate) mod rpc;
mod session;
mod tokens;
mod ways;

use crate::http_api::client::{Served, book, entries};
use rpc::{Client, NEW, OLD, client as of, message};
use serde_json::{Value, json};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, house};

const TENANT: &str = r#"
[tools]
allow = ["echo", "prober"]
[grants.prober.keyvalue.cart]
mode = "rw"
"#;

async fn two_tenants() -> (House, String, String) {
    let house = house().tool("echo").tool("prober").tenant("acme", TENANT);
    let house = house.tenant("globex", "[tools]\nallow = [\"echo\"]\n").build().await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    (house, acme, globex)
}

#[tokio::test]
async fn both_revisions_begin_list_and_call() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let new = of(&served, &key);
    let found = new.ask("server/discover", json!({})).await;
    assert_eq!(found.status, 200, "{found:?}");
    assert!(found.result()["supportedVersions"].as_array().unwrap().contains(&json!(NEW)));
    assert_eq!(found.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "strongroom");
    let old = Client { version: OLD, ..of(&served, &key) };
    let hello =
        json!({ "protocolVersion": OLD, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let begun = old.ask("initialize", hello).await;
    assert_eq!((begun.status, &begun.result()["protocolVersion"]), (200, &json!(OLD)), "{begun:?}");
    assert!(begun.header("mcp-session-id").is_some(), "{begun:?}");
    for client in [new, old] {
        let listed = client.ask("tools/list", json!({})).await;
        assert_eq!(listed.header("content-type"), Some("application/json"));
        assert_eq!(listed.header("cache-control"), Some("no-store"));
        if client.version == NEW {
            assert_eq!(listed.result()["cacheScope"], "private");
        }
        let told = client.call("echo.echo-string", json!({ "value": "hello" })).await;
        assert_eq!(told.result()["content"], json!([{ "type": "text", "text": "hello" }]), "{told:?}");
        assert_eq!(told.result()["structuredContent"], json!({ "result": "hello" }));
        let id = told.result()["_meta"]["strongroom/call-id"].as_str().unwrap();
        let entries = entries(&house, id);
        assert_eq!(entries.last().unwrap().outcome, Outcome::Executed);
        assert_eq!(entries.last().unwrap().action, "call echo.echo-string");
    }
    assert!(book(&house).iter().any(|entry| entry.action == "greet" && entry.reason_code == Reason::Ok));
}

#[tokio::test]
async fn each_tenant_lists_its_own_tools_in_one_order() {
    let (house, acme, globex) = two_tenants().await;
    let served = Served::new(&house.room);
    let names = of(&served, &acme).tools().await;
    assert!(names.is_sorted() && names.iter().any(|name| name == "prober.kv-get"));
    assert_eq!(of(&served, &acme).tools().await, names);
    let others = of(&served, &globex).tools().await;
    assert!(others.iter().all(|name| name.starts_with("echo.")) && !others.is_empty());
    let narrow = house.key_for("acme", None, &["prober.kv-set", "echo.nothing"]).await;
    let listed = of(&served, &narrow).ask("tools/list", json!({})).await;
    let tools = listed.result()["tools"].as_array().unwrap();
    let [nothing, set] = tools.as_slice() else { panic!("{tools:?}") };
    assert_eq!(
        (&nothing["name"], &nothing["title"]),
        (&json!("echo.nothing"), &json!("Nothing in, nothing out"))
    );
    assert_eq!(nothing["annotations"]["readOnlyHint"], true);
    assert_eq!(set["annotations"]["readOnlyHint"], false);
    assert_eq!(set["annotations"]["destructiveHint"], true);
    // The tool may ask services, so each of its functions may.
    assert_eq!(
        (&set["annotations"]["openWorldHint"], &nothing["annotations"]["openWorldHint"]),
        (&json!(true), &json!(false))
    );
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert!(tool.get("outputSchema").is_none_or(|schema| schema["type"] == "object"));
    }
    let paged = of(&served, &acme).ask("tools/list", json!({ "cursor": "2" })).await;
    assert_eq!(paged.last()["error"]["code"], -32602);
}

#[tokio::test]
async fn what_goes_wrong_is_a_result_with_its_reason() {
    let (house, acme, globex) = two_tenants().await;
    let served = Served::new(&house.room);
    let reason = |answer: &rpc::Answer| {
        let result = answer.result();
        assert_eq!(result["isError"], true, "{answer:?}");
        assert_eq!(result["structuredContent"]["reason_code"], result["_meta"]["strongroom/reason-code"]);
        assert!(result["content"][0]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let id = result["structuredContent"]["call_id"].as_str().unwrap();
        assert!(!entries(&house, id).is_empty());
        result["structuredContent"]["reason_code"].as_str().unwrap().to_owned()
    };
    let client = of(&served, &acme);
    assert_eq!(reason(&client.call("echo.echo-string", json!({})).await), "arguments_invalid");
    let more = json!({ "value": "x", "tenant": "globex" });
    assert_eq!(reason(&client.call("echo.echo-string", more).await), "arguments_invalid");
    let denied = of(&served, &globex).call("prober.kv-get", json!({ "bucket": "cart", "key": "k" })).await;
    assert_eq!(reason(&denied), "policy_denied");
    let failed =
        client.call("echo.fail", json!({ "problem": { "tag": "because", "val": "it rains" } })).await;
    assert_eq!(reason(&failed), "tool_error");
    assert_eq!(failed.result()["structuredContent"]["error"], json!({ "tag": "because", "val": "it rains" }));
    for unknown in ["nosuch.tool", "nosuch", "", "echo", "../etc"] {
        let answer = client.call(unknown, json!({})).await;
        assert_eq!(answer.last()["error"]["code"], -32602, "{answer:?}");
        assert_eq!(answer.last()["error"]["data"]["strongroom/reason-code"], "tool_unknown");
    }
}

#[tokio::test]
async fn a_failed_calls_content_fits_the_published_schema_too() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let listed = of(&served, &key).ask("tools/list", json!({})).await;
    let tools = listed.result()["tools"].as_array().unwrap();
    let schema = tools.iter().find(|tool| tool["name"] == "echo.fail").unwrap()["outputSchema"].clone();
    let choices = schema["anyOf"].as_array().unwrap();
    assert_eq!(choices[0]["required"], json!(["result"]));
    assert_eq!(choices[1]["properties"]["reason_code"]["type"], "string");
    // The function's own error keeps its type.
    assert!(choices[1]["properties"]["error"].to_string().contains("because"));
}

#[tokio::test]
async fn a_write_is_made_once_with_a_key_and_without() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let client = of(&served, &key);
    let set = |value: &str, meta: Value| {
        let arguments = json!({ "bucket": "cart", "key": "k", "value": value });
        message(
            NEW,
            1,
            "tools/call",
            json!({ "name": "prober.kv-set", "arguments": arguments, "_meta": meta }),
        )
    };
    let replayed = |answer: &rpc::Answer| answer.result()["_meta"]["strongroom/replayed"] == true;
    // A client that knows nothing of keys: the host derives one.
    let first = client.send(&set("YQ==", json!({})), &[]).await;
    let again = client.send(&set("YQ==", json!({})), &[]).await;
    assert_eq!((replayed(&first), replayed(&again)), (false, true), "{first:?} {again:?}");
    // With a key, in `_meta` or as a header: one and the same.
    let meta = json!({ "strongroom/idempotency-key": "one", "strongroom/run": "r1" });
    let first = client.send(&set("Yg==", meta.clone()), &[]).await;
    let again = client.send(&set("Yg==", json!({})), &["idempotency-key: one"]).await;
    assert_eq!((replayed(&first), replayed(&again)), (false, true));
    let other = client.send(&set("Yw==", meta), &[]).await;
    assert_eq!(other.result()["structuredContent"]["reason_code"], "idempotency_mismatch");
    let two = client
        .send(&set("Yw==", json!({ "strongroom/idempotency-key": "x" })), &["idempotency-key: y"])
        .await;
    assert_eq!(two.result()["structuredContent"]["reason_code"], "arguments_invalid");
}

#[tokio::test]
async fn the_tenant_comes_from_the_key_alone() {
    let (house, acme, globex) = two_tenants().await;
    let served = Served::new(&house.room);
    let claims = [
        "strongroom-tenant: globex",
        "x-tenant-id: globex",
        "mcp-session-id: globex",
        "cookie: tenant=globex",
    ];
    let meta = json!({ "tenant": "globex", "strongroom/tenant": "globex", "authorization": format!("Bearer {globex}") });
    let params = json!({ "name": "prober.context", "arguments": {}, "_meta": meta });
    let told = of(&served, &acme).send(&message(NEW, 1, "tools/call", params), &claims).await;
    assert_eq!(told.result()["structuredContent"]["tenant"], "acme", "{told:?}");
    let params = json!({ "name": "prober.context", "arguments": { "tenant": "globex" } });
    let told = of(&served, &acme).send(&message(NEW, 1, "tools/call", params), &claims).await;
    assert_eq!(told.result()["structuredContent"]["reason_code"], "arguments_invalid");
    // Nobody is let in without a key, whatever the message says, and before it is read.
    let nobody = Client { key: None, ..of(&served, &acme) };
    for method in ["server/discover", "tools/list", "tools/call", "no/such"] {
        let refused = nobody.ask(method, json!({ "name": "echo.nothing", "access_token": acme })).await;
        assert_eq!((refused.status, &refused.last()["reason_code"]), (401, &json!("tenant_missing")));
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    let wrong = of(&served, "sr_live_a_b").ask("tools/list", json!({})).await;
    assert_eq!((wrong.status, &wrong.last()["reason_code"]), (401, &json!("tenant_unknown")));
}

#[tokio::test]
async fn calls_with_one_id_at_once_get_their_own_answers() {
    let (house, acme, globex) = two_tenants().await;
    let served = Served::new(&house.room);
    let mut calls = Vec::new();
    for n in 0..16 {
        let client = of(&served, if n % 2 == 0 { &acme } else { &globex });
        let params = json!({ "name": "echo.echo-string", "arguments": { "value": format!("{n}") } });
        calls.push(client.begin(&message(NEW, 7, "tools/call", params), &[]).await);
    }
    for (n, mut stream) in calls.into_iter().enumerate() {
        let answer = rpc::read(&mut stream).await;
        assert_eq!(answer.last()["id"], 7);
        assert_eq!(answer.result()["structuredContent"]["result"], format!("{n}"));
    }
}

#[tokio::test]
async fn a_foreign_page_is_turned_away() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let list = message(NEW, 1, "tools/list", json!({}));
    let status = async |headers: &[&str]| of(&served, &key).send(&list, headers).await.status;
    assert_eq!(status(&["origin: http://localhost:6274"]).await, 200);
    for bad in
        ["origin: https://evil.example", "origin: null", "origin: http://localhost.evil.example", "origin: "]
    {
        assert_eq!(status(&[bad]).await, 403, "{bad}");
    }
    assert!(book(&house).iter().any(|entry| entry.reason_code == Reason::PolicyDenied));
    // A host without tenants trusts its machine alone, so the Host header counts as well.
    let alone = house_alone().await;
    let served = Served::new(&alone.room);
    let nobody = Client { key: None, ..of(&served, "") };
    assert_eq!(nobody.send(&list, &[]).await.status, 200);
    let bytes = String::from_utf8(nobody.bytes(&list, &[])).unwrap().replacen("localhost", "evil.example", 1);
    assert_eq!(served.raw(bytes).await.status, 403);
}

async fn house_alone() -> House {
    house().tool("echo").build().await
}

#[tokio::test]
async fn the_operators_names_and_pages_count() {
    let host = "[mcp]\nnames = { \"echo.echo-string\" = \"say\" }\norigins = [\"https://app.example\"]\n";
    let house = house().tool("echo").file("strongroom.toml", host).build().await;
    let served = Served::new(&house.room);
    let client = Client { key: None, ..of(&served, "") };
    let names = client.tools().await;
    assert!(names.contains(&"say".into()) && !names.contains(&"echo.echo-string".into()));
    for name in ["say", "echo.echo-string"] {
        let told = client.call(name, json!({ "value": "x" })).await;
        assert_eq!(told.result()["structuredContent"]["result"], "x");
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_in_the_book() {
    let (house, key, _) = two_tenants().await;
    let served = Served::new(&house.room);
    let client = of(&served, &key);
    let good = message(NEW, 1, "tools/list", json!({}));
    let bad = |from: &str, to: &str| String::from_utf8(client.bytes(&good, &[])).unwrap().replace(from, to);
    for request in [
        bad("mcp-protocol-version: 2026-07-28", "mcp-protocol-version: 2025-11-25"),
        bad("mcp-method: tools/list", "mcp-method: tools/call"),
        bad("accept: application/json, text/event-stream", "accept: text/html"),
        bad("content-type: application/json", "content-type: text/plain"),
        bad("{\"jsonrpc\"", "[{\"jsonrpc\""),
    ] {
        let reply = served.raw(&request).await;
        assert!((400..500).contains(&reply.status), "{request} {reply:?}");
    }
    let refused =
        book(&house).into_iter().filter(|entry| entry.reason_code == Reason::ArgumentsInvalid).count();
    assert_eq!(refused, 5);
    let get = served.get("/mcp", &[&format!("authorization: Bearer {key}")]).await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn content_of_every_kind_is_the_protocols_own() {
    let house = house().tool("mcp").build().await;
    let served = Served::new(&house.room);
    let client = Client { key: None, ..of(&served, "") };
    let kinds = async |tool: &str| {
        let told = client.call(tool, json!({})).await;
        assert_eq!(told.result().get("structuredContent"), None, "{told:?}");
        let blocks = told.result()["content"].as_array().unwrap().clone();
        blocks.iter().map(|block| block["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds("mcp.image").await, ["image"]);
    assert_eq!(kinds("mcp.audio").await, ["audio"]);
    assert_eq!(kinds("mcp.document").await, ["resource"]);
    assert_eq!(kinds("mcp.place").await, ["resource_link"]);
    assert_eq!(kinds("mcp.several").await, ["text", "image", "resource"]);
    let listed = client.ask("tools/list", json!({})).await;
    let tools = listed.result()["tools"].as_array().unwrap();
    let image = tools.iter().find(|tool| tool["name"] == "mcp.image").unwrap();
    assert_eq!(image.get("outputSchema"), None);
    // Over the HTTP API it is data like any other.
    let direct = house.call("mcp.image", "{}").await;
    let direct: Value = serde_json::from_str(&direct.value.unwrap()).unwrap();
    assert_eq!(direct[0]["val"]["mime-type"], "image/png");
}

#[tokio::test]
async fn resources_and_prompts_are_governed_calls_of_functions() {
    let tenant = "[tools]\nallow = [\"mcp\"]\nblock = [\"mcp.picture\", \"mcp.look\"]\n";
    let house =
        house().tool("mcp").tenant("acme", tenant).tenant("globex", "[tools]\nallow = []\n").build().await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    let served = Served::new(&house.room);
    let client = of(&served, &acme);
    let names = async |client: &Client<'_>, method: &str, list: &str| {
        let listed = client.ask(method, json!({})).await;
        let items = listed.result()[list].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&client, "resources/list", "resources").await, ["mcp.guide", "mcp.watched"]);
    assert_eq!(names(&client, "resources/templates/list", "resourceTemplates").await, ["mcp.entry"]);
    assert_eq!(
        names(&client, "prompts/list", "prompts").await,
        ["mcp.about", "mcp.ask-prompt", "mcp.pair", "mcp.plain", "mcp.toned"]
    );
    assert!(!client.tools().await.iter().any(|name| name == "mcp.guide" || name == "mcp.plain"));
    for list in [("resources/list", "resources"), ("prompts/list", "prompts")] {
        assert!(names(&of(&served, &globex), list.0, list.1).await.is_empty());
    }
    let read = client.ask("resources/read", json!({ "uri": "test://template/7/data" })).await;
    let contents = &read.result()["contents"][0];
    assert_eq!(
        (&contents["uri"], &contents["mimeType"]),
        (&json!("test://template/7/data"), &json!("application/json"))
    );
    assert!(contents["text"].as_str().unwrap().contains("\"7\""));
    assert!(
        book(&house).iter().any(|entry| entry.action == "call mcp.entry" && entry.reason_code == Reason::Ok)
    );
    // Neither another's, nor what is blocked, nor what is not there.
    let uri = json!({ "uri": "test://static-text" });
    let denied = of(&served, &globex).ask("resources/read", uri).await;
    assert_eq!(denied.last()["error"]["data"]["strongroom/reason-code"], "policy_denied", "{denied:?}");
    let blocked = client.ask("resources/read", json!({ "uri": "test://static-binary" })).await;
    assert_eq!(blocked.last()["error"]["data"]["strongroom/reason-code"], "policy_denied");
    for missing in ["test://template/a/b/data", "file:///etc/passwd"] {
        let none = client.ask("resources/read", json!({ "uri": missing })).await;
        assert_eq!(
            (&none.last()["error"]["code"], &none.last()["error"]["data"]["uri"]),
            (&json!(-32602), &json!(missing))
        );
    }
    let pair = json!({ "name": "mcp.pair", "arguments": { "arg1": "a" } });
    let got = client.ask("prompts/get", pair).await;
    assert_eq!(got.result()["messages"][0]["content"]["text"], "Prompt with arguments: arg1='a', arg2=''");
    let bad = client.ask("prompts/get", json!({ "name": "mcp.pair", "arguments": { "other": "a" } })).await;
    assert_eq!(bad.last()["error"]["data"]["strongroom/reason-code"], "arguments_invalid");
    let none = client.ask("prompts/get", json!({ "name": "mcp.simple-text" })).await;
    assert_eq!(none.last()["error"]["code"], -32602);
    let start = json!({ "ref": { "type": "ref/prompt", "name": "mcp.toned" }, "argument": { "name": "tone", "value": "f" } });
    assert_eq!(
        client.ask("completion/complete", start).await.result()["completion"]["values"],
        json!(["firm", "formal"])
    );
}
