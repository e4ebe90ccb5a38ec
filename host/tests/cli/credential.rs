//! The tenants' credentials from the command line: set, rotated, sealed, listed; a secret is printed never.

use crate::house::{House, Told, told};
use crate::words;
use std::os::unix::fs::PermissionsExt as _;

const SECRET: &str = "canary-51c0ffee-first";
const SECOND: &str = "canary-badc0de5-second";

fn with_stdin(house: &House, key: Option<&str>, words: &[&str], stdin: &str) -> Told {
    let mut command = house.command();
    if let Some(key) = key {
        command.env("STRONGROOM_OPERATOR_KEY_FILE", house.path().join(key));
    }
    let told = told(command.arg("credential").args(words).write_stdin(stdin));
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    told
}

fn file(house: &House) -> String {
    let path = house.path().join("credentials.toml");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_credential_is_set_rotated_listed_and_removed() {
    let house = House::new();
    let set = [
        "set",
        "acme-orders",
        "--tenant",
        "acme",
        "--origin",
        "https://a.example",
        "--origin",
        "https://*.b.example",
    ];
    let made = with_stdin(&house, None, &set, &format!("{SECRET}\n"));
    made.ok().says("no operator's key").says("by itself").says("there is no tenant acme yet");
    assert!(
        file(&house).contains(&format!("header = \"authorization\"\nvalue = \"{SECRET}\"\nchanged = 20"))
    );

    // What an operator wrote by hand stays, byte for byte.
    let text = format!("# ours\n\n{}# the end\n", file(&house).replace("tenant =", "tenant  ="));
    let path = house.file("credentials.toml", &text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let from = house.file("new.txt", SECOND);
    with_stdin(&house, None, &["rotate", "acme-orders", "--from-file", from.to_str().unwrap()], "").ok();
    let changed = text.split("changed = ").nth(1).unwrap().lines().next().unwrap();
    let now = file(&house);
    let again = now.split("changed = ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(now, text.replace(SECRET, SECOND).replace(changed, again));

    for (place, name) in [("--query", "api_key"), ("--basic", "robot"), ("--header", "X-Key")] {
        let handle = format!("t{place}");
        let words = ["set", &handle, "--tenant", "globex", "--origin", "https://g.example", place, name];
        with_stdin(&house, None, &words, SECRET).ok();
    }
    with_stdin(
        &house,
        None,
        &["set", "given", "--tenant", "acme", "--origin", "https://a.example", "--env", "ACME_KEY"],
        "",
    )
    .ok()
    .says("stays in the environment")
    .says("will not take");
    let listed = with_stdin(&house, None, &["list", "--format", "json"], "").ok().json();
    let shown: Vec<_> = listed["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| format!("{} {} {} {}", c["handle"], c["place"], c["name"], c["source"]))
        .collect();
    assert_eq!(
        shown,
        [
            r#""acme-orders" "header" "authorization" "plain""#,
            r#""t--query" "query" "api_key" "plain""#,
            r#""t--basic" "basic" "robot" "plain""#,
            r#""t--header" "header" "x-key" "plain""#,
            r#""given" "header" "authorization" "env""#,
        ]
    );
    let table = with_stdin(&house, None, &["list", "--tenant", "acme"], "");
    assert!(
        table.ok().stdout.contains("https://a.example https://*.b.example  header authorization  plain   20"),
        "{table:?}"
    );
    assert!(!table.stdout.contains("globex"));

    for handle in ["t--query", "t--basic", "t--header", "given"] {
        with_stdin(&house, None, &["remove", handle], "").ok();
    }
    with_stdin(&house, None, &["remove", "given"], "").failed(3, "not_found").says("credential list");
    with_stdin(&house, None, &["rotate", "given"], SECRET).failed(3, "not_found");
    assert!(file(&house).ends_with("# the end\n\n"), "{:?}", file(&house));
    let book = house.book();
    for act in ["credential.set acme-orders", "credential.rotate acme-orders", "credential.remove given"] {
        assert!(book.contains(act), "{act}");
    }
    assert!(!book.contains("canary"));
}

#[test]
fn values_are_sealed_and_sealed_again_with_another_key() {
    let house = House::new();
    let set = ["set", "a", "--tenant", "acme", "--origin", "https://a.example"];
    with_stdin(&house, None, &set, SECRET).ok();
    with_stdin(&house, None, &["seal"], "").failed(2, "config_invalid").says("keygen");
    house.run(["credential", "keygen", "old.key"]).ok();
    house.run(["credential", "keygen", "old.key"]).failed(1, "failed");
    let mode = |name: &str| std::fs::metadata(house.path().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("old.key"), 0o600);
    assert_eq!(house.run(["credential", "keygen"]).ok().stdout.len(), 45);

    with_stdin(&house, Some("old.key"), &["seal"], "").ok().says("a was sealed");
    with_stdin(&house, Some("old.key"), &["seal"], "").ok().says("nothing was left");
    assert!(file(&house).contains("sealed = \"v1:") && !file(&house).contains("canary"));
    let set = ["set", "b", "--tenant", "acme", "--origin", "https://a.example", "--from-file", "-"];
    with_stdin(&house, Some("old.key"), &set, SECOND).ok().says("its value is sealed");
    assert!(!file(&house).contains("canary"));

    house.run(["credential", "keygen", "new.key"]).ok();
    let read = |name: &str| std::fs::read_to_string(house.path().join(name)).unwrap();
    let both =
        house.file("both.key", &format!("# first the new one\n{}{}", read("new.key"), read("old.key")));
    with_stdin(&house, Some("both.key"), &["rekey"], "").failed(2, "config_invalid").says("chmod 600");
    std::fs::set_permissions(both, std::fs::Permissions::from_mode(0o600)).unwrap();
    with_stdin(&house, Some("both.key"), &["rekey"], "").ok().says("a was sealed").says("b was sealed");

    let doctor = |key: &str| {
        told(house.command().env("STRONGROOM_OPERATOR_KEY_FILE", house.path().join(key)).arg("doctor"))
    };
    doctor("new.key").ok();
    doctor("old.key").failed(2, "config_invalid").says("another operator's key");
    doctor("missing.key").failed(2, "config_invalid").says("No such file");
    let none = house.run(["doctor"]);
    none.failed(2, "config_invalid").says("STRONGROOM_OPERATOR_KEY_FILE").says("credentials.toml");
    assert!(!none.stderr.contains("v1:"), "{none:?}");
    let text = read("new.key");
    let by_text = told(house.command().env("STRONGROOM_OPERATOR_KEY", text.trim()).arg("doctor"));
    by_text.ok();
    assert!(!format!("{by_text:?}").contains(text.trim()));
}

#[test]
fn what_makes_no_sense_is_refused_and_quotes_no_secret() {
    let house = House::new();
    let set = ["set", "a", "--tenant", "acme", "--origin", "https://a.example"];
    for (more, stdin, says) in [
        (&[][..], "canary\nof two lines", "cannot stand in a header"),
        (&[], "", "cannot stand in a header"),
        (&["--query", "k"], "canary\u{7}bell", "cannot stand in a request"),
        (&["--header", "host"], SECRET, "could carry a credential"),
        (&["--query", "a&b"], SECRET, "not valid"),
        (&["--query", "k", "--basic", "u"], SECRET, "cannot be used with"),
        (&["--from-env", "NOT_SET_HERE"], SECRET, "is not set"),
        (&["--env", "STRONGROOM_KEY"], SECRET, "are the host's own"),
        (&["--from-file", "a.txt", "--env", "X"], SECRET, "cannot be used with"),
    ] {
        let words: Vec<&str> = set.iter().chain(more).copied().collect();
        let told = with_stdin(&house, None, &words, stdin);
        assert_eq!(told.code, 2, "{told:?}");
        told.says(says);
    }
    with_stdin(&house, None, &["set", "a", "--tenant", "acme", "--origin", "https://a.example/x"], SECRET)
        .says("an origin ends");
    assert!(!house.path().join("credentials.toml").exists());
    let short = with_stdin(&house, None, &set, "abc");
    short.ok().says("not looked for");
    house.file("credentials.toml", "[a]\nvalue = canary\n");
    with_stdin(&house, None, &["list"], "").failed(2, "config_invalid");
    with_stdin(&house, None, &set, SECRET).failed(2, "config_invalid");
    let from_env = told(house.command().env("MINE", SECRET).args(words![
        "credential",
        "rotate",
        "a",
        "--from-env",
        "MINE"
    ]));
    from_env.failed(2, "config_invalid");
}
