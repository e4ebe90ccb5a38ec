//! What callers, operators, crashes and time may do, in any order.

use proptest::prelude::*;
use strongroom::id::{ActorId, Digest, TenantId, ToolName};
use strongroom::storage::ledger::{Amounts, Budget, BudgetMode, Count, KillScope, Of, Per, Who};

/// 2026-01-31T12:00:00Z.
pub const NOON: u64 = 1_769_860_800_000;
/// The most that a limit is raised by.
pub const MOST_MORE: u64 = 30;

/// `which` names one of those that are there.
#[derive(Debug, Clone)]
pub enum Op {
    Reserve { tenant: usize, actor: usize, tool: usize, fuel: u64, stored: u64 },
    GiveBack(usize),
    Begin(usize),
    Settle { which: usize, fuel: u64, stored: u64 },
    Abandon(usize),
    Claim { tenant: usize, key: u8, print: u8 },
    LeaveClaim(usize),
    Start { which: usize, deadline: u64 },
    Complete { which: usize, charge: usize, fuel: u64 },
    Lose(usize),
    Release(usize),
    LeaveWrite(usize),
    Kill { scope: usize, stop: bool },
    Revive { scope: usize },
    Raise { tenant: usize, budget: usize, more: u64, ms: u64 },
    Lower { tenant: usize, budget: usize },
    Pass(u64),
    Close,
    Crash,
}

pub fn op() -> impl Strategy<Value = Op> {
    let at = || any::<prop::sample::Index>().prop_map(|index| index.index(1000));
    let budget = || 0..every().len();
    let reserve = (0..2usize, 0..2usize, 0..2usize, 0..90u64, 0..60u64);
    prop_oneof![
        10 => reserve.prop_map(|(tenant, actor, tool, fuel, stored)| Op::Reserve { tenant, actor, tool, fuel, stored }),
        2 => at().prop_map(Op::GiveBack),
        6 => at().prop_map(Op::Begin),
        3 => (at(), 0..120u64, 0..90u64).prop_map(|(which, fuel, stored)| Op::Settle { which, fuel, stored }),
        1 => at().prop_map(Op::Abandon),
        8 => (0..2usize, 0..2u8, 0..5u8).prop_map(|(tenant, key, print)| Op::Claim { tenant, key, print: print / 4 }),
        1 => at().prop_map(Op::LeaveClaim),
        6 => (at(), 0..20_000u64).prop_map(|(which, deadline)| Op::Start { which, deadline }),
        4 => (at(), at(), 0..120u64).prop_map(|(which, charge, fuel)| Op::Complete { which, charge, fuel }),
        1 => at().prop_map(Op::Lose),
        1 => at().prop_map(Op::Release),
        1 => at().prop_map(Op::LeaveWrite),
        2 => (0..5usize, any::<bool>()).prop_map(|(scope, stop)| Op::Kill { scope, stop }),
        1 => (0..5usize).prop_map(|scope| Op::Revive { scope }),
        2 => (0..2usize, budget(), 1..MOST_MORE, 1..200_000u64)
            .prop_map(|(tenant, budget, more, ms)| Op::Raise { tenant, budget, more, ms }),
        1 => (0..2usize, budget()).prop_map(|(tenant, budget)| Op::Lower { tenant, budget }),
        2 => prop_oneof![4 => 1..40_000u64, 2 => 60_000..90_000u64, 1 => 3_600_000..4_000_000u64, 2 => 86_390_000..90_000_000u64]
            .prop_map(Op::Pass),
        1 => Just(Op::Close),
        1 => Just(Op::Crash),
    ]
}

pub fn tenant(n: usize) -> TenantId {
    TenantId::new(["acme", "globex"][n]).unwrap()
}

pub fn actor(n: usize) -> ActorId {
    ActorId::new(["kim", "lee"][n]).unwrap()
}

pub fn tool(n: usize) -> ToolName {
    ToolName::new(["orders", "mail"][n]).unwrap()
}

pub fn scope(n: usize) -> KillScope {
    match n {
        0 => KillScope::Host,
        1 => KillScope::Tenant(tenant(0)),
        2 => KillScope::Actor(tenant(0), actor(0)),
        3 => KillScope::Tool(tool(0)),
        _ => KillScope::Component(Digest::of(b"orders 1")),
    }
}

pub fn amounts(fuel: u64, stored: u64) -> Amounts {
    Amounts { stored, ..Amounts::call(fuel) }
}

/// What a call of this actor with this tool counts for. Two limits are on one count, and one only warns.
pub fn budgets(a: usize, t: usize) -> Vec<Budget> {
    let of = |of, per, who, limit| Budget { count: Count { of, per, who }, ..Budget::new(of, per, limit) };
    vec![
        Budget::new(Of::Calls, Per::Minute, 9),
        Budget::new(Of::Calls, Per::Minute, 7),
        of(Of::Calls, Per::Minute, Who::of(Some(&actor(a)), None, None), 4),
        Budget::new(Of::Fuel, Per::Day, 400),
        Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Fuel, Per::Minute, 10) },
        of(Of::Stored, Per::Hour, Who::of(None, Some(&tool(t)), None), 200),
        Budget::new(Of::Calls, Per::Total, 60),
    ]
}

/// All that is counted, whoever calls.
pub fn every() -> Vec<Budget> {
    let mut all = budgets(0, 0);
    all.extend(budgets(1, 1).into_iter().filter(|budget| budget.count.who != Who::default()));
    all
}
