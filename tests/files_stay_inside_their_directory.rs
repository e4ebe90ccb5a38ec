//! A path, a link or a race leads nowhere but into the granted directory, and reading rights change nothing in it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom::config::DirPath;
use strongroom::reason::Reason;
use strongroom_tests::{House, house};

const SECRET: &str = "the neighbour's secret";

/// A house whose tenant has `/data` for writing and `/archive` for reading; beside both stands what is not granted.
async fn set_up() -> (House, String) {
    let rules = "[tools]\nallow = [\"*\"]\n\
         [grants.every.dir.data]\npath = \"shared/data\"\nmode = \"rw\"\n\
         [grants.every.dir.archive]\npath = \"shared/archive\"\nmode = \"ro\"\n\
         [grants.prober.dir.data]\npath = \"shared/data\"\nmode = \"rw\"\n";
    let plan = house().tenant("acme", rules).tool("every").tool("prober");
    let shared = plan.path().join("shared");
    for folder in ["data/d", "archive/d", "data-other", "outside/folder"] {
        std::fs::create_dir_all(shared.join(folder)).unwrap();
    }
    for granted in ["data", "archive"] {
        std::fs::write(shared.join(granted).join("a.txt"), "inside").unwrap();
        symlink("a.txt", shared.join(granted).join("link")).unwrap();
    }
    for outside in ["data-other/secret", "outside/secret", "outside/folder/secret"] {
        std::fs::write(shared.join(outside), SECRET).unwrap();
    }
    let house = plan.build().await;
    let key = house.key("acme").await;
    (house, key)
}

/// Every file below a folder with what is in it, links as they are.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            found.insert(path.clone(), "a folder".to_owned());
            found.extend(tree(&path));
        } else if kind.is_symlink() {
            found.insert(path.clone(), format!("a link to {}", std::fs::read_link(&path).unwrap().display()));
        } else {
            let changed = kind.modified().unwrap();
            found.insert(path.clone(), format!("{changed:?} {}", std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

async fn at(house: &House, key: &str, op: &str, root: &str, path: &str, other: &str) -> (Reason, String) {
    let arguments = serde_json::json!({ "op": op, "root": root, "path": path, "other": other });
    let receipt = house.call_as(key, "every.at", &arguments.to_string()).await;
    (receipt.reason, format!("{:?} {:?}", receipt.value, receipt.message))
}

/// What reads or changes one place.
const OPS: &[&str] = &[
    "read",
    "read-no-follow",
    "stat",
    "readlink",
    "create",
    "write",
    "truncate",
    "open-directory",
    "make-directory",
    "remove-directory",
    "unlink",
    "set-times",
    "set-size",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_out() {
    let (house, key) = set_up().await;
    let shared = house.path().join("shared");
    let data = shared.join("data");
    symlink("../outside", data.join("up")).unwrap();
    symlink(shared.join("outside"), data.join("absolute")).unwrap();
    symlink("../outside/secret", data.join("file")).unwrap();
    symlink("up/folder", data.join("chain")).unwrap();
    let outside = (tree(&shared.join("outside")), tree(&shared.join("data-other")));
    let whole = shared.join("outside/secret").display().to_string();
    for path in [
        "..",
        "../outside/secret",
        "../outside/new",
        "d/../../outside/secret",
        "./d/.././../outside/secret",
        "../data-other/secret",
        "d/../../data-other/secret",
        "up/secret",
        "up/new",
        "up/folder",
        "up/../secret",
        "absolute/secret",
        "absolute/folder",
        "file",
        "chain/secret",
        "/etc/passwd",
        &whole,
        "/",
        "//",
        "../data-other\0/x",
        "a.txt\0",
        "\0",
    ] {
        for op in OPS.iter().filter(|op| !(matches!(**op, "readlink" | "unlink") && path == "file")) {
            let (reason, answer) = at(&house, &key, op, "/data", path, "changed").await;
            assert_ne!(reason, Reason::Ok, "{op} {path:?}: {answer}");
            assert!(!answer.contains(SECRET), "{op} {path:?}: {answer}");
        }
        for (op, from, to) in [
            ("rename", path, "taken"),
            ("rename", "a.txt", path),
            ("link", path, "taken"),
            ("link", "a.txt", path),
            ("symlink", path, "a.txt"),
        ] {
            // To move, to link or to replace the link that leads out is no way out: that is done to the link itself.
            if path != "file" {
                let (reason, answer) = at(&house, &key, op, "/data", from, to).await;
                assert_ne!(reason, Reason::Ok, "{op} {from:?} {to:?}: {answer}");
            }
        }
    }
    for (op, from, to) in
        [("link", "file", "second"), ("rename", "file", "third"), ("rename", "a.txt", "third")]
    {
        at(&house, &key, op, "/data", from, to).await;
    }
    let after = (tree(&shared.join("outside")), tree(&shared.join("data-other")));
    assert_eq!(after, outside, "nothing outside was touched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_begins_like_the_directory_is_another_one() {
    let (house, key) = set_up().await;
    for path in [
        "/data-other/secret",
        "/dat",
        "/datax/secret",
        "/data/../data-other/secret",
        "/data//../data-other/secret",
    ] {
        let arguments = serde_json::json!({ "path": path }).to_string();
        let receipt = house.call_as(&key, "prober.read-file", &arguments).await;
        assert_ne!(receipt.reason, Reason::Ok, "{path}: {receipt:?}");
    }
    let inside = house.call_as(&key, "prober.read-file", r#"{"path":"/data/a.txt"}"#).await;
    assert_eq!(inside.reason, Reason::Ok, "{inside:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_of_any_length_and_with_slashes_at_the_end_end_well() {
    let (house, key) = set_up().await;
    let shared = house.path().join("shared");
    let outside = tree(&shared.join("outside"));
    let long = "x".repeat(64 * 1024);
    let deep = "d/".repeat(32 * 1024);
    for path in [long.as_str(), &deep, &format!("{deep}a.txt")] {
        for op in OPS {
            let (reason, answer) = at(&house, &key, op, "/data", path, "x").await;
            assert!(matches!(reason, Reason::ToolError), "{op}: {answer}");
        }
        for (op, from, to) in [("rename", path, "b"), ("rename", "a.txt", path), ("link", "a.txt", path)] {
            let (reason, answer) = at(&house, &key, op, "/data", from, to).await;
            assert!(matches!(reason, Reason::ToolError), "{op}: {answer}");
        }
    }
    for (from, to) in [
        ("a.txt", "b/"),
        ("a.txt/", "b"),
        ("a.txt", "b//"),
        ("a.txt", "d/"),
        ("a.txt", "../outside/"),
        ("d", "../outside/folder/"),
        ("d/", "e/"),
        ("e/", "../outside/folder/"),
        ("e", "d"),
    ] {
        let (reason, answer) = at(&house, &key, "rename", "/data", from, to).await;
        assert!(matches!(reason, Reason::Ok | Reason::ToolError), "{from} {to}: {answer}");
    }
    assert_eq!(tree(&shared.join("outside")), outside);
    let inside = tree(&shared.join("data"));
    assert!(inside.values().any(|text| text.contains("inside")), "the file is still there: {inside:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_granted_for_reading_stays_as_it_is() {
    let (house, key) = set_up().await;
    let archive = house.path().join("shared/archive");
    let before = tree(&archive);
    for (op, path, other) in [
        ("create", "new.txt", "x"),
        ("create", "a.txt", "x"),
        ("write", "a.txt", "x"),
        ("truncate", "a.txt", ""),
        ("set-size", "a.txt", ""),
        ("set-times", "a.txt", ""),
        ("make-directory", "new", ""),
        ("remove-directory", "d", ""),
        ("unlink", "a.txt", ""),
        ("unlink", "link", ""),
        ("rename", "a.txt", "b.txt"),
        ("rename", "d", "e"),
        ("link", "a.txt", "b.txt"),
        ("symlink", "new-link", "a.txt"),
    ] {
        let (reason, answer) = at(&house, &key, op, "/archive", path, other).await;
        assert_eq!(reason, Reason::CapabilityDenied, "{op} {path}: {answer}");
    }
    assert_eq!(tree(&archive), before);
    let (reason, answer) = at(&house, &key, "read", "/archive", "link", "").await;
    assert_eq!((reason, answer.contains("inside")), (Reason::Ok, true), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_swapped_while_it_is_opened_never_leads_out() {
    let (house, key) = set_up().await;
    let data = house.path().join("shared/data");
    let over = Arc::new(AtomicBool::new(false));
    let stop = over.clone();
    let swapping = std::thread::spawn(move || {
        let mut swaps = 0;
        // Bounded, should the call never end.
        while !stop.load(Ordering::SeqCst) && swaps < 200_000 {
            for target in ["a.txt", "../outside/secret", "d", "../outside"] {
                symlink(target, data.join("next")).unwrap();
                std::fs::rename(data.join("next"), data.join("swapped")).unwrap();
                swaps += 1;
            }
        }
        swaps
    });
    let mut seen = Vec::new();
    for path in ["swapped", "swapped/secret", "d/../swapped"] {
        let arguments = serde_json::json!({ "root": "/data", "path": path, "times": 500 });
        let receipt = house.call_as(&key, "every.watch", &arguments.to_string()).await;
        assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
        seen.push(receipt.value.unwrap());
    }
    over.store(true, Ordering::SeqCst);
    let swaps = swapping.join().unwrap();
    assert!(seen.iter().all(|texts| !texts.contains(SECRET)), "{seen:?}");
    assert!(swaps > 4 && seen.concat().contains("inside"), "{swaps} swaps: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_the_hosts_own_can_be_granted() {
    let rules =
        "[tools]\nallow = [\"*\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n[grants.prober.cache]\n";
    let permit = "permit(principal, action, resource);";
    let plan = house().tenant("acme", rules).file("policies/acme.cedar", permit).file("strongroom.toml", "");
    let house = plan.tool("prober").build().await;
    let key = house.key("acme").await;
    let get = house.call_as(&key, "prober.kv-get", r#"{"bucket":"cart","key":"k"}"#).await;
    let cached = house.call_as(&key, "prober.cache-get", r#"{"key":"k"}"#).await;
    assert_eq!((get.reason, cached.reason), (Reason::Ok, Reason::Ok));
    for entry in std::fs::read_dir(house.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What stands beside a file, its log or its lock, is no directory that could be granted.
        if !name.starts_with("ledger.db-") && !name.ends_with(".lock") {
            assert!(DirPath::new(&name).is_err(), "{name} could be granted");
        }
    }
}
