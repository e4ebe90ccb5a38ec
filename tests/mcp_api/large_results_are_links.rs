//! A result that is larger than an answer may hold is a link, and whoever made the call reads the whole of it there: nobody else, for
//! an hour, as long as the rules let it.

mod lasting;
mod owners;

use super::rpc::{Answer, Client, NEW, OLD, client as of, message};
use crate::http_api::client::{Served, book, request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom::audit::Entry;
use strongroom::powers::Home;
use strongroom_tests::{House, Plan, house};

const HOST: &str = "[mcp]\nmax_inline_result = \"2KiB\"\n";
const TENANT: &str = "[tools]\nallow = [\"*\"]\n";
const PREFIX: &str = "strongroom://result/";
const HOUR_MS: u64 = 3_600_000;

fn plan() -> Plan {
    let plan = house().tool("echo").tool("mcp").file("strongroom.toml", HOST);
    plan.tenant("acme", TENANT).tenant("globex", TENANT)
}

fn long(name: &str) -> String {
    format!("{name} says \"so\" ").repeat(300)
}

/// The entries of calls; heads of trees come at their own time.
fn calls_of(house: &House) -> Vec<Entry> {
    book(house).into_iter().filter(|entry| entry.call_id.is_some()).collect()
}

async fn reload(house: &House) {
    let home = Home::open(house.path()).unwrap();
    assert!(house.room.reload(&home).await.unwrap().changed);
}

/// What a client hears of a URI, without the URI.
fn heard(answer: &Answer, uri: &str) -> String {
    let told = answer.last().to_string();
    assert!(told.contains(uri), "{told}");
    format!("{} {}", answer.status, told.replace(uri, "uri"))
}

/// The link among the content.
#[track_caller]
fn link(answer: &Answer) -> Value {
    let content = answer.result()["content"].as_array().unwrap();
    let mut links =
        content.iter().filter(|block| block["uri"].as_str().is_some_and(|uri| uri.starts_with(PREFIX)));
    links.next().unwrap_or_else(|| panic!("no link: {answer:?}")).clone()
}

#[track_caller]
fn uri(answer: &Answer) -> String {
    link(answer)["uri"].as_str().unwrap().to_owned()
}

async fn say(client: &Client<'_>, text: &str) -> Answer {
    client.call("echo.echo-string", json!({ "value": text })).await
}

async fn fetch(client: &Client<'_>, uri: &str) -> Answer {
    client.ask("resources/read", json!({ "uri": uri })).await
}

/// What was read, when there is one document.
#[track_caller]
fn only(answer: &Answer) -> Value {
    let [one] = answer.result()["contents"].as_array().unwrap().as_slice() else { panic!("{answer:?}") };
    one.clone()
}

/// Calls with results of each form: the function, its arguments, and what kind of document the result is.
fn calls() -> Vec<(&'static str, Value, &'static str)> {
    let message = json!({ "from": "a", "number": 7, "text": long("kim"), "urgency": "low", "tags": ["x"], "place": null });
    vec![
        ("echo.echo-string", json!({ "value": long("ü") }), "text/plain"),
        ("echo.echo-strings", json!({ "value": [long("kim"), "b"] }), "application/json"),
        ("echo.echo", json!({ "message": message }), "application/json"),
        ("echo.fill", json!({ "bytes": 5000 }), "application/octet-stream"),
    ]
}

#[tokio::test]
async fn every_form_of_result_is_read_whole_by_its_link_and_fits_its_schema() {
    let house = plan().build().await;
    let whole = plan().file("strongroom.toml", "[mcp]\nmax_inline_result = \"0B\"\n").build().await;
    let (served, at_whole) = (Served::new(&house.room), Served::new(&whole.room));
    let (key, other) = (house.key("acme").await, whole.key("acme").await);
    for version in [NEW, OLD] {
        let client = Client { version, ..of(&served, &key) };
        let inline = Client { version, ..of(&at_whole, &other) };
        let listed = client.ask("tools/list", json!({})).await;
        let tools = listed.result()["tools"].as_array().unwrap().clone();
        for (name, arguments, mime_type) in calls() {
            let told = client.call(name, arguments.clone()).await;
            let result = told.result();
            let there = link(&told);
            assert_eq!((&there["type"], &there["mimeType"]), (&json!("resource_link"), &json!(mime_type)));
            assert!(there["name"] == name && there["description"].is_string(), "{there}");
            assert!(told.last().to_string().len() < 2500, "nothing of it is inline: {told:?}");
            assert!(result.get("isError").is_none_or(|failed| failed == false));
            assert_eq!(result["_meta"]["strongroom/linked"], json!({ "kept_ms": HOUR_MS }));
            assert_eq!(result["_meta"]["strongroom/reason-code"], "ok");
            // Both revisions: what a tool with an output schema gives must fit it.
            let structured = &result["structuredContent"];
            let said = &structured["resource_link"];
            assert_eq!(
                (&said["uri"], &said["mime_type"], &said["size"]),
                (&there["uri"], &there["mimeType"], &there["size"])
            );
            let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
            let schema = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
            assert!(
                schema.is_valid(structured) && !schema.is_valid(&json!({ "resource_link": {} })),
                "{name}"
            );

            let read = fetch(&client, there["uri"].as_str().unwrap()).await;
            let document = only(&read);
            assert_eq!(
                (&document["uri"], &document["mimeType"]),
                (&there["uri"], &json!(mime_type)),
                "{name}"
            );
            if version == NEW {
                assert_eq!(read.result()["cacheScope"], "private");
            }
            let same = inline.call(name, arguments).await;
            let same = same.result();
            assert!(schema.is_valid(&same["structuredContent"]), "{name}");
            let (text, size) = match document["blob"].as_str() {
                Some(blob) => (blob.to_owned(), STANDARD.decode(blob).unwrap().len()),
                None => {
                    (document["text"].as_str().unwrap().to_owned(), document["text"].as_str().unwrap().len())
                }
            };
            assert_eq!((&json!(text), &json!(size)), (&same["content"][0]["text"], &there["size"]), "{name}");
        }
        // It is nowhere listed, and the HTTP API knows nothing of it.
        let listed = client.ask("resources/list", json!({})).await;
        assert!(!listed.last().to_string().contains(PREFIX), "{listed:?}");
        let listed = client.ask("resources/templates/list", json!({})).await;
        assert!(!listed.last().to_string().contains(PREFIX), "{listed:?}");
    }
    let http = served.call(&key, "echo.fill", &["idempotency-key: h"], r#"{"bytes":5000}"#).await;
    assert!(http.status == 200 && http.body.len() > 6000 && !http.body.contains(PREFIX));
}

#[tokio::test]
async fn the_limit_is_one_of_bytes_and_failures_are_inline() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    for version in [NEW, OLD] {
        let client = Client { version, ..of(&served, &key) };
        // The quotes of the JSON text count.
        let fits = say(&client, &"x".repeat(2046)).await;
        assert_eq!(fits.result()["structuredContent"]["result"].as_str().map(str::len), Some(2046));
        assert_eq!(fits.result()["_meta"].get("strongroom/linked"), None);
        assert_eq!(link(&say(&client, &"x".repeat(2047)).await)["size"], 2047);
        let problem = json!({ "problem": { "tag": "because", "val": long("kim") } });
        let failed = client.call("echo.fail", problem).await;
        assert_eq!(failed.result()["isError"], true);
        assert!(failed.last().to_string().len() > 2 * 4000 && !failed.last().to_string().contains(PREFIX));
    }
}

#[tokio::test]
async fn long_blocks_of_content_are_links_each_in_its_place() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    for version in [NEW, OLD] {
        let client = Client { version, ..of(&served, &key) };
        let told = client.call("mcp.large", json!({ "bytes": 3000 })).await;
        let content = told.result()["content"].as_array().unwrap().clone();
        let kinds: Vec<_> = content.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["text", "resource_link", "resource_link", "resource_link"], "{told:?}");
        assert_eq!(told.result().get("structuredContent"), None);
        let about: Vec<_> = content.iter().map(|block| (&block["mimeType"], &block["size"])).collect();
        assert_eq!(
            about[1..3],
            [(&json!("image/png"), &json!(3000)), (&json!("text/markdown"), &json!(3000))]
        );
        assert_eq!(content[3]["uri"], "https://docs.example/guide");
        let picture = only(&fetch(&client, content[1]["uri"].as_str().unwrap()).await);
        assert_eq!((&picture["mimeType"], &picture["uri"]), (&json!("image/png"), &content[1]["uri"]));
        assert_eq!(STANDARD.decode(picture["blob"].as_str().unwrap()).unwrap(), vec![7; 3000]);
        let words = only(&fetch(&client, content[2]["uri"].as_str().unwrap()).await);
        assert_eq!((&words["mimeType"], &words["text"]), (&json!("text/markdown"), &json!("w".repeat(3000))));
        // Where one of them is enough, the other stays.
        let told = client.call("mcp.large", json!({ "bytes": 900 })).await;
        let kinds: Vec<_> =
            told.result()["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
        assert_eq!(kinds, ["text", "resource_link", "resource", "resource_link"]);
        let small = client.call("mcp.large", json!({ "bytes": 20 })).await;
        assert_eq!(small.result()["content"][1]["type"], "image");
        // What is no block of it is nothing.
        let first = content[1]["uri"].as_str().unwrap().strip_suffix("/1").unwrap();
        for nothing in ["", "/3", "/4", "/01", "/-1", "/1/"] {
            let uri = format!("{first}{nothing}");
            assert_eq!(
                fetch(&client, &uri).await.last()["error"]["message"],
                "there is no such resource",
                "{uri}"
            );
        }
    }
}

#[tokio::test]
async fn both_ways_and_a_session_give_the_same_link() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let mut all = Vec::new();
    for version in [NEW, OLD] {
        for accept in ["application/json, text/event-stream", "application/json;q=1, text/event-stream"] {
            let call = message(
                version,
                1,
                "tools/call",
                json!({ "name": "mcp.large", "arguments": { "bytes": 3000 } }),
            );
            let head = [
                format!("accept: {accept}"),
                format!("authorization: Bearer {key}"),
                "content-type: application/json".into(),
                format!("mcp-protocol-version: {version}"),
                "mcp-method: tools/call".into(),
                "mcp-name: mcp.large".into(),
            ];
            let head: Vec<_> = head.iter().map(String::as_str).collect();
            let reply = served.raw(request("POST", "/mcp", &head, call.to_string())).await;
            all.push(reply.json()["result"]["content"].clone());
        }
    }
    let session = super::session::Session::begin(&served, &key, json!({})).await;
    let call = message(OLD, 3, "tools/call", json!({ "name": "mcp.large", "arguments": { "bytes": 3000 } }));
    all.push(session.send(&call).await.result()["content"].clone());
    // With progress the answer is the last of a stream.
    let call =
        json!({ "name": "mcp.large", "arguments": { "bytes": 3000 }, "_meta": { "progressToken": "p" } });
    let streamed: Answer = of(&served, &key).send(&message(NEW, 4, "tools/call", call), &[]).await;
    all.push(streamed.result()["content"].clone());
    assert!(all[0][1]["uri"].as_str().unwrap().starts_with(PREFIX));
    assert!(all.iter().all(|content| content == &all[0]), "{all:#?}");
}
