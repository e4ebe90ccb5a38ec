//! What a security team asks: who reaches this, and why did that call end so.

use crate::house::{House, Told, component, told};
use crate::words;
use serde_json::Value;

const ACME: &str = r#"
[tools]
allow = ["files", "orders"]
block = ["files.search"]
[roles.writer]
tools = ["*"]
[roles.reader]
tools = ["files", "orders.list"]
effects = ["read"]
[grants.files.dir.workspace]
path = "data/acme"
mode = "rw"
[grants.orders.http.orders]
origin = "http://127.0.0.1:8080"
allow_private = true
[grants.orders.http.notify]
origins = ["https://*.example.com"]
"#;

const GLOBEX: &str = r#"
suspended = true
[tools]
allow = ["orders.get", "files.list"]
[grants.orders.http.orders]
origin = "http://127.0.0.1:8080"
[grants.files.dir.workspace]
path = "data/globex"
"#;

fn house() -> House {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    house.file("tenants/globex.toml", GLOBEX);
    std::fs::create_dir_all(house.path().join("data/acme/in")).unwrap();
    std::fs::create_dir_all(house.path().join("data/globex")).unwrap();
    for tool in ["files", "orders"] {
        house.run(words!["install", component(tool)]).ok();
    }
    house
}

fn key(house: &House, tenant: &str, more: &[&str]) -> String {
    let made = house.run(["key", "create", "--tenant", tenant, "--actor", "agent"].iter().chain(more));
    made.ok().stdout.trim().to_owned()
}

fn id(key: &str) -> &str {
    key.strip_prefix("sr_live_").unwrap().split_once('_').unwrap().0
}

/// `tenant role function` of every way to the target.
fn ways(house: &House, target: &str) -> Vec<String> {
    let found = house.run(["who-can", target, "--format", "json"]).ok().json();
    let word = |way: &Value, name: &str| way[name].as_str().unwrap_or("-").to_owned();
    let ways = found["reached_by"].as_array().unwrap().iter();
    ways.map(|w| format!("{} {} {}", word(w, "tenant"), word(w, "role"), word(w, "function"))).collect()
}

#[test]
fn an_endpoint_is_reached_by_whom_the_files_say_and_by_nobody_else() {
    let house = house();
    let reader = key(&house, "acme", &["--role", "reader"]);
    let scoped = key(&house, "acme", &["--role", "reader", "--scope", "files"]);
    let found = house.run(["who-can", "127.0.0.1:8080", "--format", "json"]).ok().json();
    let list = found["reached_by"].as_array().unwrap().iter();
    let list = list.clone().find(|w| w["role"] == "reader").unwrap();
    assert_eq!(list["function"], "orders.list");
    assert_eq!(list["grant"], "tenants/acme.toml grants.orders.http.orders");
    assert_eq!(list["rule"], "tenants/acme.toml tools.allow[1], roles.reader.tools[1]");
    assert_eq!(list["access"], "GET /orders,/orders/*");
    assert_eq!(list["keys"], serde_json::json!([id(&reader)]));
    assert!(!found.to_string().contains(id(&scoped)));
    // Globex may not dial private addresses, so its grant leads nowhere.
    assert!(!found.to_string().contains("globex"));
    // A function that only reads may not send the POST that the need `notify` is for.
    let notify = ways(&house, "https://eu.example.com");
    assert_eq!(notify, ["acme writer orders.send-confirmation", "acme writer orders.update-status"]);
    for nobody in ["https://example.com", "http://eu.example.com", "https://127.0.0.1:8080", "127.0.0.1:8081"]
    {
        assert!(ways(&house, nobody).is_empty(), "{nobody}");
    }
    house.run(["who-can", "https://other.example.org"]).ok().says("nobody");
}

#[test]
fn a_path_is_reached_through_the_folder_that_holds_it() {
    let house = house();
    let at = |path: &str| house.path().join(path).to_str().unwrap().to_owned();
    let inside = house.run(["who-can", &at("data/acme/in/a.txt"), "--format", "json"]).ok().json();
    let inside = inside["reached_by"].as_array().unwrap();
    assert!(inside.iter().all(|w| w["grant"] == "tenants/acme.toml grants.files.dir.workspace"));
    let write = inside.iter().find(|w| w["function"] == "files.write").unwrap();
    assert_eq!((&write["role"], &write["access"]), (&"writer".into(), &"rw all of it".into()));
    assert!(inside.iter().all(|w| w["function"] != "files.search"), "it is blocked");
    let read = inside.iter().find(|w| w["function"] == "files.read").unwrap();
    assert_eq!(read["access"], "ro all of it");
    assert!(ways(&house, &at("data/acme-2/a.txt")).is_empty());
    // Of a folder above, a part is reached; globex is suspended, and its way is listed as stopped.
    let above = house.run(["who-can", &at("data"), "--format", "json"]).ok().json();
    let globex = above["reached_by"].as_array().unwrap().iter().find(|w| w["tenant"] == "globex").unwrap();
    assert!(globex["access"].as_str().unwrap().starts_with("ro only "));
    assert_eq!(globex["stopped"], "tenants/globex.toml suspended");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("data/acme/in"), at("link")).unwrap();
        assert!(!ways(&house, &at("link")).is_empty(), "a link leads into the folder");
    }
    house.run(["who-can", "/data/../etc"]).failed(2, "usage");
}

#[test]
fn a_tool_is_called_by_the_roles_that_the_policy_lets() {
    let house = house();
    assert_eq!(ways(&house, "files.write"), ["acme writer files.write"]);
    assert!(ways(&house, "files.search").is_empty());
    assert_eq!(
        ways(&house, "orders.get"),
        ["acme writer orders.get", "globex - orders.get"],
        "a reader has only orders.list"
    );
    house.run(["kill", "tool", "orders", "--why", "x"]).ok();
    let table = house.run(["who-can", "orders.list"]);
    assert!(table.ok().stdout.contains("kill tool orders"), "{table:?}");
    house.run(["who-can", "misspelt"]).failed(3, "not_found").says("strongroom tools");
    house.run(["who-can", "ftp://x"]).failed(2, "usage");
}

fn with_key(house: &House, key: &str, words: &[&str]) -> Told {
    told(house.command().env("STRONGROOM_KEY", key).args(words))
}

/// The steps of the newest call in the book, by the command itself.
fn newest(house: &House) -> (Value, String) {
    let shown = house.run(["audit", "show", "--format", "json"]);
    let calls = shown.ok().stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let call = calls.filter_map(|e| e["call_id"].as_str().map(str::to_owned)).next_back().unwrap();
    let text = house.run(["explain", &call]).ok().stdout.clone();
    (house.run(["explain", &call, "--format", "json"]).ok().json(), text)
}

fn stopped_at(story: &Value) -> Option<&str> {
    let steps = story["steps"].as_array().unwrap();
    steps.iter().find(|step| step["verdict"] == "stop").map(|step| step["stage"].as_str().unwrap())
}

#[test]
fn a_call_is_explained_from_the_book() {
    let house = house();
    let writer = key(&house, "acme", &["--role", "writer"]);
    let globex = key(&house, "globex", &[]);
    with_key(&house, &writer, &["call", "files.list"]).ok();
    let (passed, text) = newest(&house);
    assert_eq!(stopped_at(&passed), None);
    assert!(text.contains("rule: tenants/acme.toml tools.allow[0], roles.writer.tools[0]"), "{text}");
    assert!(
        text.contains("allowed ") && text.contains("tenant: acme") && text.contains("actor: agent"),
        "{text}"
    );

    with_key(&house, &writer, &["call", "files.search", r#"{"pattern": "x"}"#]).failed(5, "policy_denied");
    let (denied, text) = newest(&house);
    assert_eq!(stopped_at(&denied), Some("authorize"));
    assert!(text.contains("tools.block[0]") && text.contains("what to do: "), "{text}");

    for (key, words, code, word, stage) in [
        (globex.as_str(), &["call", "files.list"][..], 4, "tenant_suspended", "identify"),
        ("sr_live_x", &["call", "files.list"], 4, "tenant_unknown", "identify"),
        (&writer, &["call", "files.missing"], 3, "tool_unknown", "authorize"),
        (&writer, &["call", "files.read", "{}"], 2, "arguments_invalid", "authorize"),
    ] {
        with_key(&house, key, words).failed(code, word);
        assert_eq!(stopped_at(&newest(&house).0), Some(stage), "{word}");
    }
    house.run(["kill", "tenant", "acme", "--why", "x"]).ok();
    with_key(&house, &writer, &["call", "files.list"]).failed(8, "killed");
    assert_eq!(stopped_at(&newest(&house).0), Some("admit"));
    house.run(["explain", &format!("call_{}", "0".repeat(32))]).failed(3, "not_found");
    house.run(["explain", "call_no-id"]).failed(2, "usage");
    house.run(["explain", "call_no-id", "--as", "k1"]).failed(2, "usage");
}
