//! The schema judges as the parser does, and the file and the table in the documentation are made from it.
//! May name: config.

use super::*;
use crate::config::Manifest;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tests read the files of the repository")]
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The file as it should be; with `INSTA_UPDATE=always` it is written.
#[expect(
    clippy::disallowed_methods,
    reason = "tests write the files that are made from code, when they are told to"
)]
fn kept(path: &str, expected: &str) {
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        std::fs::write(root().join(path), expected).unwrap();
    }
    assert_eq!(
        text(path),
        expected,
        "{path} is made from config/schema.rs: run this test with INSTA_UPDATE=always"
    );
}

/// What the schema says of a manifest; a text that is no TOML has no form at all.
fn valid(manifest: &str) -> bool {
    let Ok(table) = toml::from_str::<toml::Table>(manifest) else { return false };
    let json = serde_json::to_value(table).unwrap();
    jsonschema::draft202012::new(&manifest_schema()).unwrap().is_valid(&json)
}

fn parses(manifest: &str) -> bool {
    Manifest::parse("tool.toml", manifest).is_ok()
}

const HEAD: &str = "name = \"orders\"\nversion = \"1.2.0\"\n";

#[test]
fn the_file_in_the_repository_is_this_schema() {
    let schema = manifest_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    kept("docs/schema/tool.schema.json", &format!("{schema:#}\n"));
}

/// The manifests that guests carry in their source: the string after the section's name.
#[expect(clippy::disallowed_methods, reason = "tests read the files of the repository")]
fn embedded() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/guests/src")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(source) = std::fs::read_to_string(&path) else { continue };
        let Some((_, rest)) = source.split_once("\"strongroom:manifest\",") else { continue };
        let rest = rest.trim_start();
        let manifest = match (rest.strip_prefix("r#\""), rest.strip_prefix('"')) {
            (Some(raw), _) => raw.split_once("\"#").unwrap().0.to_owned(),
            // A line of the source may be broken with a backslash.
            (None, Some(text)) => {
                let parts = text.split_once('"').unwrap().0.split("\\\n").map(str::trim_start);
                parts.collect::<String>().replace("\\n", "\n")
            }
            // From a file of its own, which stands in the list.
            (None, None) => continue,
        };
        found.push((path.display().to_string(), manifest));
    }
    found
}

#[test]
fn every_manifest_of_the_repository_is_valid() {
    let files = [
        "plugins/fetch/tool.toml",
        "plugins/files/tool.toml",
        "plugins/orders/tool.toml",
        "tests/guests/src/every.toml",
        "tests/guests/src/prober.toml",
        "host/templates/tool/tool.toml",
    ];
    let files = files.map(|path| (path.to_owned(), text(path).replace("{{name}}", "my-tool")));
    let embedded = embedded();
    assert!(embedded.len() >= 8, "{embedded:?}");
    for (path, manifest) in embedded.into_iter().chain(files) {
        assert!(parses(&manifest), "{path}");
        assert!(valid(&manifest), "{path}");
    }
}

#[test]
fn the_schema_judges_as_the_parser_does() {
    let mut corpus =
        vec![String::new(), "name = \"orders\"\n".into(), "version = \"1.2.0\"\n".into(), HEAD.into()];
    for name in ["\"a\"", "\"0-_z\"", "\"\"", "\"A\"", "\"-a\"", "\"a.b\"", "7", "\"ä\"", "\"a\\n\""] {
        corpus.push(format!("name = {name}\nversion = \"1.2.0\"\n"));
    }
    corpus.push(format!("name = \"{}\"\nversion = \"1.2.0\"\n", "a".repeat(63)));
    corpus.push(format!("name = \"{}\"\nversion = \"1.2.0\"\n", "a".repeat(64)));
    for version in [
        "1.2",
        "1.2.3.4",
        "1.2.3-rc.1",
        "1.2.3+build",
        "1.2.3-",
        "v1.2.3",
        "1.2.x",
        "1.2.3-a b",
        "1234567890.0.0",
    ] {
        corpus.push(format!("name = \"orders\"\nversion = \"{version}\"\n"));
    }
    corpus.push(format!("name = \"orders\"\nversion = \"1.2.3-{}\"\n", "a".repeat(60)));
    let long = |n| format!("description = \"{}\"\n", "x".repeat(n));
    let functions = |n| (0..n).map(|i| format!("f{i}.effect = \"read\"\n")).collect::<String>();
    let buckets = |n| (0..n).map(|i| format!("[needs.keyvalue.b{i}]\n")).collect::<String>();
    let keys = |n| {
        format!("[needs.config]\nkeys = [{}]\n", (0..n).map(|i| format!("\"k{i}\",")).collect::<String>())
    };
    corpus.extend(
        [long(4096), long(4097), buckets(256), buckets(257), keys(0), keys(64), keys(65)]
            .map(|rest| format!("{HEAD}{rest}")),
    );
    corpus.extend([256, 257].map(|n| format!("{HEAD}[functions]\n{}", functions(n))));
    for rest in [
        "author = \"x\"\n",
        "description = 7\n",
        "functions = 7\n",
        "[functions.list]\neffect = \"read\"\n",
        "[functions.\"admin.list\"]\neffect = \"write\"\n",
        "[functions.list]\n",
        "[functions.list]\neffect = \"both\"\n",
        "[functions.list]\neffect = \"read\"\nidempotent = true\n",
        "[functions.\"\"]\neffect = \"read\"\n",
        "[functions.\"a b\"]\neffect = \"read\"\n",
        "[needs]\n",
        "[needs.sockets.x]\n",
        "[needs.http.API]\nmethods = [\"GET\"]\npaths = [\"/\"]\n",
        "[needs.http.api]\nmethods = [\"GET\"]\n",
        "[needs.http.api]\npaths = [\"/\"]\n",
        "[needs.http.api]\nmethods = []\npaths = [\"/\"]\n",
        "[needs.http.api]\nmethods = [\"GET\"]\npaths = []\n",
        "[needs.http.api]\nmethods = [\"GET\", \"GET\"]\npaths = [\"/\"]\n",
        "[needs.http.api]\nmethods = [\"GET\"]\npaths = [\"/\"]\norigin = \"https://example.com\"\n",
        "[needs.dir.data]\n",
        "[needs.dir.data]\nmode = \"rw\"\n",
        "[needs.dir.data]\nmode = \"w\"\n",
        "[needs.dir.data]\npath = \"/srv\"\n",
        "[needs.keyvalue.cart]\nmode = \"ro\"\n",
        "[needs.keyvalue.cart]\nbucket = \"x\"\n",
        "[needs.cache]\n",
        "[needs.cache]\nmode = \"rw\"\n",
        "[needs.memory]\n",
        "[needs.memory]\nmode = \"rw\"\n",
        "[needs.memory.mine]\nmode = \"rw\"\n",
        "[needs.config]\n",
        "[needs.config]\nkeys = [\"a b\"]\n",
        "[needs.config]\nkeys = [\"a\", \"a\"]\n",
        "[needs.config]\nvalues = {}\n",
        "[limits]\n",
        "[limits]\nfuel = 1\n",
        "[limits]\nfuel = 0\n",
        "[limits]\nfuel = -1\n",
        "[limits]\nfuel = \"1\"\n",
        "[limits]\nfuel = 1_000_000_000_000_000\n",
        "[limits]\nfuel = 1_000_000_000_000_001\n",
        "[limits]\nfuel = 1.5\n",
        "[limits]\ndeadline_ms = 3_600_000\n",
        "[limits]\ndeadline_ms = 3_600_001\n",
        "[limits]\nmemory = \"64KiB\"\n",
        "[limits]\nmemory = \"32 MiB\"\n",
        "[limits]\nmemory = \"32MB\"\n",
        "[limits]\nmemory = \"MiB\"\n",
        "[limits]\nmemory = \"-1MiB\"\n",
        "[limits]\nmemory = 33554432\n",
        "[limits]\ninstances = 1\n",
    ] {
        corpus.push(format!("{HEAD}{rest}"));
    }
    for method in ["GET", "PROPFIND", "M-SEARCH", "get", "CONNECT", "TRACE", "", "G T"] {
        corpus.push(format!("{HEAD}[needs.http.api]\nmethods = [\"{method}\"]\npaths = [\"/\"]\n"));
    }
    for path in [
        "/",
        "/**",
        "/*",
        "/orders",
        "/orders/",
        "/orders/*",
        "/orders/*/lines",
        "/files/**",
        "/a/*/**",
        "/a;v=1",
        "/ä",
        "",
        "orders",
        "//",
        "/a//b",
        "/a/**/b",
        "/a*",
        "/***",
        "/*a/b",
        "/a?b",
        "/a#b",
        "/a\\\\b",
        "/./a",
        "/a/..",
        "/..;x/a",
        "/a\\u0007",
        "/...",
        "/.well-known/x",
        "/a b",
    ] {
        corpus.push(format!("{HEAD}[needs.http.api]\nmethods = [\"GET\"]\npaths = [\"{path}\"]\n"));
    }
    let long = format!("/{}", "a".repeat(MAX_PATTERN_BYTES));
    corpus.push(format!("{HEAD}[needs.http.api]\nmethods = [\"GET\"]\npaths = [\"{long}\"]\n"));
    let (mut good, mut bad) = (0, 0);
    for manifest in &corpus {
        assert_eq!(valid(manifest), parses(manifest), "{manifest}");
        if parses(manifest) { good += 1 } else { bad += 1 }
    }
    assert!(good >= 30 && bad >= 60, "{good} good ones and {bad} bad ones");
}

/// What JSON Schema cannot say: the parser refuses these, and the schema does not. Never the other way round.
#[test]
fn the_exceptions_are_these() {
    let path = |path: &str| format!("[needs.http.api]\nmethods = [\"GET\"]\npaths = [{path}]\n");
    for (why, rest) in [
        (
            "the tool's and the function's name together",
            format!("[functions.{}]\neffect = \"read\"\n", "f".repeat(126)),
        ),
        ("bytes and not characters", format!("description = \"{}\"\n", "ä".repeat(4096))),
        ("the range of sizes", "[limits]\nmemory = \"1KiB\"\n".to_owned()),
        ("the range of sizes", "[limits]\nmemory = \"5GiB\"\n".to_owned()),
        ("a whole number is no float", "[limits]\nfuel = 1.0\n".to_owned()),
        ("what decodes to a slash", path("\"/a%2Fb\"")),
        ("what decodes to a dot segment", path("\"/%2e%2e/a\"")),
        ("a broken encoding", path("\"/a%\"")),
        ("two spellings of one path", path("\"/a\", \"/%61\"")),
    ] {
        let manifest = format!("{HEAD}{rest}");
        assert!(valid(&manifest), "{why}: the schema can say it by now");
        assert!(!parses(&manifest), "{why}");
    }
}

#[test]
fn every_key_stands_in_the_documentation_with_its_limits() {
    let mut rows = String::from("| key | type | default | what it is |\n|---|---|---|---|\n");
    describe(&manifest_schema(), "", &mut rows);
    let (begin, end) = ("<!-- keys: made from config/schema.rs -->\n", "<!-- end of keys -->");
    let page = text("docs/manifest.md");
    let (before, rest) = page.split_once(begin).expect("the page has a place for the keys");
    let (_, after) = rest.split_once(end).expect("the place ends");
    kept("docs/manifest.md", &format!("{before}{begin}{rows}{end}{after}"));
}

/// A row for each key below a table.
fn describe(schema: &Value, path: &str, rows: &mut String) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let kind = match (&value["enum"], value["type"].as_str().unwrap_or("string")) {
            (Value::Array(words), _) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            (_, "object") => "table".to_owned(),
            (_, "array") => "array of strings".to_owned(),
            (_, other) => other.to_owned(),
        };
        let default = match &value["default"] {
            Value::Null if required.contains(&key.as_str()) => "must be there".to_owned(),
            Value::Null => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let says = value["description"].as_str().expect("every key has a description");
        rows.push_str(&format!("| `{path}` | {kind} | {default} | {says} |\n"));
        describe(value, &path, rows);
        if let Some(inner) = value.get("additionalProperties").filter(|inner| inner.is_object()) {
            let path = format!("{path}.<{}>", value["title"].as_str().unwrap());
            rows.push_str(&format!(
                "| `{path}` | table | – | {} |\n",
                inner["description"].as_str().unwrap()
            ));
            describe(inner, &path, rows);
        }
    }
}
