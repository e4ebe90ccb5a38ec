//! Alerts are told once for each part of a limit, in each window, by one process; and counts are kept apart.
//!
//! Takes: nothing. Gives: tests. May name: id.

use super::fixture::{NOON, Still, acme, on_disk};
use super::*;
use crate::id::{ActorId, RunId, TenantId, ToolName};
use crate::storage::folder::tests::temporary;

async fn spend(ledger: &SqliteLedger, tenant: &TenantId, budgets: &[Budget], times: u64) -> u64 {
    let mut done = 0;
    for _ in 0..times {
        if let Ok(reserved) = ledger.reserve(tenant, budgets, Amounts::call(0)).await {
            reserved.commit().settle(Amounts::call(0));
            done += 1;
        }
    }
    done
}

/// What has been told so far, as everybody who asks from the beginning hears it.
async fn told(ledger: &SqliteLedger, tenant: Option<&TenantId>) -> Vec<(u8, u64)> {
    // The writer notes alerts in order: one more change after them says that they are there.
    ledger.lower(&acme(), &Budget::new(Of::Egress, Per::Total, 0).count).await.unwrap();
    let newest = alerts::newest(&ledger.inner.reader.lock()).unwrap();
    let mut alerts = ledger.alerts(tenant, Some(0));
    let mut found = Vec::new();
    while found.last().is_none_or(|(_, _, id)| *id < newest) && newest > 0 {
        let alert = alerts.next().await.unwrap().unwrap();
        found.push((alert.percent, alert.limit, alert.id));
        if tenant.is_some() && found.len() as u64 == newest {
            break;
        }
    }
    found.into_iter().map(|(percent, limit, _)| (percent, limit)).collect()
}

#[tokio::test]
async fn each_part_is_told_once_by_two_processes_and_again_in_a_new_window() {
    let (_guard, folder) = temporary();
    let clock = Still::at(NOON);
    let one = SqliteLedger::open(&folder, clock.clone()).unwrap();
    let two = SqliteLedger::open(&folder, clock.clone()).unwrap();
    let warn = |limit| [Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Calls, Per::Minute, limit) }];
    for _ in 0..10 {
        assert_eq!(spend(&one, &acme(), &warn(20), 1).await, 1);
        assert_eq!(spend(&two, &acme(), &warn(20), 1).await, 1);
    }
    told(&two, None).await;
    let parts = told(&one, None).await;
    assert_eq!(
        parts,
        [(50, 20), (80, 20), (100, 20)].into_iter().filter(|p| parts.contains(p)).collect::<Vec<_>>()
    );
    assert_eq!(
        parts.last(),
        Some(&(100, 20)),
        "however much one process knows of the other, the end is told"
    );
    assert_eq!(parts[0].0, 50, "what two processes have leased of a small budget is no false alarm");
    assert_eq!(spend(&one, &acme(), &warn(20), 30).await, 30, "a warning refuses nothing");
    assert_eq!(told(&one, None).await, parts);
    clock.pass(60_000);
    spend(&one, &acme(), &warn(20), 10).await;
    assert_eq!(told(&one, None).await.len(), parts.len() + 1);
    // At a higher limit the same part is news.
    spend(&one, &acme(), &warn(10), 1).await;
    assert_eq!(told(&one, None).await.last(), Some(&(100, 10)));
}

#[tokio::test]
async fn a_process_alone_tells_every_part_in_its_moment_and_a_listener_before_everybody() {
    let (_guard, folder, clock, ledger) = on_disk();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    ledger.on_alert(Box::new(move |alert| hears.lock().push((alert.percent, alert.spent))));
    let budgets = [Budget::new(Of::Calls, Per::Day, 10)];
    let mut live = ledger.alerts(Some(&acme()), None);
    for (times, parts) in [(4, 0), (1, 1), (2, 1), (1, 2), (1, 2), (1, 3), (5, 3)] {
        spend(&ledger, &acme(), &budgets, times).await;
        assert_eq!(told(&ledger, None).await.len(), parts);
    }
    assert_eq!(*heard.lock(), [(50, 5), (80, 8), (100, 10)]);
    for percent in [50, 80, 100] {
        assert_eq!(live.next().await.unwrap().unwrap().percent, percent);
    }
    // A process that comes later neither tells again nor misses what was told.
    let later = SqliteLedger::open(&folder, clock.clone()).unwrap();
    spend(&later, &acme(), &budgets, 1).await;
    assert_eq!(told(&later, None).await, [(50, 10), (80, 10), (100, 10)]);
    let globex = TenantId::new("globex").unwrap();
    let mut others = ledger.alerts(Some(&globex), Some(0));
    spend(&ledger, &globex, &[Budget::new(Of::Calls, Per::Day, 2)], 1).await;
    let first = others.next().await.unwrap().unwrap();
    assert_eq!((first.tenant, first.percent, first.who.as_str()), (globex, 50, ""));
    ledger.close().await.unwrap();
    assert!(others.next().await.unwrap().is_none() && live.next().await.is_ok());
}

#[tokio::test]
async fn alerts_that_were_kept_long_enough_go_and_their_numbers_are_not_used_again() {
    let (_guard, folder, clock, ledger) = on_disk();
    let budgets = [Budget::new(Of::Calls, Per::Day, 2)];
    spend(&ledger, &acme(), &budgets, 2).await;
    assert_eq!(told(&ledger, None).await.len(), 2);
    for (days, cleaned) in [(7, 0), (8, 2)] {
        let clean = move |c: &Connection| alerts::clean(c, NOON + days * 86_400_000);
        assert_eq!(ledger.inner.writer().unwrap().run(clean).await.unwrap(), cleaned);
    }
    drop(ledger);
    clock.pass(86_400_000);
    let ledger = SqliteLedger::open(&folder, clock).unwrap();
    let mut alerts = ledger.alerts(None, Some(2));
    spend(&ledger, &acme(), &budgets, 1).await;
    assert_eq!(alerts.next().await.unwrap().unwrap().id, 3, "who has heard two misses nothing");
}

#[tokio::test]
async fn counts_of_actors_tools_runs_and_tenants_are_kept_apart() {
    let (_guard, folder, clock, ledger) = on_disk();
    let (kim, orders) = (ActorId::new("kim").unwrap(), ToolName::new("orders").unwrap());
    let (lee, run) = (ActorId::new("lee").unwrap(), RunId::new("r1").unwrap());
    let of = |per, who| Budget { count: Count { of: Of::Calls, per, who }, ..Budget::new(Of::Calls, per, 3) };
    let globex = TenantId::new("globex").unwrap();
    let counts = [
        (acme(), of(Per::Total, Who::default())),
        (acme(), of(Per::Total, Who::of(Some(&kim), None, None))),
        (acme(), of(Per::Total, Who::of(Some(&lee), None, None))),
        (acme(), of(Per::Total, Who::of(None, Some(&orders), None))),
        (acme(), of(Per::Total, Who::of(Some(&kim), Some(&orders), None))),
        (acme(), of(Per::Run, Who::of(None, None, Some(&run)))),
        (globex.clone(), of(Per::Run, Who::of(None, None, Some(&run)))),
    ];
    for (tenant, budget) in &counts {
        assert_eq!(spend(&ledger, tenant, std::slice::from_ref(budget), 9).await, 3, "{tenant} {budget}");
    }
    assert_eq!(ledger.counts(&acme()).unwrap().len(), 6);
    assert_eq!(ledger.counts(&globex).unwrap(), [counts[6].1.count.clone()]);
    ledger.close().await.unwrap();
    let ledger = SqliteLedger::open(&folder, clock).unwrap();
    for (tenant, budget) in &counts {
        assert_eq!(spend(&ledger, tenant, std::slice::from_ref(budget), 1).await, 0, "{tenant} {budget}");
    }
}

#[tokio::test]
async fn a_run_that_rests_for_a_day_begins_anew_and_is_forgotten_after_two() {
    let (_guard, _folder, clock, ledger) = on_disk();
    let who = Who::of(None, None, Some(&RunId::new("r1").unwrap()));
    let count = Count { of: Of::Calls, per: Per::Run, who };
    let budgets = [Budget { count, ..Budget::new(Of::Calls, Per::Run, 3) }];
    assert_eq!(spend(&ledger, &acme(), &budgets, 9).await, 3);
    clock.pass(23 * 3_600_000);
    assert_eq!(spend(&ledger, &acme(), &budgets, 1).await, 0);
    clock.pass(49 * 3_600_000);
    let forget = |c: &Connection| lease::forget_runs(c, NOON + 72 * 3_600_000);
    assert_eq!(ledger.inner.writer().unwrap().run(forget).await.unwrap(), 1);
    assert_eq!(spend(&ledger, &acme(), &budgets, 9).await, 3);
}

#[tokio::test]
async fn a_month_is_one_of_the_calendar() {
    let (_guard, _folder, clock, ledger) = on_disk();
    let budgets = [Budget::new(Of::Calls, Per::Month, 2)];
    assert_eq!(spend(&ledger, &acme(), &budgets, 5).await, 2);
    let usage = ledger.usage(&acme(), &budgets).await.unwrap().remove(0);
    let end = usage.window_ends.unwrap();
    assert!((28..=31).contains(&((end - usage.window_start) / 86_400_000)));
    clock.pass(end - NOON - 1);
    assert_eq!(spend(&ledger, &acme(), &budgets, 5).await, 0);
    clock.pass(1);
    assert_eq!(spend(&ledger, &acme(), &budgets, 5).await, 2);
}

#[tokio::test]
async fn a_warning_stands_in_the_way_of_nothing_and_leases_of_it_are_no_bottleneck() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let warn = Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Calls, Per::Day, 1) };
    let budgets = [Budget::new(Of::Calls, Per::Total, 1_000_000), warn];
    drop(ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.unwrap());
    // Beyond its limit it has leases all the same, so that not every call asks the file.
    for _ in 0..60 {
        let reserved = ledger.try_reserve(&acme(), &budgets, Amounts::call(0)).unwrap().unwrap();
        reserved.commit().settle(Amounts::call(0));
    }
    assert_eq!(ledger.usage(&acme(), &budgets).await.unwrap()[1].left(), 0);
}
