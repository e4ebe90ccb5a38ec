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
    let take = words!["run", component("hog"), "take", r#"{"bytes": 16777216}"#];
    house.run(take.clone()).ok();
    let tight = take.into_iter().chain(words!["--memory", "8MiB"]);
    house.run(tight).failed(7, "memory_exceeded");
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
        "effect  handle (not GET, HEAD or OPTIONS, or with a body)  200000 + 1 per byte",
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

/// A page on this machine, for one request.
fn page() -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("{head}hello").as_bytes()).unwrap();
    });
    format!("http://{address}")
}

#[test]
fn origins_are_reached_when_they_are_granted_and_private_ones_when_that_is_said_too() {
    let house = House::new();
    let origin = page();
    let arguments = format!(r#"{{"url": "{origin}/a"}}"#);
    let fetch = component("fetch");
    let get = |flags: &[&str]| {
        let words = words!["run", &fetch, "get", &arguments];
        house.run(words.into_iter().chain(flags.iter().map(std::ffi::OsString::from)))
    };
    let grant = format!("web={origin}");
    get(&[]).failed(5, "capability_denied").says("--origin web=https://");
    get(&["--origin", "web=https://example.com"]).failed(5, "capability_denied");
    get(&["--origin", &grant]).failed(5, "capability_denied").says("private");
    let got = get(&["--origin", &grant, "--allow-private", "--explain"]);
    assert!(got.ok().stdout.contains("hello"), "{got:?}");
    got.says("wasi:http/outgoing-handler#handle").says(&format!("{origin}/a"));
}

#[test]
fn buckets_and_values_are_there_when_they_are_granted() {
    let house = House::new();
    let prober = component("prober");
    let set = words!["run", &prober, "kv-set", r#"{"bucket": "cart", "key": "k", "value": "aGk="}"#];
    let get = words!["run", &prober, "kv-get", r#"{"bucket": "cart", "key": "k"}"#];
    let with = |words: &[std::ffi::OsString], flags: &[&str]| {
        house.run(words.iter().cloned().chain(flags.iter().map(std::ffi::OsString::from)))
    };
    with(&set, &[]).failed(5, "capability_denied");
    with(&set, &["--kv", "cart:ro"]).failed(5, "capability_denied");
    with(&set, &["--kv", "cart"]).ok();
    assert_eq!(with(&get, &["--kv", "cart:ro"]).ok().stdout, "\"aGk=\"\n");
    with(&get, &[]).failed(5, "capability_denied").says("--kv cart");
    let set = words!["run", &prober, "cache-set", r#"{"key": "k", "value": "aGk=", "ttl-seconds": 60}"#];
    let get = words!["run", &prober, "cache-get", r#"{"key": "k"}"#];
    with(&set, &[]).failed(5, "capability_denied").says("--cache");
    with(&set, &["--cache"]).ok();
    assert_eq!(with(&get, &["--cache"]).ok().stdout, "\"aGk=\"\n");
    let greeting = words!["run", &prober, "config-get", r#"{"key": "greeting"}"#];
    assert_eq!(with(&greeting, &["--config", "greeting=a=b"]).ok().stdout, "\"a=b\"\n");
    with(&greeting, &["--config", "farewell=bye"]).failed(2, "usage").says("greeting, region");
}
