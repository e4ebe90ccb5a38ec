//! Every row of the table of imports is called with its right, and passes; and without it, and does not. A row that no
//! probe reaches fails the test, so that an import cannot be added without one.

use std::collections::BTreeSet;
use strongroom::imports::table::{Import, TABLE};
use strongroom::imports::{Decision, Right};
use strongroom::reason::Reason;
use strongroom_tests::{Bytes, GROUPS, House, Then, Wire, house, wire};

/// What no call can reach, by the beginning of its name, and why. All of it is given to nobody.
const OUT_OF_REACH: &[(&str, &str)] = &[
    ("wasi:http/types#[method]incoming-request.", "only a server is given a request, and no tool is one"),
    ("wasi:http/types#[drop]incoming-request", "the same"),
    ("wasi:http/types#[static]response-outparam.", "the same"),
    ("wasi:http/types#[method]response-outparam.", "the same"),
    ("wasi:http/types#[drop]response-outparam", "the same"),
    ("wasi:sockets/network#network-error-code", "unstable in WASI, so that no component links it"),
    ("wasi:sockets/ip-name-lookup#resolve-address-stream", "every lookup is refused, so there is no stream"),
    ("wasi:sockets/tcp#", "every socket is refused, so there is none to be called on"),
    ("wasi:sockets/udp#", "the same"),
    ("wasi:cli/terminal-input#[drop]", "no call has a terminal"),
    ("wasi:cli/terminal-output#[drop]", "the same"),
];

/// What works on a handle that only another import gives: where that one is refused, this one cannot be called at all.
const BEHIND: &[(&str, &str)] = &[
    ("wasi:keyvalue/", "wasi:keyvalue/store#open"),
    ("wasi:http/types#", "wasi:http/outgoing-handler#handle"),
    (
        "wasi:filesystem/types#[method]directory-entry-stream",
        "wasi:filesystem/types#[method]descriptor.read-directory",
    ),
    (
        "wasi:filesystem/types#[drop]directory-entry-stream",
        "wasi:filesystem/types#[method]descriptor.read-directory",
    ),
];

/// Every right that can be taken away.
const RIGHTS: &[Right] = &[
    Right::Http,
    Right::Config,
    Right::Cache,
    Right::Ask,
    Right::Dir,
    Right::DirWrite,
    Right::KeyValue,
    Right::KeyValueWrite,
    Right::Memory,
    Right::MemoryWrite,
];

/// A working set-up without one right: its grant is left out, or gives reading only.
fn grants(origin: &str, without: Option<Right>) -> String {
    let mode = |grant: &str, all: Right, write: Right| match without {
        Some(right) if right == all => String::new(),
        Some(right) if right == write => format!("{grant}mode = \"ro\"\n"),
        _ => format!("{grant}mode = \"rw\"\n"),
    };
    let whole = |grant: String, right: Right| if without == Some(right) { String::new() } else { grant };
    let http = format!("[grants.every.http.api]\norigin = \"{origin}\"\nallow_private = true\n");
    [
        whole(http, Right::Http),
        whole("[grants.every.config]\nvalues = { greeting = \"hello\" }\n".into(), Right::Config),
        mode("[grants.every.dir.data]\npath = \"shared/data\"\n", Right::Dir, Right::DirWrite),
        mode("[grants.every.keyvalue.cart]\n", Right::KeyValue, Right::KeyValueWrite),
        whole("[grants.every.cache]\n".into(), Right::Cache),
        whole("[grants.every.ask]\n".into(), Right::Ask),
        mode("[grants.every.memory]\n", Right::Memory, Right::MemoryWrite),
    ]
    .concat()
}

/// Whether taking `removed` away takes `right` away: who may not read may not write either.
fn lost(removed: Right, right: Right) -> bool {
    let reads_too = matches!(
        (removed, right),
        (Right::Dir, Right::DirWrite)
            | (Right::KeyValue, Right::KeyValueWrite)
            | (Right::Memory, Right::MemoryWrite)
    );
    removed == right || reads_too
}

/// A service with one answer that is whole, and one that breaks off.
async fn service() -> Wire {
    wire(|request| match request.contains("/broken") {
        true => Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec(), Then::Close),
        false => Bytes::whole("200 OK", "", b"an answer"),
    })
    .await
}

async fn set_up(grants: &str) -> (House, String) {
    let plan = house().tenant("acme", &format!("[tools]\nallow = [\"*\"]\n{grants}")).tool("every");
    let data = plan.path().join("shared/data");
    std::fs::create_dir_all(data.join("d")).unwrap();
    std::fs::write(data.join("a.txt"), "there before").unwrap();
    std::os::unix::fs::symlink("a.txt", data.join("l")).unwrap();
    let house = plan.build().await;
    let key = house.key("acme").await;
    (house, key)
}

/// What every group came to, and what of the table was allowed and refused in it.
#[derive(Default)]
struct Seen {
    ends: Vec<(&'static str, Reason, String)>,
    allowed: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Seen {
    fn passed(&self, row: &Import) -> bool {
        self.allowed.contains(&row.name())
    }

    fn was_refused(&self, row: &Import) -> bool {
        let name = row.name();
        let before = BEHIND.iter().filter(|(behind, _)| name.starts_with(behind)).map(|(_, first)| *first);
        self.refused.contains(&name) || before.into_iter().any(|first| self.refused.contains(first))
    }
}

async fn touch_all(house: &House, key: &str) -> Seen {
    let mut seen = Seen::default();
    for group in GROUPS {
        let receipt = house.call_as(key, "every.touch", &format!("{{\"group\":\"{group}\"}}")).await;
        for record in &receipt.imports {
            match record.decision {
                Decision::Allow => seen.allowed.insert(record.import.name()),
                Decision::Deny => seen.refused.insert(record.import.name()),
            };
        }
        seen.ends.push((group, receipt.reason, format!("{:?} {:?}", receipt.message, receipt.value)));
    }
    seen
}

fn out_of_reach(row: &Import) -> bool {
    OUT_OF_REACH.iter().any(|(name, _)| row.name().starts_with(name))
}

#[test]
fn what_is_out_of_reach_is_given_to_nobody() {
    for (name, why) in OUT_OF_REACH {
        let rows: Vec<_> = TABLE.iter().filter(|row| row.name().starts_with(name)).collect();
        assert!(!rows.is_empty(), "{name} ({why}) is not in the table");
        assert!(rows.iter().all(|row| row.right == Right::Nobody), "{name} ({why}) has a right");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_right_every_import_passes_except_what_nobody_is_given() {
    let all = grants(&service().await.origin(), None);
    let (house, key) = set_up(&all).await;
    let seen = touch_all(&house, &key).await;
    for (group, reason, what) in &seen.ends {
        let expected = match *group {
            "exit" | "exit-with-code" => Reason::Trapped,
            "sockets" => Reason::CapabilityDenied,
            _ => Reason::Ok,
        };
        assert_eq!(*reason, expected, "{group}: {what}");
    }
    for row in TABLE.iter().filter(|row| !out_of_reach(row)) {
        match row.right {
            Right::Nobody => assert!(!seen.passed(row) && seen.was_refused(row), "{} is given", row.name()),
            _ => assert!(seen.passed(row), "no probe reaches {}", row.name()),
        }
    }
    for row in TABLE.iter().filter(|row| out_of_reach(row)) {
        assert!(!seen.passed(row) && !seen.refused.contains(&row.name()), "{} is reached", row.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_right_only_what_needs_none_passes() {
    let (house, key) = set_up("").await;
    let seen = touch_all(&house, &key).await;
    for row in TABLE {
        match row.right {
            Right::Free => assert!(seen.passed(row), "{} needs a right", row.name()),
            // Standard input and output.
            Right::Handle => {}
            Right::Nobody if out_of_reach(row) => {}
            _ => assert!(!seen.passed(row) && seen.was_refused(row), "{} needs no right", row.name()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_right_its_imports_are_refused_and_no_others() {
    let service = service().await;
    for &removed in RIGHTS {
        let (house, key) = set_up(&grants(&service.origin(), Some(removed))).await;
        let seen = touch_all(&house, &key).await;
        for row in TABLE.iter().filter(|row| row.right != Right::Nobody) {
            if lost(removed, row.right) {
                assert!(!seen.passed(row), "{} passes without {removed:?}", row.name());
                assert!(seen.was_refused(row), "{} is not refused without {removed:?}", row.name());
            } else {
                assert!(seen.passed(row), "{} fails without {removed:?}", row.name());
            }
        }
        for (group, reason, what) in &seen.ends {
            let expected = match (*group, removed) {
                ("exit" | "exit-with-code", _) => Reason::Trapped,
                ("sockets", _)
                | ("http", Right::Http)
                | ("config", Right::Config)
                | ("cache", Right::Cache)
                | ("ask", Right::Ask)
                | ("files", Right::Dir)
                | ("files-write", Right::Dir | Right::DirWrite)
                | ("keyvalue", Right::KeyValue | Right::KeyValueWrite)
                | ("memory", Right::Memory | Right::MemoryWrite) => Reason::CapabilityDenied,
                _ => Reason::Ok,
            };
            assert_eq!(*reason, expected, "{group} without {removed:?}: {what}");
        }
    }
}
