//! Old entries of the audit log are dropped by the operator's word, and a lost ledger comes back without them.

use crate::house::{House, Told, component, told};
use crate::words;
use std::sync::Arc;
use strongroom::audit::{BookKey, Entry, FileJournal, Journal as _, Place, Timing};
use strongroom::powers::{Home, SystemClock, SystemEntropy};
use strongroom::reason::{Outcome, Reason};

const ACME: &str = "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 9000\n";

/// Refusals of nobody's, as many as a test needs to fill bundles.
fn refusals(house: &House, count: u64) {
    let home = Home::open(house.path()).unwrap();
    let place = Place {
        audit: home.dir().open_dir("audit").unwrap(),
        home: Some(home.dir().try_clone().unwrap()),
        key: BookKey::open(home.dir(), &SystemEntropy).unwrap(),
    };
    let journal = FileJournal::open(place, Arc::new(SystemClock), Timing::default()).unwrap();
    for n in 0..count {
        drop(journal.append(Entry::outcome(n, "identify", Reason::TenantUnknown, Outcome::Denied)).unwrap());
    }
}

fn call(house: &House) -> Told {
    let key = house.run(["key", "create", "--tenant", "acme", "--actor", "agent"]);
    let key = key.ok().stdout.trim().to_owned();
    told(house.command().env("STRONGROOM_KEY", key).args(["call", "echo.nothing"]))
}

fn drop_all(house: &House, more: &[&str]) -> Told {
    house.run([&["audit", "drop", "--before", "2099-01-01T00:00:00Z"], more].concat())
}

#[test]
fn bodies_are_dropped_when_the_operator_says_so() {
    let house = House::new();
    house.run(words!["install", component("echo")]).ok();
    drop_all(&house, &["--yes"]).ok().says("there is nothing to drop");
    refusals(&house, 300);
    drop_all(&house, &[]).failed(2, "usage").says("nothing was dropped").says("--yes");
    let would = drop_all(&house, &["--dry-run"]);
    assert!(would.ok().stdout.contains("would be dropped: the bodies of 256 entries"), "{would:?}");
    assert_eq!(house.run(["audit", "verify", "--format", "json"]).ok().json()["dropped"], 0);

    let done = drop_all(&house, &["--yes", "--format", "json"]).ok().json();
    assert_eq!(
        (&done["dropped"], &done["below"], &done["dry_run"]),
        (&256.into(), &256.into(), &false.into())
    );
    let verified = house.run(["audit", "verify"]);
    assert!(verified.ok().stdout.contains("256 dropped"), "{verified:?}");
    assert!(house.book().lines().next().unwrap().contains("\"seq\":256"));
    assert!(house.book().contains("audit.drop 256"), "the order is in the log");
    let proof = house.run(["audit", "prove", "3"]).ok().stdout.clone();
    let proof = house.file("proof.json", &proof);
    let proven = house.run(words!["audit", "check-proof", proof]);
    assert!(proven.ok().stdout.contains("only its hash is proven"), "{proven:?}");
    assert_eq!(house.run(["audit", "drop"]).code, 2, "without a time there is nothing to drop");
    House::new().run(["audit", "drop", "--before", "1d", "--yes"]).failed(3, "not_found");
}

#[test]
fn a_lost_ledger_is_rebuilt_also_from_what_was_kept_of_dropped_entries() {
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    house.run(words!["install", component("echo")]).ok();
    call(&house).ok();
    refusals(&house, 300);
    drop_all(&house, &["--yes"]).ok();
    call(&house).ok();
    let usage = || house.run(["tenant", "show", "acme", "--format", "json"]).ok().json()["budgets"].clone();
    let spent = usage();
    assert_eq!(spent[0]["spent"], 2);

    house.run(["ledger", "rebuild"]).failed(2, "usage").says("--replace");
    std::fs::write(house.path().join("ledger.db"), "lost".repeat(1000)).unwrap();
    house.run(["key", "list"]).failed(8, "storage_unavailable").says("ledger rebuild");
    let done = house.run(["ledger", "rebuild", "--format", "json"]).ok().json();
    assert_eq!((&done["dropped"], &done["lost"]["api_keys"]["acme"]), (&256.into(), &2.into()), "{done}");
    assert_eq!(usage(), spent);
    let text = house.run(["ledger", "rebuild", "--replace"]);
    for line in ["rebuilt   from", "budgets   1 with", "lost      API keys: 2 of acme", "kept      ledger."] {
        assert!(text.ok().stdout.contains(line), "{line}: {text:?}");
    }
    text.says("strongroom key create");
    call(&house).ok();
    assert_eq!(usage()[0]["spent"], 3);
    House::new().run(["ledger", "rebuild"]).failed(3, "not_found");
}
