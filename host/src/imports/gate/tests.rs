//! What the gate does with calls, alone.
//!
//! Takes: nothing. Gives: tests. May name: everything.

use super::super::table::{
    FS_READ, FS_WRITE, HTTP_WRITE, KV_INCREMENT, KV_SET, OUT_WRITE, RANDOM_U64, TABLE,
};
use super::super::way::Way;
use super::*;
use crate::audit::announce::Announcer;
use crate::audit::{Entry, MemoryJournal, Phase};
use crate::id::CallId;
use crate::powers::SystemClock;

/// A gate that may send ten bytes and store a thousand, and the book that it announces effects in.
fn gate(pot: u64) -> (Gate, Arc<MemoryJournal>) {
    let (book, clock) = (Arc::new(MemoryJournal::new()), Arc::new(SystemClock));
    let call = Entry::intent(1, "call a.b", CallId::new(1, [2; 10]));
    let announcer = Announcer::new(book.clone(), clock.clone(), &call);
    (
        Gate::new(
            pot,
            Meter::up_to(10),
            Meter::up_to(1000),
            Vec::new(),
            Announcements::new(announcer),
            clock,
        ),
        book,
    )
}

fn full(target: &str, covered: bool) -> Handle {
    Handle { target: Some(target.into()), covered, ..Handle::default() }
}

#[test]
fn equal_calls_become_one_record_and_nothing_is_lost() {
    let mut gate = gate(1_000_000).0;
    for _ in 0..10 {
        gate.enter(&RANDOM_U64, None, None, 0).unwrap();
    }
    gate.enter(&FS_READ, None, Some("a".into()), 3).unwrap();
    gate.leave(None, &vec![0_u8; 7]).unwrap();
    let spent = gate.spent();
    let records = gate.take_records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].count, 10);
    assert_eq!((records[1].bytes_in, records[1].bytes_out), (7, 3));
    assert_eq!(records.iter().map(|r| r.fuel).sum::<u64>(), spent);
}

#[test]
fn a_read_only_handle_refuses_effects_and_says_so() {
    let mut gate = gate(1_000_000).0;
    gate.hold(3, Handle { reach: Reach::Read, ..full("workspace:/", false) });
    assert!(gate.enter(&FS_READ, Some(3), None, 0).is_ok());
    assert!(matches!(gate.effect(&FS_WRITE, [(Some(3), None, 5)]), Err(Stop::Denied(_))));
    assert_eq!(gate.denial().unwrap().target.as_deref(), Some("workspace:/"));
    assert_eq!(gate.take_records().last().unwrap().decision, Decision::Deny);
}

#[test]
fn an_empty_pot_stops_the_call_and_is_never_overdrawn() {
    let mut gate = gate(3_000).0;
    assert!(gate.enter(&RANDOM_U64, None, None, 0).is_ok());
    while gate.enter(&RANDOM_U64, None, None, 0).is_ok() {}
    assert_eq!(gate.spent(), 3_000);
    assert_eq!(gate.left(), 0);
}

/// What the book announces, as import and target.
fn announced(book: &MemoryJournal) -> Vec<Vec<String>> {
    let entries = book.entries();
    assert!(entries.iter().all(|entry| entry.phase == Phase::Intent && entry.action == "call a.b"));
    let shown = |entry: &Entry| {
        let records = entry.imports.iter();
        records.map(|r| format!("{} {}", r.import, r.target.as_deref().unwrap_or("-"))).collect()
    };
    entries.iter().map(shown).collect()
}

#[tokio::test]
async fn an_effect_is_announced_once_for_its_import_and_target() {
    let (mut gate, book) = gate(1_000_000);
    for target in ["https://a/x", "https://a/x", "https://a/y", "https://a/x"] {
        gate.effect(&HTTP_WRITE, [(None, Some(target.into()), 0)]).unwrap().durable().await.unwrap();
    }
    let handle = "wasi:http/outgoing-handler.handle (not GET, HEAD or OPTIONS, or with a body)";
    let expected = [[format!("{handle} https://a/x")], [format!("{handle} https://a/y")]];
    assert_eq!(announced(&book), expected);
    assert!(gate.has_announced() && !gate.is_unannounced());
    assert_eq!(gate.take_records().iter().map(|r| r.count).sum::<u64>(), 4);
}

#[tokio::test]
async fn what_nobody_has_waited_for_covers_nothing() {
    let (mut gate, book) = gate(1_000_000);
    drop(gate.effect(&KV_INCREMENT, [(None, Some("cart".into()), 1)]).unwrap());
    assert!(!gate.has_announced());
    gate.effect(&KV_INCREMENT, [(None, Some("cart".into()), 1)]).unwrap().durable().await.unwrap();
    assert_eq!(announced(&book).len(), 2);
    assert!(gate.has_announced());
}

#[tokio::test]
async fn an_open_descriptor_is_announced_for_itself_and_not_for_paths_under_it() {
    let (mut gate, book) = gate(1_000_000);
    gate.hold(1, full("d:/a", true));
    gate.hold(2, full("d:/b", false));
    for handle in [1, 2] {
        gate.effect(&FS_WRITE, [(Some(handle), None, 5)]).unwrap().durable().await.unwrap();
    }
    gate.effect(&FS_WRITE, [(Some(1), Some("d:/a/c".into()), 5)]).unwrap().durable().await.unwrap();
    let write = "wasi:filesystem/types.[method]descriptor.write";
    assert_eq!(announced(&book), [[format!("{write} d:/b")], [format!("{write} d:/a/c")]]);
}

#[tokio::test]
async fn a_commit_announces_everything_that_was_kept_aside_in_one_entry() {
    let (mut gate, book) = gate(1_000_000);
    for bucket in ["cart", "orders", "cart"] {
        gate.enter(&KV_SET, None, Some(bucket.into()), 3).unwrap();
        gate.enter(&RANDOM_U64, None, None, 0).unwrap();
    }
    let _ = gate.deny(&KV_SET, Some("secrets".into()), "not granted");
    assert!(book.entries().is_empty());
    gate.commit().unwrap().durable().await.unwrap();
    let set = "wasi:keyvalue/store.[method]bucket.set";
    assert_eq!(announced(&book), [[format!("{set} cart"), format!("{set} orders")]]);
}

#[tokio::test]
async fn after_a_failure_nothing_of_the_call_is_announced_and_nothing_passes() {
    let (mut gate, book) = gate(1_000_000);
    let once = |gate: &mut Gate| gate.effect(&HTTP_WRITE, [(None, Some("https://a/x".into()), 0)]);
    once(&mut gate).unwrap().durable().await.unwrap();
    book.break_with(Some("no space left"));
    let other = (None, Some("https://a/y".into()), 0);
    assert_eq!(gate.effect(&HTTP_WRITE, [other.clone()]).unwrap_err(), Stop::Unannounced);
    book.break_with(None);
    assert!(gate.is_unannounced());
    assert_eq!(gate.effect(&HTTP_WRITE, [other]).unwrap_err(), Stop::Unannounced);
    assert_eq!(once(&mut gate).unwrap_err(), Stop::Unannounced, "also what was announced before");
    gate.enter(&KV_SET, None, Some("cart".into()), 3).unwrap();
    assert_eq!(gate.commit().unwrap_err(), Stop::Unannounced);
    assert_eq!(announced(&book).len(), 1);
}

#[tokio::test]
async fn what_still_waited_when_another_effect_failed_does_not_happen_either() {
    let (mut gate, book) = gate(1_000_000);
    let waits = gate.effect(&HTTP_WRITE, [(None, Some("https://a/x".into()), 0)]).unwrap();
    book.break_with(Some("no space left"));
    assert!(gate.effect(&HTTP_WRITE, [(None, Some("https://a/y".into()), 0)]).is_err());
    assert_eq!(waits.durable().await, Err(Stop::Unannounced));
    assert!(gate.is_unannounced() && !gate.has_announced());
}

#[test]
fn nothing_is_committed_that_no_import_has_asked_for() {
    assert_eq!(gate(1_000_000).0.commit().unwrap_err(), Stop::Unannounced);
}

#[test]
fn every_effect_of_the_table_has_a_way_and_is_held_to_it() {
    for import in TABLE {
        let (mut gate, book) = gate(10_000_000);
        gate.hold(1, full("x", false));
        gate.hold(2, full("x", true));
        let alone = gate.enter(import, Some(1), None, 0);
        let covered = gate.enter(import, Some(2), None, 0);
        match (import.class == Class::Effect, import.way) {
            (false, None) | (true, Some(Way::AtCommit)) => assert!(alone.is_ok() && covered.is_ok()),
            (true, Some(Way::Handle)) => assert_eq!((alone, covered), (Err(Stop::Unannounced), Ok(()))),
            (true, Some(Way::Opens)) => assert_eq!((alone, covered), (Err(Stop::NotForWriting), Ok(()))),
            (true, Some(Way::AtOnce | Way::Never)) => {
                assert_eq!((alone, covered), (Err(Stop::Unannounced), Err(Stop::Unannounced)));
            }
            (effect, way) => panic!("{}: effect {effect}, way {way:?}", import.name()),
        }
        assert!(book.entries().is_empty(), "to pass is not to announce: {}", import.name());
        let passed = gate.effect(import, [(Some(1), Some("y".into()), 0)]);
        let announces = import.way == Some(Way::AtOnce);
        assert_eq!(book.entries().len(), usize::from(announces), "{}", import.name());
        let passes = announces || import.way.is_none_or(|way| way == Way::AtCommit);
        assert_eq!(passed.is_ok(), passes, "{}", import.name());
    }
}

#[test]
fn bytes_leave_only_through_a_handle_that_is_covered() {
    let (mut gate, _) = gate(1_000_000);
    assert_eq!(gate.enter(&OUT_WRITE, Some(9), None, 1), Err(Stop::Unannounced), "an unknown handle");
    gate.hold_to_nowhere(9);
    assert_eq!(gate.enter(&OUT_WRITE, Some(9), None, 1), Ok(()));
    gate.release(9);
    assert_eq!(gate.enter(&OUT_WRITE, Some(9), None, 1), Err(Stop::Unannounced), "a handle given back");
}

#[test]
fn what_is_written_to_a_request_counts_until_the_limit() {
    let mut gate = gate(1_000_000).0;
    gate.hold(1, Handle { request: Some(0), covered: true, leads: Leads::Network, ..Handle::default() });
    gate.hold_to_nowhere(2);
    gate.enter(&OUT_WRITE, Some(1), None, 6).unwrap();
    gate.enter(&OUT_WRITE, Some(2), None, 1000).unwrap();
    gate.sent(0, &"https://example.com/".into());
    assert_eq!(gate.enter(&OUT_WRITE, Some(1), None, 5), Err(Stop::Egress));
    assert_eq!(gate.egress(), 10);
}

#[test]
fn what_effects_bring_to_storage_counts_until_the_limit_and_nothing_else_does() {
    let mut gate = gate(1_000_000).0;
    gate.hold(1, Handle { leads: Leads::Storage, ..full("workspace:/", true) });
    gate.hold_under(2, 1, Some("workspace:/a".into()), true);
    gate.hold_to_nowhere(3);
    gate.enter(&FS_READ, Some(2), None, 100).unwrap();
    gate.enter(&OUT_WRITE, Some(3), None, 100).unwrap();
    assert_eq!(gate.stored(), 0, "reading stores nothing, nor does what stays in the call");
    gate.enter(&KV_SET, None, Some("cart".into()), 300).unwrap();
    gate.enter(&OUT_WRITE, Some(2), None, 300).unwrap();
    drop(gate.effect(&FS_WRITE, [(Some(2), None, 300)]).unwrap());
    assert_eq!((gate.stored(), gate.egress()), (900, 0));
    assert_eq!(gate.enter(&OUT_WRITE, Some(2), None, 101), Err(Stop::Stored));
    assert_eq!(gate.stored(), 1000);
}

#[test]
fn what_may_not_be_sent_is_not_announced() {
    let (mut gate, book) = gate(1_000_000);
    gate.hold(1, Handle { leads: Leads::Network, ..full("https://a/x", false) });
    assert_eq!(gate.effect(&HTTP_WRITE, [(Some(1), None, 11)]).unwrap_err(), Stop::Egress);
    assert!(book.entries().is_empty());
}
