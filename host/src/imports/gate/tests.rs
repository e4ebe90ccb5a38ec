//! What passes, what is refused, and what is counted. May name: imports::table, powers.

use super::super::table::{FS_READ, FS_WRITE, OUT_WRITE, RANDOM_U64};
use super::*;
use crate::powers::SystemClock;

#[test]
fn equal_calls_become_one_record_and_nothing_is_lost() {
    let mut gate = Gate::new(1_000_000, 0, Vec::new(), Arc::new(SystemClock));
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
    let mut gate = Gate::new(1_000_000, 0, Vec::new(), Arc::new(SystemClock));
    gate.hold(3, Handle { target: Some("workspace:/".into()), reach: Reach::Read, ..Handle::default() });
    assert!(gate.enter(&FS_READ, Some(3), None, 0).is_ok());
    assert!(matches!(gate.enter(&FS_WRITE, Some(3), None, 5), Err(Stop::Denied(_))));
    assert_eq!(gate.denial().unwrap().target.as_deref(), Some("workspace:/"));
    assert_eq!(gate.take_records().last().unwrap().decision, Decision::Deny);
}

#[test]
fn an_empty_pot_stops_the_call_and_is_never_overdrawn() {
    let mut gate = Gate::new(3_000, 0, Vec::new(), Arc::new(SystemClock));
    assert!(gate.enter(&RANDOM_U64, None, None, 0).is_ok());
    while gate.enter(&RANDOM_U64, None, None, 0).is_ok() {}
    assert_eq!(gate.spent(), 3_000);
    assert_eq!(gate.left(), 0);
}

#[test]
fn what_is_written_to_a_request_counts_until_the_limit() {
    let mut gate = Gate::new(1_000_000, 10, Vec::new(), Arc::new(SystemClock));
    gate.hold(1, Handle { request: Some(0), sends: true, ..Handle::default() });
    gate.hold(2, Handle::default());
    gate.enter(&OUT_WRITE, Some(1), None, 6).unwrap();
    gate.enter(&OUT_WRITE, Some(2), None, 1000).unwrap();
    gate.sent(0, &"https://example.com/".into());
    assert_eq!(gate.enter(&OUT_WRITE, Some(1), None, 5), Err(Stop::Egress));
    assert_eq!(gate.egress(), 10);
}
