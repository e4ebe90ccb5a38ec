//! Whoever administrates a host that cannot write its audit log is shown nothing and changes nothing. When the log fails after a
//! change was announced, the answer is withheld, and whoever asks again has the change made once.

use super::office::Office;
use super::roles::{in_an_hour, rows};
use crate::http_api::client::{Reply, request};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use strongroom::audit::{AuditUnavailable, Entry, Journal, MemoryJournal, Pending};

const CAUSE: &str = "/secret/path is full";
const ACME: &str = "/admin/v1/tenants/acme";

/// A log that takes so many entries more, and says until then that it takes them all.
#[derive(Debug)]
struct Filling {
    book: MemoryJournal,
    left: AtomicUsize,
}

impl Filling {
    fn new() -> Arc<Self> {
        Arc::new(Self { book: MemoryJournal::new(), left: AtomicUsize::new(usize::MAX) })
    }

    fn takes(&self, entries: usize) {
        self.left.store(entries, Ordering::SeqCst);
    }
}

impl Journal for Filling {
    fn append(&self, entry: Entry) -> Result<Pending, AuditUnavailable> {
        let take = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => self.book.append(entry),
            Err(_) => Err(AuditUnavailable::new(CAUSE)),
        }
    }

    fn ready(&self) -> Result<(), AuditUnavailable> {
        self.book.ready()
    }
}

async fn office(book: &Arc<Filling>) -> Office {
    let book = book.clone();
    Office::open_as("", |builder| builder.journal(book)).await
}

/// What is told of the log's failure is its reason and nothing of its cause, and nothing of what was asked for.
fn is_withheld(reply: &Reply, shown: &str) {
    reply.is_problem(503, "audit_unavailable");
    assert!(!reply.body.contains("/secret") && !reply.body.contains("sr_"), "{shown}: {reply:?}");
}

#[tokio::test]
async fn nothing_is_shown_and_nothing_changed_on_any_route() {
    let book = Filling::new();
    let office = office(&book).await;
    let before = office.state();
    // It says so; or it seems well, and does not take the entry.
    for says_so in [true, false] {
        book.book.break_with(says_so.then_some(CAUSE));
        book.takes(0);
        for row in rows() {
            let (path, body) = row.asked("acme", "agent");
            for key in [&office.operator, &office.auditor, &office.own, &"sr_admin_none".to_owned()] {
                let reply = office.ask(key, &row.method.to_uppercase(), &path, &body).await;
                is_withheld(&reply, &format!("{} {path}", row.method));
            }
        }
        assert_eq!(office.state(), before);
    }
    book.book.break_with(None);
    book.takes(usize::MAX);
    assert_eq!(office.get(&office.operator, "/admin/v1/self").await.status, 200);
}

#[tokio::test]
async fn a_log_that_fails_in_the_middle_of_a_change_leaves_it_whole_or_not_made() {
    let raise = json!({ "of": "calls", "per": "day", "more": 5, "until_ms": in_an_hour(), "why": "drill" });
    let stop = json!({ "scope": "tool", "name": "none", "mode": "stop", "why": "drill" });
    let orders: [(&str, String, Value); 3] = [
        ("keys", format!("{ACME}/keys"), json!({ "actor": "agent" })),
        ("kills", "/admin/v1/switches".to_owned(), stop),
        ("raises", format!("{ACME}/budgets/raise"), raise),
    ];
    for (changes, path, order) in orders {
        // How many entries it has: its intent, the act itself, its outcome.
        let (mut entries, mut made) = (0, 0);
        loop {
            let book = Filling::new();
            let office = office(&book).await;
            let count = || office.state()[changes].as_array().unwrap().len();
            let authorization = format!("authorization: Bearer {}", office.operator);
            let ask = async || {
                let headers = [authorization.as_str(), "idempotency-key: once"];
                office.raw(&request("POST", &path, &headers, order.to_string())).await
            };
            book.takes(entries);
            let reply = ask().await;
            if reply.status < 300 {
                assert_eq!((count(), book.left.load(Ordering::SeqCst)), (1, 0), "{path}: {reply:?}");
                break;
            }
            is_withheld(&reply, &path);
            let now = count();
            assert!(now <= 1 && (entries > 0 || now == 0), "{path} with {entries} entries: {now}");
            made += now;
            // The log can be written again: whoever asks again has what was asked for, once.
            book.takes(usize::MAX);
            let again = ask().await;
            assert!(again.status < 300, "{path} with {entries} entries: {again:?}");
            assert_eq!(count(), 1, "{path} with {entries} entries");
            if changes == "keys" {
                // A key whose text was withheld is shown to nobody; it can be revoked by its id.
                assert_eq!(again.json()["key"].is_null(), now == 1, "{again:?}");
                assert!(again.json()["id"].is_string());
            }
            entries += 1;
        }
        assert_eq!((entries, made), (3, 2), "{path}");
    }
}
