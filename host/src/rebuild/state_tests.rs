//! What a ledger would hold after entries written by hand.
//!
//! Takes: nothing. Gives: tests. May name: audit, id, reason, storage.

use super::state::*;
use crate::audit::{Entry, Phase};
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use crate::storage::ledger::{KEPT_MS, Of, Per, Spent};

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

fn spent(state: &State, of: Of, per: Per, who: &str) -> Option<Spent> {
    let is = |spent: &Spent| (spent.count.of, spent.count.per, spent.count.who.as_str()) == (of, per, who);
    state.spent().find(is)
}

fn total(state: &State) -> [u64; 2] {
    [Of::Calls, Of::Fuel].map(|of| spent(state, of, Per::Total, "").map_or(0, |spent| spent.spent))
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
        let hour = spent(state, Of::Calls, Per::Hour, "").unwrap();
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

#[test]
fn a_call_counts_for_its_tenant_its_actor_and_its_tool() {
    let by = |actor: &str, call, action: &str, charged| {
        let mut made = entry(Phase::Outcome, call, Reason::Ok, Outcome::Executed);
        (made.actor_id, made.action) = (Some(ActorId::new(actor).unwrap()), action.to_owned());
        (made.fuel, made.egress, made.stored, made.spend) = charged;
        made
    };
    // The first breaks off: all that it held is charged, for whoever began it.
    let mut broken = Entry { phase: Phase::Intent, ..by("kim", 1, "call orders.pay", (0, 900, 40, 50)) };
    broken.charged = Some(70);
    let state = of([
        broken,
        by("kim", 2, "call orders.get", (10, 5, 2, 3)),
        by("lee", 3, "call files.read", (20, 0, 0, 1)),
        Entry { outcome: Outcome::Denied, ..by("lee", 4, "call files.read", (0, 0, 0, 0)) },
    ]);
    let all = |per, who: &str| Of::ALL.map(|of| spent(&state, of, per, who).unwrap().spent);
    for per in [Per::Minute, Per::Hour, Per::Day, Per::Month, Per::Total] {
        assert_eq!(all(per, ""), [3, 100, 905, 42, 54], "{per}");
        assert_eq!(all(per, "actor=kim"), [2, 80, 905, 42, 53], "{per}");
        assert_eq!(all(per, "actor=lee"), [1, 20, 0, 0, 1], "{per}");
        assert_eq!(all(per, "tool=orders"), [2, 80, 905, 42, 53], "{per}");
        assert_eq!(all(per, "actor=lee tool=files"), [1, 20, 0, 0, 1], "{per}");
    }
    assert_eq!(spent(&state, Of::Calls, Per::Total, "actor=kim tool=files"), None);
    assert!(state.spent().all(|spent| spent.count.per != Per::Run), "runs are not in the log");
}

#[test]
fn an_operators_word_settles_what_broke_off_and_nothing_else() {
    let intent = |call| entry(Phase::Intent, call, Reason::Ok, Outcome::Unknown);
    let said = |what: &str, tenant: &str, call: u8| {
        let action = format!("{what} orders.pay {}: looked: it is so", CallId::new(NOON_MS, [call; 10]));
        let mut entry = Entry::outcome((NOON_MS + 9000) * 1000, action, Reason::Ok, Outcome::Executed);
        entry.tenant_id = TenantId::new(tenant).ok();
        entry
    };
    let ended = |state: &State| {
        let mut writes: Vec<_> = state.writes().map(|write| (write.call_id, write.ended)).collect();
        writes.sort_unstable();
        writes.into_iter().map(|(_, ended)| ended).collect::<Vec<_>>()
    };
    let done = Entry { fuel: 7, ..entry(Phase::Outcome, 3, Reason::Trapped, Outcome::Failed) };
    let broken = [intent(1), Entry::closing(&intent(1), 5), intent(2), intent(3), done];
    let state = of(broken.clone().into_iter().chain([said("reconcile.failed", "acme", 1)]));
    assert_eq!(ended(&state), [None, Some(Reason::Trapped)]);
    let rerun = Entry { fuel: 7, ..entry(Phase::Outcome, 4, Reason::Ok, Outcome::Executed) };
    let state = of(broken.clone().into_iter().chain([said("reconcile.rerun", "acme", 1), rerun]));
    assert_eq!(ended(&state), [None, Some(Reason::Trapped), Some(Reason::Ok)]);
    // Also before the book says that it broke off.
    let state = of(broken.clone().into_iter().chain([said("reconcile.done", "acme", 2)]));
    assert_eq!(ended(&state), [None, Some(Reason::Ok), Some(Reason::Trapped)]);
    let from: Vec<_> = state.writes().filter(|w| w.ended == Some(Reason::Ok)).map(|w| w.at_unix_ms).collect();
    assert_eq!(from, [NOON_MS + 9000], "it is kept from then on");
    let others = [
        said("reconcile.failed", "globex", 1),
        said("reconcile.failed", "acme", 3),
        said("reconcile.failed", "acme", 9),
        said("reconcile.list", "acme", 1),
    ];
    assert_eq!(ended(&of(broken.into_iter().chain(others))), [None, None, Some(Reason::Trapped)]);
}
