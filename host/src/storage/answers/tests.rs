//! The bounds, the times and the order of kept answers.

use super::{ANSWER_BYTES, Answers, Asked, Kept, Looked, MAX_ANSWER, Ticket};
use crate::id::{CallId, Digest, TenantId, ToolName};
use crate::powers::Clock;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// What each answer of these tests counts.
const ONE: u64 = ANSWER_BYTES + 1;

#[derive(Debug, Default)]
struct Still(AtomicU64);

impl Clock for Still {
    fn unix_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        unreachable!("answers have dates")
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn tool(name: &str) -> ToolName {
    ToolName::new(name).unwrap()
}

fn asked(whose: &str, rest: &str) -> Asked {
    Asked { tenant: tenant(whose), tool: tool("orders"), rest: Digest::of(rest.as_bytes()) }
}

fn answers(each: u64, in_all: u64) -> (Answers, Arc<Still>) {
    let clock = Arc::new(Still::default());
    clock.0.store(1_000_000, Ordering::SeqCst);
    (Answers::with(clock.clone(), each * ONE, in_all * ONE), clock)
}

fn found(answers: &Answers, asked: Asked) -> Option<Kept> {
    match answers.look(asked, MINUTE) {
        Looked::Found(kept) => Some(kept),
        Looked::Missing(_) => None,
    }
}

fn ticket(answers: &Answers, asked: Asked) -> Ticket {
    match answers.look(asked, MINUTE) {
        Looked::Missing(ticket) => ticket,
        Looked::Found(kept) => panic!("{kept:?}"),
    }
}

fn call(n: u8) -> CallId {
    CallId::new(u64::from(n), [n; 10])
}

fn put(answers: &Answers, whose: &str, rest: &str) {
    answers.keep(ticket(answers, asked(whose, rest)), "1", call(1));
}

#[test]
fn an_answer_is_found_by_its_tenant_in_its_time() {
    let (answers, clock) = answers(10, 10);
    let first = ticket(&answers, asked("acme", "a"));
    // It is as old as its call.
    clock.0.fetch_add(10_000, Ordering::SeqCst);
    answers.keep(first, "[1]", call(7));
    let kept = found(&answers, asked("acme", "a")).unwrap();
    assert_eq!((&*kept.value, kept.call, kept.age_ms, kept.left_ms), ("[1]", call(7), 10_000, 50_000));
    assert!(found(&answers, asked("globex", "a")).is_none() && found(&answers, asked("acme", "b")).is_none());
    clock.0.fetch_add(49_999, Ordering::SeqCst);
    assert_eq!(found(&answers, asked("acme", "a")).unwrap().left_ms, 1);
    clock.0.fetch_add(1, Ordering::SeqCst);
    assert!(found(&answers, asked("acme", "a")).is_none());
    // One that took longer than it would be kept for is not.
    let slow = ticket(&answers, asked("acme", "slow"));
    clock.0.fetch_add(60_000, Ordering::SeqCst);
    answers.keep(slow, "1", call(1));
    assert_eq!(answers.stock.lock().held(&tenant("acme")), (0, 0));
    // A clock that was set back makes nothing last longer.
    put(&answers, "acme", "back");
    clock.0.fetch_sub(1, Ordering::SeqCst);
    assert!(found(&answers, asked("acme", "back")).is_none());
}

#[test]
fn a_write_makes_old_what_began_before_its_end() {
    let (answers, _) = answers(10, 10);
    put(&answers, "acme", "before");
    put(&answers, "globex", "before");
    let over = ticket(&answers, asked("acme", "over"));
    let writing = answers.writing(tenant("acme"), tool("orders"), false);
    let within = ticket(&answers, asked("acme", "within"));
    assert!(found(&answers, asked("acme", "before")).is_some(), "it has changed nothing yet");
    drop(writing);
    for late in [over, within] {
        answers.keep(late, "1", call(1));
    }
    for old in ["before", "over", "within"] {
        assert!(found(&answers, asked("acme", old)).is_none(), "{old}");
    }
    assert!(found(&answers, asked("globex", "before")).is_some(), "another tenant's");
    put(&answers, "acme", "after");
    assert!(found(&answers, asked("acme", "after")).is_some());
    drop(answers.writing(tenant("acme"), tool("other"), false));
    assert!(found(&answers, asked("acme", "after")).is_some(), "another tool's write");
    drop(answers.writing(tenant("acme"), tool("other"), true));
    assert!(found(&answers, asked("acme", "after")).is_none(), "of what the tools share");
}

#[test]
fn what_is_forgotten_does_not_come_back_with_a_call_that_ends_later() {
    let (answers, _) = answers(10, 10);
    let forgetting: [&dyn Fn(); 3] =
        [&|| answers.forget_tenants([&tenant("acme")]), &|| answers.forget_tool(&tool("orders")), &|| {
            answers.forget_all()
        }];
    for forget in forgetting {
        put(&answers, "acme", "a");
        put(&answers, "globex", "a");
        let late = ticket(&answers, asked("acme", "late"));
        forget();
        answers.keep(late, "1", call(1));
        assert!(found(&answers, asked("acme", "a")).is_none());
        assert!(found(&answers, asked("acme", "late")).is_none());
        assert_eq!(answers.stock.lock().held(&tenant("acme")).1, 0);
        answers.forget_all();
    }
    put(&answers, "globex", "a");
    answers.forget_tenants([&tenant("acme")]);
    assert!(found(&answers, asked("globex", "a")).is_some(), "the others keep theirs");
}

#[test]
fn who_has_most_gives_way_and_nobody_else() {
    let (answers, _) = answers(8, 10);
    put(&answers, "quiet", "only");
    for n in 0..20 {
        put(&answers, "noisy", &n.to_string());
    }
    assert!(found(&answers, asked("quiet", "only")).is_some());
    assert_eq!(answers.stock.lock().held(&tenant("noisy")), (9 * ONE, 8 * ONE), "its own part, and no more");
    assert!(
        found(&answers, asked("noisy", "11")).is_none() && found(&answers, asked("noisy", "12")).is_some()
    );
    // A third comes, and the loud one alone makes room, down to what both have then.
    for n in 0..20 {
        put(&answers, "third", &n.to_string());
    }
    let held = |whose: &str| answers.stock.lock().held(&tenant(whose)).1 / ONE;
    assert_eq!((held("quiet"), held("noisy"), held("third")), (1, 5, 4));
    put(&answers, "quiet", "second");
    assert_eq!((held("quiet"), held("noisy"), held("third")), (2, 4, 4));
}

#[test]
fn what_is_too_large_is_not_kept_and_costs_nothing() {
    let (answers, _) = answers(4, 100);
    put(&answers, "acme", "a");
    let large = "x".repeat(usize::try_from(4 * ONE).unwrap());
    answers.keep(ticket(&answers, asked("acme", "large")), &large, call(1));
    let larger = "x".repeat(MAX_ANSWER + 1);
    answers.keep(ticket(&answers, asked("acme", "larger")), &larger, call(1));
    assert!(found(&answers, asked("acme", "a")).is_some());
    assert_eq!(answers.stock.lock().held(&tenant("acme")), (ONE, ONE));
}

proptest! {
    /// Whatever is kept, written and forgotten: no bound is passed, sums are right, and nobody loses an answer to somebody who
    /// has more.
    #[test]
    fn no_tenant_takes_from_one_that_has_less(steps in vec((0..4_u8, 0..12_u8, 0..10_u8, 0..30_000_u64), 1..120)) {
        let (answers, clock) = answers(5, 12);
        let names = ["a", "b", "c", "d"];
        let held = |whose: usize| answers.stock.lock().held(&tenant(names[whose]));
        for (whose, rest, what, later) in steps {
            let (who, name) = (usize::from(whose), names[usize::from(whose)]);
            let before: Vec<u64> = (0..4).map(|n| held(n).1).collect();
            match what {
                0 => drop(answers.writing(tenant(name), tool("orders"), false)),
                1 => answers.forget_tenants([&tenant(name)]),
                2 => drop(clock.0.fetch_add(later, Ordering::SeqCst)),
                _ => if let Looked::Missing(ticket) = answers.look(asked(name, &rest.to_string()), Duration::from_hours(1)) {
                    answers.keep(ticket, "1", call(1));
                    for other in (0..4).filter(|n| *n != who) {
                        let after = held(other).1;
                        prop_assert!(after == before[other] || after >= held(who).1, "{before:?} {other} {who}");
                    }
                },
            }
            for n in 0..4 {
                let (all, own) = held(n);
                prop_assert!(all <= 12 * ONE && own <= 5 * ONE);
            }
        }
    }
}
