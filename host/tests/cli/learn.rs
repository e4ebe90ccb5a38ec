//! How a call would end, and what would have to be granted: what people read, and what scripts get.

use crate::house::{House, component, told};
use crate::words;

const ACME: &str = "# acme's rules
[tools]
allow = [\"files.list\", \"orders\"]
block = [\"orders.send-confirmation\"]

[roles.agent]
tools = [\"*\"]

[[budgets]]
of = \"calls\"
per = \"total\"
limit = 100
";

fn house() -> (House, String) {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    for tool in ["files", "orders"] {
        house.run(words!["install", component(tool)]).ok();
    }
    let made = house.run(["key", "create", "--tenant", "acme", "--actor", "support", "--role", "agent"]);
    let key = made.ok().stdout.trim().to_owned();
    (house, key)
}

fn id(key: &str) -> &str {
    key.strip_prefix("sr_live_").unwrap().split_once('_').unwrap().0
}

/// The text with its ids, times and digests made equal.
fn steady(text: &str, key: &str) -> String {
    let text = text.replace(id(key), "KEY_ID");
    let mut steady = String::new();
    for line in text.split_inclusive('\n') {
        for word in line.split_inclusive([' ', ')', ';', '\n', ',']) {
            let bare = word.trim_end_matches([' ', ')', ';', '\n', ',']);
            let (_, end) = word.split_at(bare.len());
            let is_time = bare.len() == 20 && bare.ends_with('Z') && bare.starts_with("20");
            let shown = match bare {
                _ if bare.starts_with("call_") => "CALL",
                _ if bare.starts_with("sha256:") => "DIGEST",
                _ if is_time => "TIME",
                bare => bare,
            };
            steady.push_str(shown);
            steady.push_str(end);
        }
    }
    steady
}

fn call(house: &House, key: &str, words: &[&str]) -> i32 {
    told(house.command().env("STRONGROOM_KEY", key).arg("call").args(words)).code
}

#[test]
fn a_forecast_reads_step_by_step_and_its_exit_code_is_the_calls() {
    let (house, key) = house();
    let as_key = |words: &[&str]| house.run(["explain", "--as", id(&key)].iter().chain(words));
    let allowed = as_key(&["files.list"]);
    assert_eq!((allowed.code, allowed.stderr.as_str()), (0, ""), "{allowed:?}");
    insta::assert_snapshot!("explain_allowed", steady(&allowed.stdout, &key));
    house.run(["kill", "tool", "orders", "--why", "wrong prices"]).ok();
    let denied = as_key(&["orders.send-confirmation", "--no-idempotency-key"]);
    insta::assert_snapshot!("explain_denied", steady(&denied.stdout, &key));
    let arguments = r#"{"id": "918", "to": "a@example.com"}"#;
    assert_eq!(call(&house, &key, &["orders.send-confirmation", arguments]), denied.code);
    house.run(["revive", "tool", "orders"]).ok();
    insta::assert_snapshot!("explain_tool", steady(&as_key(&["orders"]).ok().stdout, &key));
    for (words, code) in [
        (&["files.read"][..], 5),
        (&["files.missing"], 3),
        (&["misspelt"], 3),
        (&["orders.send-confirmation"], 5),
        (&["orders.update-status", "--no-idempotency-key"], 2),
        (&["files"], 0),
    ] {
        assert_eq!(as_key(words).code, code, "{words:?}");
    }
    assert_eq!(house.run(["explain", "files.list"]).code, 4, "without a key");
    assert_eq!(house.run(["explain", "--as", "0000", "files.list"]).code, 4, "an unknown key");
    let json = as_key(&["files.list", "--format", "json"]).ok().json();
    assert_eq!(json["forecasts"][0]["reason_code"], "ok", "{json}");
    assert_eq!(json["forecasts"][0]["unbound"][0], "dir workspace");
    // A whole key is refused, and not repeated.
    let whole = house.run(["explain", "--as", &key, "files.list"]);
    assert_eq!(whole.code, 2);
    assert!(!whole.stderr.contains(key.rsplit('_').next().unwrap()), "{whole:?}");
}

#[test]
fn looking_starts_no_host() {
    let house = House::new();
    assert_eq!(house.run(["explain", "files.list"]).code, 3, "an empty home has one tenant and no tools");
    house.run(["who-can", "files"]).failed(3, "not_found");
    house.run(["learn"]).failed(3, "not_found").says("nothing was written down");
    assert_eq!(std::fs::read_dir(house.path()).unwrap().count(), 0, "nothing was made");
    let (house, key) = self::house();
    let book = || house.book();
    let before = book();
    house.run(["explain", "--as", id(&key), "files.list"]).ok();
    house.run(["who-can", "files"]).ok();
    house.run(["learn"]).ok();
    assert_eq!(book(), before, "and nothing entered");
}

#[test]
fn a_patch_is_reviewed_and_applied() {
    let (house, key) = house();
    let read = &["files.read", r#"{"path": "a.txt"}"#];
    assert_eq!(call(&house, &key, &["files.list"]), 5);
    assert_eq!(call(&house, &key, &["files.list"]), 5);
    assert_eq!(call(&house, &key, read), 5);
    assert_eq!(call(&house, &key, &["orders.get", r#"{"id": "918"}"#]), 5);
    assert_eq!(
        call(&house, &key, &["orders.send-confirmation", r#"{"id": "918", "to": "a@example.com"}"#]),
        5
    );
    let learned = house.run(["learn", "--tenant", "acme", "--since", "1h"]);
    insta::assert_snapshot!("learn", steady(&format!("{}{}", learned.ok().stdout, learned.stderr), &key));
    let json = house.run(["learn", "--tool", "files", "--format", "json"]).ok().json();
    assert_eq!(json["lessons"]["patches"][0]["suggested"].as_array().unwrap().len(), 2, "{json}");

    house.file("learned.patch", &learned.stdout);
    let patched = std::process::Command::new("patch")
        .args(["-p0", "-i", "learned.patch"])
        .current_dir(house.path())
        .output();
    let Ok(patched) = patched else { return };
    assert!(patched.status.success(), "{patched:?}");
    house.file("data/acme/files/workspace/a.txt", "hello");
    assert_eq!(call(&house, &key, &["files.list"]), 0);
    assert_eq!(call(&house, &key, read), 0);
    assert_eq!(call(&house, &key, &["files.search", r#"{"pattern": "x"}"#]), 5, "nobody asked for it");
    house.run(["learn", "--tool", "files.list"]).ok().says("no grant to suggest");
    house.run(["learn", "--tenant", "nobody"]).failed(3, "not_found");
    assert_eq!(house.run(["learn", "--since", "yesterday"]).code, 2);
}
