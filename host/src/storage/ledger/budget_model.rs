//! Accounts and leases against plain sums: several processes on one file, in any order of what they may do.
//!
//! Takes: nothing. Gives: property tests. May name: id, powers.

use super::account::{Account, Now, Part, Tried};
use super::budget::{Amounts, Budget, Exceeded, Of, Per};
use super::owner::OwnerId;
use super::{lease, schema};
use crate::id::TenantId;
use crate::powers::{Clock, SystemClock};
use crate::storage::sqlite;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

/// What processes on one ledger do, in any order.
#[derive(Debug, Clone)]
enum Op {
    Reserve { process: usize, fuel: u64 },
    Settle { which: usize, fuel: u64 },
    Pass { ms: u64 },
    Back { ms: u64 },
    Crash { process: usize },
    Close { process: usize },
}

fn ops(processes: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (0..processes, 0u64..60).prop_map(|(process, fuel)| Op::Reserve { process, fuel }),
        6 => (any::<prop::sample::Index>(), 0u64..80)
            .prop_map(|(i, fuel)| Op::Settle { which: i.index(1000), fuel }),
        1 => (1u64..90_000).prop_map(|ms| Op::Pass { ms }),
        1 => (1u64..90_000).prop_map(|ms| Op::Back { ms }),
        1 => (0..processes).prop_map(|process| Op::Crash { process }),
        1 => (0..processes).prop_map(|process| Op::Close { process }),
    ];
    prop::collection::vec(op, 1..120)
}

/// The reference: plain sums of what is charged or held. Only crashes make it inexact, downwards.
#[derive(Default)]
struct Model {
    latest: u64,
    minutes: HashMap<u64, u64>,
    total: u64,
}

struct Held {
    process: usize,
    owner: OwnerId,
    parts: Vec<Part>,
    want: Amounts,
}

struct World {
    file: rusqlite::Connection,
    processes: Vec<(OwnerId, Account)>,
    held: Vec<Held>,
    next_owner: i64,
    now: Now,
}

fn budgets() -> [Budget; 3] {
    [
        Budget::new(Of::Calls, Per::Minute, 9),
        Budget::new(Of::Fuel, Per::Total, 900),
        Budget::new(Of::Calls, Per::Minute, 7),
    ]
}

impl World {
    fn reserve(&mut self, process: usize, want: Amounts) -> Result<Vec<Part>, Exceeded> {
        let tenant = TenantId::new("acme").unwrap();
        loop {
            let (owner, account) = &mut self.processes[process];
            match account.try_reserve(self.now, &budgets(), want) {
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
            Op::Reserve { process, fuel } => {
                let want = Amounts::call(fuel);
                let minute = model.latest.max(Per::Minute.window_start(world.now.unix_ms));
                let calls = model.minutes.get(&minute).map_or(0, |n| *n);
                let fits = calls < 7 && model.total + fuel <= 900;
                let got = world.reserve(process, want);
                // One process alone knows all. Of several, one may hold a lease that another lacks.
                if processes == 1 && !crashed {
                    prop_assert_eq!(got.is_ok(), fits, "{:?}", got);
                }
                match got {
                    Ok(parts) => {
                        model.latest = model.latest.max(parts[0].start);
                        *model.minutes.entry(parts[0].start).or_default() += 1;
                        model.total += fuel;
                        let owner = world.processes[process].0;
                        world.held.push(Held { process, owner, parts, want });
                    }
                    Err(e) => prop_assert!(e.left < want.of(e.budget.count.of)),
                }
            }
            Op::Settle { which, fuel } if !world.held.is_empty() => {
                let held = world.held.swap_remove(which % world.held.len());
                world.processes[held.process].1.settle(&held.parts, Amounts::call(fuel));
                model.total -= held.want.fuel.saturating_sub(fuel);
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
        prop_assert!(model.minutes.values().all(|n| *n <= 7) && model.total <= 900);
    }
    if !crashed {
        let tenant = TenantId::new("acme").unwrap();
        for (owner, account) in &world.processes {
            lease::give_back(&world.file, *owner, &[(tenant.clone(), account.close())]).unwrap();
        }
        let spent = lease::window(&world.file, "acme", &budgets()[1].count).unwrap().map_or(0, |w| w.1);
        prop_assert_eq!(spent, model.total);
    }
    Ok(())
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
