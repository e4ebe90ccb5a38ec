//! What a ledger would hold after entries written by hand.
//!
//! Takes: nothing. Gives: tests. May name: audit, id, reason, storage.

use super::state::*;
use crate::audit::{Entry, Phase};
use crate::id::{CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use crate::storage::ledger::{KEPT_MS, Of, Per};

const NOON_MS: u64 = 1_769_860_800_000;

fn entry(phase: Phase, call: u8, reason: Reason, outcome: Outcome) -> Entry {
    let mut entry = Entry::outcome((NOON_MS + 1000) * 1000, "call orders.pay", reason, outcome);
    (entry.phase, entry.tenant_id) = (phase, TenantId::new("acme").ok());
    entry.call_id = Some(CallId::new(NOON_MS, [call; 10]));
    (entry.arguments, entry.idempotency_key) = (Some(Digest::of(b"a")), Some(Digest::of(&[call])));
    entry
}

fn of(entries: impl IntoIterator<Item = Entry>) -> State {
    let mut state = State::default();
    entries.into_iter().for_each(|entry| state.take(&entry));
    state.end();
    let kept = state.bytes().unwrap();
    assert_eq!(State::read(&kept).unwrap(), state, "it comes back as it was kept");
    state
}

fn total(state: &State) -> [u64; 2] {
    [Of::Calls, Of::Fuel].map(|of| {
        let mut spent = state.spent().filter(|spent| spent.of == of && spent.per == Per::Total);
        spent.next().map_or(0, |spent| spent.spent)
    })
}

fn ended(state: &State) -> Vec<Option<Reason>> {
    state.writes().map(|write| write.ended).collect()
}

#[test]
fn a_call_is_charged_once_and_in_full_when_it_broke_off() {
    let intent =
        |call| Entry { charged: Some(90), ..entry(Phase::Intent, call, Reason::Ok, Outcome::Unknown) };
    let done = |call| Entry { fuel: 7, ..entry(Phase::Outcome, call, Reason::Ok, Outcome::Executed) };
    let closing = Entry::closing(&intent(1), 5);
    let state = of([intent(1), intent(1), closing.clone(), closing]);
    assert_eq!((total(&state), ended(&state)), ([1, 90], vec![None]));
    let state = of([intent(1), intent(1), done(1)]);
    assert_eq!((total(&state), ended(&state)), ([1, 7], vec![Some(Reason::Ok)]));
    let state = of([intent(1), intent(2), done(2)]);
    assert_eq!((total(&state), ended(&state)), ([2, 97], vec![None, Some(Reason::Ok)]));
    let broke = Entry { charged: Some(80), ..entry(Phase::Outcome, 3, Reason::Cancelled, Outcome::Unknown) };
    let state = of([intent(3), broke]);
    assert_eq!((total(&state), ended(&state)), ([1, 80], vec![None]));
}

#[test]
fn what_did_not_run_costs_nothing_and_takes_no_key() {
    let denied = entry(Phase::Outcome, 1, Reason::Killed, Outcome::Denied);
    let replayed = entry(Phase::Outcome, 2, Reason::Ok, Outcome::Replayed);
    let intent = entry(Phase::Intent, 1, Reason::Ok, Outcome::Unknown);
    let state = of([intent.clone(), denied, replayed]);
    assert_eq!((total(&state), ended(&state)), ([0, 0], vec![]));
    let mut listing = entry(Phase::Outcome, 3, Reason::Ok, Outcome::Executed);
    (listing.action, listing.fuel) = ("list tools".into(), 9);
    assert_eq!(total(&of([listing])), [0, 0]);
    // The log failed before an effect was announced in it, or after.
    let failed = Entry { fuel: 5, ..entry(Phase::Outcome, 1, Reason::AuditUnavailable, Outcome::Failed) };
    let state = of([failed.clone()]);
    assert_eq!((total(&state), ended(&state)), ([1, 5], vec![]));
    assert_eq!(ended(&of([intent, failed])), [Some(Reason::AuditUnavailable)]);
}

#[test]
fn a_window_that_has_passed_is_closed_and_answers_are_forgotten_in_time() {
    let at = |ms: u64, call: u8| {
        let mut made = entry(Phase::Outcome, call, Reason::Ok, Outcome::Executed);
        (made.call_id, made.time_us) = (Some(CallId::new(ms, [call; 10])), ms * 1000);
        made
    };
    let hour = |state: &State| {
        let hour = state.spent().find(|spent| (spent.of, spent.per) == (Of::Calls, Per::Hour)).unwrap();
        (hour.window_start, hour.spent)
    };
    // The first ended after the next hour had begun for others.
    let state = of([at(NOON_MS, 1), at(NOON_MS - 1, 2), at(NOON_MS + 1, 3)]);
    assert_eq!((hour(&state), total(&state)[0]), ((NOON_MS, 2), 3));
    let state = of([at(NOON_MS, 1), at(NOON_MS + KEPT_MS, 2)]);
    assert_eq!(state.writes().count(), 2);
    let state = of([at(NOON_MS, 1), at(NOON_MS + KEPT_MS + 1, 2)]);
    assert_eq!(state.writes().count(), 1);
}

#[test]
fn switches_keys_and_tenants_follow_the_operators_acts() {
    let act = |action: &str, tenant: Option<&str>| {
        let mut entry = Entry::outcome(1000, action, Reason::Ok, Outcome::Executed);
        entry.tenant_id = tenant.map(|tenant| TenantId::new(tenant).unwrap());
        entry
    };
    let state = of([
        act("kill host: a drill", None),
        act("kill tool orders: first", None),
        act("kill tool orders: prices: wrong", None),
        act("revive host", None),
        act("key.create k1", Some("acme")),
        act("key.create k2", Some("acme")),
        act("key.revoke k1", Some("acme")),
        act("tenant.delete globex begins, leaving /data: ends", Some("globex")),
    ]);
    let on: Vec<_> = state.kills().iter().map(|kill| format!("{}: {}", kill.scope, kill.why)).collect();
    assert_eq!(on, ["tool orders: prices: wrong", "tenant globex: the tenant is being deleted"]);
    assert_eq!(state.keys().into_values().collect::<Vec<_>>(), [1]);
    assert_eq!(state.leaving().len(), 1);
    // A refused order changed nothing, and what a tenant calls is no order.
    let mut refused = act("revive tool orders", None);
    (refused.reason_code, refused.outcome) = (Reason::ToolUnknown, Outcome::Denied);
    let mut forged = act("call revive", Some("acme"));
    forged.call_id = Some(CallId::new(1, [1; 10]));
    let state = of([act("kill tool orders: x", None), refused, forged]);
    assert_eq!(state.kills().len(), 1);
}
