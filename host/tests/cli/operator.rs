//! What an operator does: install, keys, kill switches, the audit log, doctor.

use crate::house::{House, Told, component, told};
use crate::words;

const ACME: &str = r#"
[tools]
allow = ["files", "echo"]
block = ["files.search"]
[roles.writer]
tools = ["*"]
[roles.reader]
tools = ["files"]
effects = ["read"]
[grants.files.dir.workspace]
path = "data/acme"
mode = "rw"
"#;

fn with_acme() -> House {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    std::fs::create_dir_all(house.path().join("data/acme")).unwrap();
    house.run(words!["install", component("files")]).ok();
    house
}

fn key(house: &House, more: &[&str]) -> String {
    let made = house.run(["key", "create", "--tenant", "acme", "--actor", "agent"].iter().chain(more));
    let key = made.ok().stdout.trim().to_owned();
    assert!(key.starts_with("sr_live_"), "{made:?}");
    key
}

fn with_key(house: &House, key: &str, words: &[&str]) -> Told {
    told(house.command().env("STRONGROOM_KEY", key).args(words))
}

#[test]
fn a_tool_is_installed_once_and_called_often() {
    let house = House::new();
    let installed = house.run(words!["install", component("echo"), "--format", "json"]).ok().json();
    assert_eq!(installed["name"], "echo");
    let functions = house.run(["tools", "--format", "json"]).ok().json();
    assert_eq!(
        functions["functions"].as_array().unwrap().len(),
        installed["functions"].as_array().unwrap().len()
    );
    let called = house.run(["call", "echo.echo-list", r#"{"value": [1, 2]}"#]);
    assert_eq!(called.ok().stdout, "[1,2]\n");
    house.run(["call", "echo.missing"]).failed(3, "tool_unknown").says("strongroom tools");
    house.run(["call", "echo.fail", r#"{"problem": {"tag": "unknown"}}"#]).failed(1, "tool_error");

    house.run(words!["install", component("echo"), "--name", "other"]).failed(2, "usage");
    house.run(words!["install", component("badimport")]).failed(2, "import_unsupported").says("vault");
    house.run(words!["install", component("resourceful")]).failed(2, "component_invalid");
    let plain = words!["install", component("plain"), "--name", "weather"];
    assert!(house.run(plain).ok().stdout.contains("weather.forecast.get  write"));
    house.run(["doctor"]).ok();
}

#[test]
fn a_write_happens_once_for_each_key() {
    let house = with_acme();
    let key = key(&house, &["--role", "writer"]);
    let write = r#"{"path": "a.txt", "text": "x", "mode": "append"}"#;
    let made_up = with_key(&house, &key, &["call", "files.write", write]);
    made_up.ok().says("idempotency key: cli-");
    for again in [false, true] {
        let same = with_key(&house, &key, &["call", "files.write", write, "--idempotency-key", "k1"]);
        assert_eq!(same.ok().stdout, "2\n");
        assert_eq!(same.stderr.contains("nothing ran"), again, "{same:?}");
    }
    let other = r#"{"path": "a.txt", "text": "y", "mode": "append"}"#;
    with_key(&house, &key, &["call", "files.write", other, "--idempotency-key", "k1"])
        .failed(2, "idempotency_mismatch");
    assert_eq!(std::fs::read_to_string(house.path().join("data/acme/a.txt")).unwrap(), "xx");
}

#[test]
fn a_key_opens_what_it_is_for_until_it_is_revoked() {
    let house = with_acme();
    house.run(["call", "files.list"]).failed(4, "tenant_missing").says("STRONGROOM_KEY");
    house.run(["key", "create", "--tenant", "globex", "--actor", "a"]).failed(4, "tenant_unknown");
    house
        .run(["key", "create", "--tenant", "acme", "--actor", "a", "--role", "editor"])
        .says("reader, writer");

    let reader = key(
        &house,
        &["--role", "reader", "--scope", "files.list", "--scope", "files.write", "--expires", "1d"],
    );
    with_key(&house, &reader, &["call", "files.list"]).ok();
    let denied = [
        ("files.read", r#"{"path": "a"}"#),
        ("files.write", r#"{"path": "a", "text": "", "mode": "create"}"#),
    ];
    for (function, arguments) in denied {
        with_key(&house, &reader, &["call", function, arguments]).failed(5, "policy_denied");
    }
    let visible = with_key(&house, &reader, &["tools", "--format", "json"]).ok().json();
    assert_eq!(visible["functions"].as_array().unwrap().len(), 1);
    assert_eq!(visible["functions"][0]["name"], "files.list");

    let file = house.file("key.txt", &format!("{reader}\n"));
    house.run(words!["call", "files.list", "--key-file", &file]).ok();
    told(house.command().args(["call", "files.list", "--key-file", "-"]).write_stdin(reader.as_str())).ok();
    house.file("empty.txt", "");
    house.run(["call", "files.list", "--key-file", "empty.txt"]).failed(4, "tenant_unknown");

    let listed = house.run(["key", "list", "--format", "json"]);
    let (id, secret) = reader.strip_prefix("sr_live_").unwrap().split_once('_').unwrap();
    assert!(!listed.ok().stdout.contains(secret));
    assert_eq!(listed.json()["keys"][0]["id"], id);
    house.run(["key", "revoke", id]).ok();
    with_key(&house, &reader, &["call", "files.list"]).failed(4, "tenant_unknown");
    assert!(house.run(["key", "list"]).ok().stdout.contains("revoked"));
    let book = house.book();
    assert!(!book.contains(secret) && book.contains(&format!("key.revoke {id}")));
}

#[test]
fn what_is_stopped_stays_stopped_until_it_is_revived() {
    let house = House::new();
    house.run(words!["install", component("echo")]).ok();
    for scope in [&["tool", "echo"][..], &["tenant", "default"], &["host"]] {
        house.run(["kill"].iter().chain(scope).chain(&["--why", "a drill"])).ok();
        house.run(["call", "echo.nothing"]).failed(8, "killed");
        let kills = house.run(["kills", "--format", "json"]).ok().json();
        assert_eq!(
            (&kills["kills"][0]["scope"], &kills["kills"][0]["why"]),
            (&scope[0].into(), &"a drill".into())
        );
        house.run(["revive"].iter().chain(scope)).ok();
        house.run(["revive"].iter().chain(scope)).failed(3, "not_found");
        house.run(["call", "echo.nothing"]).ok();
    }
    house.run(["kill", "tool", "misspelt", "--why", "x"]).ok().says("none of this name");
}

#[test]
fn the_audit_log_is_read_by_tenant_tool_reason_and_call() {
    let house = with_acme();
    let key = key(&house, &["--role", "writer"]);
    with_key(&house, &key, &["call", "files.list"]).ok();
    with_key(&house, &key, &["call", "files.search", r#"{"pattern": "x"}"#]).failed(5, "policy_denied");
    house.run(["call", "files.list"]).failed(4, "tenant_missing");
    let count = |words: &[&str]| {
        let shown = house.run(["audit", "show", "--format", "json"].iter().chain(words));
        shown.ok().stdout.lines().count()
    };
    assert_eq!(count(&["--tenant", "acme", "--tool", "files"]), 2);
    assert_eq!(count(&["--reason", "policy_denied"]), 1);
    assert_eq!(count(&["--outcome", "denied"]), 2);
    assert_eq!(count(&["--tool", "files.search"]), 1);
    assert_eq!(count(&["--last", "1"]), 1);
    let denied = house.run(["audit", "show", "--reason", "policy_denied", "--format", "json"]);
    let entry: serde_json::Value = serde_json::from_str(&denied.stdout).unwrap();
    assert_eq!(count(&["--call", entry["call_id"].as_str().unwrap()]), 1);
    let table = house.run(["audit", "show", "--tenant", "acme"]);
    assert!(table.ok().stdout.contains("call files.search"), "{table:?}");
    let query = house.run(["audit", "query", "--reason", "policy_denied", "--format", "json"]);
    assert_eq!(query.ok().stdout, denied.stdout);
    house.run(["audit", "show", "--tenant", "globex"]).ok().says("no entry");
}

#[test]
fn doctor_names_what_is_wrong() {
    let house = with_acme();
    let well = house.run(["doctor", "--format", "json"]).ok().json();
    assert!(well["checks"].as_array().unwrap().iter().all(|c| c["ok"] == true), "{well}");
    house.file("tools/broken.wasm", "no component");
    let broken = house.run(["doctor"]);
    broken.failed(2, "component_invalid").says("broken.wasm");
    house.file("tenants/acme.toml", "suspended = 1\n");
    house.run(["doctor"]).failed(2, "config_invalid").says("tenants/acme.toml:1");
    let book = House::new();
    book.file("audit", "a file in the place of a folder");
    let failed = book.run(["doctor"]);
    assert!(matches!(failed.code, 8), "{failed:?}");
}

#[test]
fn the_compiler_takes_bytes_and_gives_an_error_or_code() {
    let house = House::new();
    told(house.command().arg("compile").write_stdin("no component")).failed(2, "component_invalid");
    let component = std::fs::read(component("echo")).unwrap();
    let mut command = house.command();
    let output = command.arg("compile").env_clear().write_stdin(component).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"\x7fELF"), "{output:?}");
    assert_eq!(std::fs::read_dir(house.path()).unwrap().count(), 0);
}

#[test]
fn shells_and_readers_get_their_texts() {
    let house = House::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(house.run(["completions", shell]).ok().stdout.contains("strongroom"), "{shell}");
    }
    assert!(house.run(["man"]).ok().stdout.contains(".TH strongroom 1"));
    house.run(["man", "pages"]).ok();
    let page = std::fs::read_to_string(house.path().join("pages/strongroom-key-create.1")).unwrap();
    assert!(page.contains("expires"), "{page}");
    assert!(!house.path().join("pages/strongroom-compile.1").exists());
}
