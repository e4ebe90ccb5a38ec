//! The audit log is verified and proven from outside, and what was changed in it is found.

use crate::house::{House, component};
use crate::words;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A house whose log has a few entries.
fn with_log() -> House {
    let house = House::new();
    house.run(words!["install", component("echo")]).ok();
    house.run(["call", "echo.nothing"]).ok();
    house
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for found in std::fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// The one file under `audit/tile/entries`.
fn bundle(house: &House) -> PathBuf {
    let mut found = Vec::new();
    files(&house.path().join("audit/tile/entries"), &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn copy(from: &Path, to: &Path) {
    let mut all = Vec::new();
    files(from, &mut all);
    for file in all {
        let place = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(file, place).unwrap();
    }
}

#[test]
fn a_log_as_it_was_written_verifies_and_verifying_leaves_no_entry() {
    let house = with_log();
    let first = house.run(["audit", "verify", "--format", "json"]).ok().json();
    let count = house.run(["audit", "show", "--format", "json"]).ok().stdout.lines().count();
    assert_eq!((&first["verified"], &first["entries"]), (&true.into(), &count.into()), "{first}");
    assert_eq!(first["against"], first["published"]);
    let text = house.run(["audit", "verify"]);
    for line in ["verified  ", "log       strongroom/", "root      ", "against   "] {
        assert!(text.ok().stdout.contains(line), "{text:?}");
    }
    assert_eq!(house.run(["audit", "verify", "--format", "json"]).ok().json(), first, "no entry was left");

    // Elsewhere: a copy of the log and the public key are all that is needed.
    let other = House::new();
    copy(&house.path().join("audit"), &other.path().join("copy"));
    std::fs::copy(house.path().join("book.pub"), other.path().join("key")).unwrap();
    let told = other.run(["audit", "verify", "--log", "copy", "--public-key", "key"]);
    told.ok().says("only seen with --against");
    house.run(["call", "echo.nothing"]).ok();
    let told = house.run(words![
        "audit",
        "verify",
        "--against",
        other.path().join("copy/checkpoint"),
        "--format",
        "json"
    ]);
    assert_eq!(told.ok().json()["against"], first["published"]);
}

#[test]
fn a_flipped_byte_a_removed_tile_and_a_rolled_back_log_are_found() {
    let house = with_log();
    let bundle = bundle(&house);
    let bytes = std::fs::read(&bundle).unwrap();
    let mut flipped = bytes.clone();
    flipped[9] ^= 1;
    std::fs::write(&bundle, flipped).unwrap();
    house
        .run(["audit", "verify"])
        .failed(1, "failed")
        .says("is not what was signed")
        .says("entry 0 (tile/0/000");
    let told = house.run(["audit", "verify", "--format", "json"]);
    assert_eq!((told.code, &told.json()["verified"]), (1, &false.into()), "{told:?}");
    assert_eq!(told.json()["entry"], 0);
    std::fs::write(&bundle, bytes).unwrap();
    house.run(["audit", "verify"]).ok();

    let mut tiles = Vec::new();
    files(&house.path().join("audit/tile/0"), &mut tiles);
    let tile = std::fs::read(&tiles[0]).unwrap();
    std::fs::remove_file(&tiles[0]).unwrap();
    house.run(["audit", "verify"]).failed(1, "failed").says("tile/0/000").says("is missing");
    std::fs::write(&tiles[0], tile).unwrap();
    let checkpoint = house.path().join("audit/checkpoint");
    let head = std::fs::read(&checkpoint).unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    house.run(["audit", "verify"]).failed(1, "failed").says("checkpoint is missing").says("start the host");
    std::fs::write(&checkpoint, head).unwrap();

    let audit = house.path().join("audit");
    let before = house.path().join("before");
    copy(&audit, &before);
    house.run(["call", "echo.nothing"]).ok();
    std::fs::remove_dir_all(&audit).unwrap();
    copy(&before, &audit);
    house.run(["audit", "verify"]).failed(1, "failed").says("rolled back");
    std::fs::remove_dir_all(&audit).unwrap();
    house.run(["audit", "verify"]).failed(1, "failed").says("it is gone");
}

#[test]
fn what_is_not_there_and_what_makes_no_sense_have_their_own_codes() {
    let house = House::new();
    house.run(["audit", "verify"]).failed(3, "not_found").says("--log");
    house.run(["audit", "prove", "0"]).failed(3, "not_found");
    let house = with_log();
    std::fs::create_dir(house.path().join("nothing")).unwrap();
    house.file("key", "no key\n");
    house.run(["audit", "verify", "--log", "missing", "--public-key", "book.pub"]).failed(3, "not_found");
    house.run(["audit", "verify", "--log", "nothing", "--public-key", "book.pub"]).failed(3, "not_found");
    house.run(["audit", "verify", "--public-key", "missing"]).failed(3, "not_found").says("--public-key");
    house.run(["audit", "verify", "--public-key", "key"]).failed(2, "usage").says("no public keys");
    house.run(["audit", "verify", "--against", "key"]).failed(2, "usage").says("no checkpoint");
    house.run(["audit", "prove", "999"]).failed(3, "not_found").says("numbered from 0");
    assert_eq!(house.run(["audit", "prove"]).code, 2);
    assert_eq!(house.run(["audit", "prove", "0", "--since", "key"]).code, 2);
    house.run(["audit", "check-proof", "key"]).failed(2, "usage").says("no proof");

    let stranger = with_log();
    let told = house.run(words!["audit", "verify", "--public-key", stranger.path().join("book.pub")]);
    told.failed(1, "failed").says("of the log");
}

#[test]
fn a_proof_is_checked_by_somebody_who_has_the_key_alone() {
    let house = with_log();
    let early = house.path().join("early");
    std::fs::copy(house.path().join("audit/checkpoint"), &early).unwrap();
    house.run(["call", "echo.nothing"]).ok();
    let (proof, since) =
        (house.run(["audit", "prove", "1"]), house.run(words!["audit", "prove", "--since", early]));
    let other = House::new();
    std::fs::copy(house.path().join("book.pub"), other.path().join("key")).unwrap();
    other.file("proof", &proof.ok().stdout);
    other.file("since", &since.ok().stdout);
    let check = |file: &str, more: &[&str]| {
        other.run(["audit", "check-proof", file, "--public-key", "key"].iter().chain(more))
    };
    assert!(check("proof", &[]).ok().stdout.contains("proven  entry 1 is in the log"));
    let checked = check("proof", &["--format", "json"]).ok().json();
    let shown = house.run(["audit", "show", "--format", "json"]);
    let second: serde_json::Value = serde_json::from_str(shown.stdout.lines().nth(1).unwrap()).unwrap();
    assert_eq!(checked["entry"], second);
    assert!(check("since", &[]).ok().stdout.contains("continues the one"));

    other.file("wrong", &proof.stdout.replace(r#""index":1"#, r#""index":2"#));
    check("wrong", &[]).failed(1, "failed").says("proves nothing");
    let told = check("wrong", &["--format", "json"]);
    assert_eq!((told.code, &told.json()["proven"]), (1, &false.into()));
}

#[test]
fn a_new_key_signs_on_and_all_that_was_signed_still_verifies() {
    let house = House::new();
    house.run(["audit", "keys", "list"]).failed(3, "not_found");
    house.run(["audit", "keys", "rotate"]).failed(3, "not_found");
    let house = with_log();
    let old = house.run(["audit", "keys", "list", "--format", "json"]).ok().json();
    let made = house.run(["audit", "keys", "rotate", "--format", "json"]).ok().json();
    house.run(["call", "echo.nothing"]).ok();
    let keys = house.run(["audit", "keys", "list", "--format", "json"]).ok().json();
    assert_eq!((&keys["keys"][0]["key"], &keys["keys"][0]["signs"]), (&old["keys"][0]["key"], &false.into()));
    assert_eq!((&keys["keys"][1]["key"], &keys["keys"][1]["signs"]), (&made["key"], &true.into()));
    house.run(["audit", "verify"]).ok();
    let table = house.run(["audit", "show"]);
    assert!(table.ok().stdout.contains("audit.keys.rotate"), "{table:?}");
    let told = house.run(["audit", "keys", "list"]);
    assert!(told.ok().stdout.contains("has signed  strongroom/"), "{told:?}");
}

#[test]
fn entries_are_chosen_by_their_time() {
    let house = with_log();
    let all = house.book();
    let shown = |more: &[&str]| {
        house.run(["audit", "show", "--format", "json"].iter().chain(more)).ok().stdout.clone()
    };
    assert_eq!(shown(&["--since", "1h"]), all);
    assert_eq!(shown(&["--before", "1h"]), "");
    assert_eq!(shown(&["--since", "2020-01-31T08:15:00Z", "--before", "9999-12-31T23:59:59Z"]), all);
    let second: Value = serde_json::from_str(all.lines().nth(1).unwrap()).unwrap();
    let us = second["time_us"].as_u64().unwrap();
    let text = strongroom::moment::utc(us / 1000).replace('Z', &format!(".{:06}Z", us % 1_000_000));
    let later: Vec<&str> = all
        .lines()
        .filter(|line| serde_json::from_str::<Value>(line).unwrap()["time_us"].as_u64().unwrap() >= us)
        .collect();
    assert_eq!(shown(&["--since", &text]).lines().collect::<Vec<_>>(), later);
    house.run(["audit", "show", "--before", "1h"]).ok().says("no entry of this kind");

    for wrong in ["yesterday", "2026-02-30T00:00:00Z", "2026-01-31", "2026-01-31T08:15:00+01:00", "-1h"] {
        let told = house.run(["audit", "show", &format!("--since={wrong}")]);
        assert_eq!(told.code, 2, "{wrong}: {told:?}");
        told.says("2026-01-31T08:15:00Z");
    }
}

#[test]
fn tail_shows_the_last_entries() {
    let house = House::new();
    house.run(["audit", "tail"]).failed(3, "not_found").says("nothing was written down");
    let house = with_log();
    (0..11).for_each(|_| {
        house.run(["call", "echo.nothing"]).ok();
    });
    let all = house.book();
    let last: Vec<&str> = all.lines().rev().take(10).collect();
    let told = house.run(["audit", "tail", "--format", "json"]);
    assert_eq!(told.ok().stdout.lines().rev().collect::<Vec<_>>(), last);
    assert_eq!(house.run(["audit", "tail"]).ok().stdout.lines().count(), 11, "and the columns' names");
    let told = house.run(["audit", "tail", "--last", "1", "--outcome", "denied", "--format", "json"]);
    assert_eq!(told.ok().stdout, "");
}

#[test]
fn tail_follows_the_log_until_it_is_ended() {
    for (format, signal) in [("json", "INT"), ("text", "TERM")] {
        let house = with_log();
        let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(["audit", "tail", "--follow", "--last", "1", "--tool", "echo", "--format", format])
            .env("STRONGROOM_HOME", house.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        if format == "text" {
            assert!(lines.next().unwrap().starts_with("seq"));
        }
        let mut seen = vec![lines.next().unwrap()];
        for _ in 0..2 {
            house.run(["kill", "tenant", "nobody", "--why", "is not looked for"]);
            house.run(["call", "echo.nothing"]).ok();
            seen.push(lines.next().unwrap());
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(lines.next(), None, "each entry once");
        if format == "json" {
            let last: Vec<String> = house
                .book()
                .lines()
                .filter(|line| line.contains("echo.nothing"))
                .map(str::to_owned)
                .collect();
            assert_eq!(seen, last);
        }
        assert!(seen.iter().all(|line| line.contains("echo.nothing")), "{seen:?}");
    }
}

#[test]
fn entries_go_to_other_programs_as_they_are_and_as_ocsf_events() {
    let house = with_log();
    let all = house.book();
    for arguments in [&["audit", "export"][..], &["audit", "export", "--format", "jsonl"]] {
        assert_eq!(house.run(arguments).ok().stdout, all);
    }
    let told = house.run(["audit", "export", "--format", "ocsf"]);
    let events: Vec<Value> =
        told.ok().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entries: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), entries.len());
    for (event, entry) in events.iter().zip(&entries) {
        assert_eq!((&event["class_uid"], &event["category_uid"]), (&6003.into(), &6.into()));
        assert_eq!(event["metadata"]["sequence"], entry["seq"]);
        assert_eq!(event["status_detail"], entry["reason_code"]);
    }
    let called = ["audit", "export", "--format", "ocsf", "--tool", "echo.nothing", "--since", "1h"];
    let told = house.run(called);
    let event: Value = serde_json::from_str(told.ok().stdout.trim()).unwrap();
    assert_eq!(
        (&event["api"]["operation"], &event["activity_name"], &event["metadata"]["tenant_uid"]),
        (&"echo.nothing".into(), &"Read".into(), &"default".into())
    );
    assert_eq!(house.run(["audit", "export", "--tenant", "nobody"]).ok().stdout, "");

    for format in ["jsonl", "ocsf"] {
        house.run(["audit", "show", "--format", format]).failed(2, "usage").says("audit export");
    }
    house.run(["audit", "export", "--format", "sarif"]).failed(2, "usage");
    assert_eq!(house.run(["audit", "export", "--tenant", "No Name"]).code, 2);
    let empty = House::new();
    empty.run(["audit", "export"]).failed(3, "not_found");
}

/// Names in a folder that begin with a dot: what an export leaves there until it is whole.
fn hidden(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_tenants_log_is_exported_and_verified_by_whoever_has_the_key() {
    let house = with_log();
    let told = house.run(["audit", "export", "--tenant", "default", "--to", "theirs", "--format", "json"]);
    let exported = told.ok().json();
    let count = house.book().lines().filter(|line| !line.contains(r#""phase":"head""#)).count();
    assert!(
        exported["entries"].as_u64().unwrap() > 0 && exported["entries"].as_u64().unwrap() as usize <= count
    );
    let entry = house.run(["audit", "show", "--format", "json"]);
    let head: Value = serde_json::from_str(
        entry.stdout.lines().nth(exported["host"]["entry"].as_u64().unwrap() as usize).unwrap(),
    )
    .unwrap();
    assert_eq!((&head["phase"], &head["head"]["size"]), (&"head".into(), &exported["entries"]));

    let other = House::new();
    copy(&house.path().join("theirs"), &other.path().join("theirs"));
    std::fs::copy(house.path().join("book.pub"), other.path().join("key")).unwrap();
    std::fs::copy(house.path().join("audit/checkpoint"), other.path().join("kept")).unwrap();
    let verify = |more: &[&str]| {
        let words = ["audit", "verify", "--log", "theirs", "--public-key", "key"];
        other.run(words.iter().chain(more))
    };
    let text = verify(&[]);
    for line in ["of the tenant default, and of nobody else", "/tenant/default", "host      its entry"] {
        assert!(text.ok().stdout.contains(line), "{text:?}");
    }
    text.says("only seen with --against");
    let json = verify(&["--against", "kept", "--format", "json"]).ok().json();
    assert_eq!((&json["tenant"], &json["entries"]), (&"default".into(), &exported["entries"]));
    assert_eq!((&json["host"], &json["against_log"]), (&exported["host"], &"host".into()));
    assert_eq!(
        verify(&["--against", "theirs/checkpoint", "--format", "json"]).ok().json()["against_log"],
        "tenant"
    );
    verify(&["--against", "key"]).failed(2, "usage").says("no checkpoint");
    assert!(
        other
            .run(["audit", "check-proof", "theirs/head.proof.json", "--public-key", "key"])
            .ok()
            .stdout
            .contains("audit.head")
    );

    // The host goes on: what was kept does not fit any more, and the message says what to do.
    house.run(["call", "echo.nothing"]).ok();
    std::fs::copy(house.path().join("audit/checkpoint"), other.path().join("kept")).unwrap();
    verify(&["--against", "kept"]).failed(1, "failed").says("audit prove --since");
    std::fs::remove_file(other.path().join("theirs/head.proof.json")).unwrap();
    let alone = verify(&[]);
    assert!(alone.ok().stdout.contains("host      not shown"), "{alone:?}");
    let stranger = with_log();
    std::fs::copy(stranger.path().join("book.pub"), other.path().join("key")).unwrap();
    verify(&[]).failed(1, "failed").says("of the log");
}

#[test]
fn an_export_takes_no_place_that_is_taken_and_leaves_nothing_half_made() {
    let house = with_log();
    let export = |to: &str, more: &[&str]| {
        house.run(["audit", "export", "--tenant", "default", "--to", to].iter().chain(more))
    };
    house.file("full/notes.txt", "mine");
    export("full", &[]).failed(2, "usage").says("something is there");
    export("full/notes.txt", &[]).failed(2, "usage").says("something is there");
    export("missing/theirs", &[]).failed(3, "not_found");
    export("..", &[]).failed(2, "usage");
    assert_eq!(std::fs::read_to_string(house.path().join("full/notes.txt")).unwrap(), "mine");
    std::fs::create_dir(house.path().join("vacant")).unwrap();
    export("vacant", &[]).ok();
    export("vacant", &[]).failed(2, "usage").says("not there yet");
    export("ocsf", &["--format", "ocsf"]).failed(2, "usage").says("--format");
    assert_eq!(export("part", &["--since", "1h"]).code, 2);
    assert_eq!(house.run(["audit", "export", "--to", "all"]).code, 2);
    house
        .run(["audit", "export", "--tenant", "nobody", "--to", "nobody"])
        .failed(3, "not_found")
        .says("no head of a log of nobody");
    std::fs::remove_file(house.path().join("book.key")).unwrap();
    export("unsigned", &[]).failed(3, "not_found").says("on the host");
    for name in ["ocsf", "part", "all", "nobody", "unsigned"] {
        assert!(!house.path().join(name).exists(), "{name}");
    }
    assert_eq!(hidden(house.path()), Vec::<String>::new());
    House::new().run(["audit", "export", "--tenant", "acme", "--to", "x"]).failed(3, "not_found");
}
