//! A result that is larger than an answer may hold is a link, and whoever made the call reads the whole of it there: nobody else, for
//! an hour, as long as the rules let it.

use super::rpc::{self, Answer, Client, NEW, OLD, client as of, message};
use crate::http_api::client::{Served, book, entries, request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use strongroom::NewKey;
use strongroom::id::{ActorId, TenantId};
use strongroom::powers::Home;
use strongroom::reason::{Outcome, Reason};
use strongroom::storage::ledger::KillScope;
use strongroom_tests::{House, Plan, Still, house};

const HOST: &str = "[mcp]\nmax_inline_result = \"2KiB\"\n";
const TENANT: &str = "[tools]\nallow = [\"*\"]\n";
const PREFIX: &str = "strongroom://result/";
const HOUR_MS: u64 = 3_600_000;
/// Some time in 2027.
const THEN: u64 = 1_800_000_000_000;

fn plan() -> Plan {
    let plan = house().tool("echo").tool("mcp").file("strongroom.toml", HOST);
    plan.tenant("acme", TENANT).tenant("globex", TENANT)
}

/// A key of another actor.
async fn key_of(house: &House, tenant: &str, actor: &str) -> String {
    let (tenant, actor) = (TenantId::new(tenant).unwrap(), ActorId::new(actor).unwrap());
    let key = NewKey { tenant, actor, role: None, scopes: Vec::new(), expires_ms: None };
    house.room.create_key(key).await.unwrap().text.to_string()
}

fn long(name: &str) -> String {
    format!("{name} says \"so\" ").repeat(300)
}

/// The link among the content.
#[track_caller]
fn link(answer: &Answer) -> Value {
    let content = answer.result()["content"].as_array().unwrap();
    let mut links = content.iter().filter(|block| block["uri"].as_str().is_some_and(|uri| uri.starts_with(PREFIX)));
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

/// What a client hears of a URI, without the URI.
fn heard(answer: &Answer, uri: &str) -> String {
    let told = answer.last().to_string();
    assert!(told.contains(uri), "{told}");
    format!("{} {}", answer.status, told.replace(uri, "uri"))
}

async fn reload(house: &House) {
    let home = Home::open(house.path()).unwrap();
    assert!(house.room.reload(&home).await.unwrap().changed);
}

fn files(house: &House, tenant: &str) -> Vec<PathBuf> {
    match std::fs::read_dir(house.path().join("answers").join(tenant)) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
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
            assert_eq!((&said["uri"], &said["mime_type"], &said["size"]), (&there["uri"], &there["mimeType"], &there["size"]));
            let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
            let schema = jsonschema::validator_for(&tool["outputSchema"]).unwrap();
            assert!(schema.is_valid(structured) && !schema.is_valid(&json!({ "resource_link": {} })), "{name}");

            let read = fetch(&client, there["uri"].as_str().unwrap()).await;
            let document = only(&read);
            assert_eq!((&document["uri"], &document["mimeType"]), (&there["uri"], &json!(mime_type)), "{name}");
            if version == NEW {
                assert_eq!(read.result()["cacheScope"], "private");
            }
            let same = inline.call(name, arguments).await;
            let same = same.result();
            assert!(schema.is_valid(&same["structuredContent"]), "{name}");
            let (text, size) = match document["blob"].as_str() {
                Some(blob) => (blob.to_owned(), STANDARD.decode(blob).unwrap().len()),
                None => (document["text"].as_str().unwrap().to_owned(), document["text"].as_str().unwrap().len()),
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
        assert_eq!(about[1..3], [(&json!("image/png"), &json!(3000)), (&json!("text/markdown"), &json!(3000))]);
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
            assert_eq!(fetch(&client, &uri).await.last()["error"]["message"], "there is no such resource", "{uri}");
        }
    }
}

#[tokio::test]
async fn nobody_else_finds_it_and_nobody_learns_that_it_is_there() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let others =
        [key_of(&house, "acme", "other").await, house.key("globex").await, key_of(&house, "globex", "other").await];
    for version in [NEW, OLD] {
        let owner = Client { version, ..of(&served, &key) };
        let real = uri(&say(&owner, &long("mine")).await);
        let mut digits = real.clone().into_bytes();
        let last = digits.last_mut().unwrap();
        *last = if *last == b'0' { b'1' } else { b'0' };
        let never = String::from_utf8(digits).unwrap();
        for other in &others {
            let other = Client { version, ..of(&served, other) };
            let before = book(&house).len();
            let theirs = heard(&fetch(&other, &real).await, &real);
            let nothing = heard(&fetch(&other, &never).await, &never);
            assert_eq!(theirs, nothing, "{version}");
            let unknown = "orders://never";
            let elsewhere = heard(&fetch(&other, unknown).await, unknown);
            assert_eq!(theirs, elsewhere, "as for any URI that nobody gives");
            let entries: Vec<_> = book(&house).into_iter().skip(before).collect();
            let [a, b, c] = entries.as_slice() else { panic!("{entries:?}") };
            let facts = |entry: &strongroom::audit::Entry| {
                let whose = (entry.tenant_id.clone(), entry.actor_id.clone());
                (whose, entry.action.clone(), entry.reason_code, entry.outcome, entry.note.clone(), entry.replayed_call_id)
            };
            assert_eq!((facts(a), facts(b)), (facts(b), facts(c)));
            assert_eq!((a.reason_code, a.outcome), (Reason::ToolUnknown, Outcome::Denied));
        }
        for bad in [real.to_uppercase(), format!("{real}0"), format!("{real}/0"), PREFIX.to_owned(), format!("{PREFIX}../x")] {
            let told = fetch(&owner, &bad).await;
            assert_eq!(told.last()["error"]["message"], "there is no such resource", "{bad}: {told:?}");
        }
        assert_eq!(only(&fetch(&owner, &real).await)["text"], long("mine"));
        // The same text of somebody else is another result.
        for other in &others {
            let other = Client { version, ..of(&served, other) };
            let own = uri(&say(&other, &long("mine")).await);
            assert_ne!(own, real);
            assert!(fetch(&owner, &own).await.last().get("error").is_some());
            assert_eq!(only(&fetch(&other, &own).await)["text"], long("mine"));
        }
    }
    // Without a credential nobody is asked in.
    let nobody = Client { key: None, ..of(&served, "") };
    assert_eq!(fetch(&nobody, &format!("{PREFIX}{}", "0".repeat(32))).await.status, 401);
}

#[tokio::test]
async fn each_read_is_in_the_book_with_whose_result_of_which_call() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let client = of(&served, &key);
    let told = say(&client, &long("kim")).await;
    let call = told.result()["_meta"]["strongroom/call-id"].as_str().unwrap().to_owned();
    let called = entries(&house, &call).pop().unwrap();
    assert_eq!(fetch(&client, &uri(&told)).await.status, 200);
    let read = book(&house).pop().unwrap();
    assert_eq!(read.action, "read result echo.echo-string");
    assert_eq!((read.reason_code, read.outcome), (Reason::Ok, Outcome::Replayed));
    assert_eq!((&read.tenant_id, &read.actor_id), (&called.tenant_id, &called.actor_id));
    assert_eq!(read.actor_id.as_ref().map(ToString::to_string).as_deref(), Some("agent"));
    assert_eq!(read.replayed_call_id, called.call_id);
    assert_ne!(read.call_id, called.call_id);
    assert_eq!((read.component, read.policy, &read.note), (called.component, called.policy, &called.note));
    assert_eq!((read.fuel, read.bytes_out, read.imports.len()), (0, called.bytes_out, 0));
    // In a session the entry is the same.
    let session = super::session::Session::begin(&served, &key, json!({})).await;
    let fetched = session.send(&message(OLD, 9, "resources/read", json!({ "uri": uri(&told) }))).await;
    assert_eq!(only(&fetched)["text"], long("kim"));
    assert_eq!(book(&house).pop().unwrap().action, "read result echo.echo-string");
    assert!(!house.book().contains("kim says"), "the book has no results");
}

#[tokio::test]
async fn todays_rules_decide_on_each_read() {
    let rate = "[rate]\nper_second = 1000\n";
    let house = plan().tenant("acme", &format!("{TENANT}{rate}")).build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let client = of(&served, &key);
    let there = uri(&say(&client, &long("kim")).await);
    let refused = |answer: &Answer| {
        assert_eq!(answer.last().get("result"), None, "{answer:?}");
        let told = answer.last().to_string();
        assert!(!told.contains("kim says"), "{told}");
        answer.last()["error"]["data"]["strongroom/reason-code"].as_str().unwrap().to_owned()
    };
    // A key that is narrowed to other tools.
    let narrow = house.key_for("acme", None, &["echo.nothing"]).await;
    assert_eq!(refused(&fetch(&of(&served, &narrow), &there).await), "policy_denied");
    let last = book(&house).pop().unwrap();
    assert_eq!((last.action.as_str(), last.reason_code), ("read result echo.echo-string", Reason::PolicyDenied));
    assert_eq!((last.outcome, last.tenant_id.unwrap().as_str()), (Outcome::Denied, "acme"));
    // A stop of the tool, and a freeze, which lets reads go on.
    let scope: KillScope = "tool echo".parse().unwrap();
    house.room.kill(scope.clone(), "a test").await.unwrap();
    assert_eq!(refused(&fetch(&client, &there).await), "killed");
    house.room.revive(scope.clone()).await.unwrap();
    house.room.freeze(scope.clone(), "a test").await.unwrap();
    assert_eq!(only(&fetch(&client, &there).await)["text"], long("kim"));
    house.room.revive(scope).await.unwrap();
    // Rules that were changed since.
    let blocked = format!("{}block = [\"echo.echo-string\"]\n", TENANT);
    std::fs::write(house.path().join("tenants/acme.toml"), blocked).unwrap();
    reload(&house).await;
    assert_eq!(refused(&fetch(&client, &there).await), "policy_denied");
    std::fs::write(house.path().join("tenants/acme.toml"), format!("{TENANT}[rate]\nper_second = 1\nburst = 1\n")).unwrap();
    reload(&house).await;
    assert_eq!(fetch(&client, &there).await.last().get("error"), None);
    let mut told = fetch(&client, &there).await;
    for _ in 0..50 {
        if told.last().get("error").is_some() {
            break;
        }
        told = fetch(&client, &there).await;
    }
    assert_eq!(refused(&told), "rate_limited");
    // It is there still.
    std::fs::write(house.path().join("tenants/acme.toml"), TENANT).unwrap();
    reload(&house).await;
    assert_eq!(only(&fetch(&client, &there).await)["text"], long("kim"));
}

#[tokio::test]
async fn a_repeat_is_given_the_same_link_and_one_result_is_kept() {
    // Without a word about its functions, each of them writes.
    let writes = "name = \"echo\"\nversion = \"0.1.0\"\ndescription = \"Writes\"\n";
    let plan = house().tool_with("echo", writes).file("strongroom.toml", HOST).tenant("acme", TENANT);
    let house = plan.build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let mut uris = Vec::new();
    for version in [NEW, OLD, NEW] {
        let client = Client { version, ..of(&served, &key) };
        let params = json!({ "name": "echo.echo-string", "arguments": { "value": "x".repeat(100_000) },
            "_meta": { "strongroom/idempotency-key": "one" } });
        let told = client.send(&message(version, 1, "tools/call", params), &[]).await;
        let replayed = &told.result()["_meta"]["strongroom/replayed"];
        assert_eq!(*replayed == true, !uris.is_empty(), "{told:?}");
        uris.push(uri(&told));
        assert_eq!(only(&fetch(&client, uris.last().unwrap()).await)["text"].as_str().unwrap().len(), 100_000);
    }
    assert!(uris.iter().all(|uri| uri == &uris[0]), "{uris:?}");
    // One file of the idempotent answer, one of the result, both for their user alone.
    let files = files(&house, "acme");
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn it_is_kept_for_an_hour_over_restarts_and_by_every_process() {
    let clock = Still::at(THEN);
    let with = |clock: &Arc<Still>| {
        let clock = clock.clone();
        move |builder: strongroom::Builder| builder.clock(clock)
    };
    let house = plan().build_with(with(&clock)).await;
    let key = house.key("acme").await;
    let mut uris = Vec::new();
    {
        let served = Served::new(&house.room);
        // One that stands in the ledger, and one that is a file.
        for length in [5_000, 100_000] {
            uris.push((uri(&say(&of(&served, &key), &"x".repeat(length)).await), length));
        }
        let builder = strongroom::Strongroom::builder(Home::open(house.path()).unwrap());
        let beside = builder.clock(clock.clone()).build().await.unwrap();
        let served = Served::new(&beside);
        for (uri, length) in &uris {
            assert_eq!(only(&fetch(&of(&served, &key), uri).await)["text"].as_str().unwrap().len(), *length);
        }
    }
    let house = house.between(async |_| {}, with(&clock)).await;
    let served = Served::new(&house.room);
    let client = of(&served, &key);
    clock.pass(HOUR_MS - 1);
    for (uri, length) in &uris {
        assert_eq!(only(&fetch(&client, uri).await)["text"].as_str().unwrap().len(), *length);
    }
    clock.pass(1);
    for (uri, length) in &uris {
        let told = heard(&fetch(&client, uri).await, uri);
        let never = format!("{PREFIX}{}", "0".repeat(32));
        assert_eq!(told, heard(&fetch(&client, &never).await, &never), "{length}");
    }
    // The same result again is kept anew, from now.
    let again = uri(&say(&client, &"x".repeat(100_000)).await);
    assert_eq!(again, uris[1].0);
    clock.pass(HOUR_MS - 1);
    assert_eq!(only(&fetch(&client, &again).await)["text"].as_str().unwrap().len(), 100_000);
    assert_eq!(uri(&say(&client, &"x".repeat(100_000)).await), again);
    clock.pass(HOUR_MS - 1);
    assert_eq!(only(&fetch(&client, &again).await)["text"].as_str().unwrap().len(), 100_000);
}

#[tokio::test]
async fn it_goes_with_its_tenant() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    let read = json!({ "bytes": 100_000 });
    let (ours, theirs) = (
        uri(&of(&served, &acme).call("mcp.large", read.clone()).await),
        uri(&of(&served, &globex).call("mcp.large", read.clone()).await),
    );
    let tenant = TenantId::new("acme").unwrap();
    let deleted = house.room.delete_tenant(&tenant).await.unwrap();
    assert_eq!((deleted.traces.results, files(&house, "acme").len()), (1, 0));
    assert_eq!(fetch(&of(&served, &acme), &ours).await.status, 401);
    assert_eq!(only(&fetch(&of(&served, &globex), &theirs).await)["mimeType"], "image/png");
    // Whoever comes by the same names afterwards finds nothing of it.
    std::fs::write(house.path().join("tenants/acme.toml"), TENANT).unwrap();
    reload(&house).await;
    let acme = house.key("acme").await;
    let told = fetch(&of(&served, &acme), &ours).await;
    assert_eq!(told.last()["error"]["message"], "there is no such resource", "{told:?}");
}

#[tokio::test]
async fn what_cannot_be_kept_is_in_its_answer_and_what_is_damaged_is_not_given() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let client = of(&served, &key);
    let large = json!({ "bytes": 100_000 });
    let there = uri(&client.call("mcp.large", large.clone()).await);
    let whole = std::fs::read(&files(&house, "acme")[0]).unwrap();
    for damaged in [whole.to_ascii_uppercase(), whole[1..].to_vec()] {
        let [file] = files(&house, "acme").try_into().unwrap();
        std::fs::write(&file, damaged).unwrap();
        let told = fetch(&client, &there).await;
        assert_eq!(told.last()["error"]["message"], "there is no such resource", "{told:?}");
        let entry = book(&house).pop().unwrap();
        assert_eq!((entry.action.as_str(), entry.reason_code), ("read result mcp.large", Reason::NotFound));
        // The next call makes it whole again.
        assert_eq!(uri(&client.call("mcp.large", large.clone()).await), there);
        assert_eq!(only(&fetch(&client, &there).await)["mimeType"], "image/png");
        let [file] = files(&house, "acme").try_into().unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), whole);
    }
    let answers = house.path().join("answers/acme");
    std::fs::remove_dir_all(&answers).unwrap();
    std::fs::write(&answers, "in the way").unwrap();
    let told = client.call("mcp.large", json!({ "bytes": 90_000 })).await;
    assert_eq!(told.result()["content"][1]["type"], "image", "what was done is not lost for its length");
    assert_eq!(told.result()["_meta"].get("strongroom/linked"), None);
}

#[tokio::test]
async fn both_ways_and_a_session_give_the_same_link() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let mut all = Vec::new();
    for version in [NEW, OLD] {
        for accept in ["application/json, text/event-stream", "application/json;q=1, text/event-stream"] {
            let call = message(version, 1, "tools/call", json!({ "name": "mcp.large", "arguments": { "bytes": 3000 } }));
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
    let call = json!({ "name": "mcp.large", "arguments": { "bytes": 3000 }, "_meta": { "progressToken": "p" } });
    let streamed: rpc::Answer = of(&served, &key).send(&message(NEW, 4, "tools/call", call), &[]).await;
    all.push(streamed.result()["content"].clone());
    assert!(all[0][1]["uri"].as_str().unwrap().starts_with(PREFIX));
    assert!(all.iter().all(|content| content == &all[0]), "{all:#?}");
}
