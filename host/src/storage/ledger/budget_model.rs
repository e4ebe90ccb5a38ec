//! Accounts and leases against plain sums: several processes on one file, in any order of what they may do.
//!
//! Takes: nothing. Gives: property tests. May name: id, powers.

use super::account::{Account, Now, Part, Tried};
use super::budget::{Amounts, Budget, BudgetMode, Count, Exceeded, Of, Per};
use super::owner::OwnerId;
use super::who::Who;
use super::{lease, schema};
use crate::id::{ActorId, RunId, TenantId};
use crate::powers::{Clock, SystemClock};
use crate::storage::sqlite;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

/// What processes on one ledger do, in any order.
#[derive(Debug, Clone)]
enum Op {
    Reserve { process: usize, actor: usize, run: Option<usize>, fuel: u64 },
    Settle { which: usize, fuel: u64 },
    Pass { ms: u64 },
    Back { ms: u64 },
    Crash { process: usize },
    Close { process: usize },
}

fn ops(processes: usize) -> impl Strategy<Value = Vec<Op>> {
    let reserve = (0..processes, 0..ACTORS.len(), prop::option::of(0..RUNS.len()), 0u64..60);
    let op = prop_oneof![
        8 => reserve.prop_map(|(process, actor, run, fuel)| Op::Reserve { process, actor, run, fuel }),
        6 => (any::<prop::sample::Index>(), 0u64..80)
            .prop_map(|(i, fuel)| Op::Settle { which: i.index(1000), fuel }),
        1 => (1u64..90_000).prop_map(|ms| Op::Pass { ms }),
        1 => (1u64..90_000).prop_map(|ms| Op::Back { ms }),
        1 => (0..processes).prop_map(|process| Op::Crash { process }),
        1 => (0..processes).prop_map(|process| Op::Close { process }),
    ];
    prop::collection::vec(op, 1..120)
}

const ACTORS: [&str; 2] = ["kim", "lee"];
const RUNS: [&str; 2] = ["r1", "r2"];

/// What a call of this actor in this run counts for: the whole tenant's, its actor's, its run's, and one that only warns.
fn budgets(actor: usize, run: Option<usize>) -> Vec<Budget> {
    let actor = ActorId::new(ACTORS[actor]).unwrap();
    let run = run.map(|run| RunId::new(RUNS[run]).unwrap());
    let of = |of, per, who, limit| Budget { count: Count { of, per, who }, ..Budget::new(of, per, limit) };
    let mut all = vec![
        Budget::new(Of::Calls, Per::Minute, 9),
        Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Fuel, Per::Minute, 10) },
        Budget::new(Of::Fuel, Per::Total, 900),
        Budget::new(Of::Calls, Per::Minute, 7),
        of(Of::Calls, Per::Minute, Who::of(Some(&actor), None, None), 4),
    ];
    all.extend(run.as_ref().map(|run| of(Of::Calls, Per::Run, Who::of(None, None, Some(run)), 5)));
    all
}

/// The most that may be used of a count, if anything is refused there.
fn limit(count: &Count) -> Option<u64> {
    let all = (0..ACTORS.len()).flat_map(|a| (0..RUNS.len()).flat_map(move |r| budgets(a, Some(r))));
    all.filter(|b| b.count == *count && b.mode == BudgetMode::Hard).map(|b| b.limit).min()
}

/// The reference: plain sums of what is charged or held, of each count in each window. Only crashes make it inexact,
/// downwards.
#[derive(Default)]
struct Model {
    sums: HashMap<(Count, u64), u64>,
    /// The window that a count is in: that of the time, or a later one that was begun before the clock went back.
    windows: HashMap<Count, u64>,
}

impl Model {
    fn fits(&self, budgets: &[Budget], want: Amounts, unix_ms: u64) -> bool {
        budgets.iter().all(|Budget { count, .. }| {
            let window = self.windows.get(count).map_or(0, |w| *w).max(count.per.window_start(unix_ms));
            let used = self.sums.get(&(count.clone(), window)).map_or(0, |n| *n);
            limit(count).is_none_or(|limit| used + want.of(count.of) <= limit)
        })
    }

    fn begun(&mut self, count: &Count, start: u64) {
        let window = self.windows.entry(count.clone()).or_default();
        *window = start.max(*window);
    }

    fn is_within_limits(&self) -> bool {
        self.sums.iter().all(|((count, _), sum)| limit(count).is_none_or(|limit| *sum <= limit))
    }
}

struct Held {
    process: usize,
    owner: OwnerId,
    parts: Vec<Part>,
}

struct World {
    file: rusqlite::Connection,
    processes: Vec<(OwnerId, Account)>,
    held: Vec<Held>,
    next_owner: i64,
    now: Now,
}

impl World {
    fn reserve(&mut self, process: usize, budgets: &[Budget], want: Amounts) -> Result<Vec<Part>, Exceeded> {
        let tenant = TenantId::new("acme").unwrap();
        loop {
            let (owner, account) = &mut self.processes[process];
            match account.try_reserve(self.now, budgets, want) {
                Tried::Held(parts) => return Ok(parts),
                Tried::Exceeded(exceeded) => return Err(exceeded),
                Tried::Short(asks) => {
                    let grants = lease::extend(&self.file, *owner, &tenant, &asks, self.now.unix_ms).unwrap();
                    account.apply(&grants, self.now.monotonic);
                }
            }
        }
    }
}

fn play(processes: usize, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let base = 1_800_000_000_000;
    let mut world = World {
        file: sqlite::open_in_memory(&schema::SCHEMA).unwrap(),
        processes: (0..processes).map(|i| (OwnerId(i as i64), Account::default())).collect(),
        held: Vec::new(),
        next_owner: 100,
        now: Now { unix_ms: base, monotonic: SystemClock.monotonic() },
    };
    let mut model = Model::default();
    let mut crashed = false;
    for op in ops {
        match op {
            Op::Reserve { process, actor, run, fuel } => {
                let (want, budgets) = (Amounts::call(fuel), budgets(actor, run));
                let fits = model.fits(&budgets, want, world.now.unix_ms);
                let got = world.reserve(process, &budgets, want);
                // One process alone knows all. Of several, one may hold a lease that another lacks.
                if processes == 1 && !crashed {
                    prop_assert_eq!(got.is_ok(), fits, "{:?}", got);
                }
                for Budget { count, .. } in &budgets {
                    if let Some(used) = world.processes[process].1.used(count) {
                        model.begun(count, used.start);
                    }
                }
                match got {
                    Ok(parts) => {
                        for Part { count, start, amount } in &parts {
                            *model.sums.entry((count.clone(), *start)).or_default() += amount;
                        }
                        let owner = world.processes[process].0;
                        world.held.push(Held { process, owner, parts });
                    }
                    Err(e) => {
                        prop_assert!(e.left < want.of(e.budget.count.of));
                        prop_assert_eq!(e.budget.mode, BudgetMode::Hard, "a warning refuses nothing");
                    }
                }
            }
            Op::Settle { which, fuel } if !world.held.is_empty() => {
                let held = world.held.swap_remove(which % world.held.len());
                let actual = Amounts::call(fuel);
                world.processes[held.process].1.settle(&held.parts, actual);
                for Part { count, start, amount } in held.parts {
                    *model.sums.get_mut(&(count.clone(), start)).unwrap() -=
                        amount - actual.of(count.of).min(amount);
                }
            }
            Op::Settle { .. } => {}
            Op::Pass { ms } => {
                world.now.unix_ms += ms;
                world.now.monotonic += Duration::from_millis(ms + 250);
            }
            Op::Back { ms } => world.now.unix_ms -= ms,
            Op::Crash { process } | Op::Close { process } => {
                let (owner, account) = &world.processes[process];
                if matches!(op, Op::Crash { .. }) {
                    crashed = true;
                    lease::count_as_spent(&world.file, *owner).unwrap();
                } else {
                    let tenant = TenantId::new("acme").unwrap();
                    lease::give_back(&world.file, *owner, &[(tenant, account.close())]).unwrap();
                }
                // Whatever it held stays charged in full.
                world.held.retain(|h| h.owner != *owner);
                world.next_owner += 1;
                world.processes[process] = (OwnerId(world.next_owner), Account::default());
                // Others may now find room that they were refused a moment ago.
                world.now.monotonic += Duration::from_millis(250);
            }
        }
        prop_assert!(model.is_within_limits());
    }
    if !crashed {
        let tenant = TenantId::new("acme").unwrap();
        for (owner, account) in &world.processes {
            lease::give_back(&world.file, *owner, &[(tenant.clone(), account.close())]).unwrap();
        }
        for count in lease::counts(&world.file, &tenant).unwrap() {
            let (start, spent) = lease::window(&world.file, "acme", &count).unwrap().unwrap();
            let sum = model.sums.get(&(count.clone(), start)).map_or(0, |n| *n);
            prop_assert_eq!(spent, sum, "{:?}", count);
        }
    }
    Ok(())
}

/// A process that is refused in a new window, by its run, may be told to go back into the old one, as others are.
#[test]
fn what_was_spent_is_known_when_the_clock_goes_back() {
    let reserve = |process, actor, run| Op::Reserve { process, actor, run, fuel: 0 };
    let minute = 60_000;
    let refused = [reserve(0, 0, Some(0)), reserve(2, 1, Some(0)), Op::Pass { ms: minute }];
    let refused = refused.into_iter().chain([reserve(2, 0, Some(0)), reserve(2, 1, Some(0))]);
    let back = [Op::Back { ms: minute }, Op::Close { process: 2 }];
    let again = std::iter::repeat_n(reserve(1, 1, None), 4);
    play(3, refused.chain(back).chain(again).collect()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn one_process_agrees_with_the_reference(ops in ops(1)) {
        play(1, ops)?;
    }

    #[test]
    fn several_processes_never_spend_more_than_the_limit(ops in ops(3)) {
        play(3, ops)?;
    }
}
