//! Held upgrades on the command line: what is shown, and how it is decided.

use crate::house::{House, component};
use crate::words;

/// The manifest of the plugin `orders`, as it could be in its next version.
fn wider(house: &House) {
    let text = std::fs::read_to_string(format!("{}/../plugins/orders/tool.toml", env!("CARGO_MANIFEST_DIR")));
    let text = text.unwrap().replace("0.1.0", "0.2.0").replace("\"PATCH\"", "\"PATCH\", \"DELETE\"");
    house.file("wider.toml", &text);
}

#[test]
fn an_upgrade_is_shown_held_and_accepted_by_its_digest() {
    let house = House::new();
    wider(&house);
    house.run(words!["install", component("orders")]).ok();
    assert_eq!(house.run(["accept", "--list"]).ok().says("nothing is held").stdout, "");
    let held = house.run(words!["install", component("orders"), "--manifest", "wider.toml"]);
    held.failed(5, "upgrade_held").says("the version before goes on serving");
    assert!(held.stdout.starts_with("orders 0.2.0, in place of 0.1.0\n  it could do more\n"), "{held:?}");
    assert!(held.stdout.contains("    needs.http.orders: new methods: DELETE\n"), "{held:?}");
    assert_eq!(house.run(["accept", "--list"]).ok().stdout, held.stdout);
    let version = || {
        let tools = house.run(["tools", "--format", "json"]).ok().json();
        tools["functions"][0]["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(version(), "0.1.0");
    assert!(house.run(["doctor"]).ok().stdout.contains("1 loaded, 1 held"));

    let shown = house.run(["accept", "orders"]);
    shown.failed(5, "upgrade_held");
    let named = held.stdout.trim().rsplit(' ').next().unwrap();
    shown.says(&format!("strongroom accept {named}"));
    house.run(["accept", "orders@sha256:12"]).says("64 hexadecimal digits");
    let other = format!("orders@sha256:{}", "0".repeat(64));
    house.run(["accept", &other]).failed(5, "upgrade_held").says("another version");
    house.run(["accept", "files"]).failed(3, "not_found");
    let listed = house.run(["accept", "--list", "--format", "json"]).ok().json();
    assert_eq!(listed["held"][0]["differences"][0]["severity"], "error");
    assert_eq!(format!("orders@{}", listed["held"][0]["edition"].as_str().unwrap()), named);

    assert!(house.run(["accept", named]).ok().stdout.starts_with("accepted orders 0.2.0 (sha256:"));
    assert_eq!(version(), "0.2.0");
    let book = house.run(["audit", "show", "--format", "json"]).ok().stdout.clone();
    assert!(book.contains("\"upgrade_held\"") && book.contains(&format!("accept {named}")), "{book}");
}

#[test]
fn an_upgrade_is_rejected_or_accepted_at_once() {
    let house = House::new();
    wider(&house);
    house.run(words!["install", component("orders")]).ok();
    let json = words!["install", component("orders"), "--manifest", "wider.toml", "--format", "json"];
    let held = house.run(json);
    held.failed(5, "upgrade_held");
    assert_eq!(held.json()["held"][0]["tool"], "orders");
    house.run(["reject", "orders"]).ok();
    house.run(["reject", "orders"]).failed(3, "tool_unknown");
    let now = house.run(words!["install", component("orders"), "--manifest", "wider.toml", "--accept"]);
    assert!(now.ok().stdout.starts_with("installed orders 0.2.0"));
    // What a function is declared to do counts too; and the way back asks for less.
    let text = std::fs::read_to_string(house.path().join("wider.toml")).unwrap();
    house.file("wider.toml", &text.replace("[functions.get]\neffect = \"read\"\n", ""));
    house.run(words!["install", component("orders"), "--manifest", "wider.toml"]).failed(5, "upgrade_held");
    house.run(words!["install", component("orders")]).ok();
}
