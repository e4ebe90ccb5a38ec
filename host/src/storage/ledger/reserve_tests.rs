//! Reservations: races, leases, windows, clean ends and crashes.
//!
//! Takes: nothing. Gives: tests. May name: id.

use super::budget::{Amounts, Budget, Exceeded};
use super::budget::{Of, Per};
use super::fixture::{NOON, Still, acme, on_disk};
use super::reserve::ReserveError;
use super::*;
use crate::storage::folder::tests::temporary;

fn budget(of: Of, per: Per, limit: u64) -> Budget {
    Budget::new(of, per, limit)
}

fn refusal<T: fmt::Debug>(result: Result<T, ReserveError>) -> Exceeded {
    match result.unwrap_err() {
        ReserveError::Exceeded(e) => e,
        ReserveError::Storage(e) => panic!("{e}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_racing_for_the_last_unit_one_wins() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let budgets = [budget(Of::Calls, Per::Day, 5), budget(Of::Fuel, Per::Hour, 1000)];
    for _ in 0..4 {
        ledger.reserve(&acme(), &budgets, Amounts::call(10)).await.unwrap().commit().settle(Amounts::call(1));
    }
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ledger = ledger.clone();
        let budgets = budgets.clone();
        racers.spawn(async move { ledger.reserve(&acme(), &budgets, Amounts::call(10)).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = racers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 99));
    for lost in lost {
        let e = refusal(lost);
        assert_eq!((&e.budget, e.left, e.retry_after_ms), (&budgets[0], 0, Some(43_200_000)));
    }
    drop(won);
    let usage = ledger.usage(&acme(), &budgets).await.unwrap();
    assert_eq!(usage.iter().map(|u| (u.spent, u.reserved)).collect::<Vec<_>>(), [(4, 0), (4, 0)]);
}

#[tokio::test]
async fn a_lease_covers_calls_without_the_file_and_a_drop_decides_the_cost() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let budgets = [budget(Of::Fuel, Per::Total, 10_000)];
    assert!(ledger.try_reserve(&acme(), &budgets, Amounts::call(100)).unwrap().is_none());
    drop(ledger.reserve(&acme(), &budgets, Amounts::call(100)).await.unwrap());
    let again = ledger.try_reserve(&acme(), &budgets, Amounts::call(100)).unwrap().unwrap();
    assert_eq!(again.commit().settle(Amounts { calls: 9, ..Amounts::call(101) }), Amounts::call(100));
    drop(ledger.try_reserve(&acme(), &budgets, Amounts::call(100)).unwrap().unwrap().commit());
    let held = ledger.try_reserve(&acme(), &budgets, Amounts::call(7)).unwrap().unwrap();
    let usage = ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
    assert_eq!((usage.spent, usage.reserved, usage.left()), (200, 7, 9793));
    assert_eq!(held.amounts(), Amounts::call(7));
}

#[tokio::test]
async fn a_window_begins_anew_and_a_clock_that_goes_back_finds_no_fresh_one() {
    let (_guard, folder, clock, ledger) = on_disk();
    let budgets = [budget(Of::Calls, Per::Minute, 2)];
    let spend = async |ledger: &SqliteLedger| {
        let reserved = ledger.reserve(&acme(), &budgets, Amounts::call(0)).await;
        reserved.map(|r| r.commit().settle(Amounts::call(0)))
    };
    for _ in 0..2 {
        spend(&ledger).await.unwrap();
    }
    assert_eq!(refusal(spend(&ledger).await).retry_after_ms, Some(60_000));
    clock.pass(60_000);
    spend(&ledger).await.unwrap();
    clock.set_back(120_000);
    spend(&ledger).await.unwrap();
    assert_eq!(refusal(spend(&ledger).await).retry_after_ms, Some(180_000));
    ledger.close().await.unwrap();
    let reopened = SqliteLedger::open(&folder, clock).unwrap();
    assert_eq!(refusal(spend(&reopened).await).left, 0);
}

#[tokio::test]
async fn a_clean_end_keeps_what_was_spent_and_a_crash_the_whole_lease() {
    let (_guard, folder, clock, ledger) = on_disk();
    let budgets = [budget(Of::Calls, Per::Total, 1000)];
    let usage = async |ledger: &SqliteLedger| ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
    ledger.reserve(&acme(), &budgets, Amounts::call(1)).await.unwrap().commit().settle(Amounts::call(1));
    ledger.close().await.unwrap();
    assert_eq!(
        ledger.try_reserve(&acme(), &budgets, Amounts::call(1)).unwrap_err(),
        StorageError::Closed.into()
    );
    let second = SqliteLedger::open(&folder, clock.clone()).unwrap();
    assert_eq!((usage(&second).await.spent, usage(&second).await.reserved), (1, 0));
    second.reserve(&acme(), &budgets, Amounts::call(1)).await.unwrap().commit().settle(Amounts::call(1));
    drop(second);
    let third = SqliteLedger::open(&folder, clock).unwrap();
    let after = usage(&third).await;
    assert!((2..=66).contains(&after.spent) && after.reserved == 0, "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_limit() {
    let (_guard, folder) = temporary();
    let ledgers = [(); 2].map(|()| SqliteLedger::open(&folder, Still::at(NOON)).unwrap());
    let budgets = [budget(Of::Calls, Per::Hour, 100)];
    let mut callers = tokio::task::JoinSet::new();
    for i in 0..200 {
        let (ledger, budgets) = (ledgers[i % 2].clone(), budgets.clone());
        callers.spawn(async move {
            let reserved = ledger.reserve(&acme(), &budgets, Amounts::call(0)).await;
            reserved.map(|r| r.commit().settle(Amounts::call(0))).is_ok()
        });
    }
    let admitted = callers.join_all().await.into_iter().filter(|ok| *ok).count();
    assert!((90..=100).contains(&admitted), "{admitted}");
    for ledger in &ledgers {
        ledger.close().await.unwrap();
    }
    let later = SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
    assert_eq!(later.usage(&acme(), &budgets).await.unwrap()[0].spent, admitted as u64);
}

#[tokio::test]
async fn a_changed_limit_counts_at_once() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let limit = |limit| [budget(Of::Calls, Per::Day, limit)];
    ledger.reserve(&acme(), &limit(1000), Amounts::call(0)).await.unwrap().commit().settle(Amounts::call(0));
    assert_eq!(refusal(ledger.reserve(&acme(), &limit(1), Amounts::call(0)).await).left, 0);
    assert_eq!(refusal(ledger.reserve(&acme(), &limit(0), Amounts::call(0)).await).left, 0);
    drop(ledger.reserve(&acme(), &limit(2), Amounts::call(0)).await.unwrap());
    let huge =
        ledger.reserve(&acme(), &limit(u64::MAX), Amounts { calls: u64::MAX, ..Amounts::default() }).await;
    assert!(refusal(huge).left > 1000);
}
