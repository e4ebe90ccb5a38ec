//! `run` and `inspect`: one line, no set-up, no rights but those of the flags.

use crate::house::{House, component, told};
use crate::words;

#[test]
fn a_tool_reaches_what_the_flags_give_and_nothing_else() {
    let house = House::new();
    house.file("in/a.txt", "hello");
    let files = component("files");

    let listed = house.run(words!["run", &files, "list", "{}", "--dir", "workspace=in:ro", "--explain"]);
    listed.ok().says("descriptor.open-at").says("workspace:/").says("executed ok");
    let result: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(result["entries"][0]["name"], "a.txt");

    let denied = house.run(words!["run", &files, "list"]);
    denied.failed(5, "capability_denied").says("--dir workspace=PATH");
    assert_eq!(denied.stdout, "");

    let write = r#"{"path": "b.txt", "text": "new", "mode": "create"}"#;
    let read_only = house.run(words!["run", &files, "write", write, "--dir", "workspace=in:ro"]);
    read_only.failed(5, "capability_denied");
    assert!(!house.path().join("in/b.txt").exists());
    house.run(words!["run", &files, "write", write, "--dir", "workspace=in:rw"]).ok();
    assert_eq!(std::fs::read_to_string(house.path().join("in/b.txt")).unwrap(), "new");

    house
        .run(words!["run", &files, "list", "--dir", "elsewhere=in"])
        .failed(2, "usage")
        .says("it needs: workspace");
    house
        .run(words!["run", &files, "nope", "{}"])
        .failed(3, "tool_unknown")
        .says("list, read, search, write");
    house.run(words!["run", &files, "list", r#"{"path": 7}"#]).failed(2, "arguments_invalid");
}

#[test]
fn arguments_come_from_the_line_a_file_or_stdin() {
    let house = House::new();
    let echo = component("echo");
    house.file("value.json", r#"{"value": "from a file"}"#);
    let file = house.run(words!["run", &echo, "echo-string", "@value.json"]);
    assert_eq!(file.ok().stdout, "\"from a file\"\n");
    let mut command = house.command();
    command.args(words!["run", &echo, "echo.echo-string", "-"]).write_stdin(r#"{"value": "from stdin"}"#);
    assert_eq!(told(&mut command).ok().stdout, "\"from stdin\"\n");
    let receipt =
        house.run(words!["run", &echo, "echo-u64", r#"{"value": 18446744073709551615}"#, "--format", "json"]);
    let receipt = receipt.ok().json();
    assert_eq!(
        (&receipt["reason_code"], &receipt["outcome"], &receipt["tenant"]),
        (&"ok".into(), &"executed".into(), &"default".into())
    );
    assert_eq!(receipt["value"], u64::MAX.to_string(), "more than 53 bits are text");
}

#[test]
fn a_component_without_a_manifest_runs_too() {
    let house = House::new();
    let run = house.run(words!["run", component("plain"), "archive.get", r#"{"city": "Bergen", "day": 1}"#]);
    run.ok();
    let beside = house.path().join("weather.wasm");
    std::fs::copy(component("plain"), &beside).unwrap();
    house.file(
        "weather.tool.toml",
        "name = \"weather\"\nversion = \"1.0.0\"\n[functions.\"archive.get\"]\neffect = \"read\"\n",
    );
    let inspected = house.run(words!["inspect", &beside, "--format", "json"]).ok().json();
    assert_eq!(inspected["name"], "weather");
    let effects: Vec<_> = inspected["functions"].as_array().unwrap().iter().map(|f| &f["effect"]).collect();
    assert_eq!(effects, ["write", "read"]);
    house.file("weather.tool.toml", "name = \"weather\"\nversion = \"one\"\n");
    let faulty = house.run(words!["run", &beside, "archive.get"]);
    faulty.failed(2, "manifest_invalid").says("weather.tool.toml:2").says("version = \"one\"");
}

#[test]
fn limits_end_a_call() {
    let house = House::new();
    house.run(words!["run", component("spin"), "spin", "--fuel", "1000000"]).failed(7, "fuel_exhausted");
    let sleep = words!["run", component("sleeper"), "doze", r#"{"ms": 60000}"#, "--deadline", "50"];
    house.run(sleep).failed(7, "deadline_exceeded");
    let grow = words!["run", component("hog"), "grow", r#"{"piece": 1048576}"#, "--memory", "8MiB"];
    let grown = house.run(grow);
    assert!(matches!(grown.code, 0 | 7), "{grown:?}");
    house.run(words!["run", component("panicker"), "trap"]).failed(7, "trapped");
}

#[test]
fn inspecting_runs_nothing_and_tells_everything() {
    let house = House::new();
    let told = house.run(words!["inspect", component("orders")]);
    for text in [
        "orders.update-status  write",
        "Changes where an order stands",
        "http notify  POST on /notifications",
        "wasi:http/outgoing-handler@",
        "effect  handle (not GET, HEAD or OPTIONS)  200000 + 1 per byte",
        "at most 100000000 fuel",
    ] {
        assert!(told.ok().stdout.contains(text), "{text:?} is missing in {}", told.stdout);
    }
    let refused = house.run(words!["inspect", component("badimport")]);
    assert!(refused.ok().stdout.contains("vault@0.1.0  NOT AVAILABLE"), "{refused:?}");
    assert_eq!(std::fs::read_dir(house.path()).unwrap().count(), 0, "inspecting left something behind");
}

#[test]
fn every_run_is_in_the_book() {
    let house = House::new();
    house.run(words!["run", component("echo"), "echo-bool", r#"{"value": true}"#]).ok();
    house
        .run(words!["run", component("echo"), "echo-bool", r#"{"value": 1}"#])
        .failed(2, "arguments_invalid");
    let shown = house.run(["audit", "show", "--tool", "echo", "--format", "json"]);
    let lines: Vec<serde_json::Value> =
        shown.ok().stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let reasons: Vec<_> = lines.iter().map(|e| e["reason_code"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["ok", "arguments_invalid"]);
    assert!(lines.iter().all(|e| e["tenant_id"] == "default" && e["call_id"].is_string()));
}
