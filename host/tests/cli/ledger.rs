//! The ledger is backed up, checked and restored by the operator's word.

use crate::house::{House, Told, component, told};
use crate::words;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

const ACME: &str = "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 9000\n";

fn a_house() -> (House, String) {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    house.run(words!["install", component("echo")]).ok();
    let key = house.run(["key", "create", "--tenant", "acme", "--actor", "agent"]);
    let key = key.ok().stdout.trim().to_owned();
    (house, key)
}

fn call(house: &House, key: &str) -> Told {
    told(house.command().env("STRONGROOM_KEY", key).args(["call", "echo.nothing"]))
}

fn spent(house: &House) -> serde_json::Value {
    house.run(["tenant", "show", "acme", "--format", "json"]).ok().json()["budgets"][0]["spent"].clone()
}

/// What a copy that broke off could have left.
fn parts(house: &House) -> Vec<String> {
    let names = std::fs::read_dir(house.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).filter(|name| name.contains(".part")).collect()
}

#[test]
fn the_ledger_is_copied_checked_and_put_back() {
    let empty = House::new();
    empty.run(["ledger", "backup", "copy.db"]).failed(3, "not_found");
    empty.run(["ledger", "check"]).failed(3, "not_found");
    let (house, key) = a_house();
    call(&house, &key).ok();
    let made = house.run(["ledger", "backup", "copy.db", "--format", "json"]).ok().json();
    assert_eq!(made["schema"], made["schema_known"]);
    let copy = house.path().join("copy.db");
    let file = std::fs::metadata(&copy).unwrap();
    assert_eq!((file.permissions().mode() & 0o777, made["bytes"].as_u64()), (0o600, Some(file.len())));
    house.run(["ledger", "backup", "copy.db"]).failed(2, "usage").says("--replace");
    house.run(["ledger", "backup", "copy.db", "--replace"]).ok();
    house.run(["ledger", "backup", "ledger.db", "--replace"]).failed(8, "storage_unavailable").says("own");
    for more in [&["ledger", "check"][..], &["ledger", "check", "copy.db"]] {
        assert!(house.run(more).ok().stdout.starts_with("whole     "));
    }
    house.run(["ledger", "check", "none.db"]).failed(3, "not_found");
    call(&house, &key).ok();
    let was = spent(&house);
    house.run(["ledger", "restore", "none.db", "--replace"]).failed(3, "not_found");
    house.run(["ledger", "restore", "copy.db"]).failed(2, "usage").says("--replace");

    let bytes = std::fs::read(house.path().join("ledger.db")).unwrap();
    std::fs::write(house.path().join("ledger.db"), &bytes[..bytes.len() / 2]).unwrap();
    for command in [&["ledger", "check"][..], &["key", "list"]] {
        let refused = house.run(command);
        refused.failed(8, "storage_unavailable").says("ledger restore").says("ledger rebuild");
    }
    house.run(["ledger", "backup", "later.db"]).failed(8, "storage_unavailable");
    assert!(!house.path().join("later.db").exists() && parts(&house).is_empty());
    let told = house.run(["ledger", "restore", "copy.db"]);
    for line in
        ["restored  as of ", "keys      1 API keys open", "lost      no API keys", "kept      ledger."]
    {
        assert!(told.ok().stdout.contains(line), "{line}: {told:?}");
    }
    assert_eq!(spent(&house), was);
    call(&house, &key).ok();
    let again = house.run(["ledger", "restore", "copy.db", "--replace", "--format", "json"]).ok().json();
    assert_eq!((&again["api_keys"]["open"], &again["lost"]["answers"]), (&1.into(), &0.into()), "{again}");
    assert_eq!(spent(&house), 3);
    let damaged: Vec<u8> = std::fs::read(&copy).unwrap().into_iter().take(5000).collect();
    std::fs::write(&copy, damaged).unwrap();
    house.run(["ledger", "check", "copy.db"]).failed(8, "storage_unavailable").says("take another copy");
    house.run(["ledger", "restore", "copy.db", "--replace"]).failed(8, "storage_unavailable");
    call(&house, &key).ok();
}

#[test]
fn a_full_disk_leaves_nothing_half() {
    let (house, key) = a_house();
    call(&house, &key).ok();
    house.run(["ledger", "check"]).ok();
    // Files longer than 32 KiB cannot be written.
    let mut shell = assert_cmd::Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" ledger backup copy.db"]);
    shell
        .arg(env!("CARGO_BIN_EXE_strongroom"))
        .env("STRONGROOM_HOME", house.path())
        .current_dir(house.path());
    told(&mut shell).failed(8, "storage_unavailable");
    assert!(!house.path().join("copy.db").exists() && parts(&house).is_empty(), "{:?}", parts(&house));
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_ledger_or_the_new_one() {
    let (house, key) = a_house();
    call(&house, &key).ok();
    house.run(["ledger", "backup", "copy.db"]).ok();
    call(&house, &key).ok();
    let (was, mut killed) = (spent(&house), 0);
    for n in 0..24 {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(["ledger", "restore", "copy.db", "--replace"])
            .env("STRONGROOM_HOME", house.path())
            .current_dir(house.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(4 * n));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
        house.run(["ledger", "check"]).ok();
        assert_eq!(spent(&house), was, "after {n}");
    }
    println!("{killed} were killed");
    call(&house, &key).ok();
    house.run(["audit", "verify"]).ok();
}
