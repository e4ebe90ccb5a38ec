//! A ledger does the same as a reference that has no disk, in any order of what callers, crashes and time may do.
//!
//! Another engine goes through the same test: implement `Ledger`, say in [`Engine`] how its processes begin and
//! die, and call [`agrees`].

#[path = "any_ledger_keeps_its_word/reference.rs"]
mod reference;

use proptest::prelude::*;
use reference::{Reference, budgets};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::id::{ActorId, CallId, Digest, FunctionName, TenantId, ToolName};
use strongroom::powers::{Clock, Home, SystemClock};
use strongroom::reason::Reason;
use strongroom::storage::Folder;
use strongroom::storage::ledger::{
    Amounts, BudgetMode, ClaimScope, Claimed, KillMode, KillScope, KillTarget, Ledger, ReserveError,
    SqliteLedger, StoredAnswer,
};

/// An engine under test.
trait Engine: Sized {
    type Ledger: Ledger;
    fn new(clock: Arc<dyn Clock>) -> Self;
    /// A process begins.
    fn open(&self) -> Self::Ledger;
    /// The processes that are there count as dead from here on, although their handles live on.
    fn crash(&self);
}

/// The ledger in SQLite, in a folder of its own.
struct Sqlite(tempfile::TempDir, Arc<dyn Clock>);

impl Engine for Sqlite {
    type Ledger = SqliteLedger;

    fn new(clock: Arc<dyn Clock>) -> Self {
        Self(tempfile::tempdir().unwrap(), clock)
    }

    fn open(&self) -> SqliteLedger {
        let home = Home::open(self.0.path()).unwrap();
        let folder = Folder::new(home.dir().try_clone().unwrap(), self.0.path());
        SqliteLedger::open(&folder, self.1.clone()).unwrap()
    }

    fn crash(&self) {
        // Each process holds a lock on a file of its own; the system lets go of it when it dies.
        for entry in std::fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "lock") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

/// A clock that goes when it is told to.
#[derive(Debug)]
struct Still(AtomicU64, Instant);

impl Clock for Still {
    fn unix_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        self.1 + Duration::from_millis(self.0.load(Ordering::SeqCst) - NOON)
    }
}

const NOON: u64 = 1_769_860_800_000;

#[derive(Debug, Clone)]
enum Op {
    Reserve { tenant: usize, fuel: u64 },
    GiveBack(usize),
    Begin(usize),
    Settle { which: usize, fuel: u64 },
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
    Pass(u64),
    Close,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let at = || any::<prop::sample::Index>().prop_map(|index| index.index(1000));
    prop_oneof![
        8 => (0..2usize, 0..90u64).prop_map(|(tenant, fuel)| Op::Reserve { tenant, fuel }),
        2 => at().prop_map(Op::GiveBack),
        6 => at().prop_map(Op::Begin),
        3 => (at(), 0..120u64).prop_map(|(which, fuel)| Op::Settle { which, fuel }),
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
        2 => prop_oneof![4 => 1..40_000u64, 2 => 60_000..90_000u64, 1 => 80_000_000..90_000_000u64].prop_map(Op::Pass),
        1 => Just(Op::Close),
        1 => Just(Op::Crash),
    ]
}

fn tenant(n: usize) -> TenantId {
    TenantId::new(["acme", "globex"][n]).unwrap()
}

fn scope(n: usize) -> KillScope {
    match n {
        0 => KillScope::Host,
        1 => KillScope::Tenant(tenant(0)),
        2 => KillScope::Actor(tenant(0), ActorId::new("kim").unwrap()),
        3 => KillScope::Tool(ToolName::new("orders").unwrap()),
        _ => KillScope::Component(Digest::of(b"orders 1")),
    }
}

/// One ledger and everything that it has given away.
struct Side<L: Ledger> {
    ledger: L,
    clock: Arc<dyn Clock>,
    reservations: Vec<L::Reservation>,
    charges: Vec<L::Charge>,
    claims: Vec<L::Claim>,
    writes: Vec<L::Started>,
    calls: u8,
}

/// Takes one of those that are there.
fn take<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    let len = from.len();
    (len > 0).then(|| from.swap_remove(which % len))
}

impl<L: Ledger> Side<L> {
    fn new(ledger: L, clock: Arc<dyn Clock>) -> Self {
        let (reservations, charges, claims, writes) = (vec![], vec![], vec![], vec![]);
        Self { ledger, clock, reservations, charges, claims, writes, calls: 0 }
    }

    /// Does something, and gives what it was told.
    async fn play(&mut self, op: &Op) -> String {
        match *op {
            Op::Reserve { tenant: of, fuel } => {
                match self.ledger.reserve(&tenant(of), &budgets(), Amounts::call(fuel)).await {
                    Ok(reservation) => {
                        self.reservations.push(reservation);
                        "reserved".into()
                    }
                    Err(ReserveError::Exceeded(no)) => format!("{:?} has {} left", no.budget.count, no.left),
                    Err(ReserveError::Storage(error)) => panic!("{error}"),
                }
            }
            Op::GiveBack(which) => text(take(&mut self.reservations, which).map(drop)),
            Op::Begin(which) => text(take(&mut self.reservations, which).map(|reservation| {
                let charge = self.ledger.begin(reservation);
                self.charges.push(charge);
            })),
            Op::Settle { which, fuel } => {
                let charge = take(&mut self.charges, which);
                text(charge.map(|charge| self.ledger.settle(charge, Amounts::call(fuel))))
            }
            Op::Abandon(which) => text(take(&mut self.charges, which).map(drop)),
            Op::Claim { tenant: of, key, print } => {
                let function = FunctionName::new("orders.pay").unwrap();
                let scope = ClaimScope { tenant: tenant(of), function, key: Digest::of(&[key]) };
                self.calls += 1;
                let call = CallId::new(NOON, [self.calls; 10]);
                match self.ledger.claim(scope, [print; 32], call).await.unwrap() {
                    Claimed::Fresh(claim) => {
                        self.claims.push(claim);
                        "fresh".into()
                    }
                    Claimed::Replay { answer, call_id } => format!("replay of {call_id}: {answer:?}"),
                    Claimed::InProgress { call_id } => format!("in progress: {call_id}"),
                    Claimed::Mismatch => "mismatch".into(),
                    Claimed::Unknown { call_id } => format!("unknown: {call_id}"),
                    Claimed::Lost { call_id, .. } => format!("lost: {call_id}"),
                }
            }
            Op::LeaveClaim(which) => text(take(&mut self.claims, which).map(drop)),
            Op::Start { which, deadline } => {
                let Some(claim) = take(&mut self.claims, which) else { return "none".into() };
                match self.ledger.start(claim, Duration::from_millis(deadline)).await {
                    Ok(started) => {
                        self.writes.push(started);
                        "started".into()
                    }
                    Err(error) => format!("{:?}", error.reason()),
                }
            }
            Op::Complete { which, charge, fuel } => {
                if self.writes.is_empty() || self.charges.is_empty() {
                    return "none".into();
                }
                let (write, charge) = (take(&mut self.writes, which), take(&mut self.charges, charge));
                let body = format!("{which} {fuel}").into_bytes();
                let answer =
                    StoredAnswer { reason: Reason::Ok, body, fuel, at_unix_ms: self.clock.unix_ms() };
                let completed =
                    self.ledger.complete(write.unwrap(), answer, charge.unwrap(), Amounts::call(fuel)).await;
                text(completed.ok())
            }
            Op::Lose(which) => match take(&mut self.writes, which) {
                Some(write) => text(self.ledger.lose(write).await.ok()),
                None => "none".into(),
            },
            Op::Release(which) => match take(&mut self.writes, which) {
                Some(write) => text(self.ledger.release(write).await.ok()),
                None => "none".into(),
            },
            Op::LeaveWrite(which) => text(take(&mut self.writes, which).map(drop)),
            Op::Kill { scope: of, stop } => {
                let mode = if stop { KillMode::Stop } else { KillMode::Freeze };
                text(self.ledger.kill(scope(of), mode, "kim", "a test").await.ok())
            }
            Op::Revive { scope: of } => text(self.ledger.revive(scope(of)).await.ok()),
            Op::Pass(_) | Op::Close | Op::Crash => String::new(),
        }
    }

    /// Everything that can be asked without changing anything.
    async fn seen(&self) -> String {
        let mut seen = String::new();
        for of in 0..2 {
            for usage in self.ledger.usage(&tenant(of), &budgets()).await.unwrap() {
                seen += &format!("{:?}: {} and {}\n", usage.budget.count, usage.spent, usage.reserved);
            }
            for (actor, writes) in [("kim", true), ("kim", false), ("lee", true)] {
                let (tenant, actor) = (tenant(of), ActorId::new(actor).unwrap());
                let (tool, component) = (ToolName::new("orders").unwrap(), Digest::of(b"orders 1"));
                let (actor, tool, component) = (Some(&actor), Some(&tool), Some(&component));
                let call = KillTarget { tenant: &tenant, actor, tool, component, writes };
                seen += &format!("{:?}\n", self.ledger.killed(&call));
            }
        }
        seen
    }

    /// A process ends; what it had given away is dropped by whoever has it, later.
    fn end(&mut self, ledger: L) {
        *self = Self { calls: self.calls, ..Self::new(ledger, self.clock.clone()) };
    }
}

fn text<T: Debug>(told: T) -> String {
    format!("{told:?}")
}

async fn agrees<E: Engine>(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let clock = Arc::new(Still(AtomicU64::new(NOON), SystemClock.monotonic()));
    let engine = E::new(clock.clone());
    let reference = Reference::new(clock.clone());
    let mut ours = Side::new(engine.open(), clock.clone());
    let mut right = Side::new(reference.clone(), clock.clone());
    for op in &ops {
        prop_assert_eq!(ours.play(op).await, right.play(op).await, "{:?}", op);
        match op {
            Op::Pass(ms) => {
                clock.0.fetch_add(*ms, Ordering::SeqCst);
            }
            // What nobody waits for is done before what is asked for after it.
            Op::LeaveWrite(_) | Op::Complete { .. } => {
                ours.ledger.revive(KillScope::Tool(ToolName::new("none").unwrap())).await.unwrap();
            }
            Op::Close => {
                ours.ledger.close().await.unwrap();
                reference.close().await.unwrap();
                ours.end(engine.open());
                right.end(reference.clone());
            }
            Op::Crash => {
                engine.crash();
                let next = engine.open();
                reference.end();
                for of in 0..2 {
                    let told = next.usage(&tenant(of), &budgets()).await.unwrap();
                    let least = reference.usage(&tenant(of), &budgets()).await.unwrap();
                    for (told, least) in told.iter().zip(&least) {
                        // What was set aside for the dead process counts as spent; of a budget that only warns there may be more
                        // of it than its limit.
                        let most = match told.budget.mode {
                            BudgetMode::Hard => told.budget.limit,
                            BudgetMode::Warn => u64::MAX,
                        };
                        prop_assert!((least.spent..=most).contains(&told.spent), "{:?}, {:?}", told, least);
                        prop_assert_eq!(told.reserved, 0, "a dead process holds nothing");
                        reference.adopt(&tenant(of), told);
                    }
                }
                ours.end(next);
                right.end(reference.clone());
            }
            _ => {}
        }
        prop_assert_eq!(ours.seen().await, right.seen().await, "after {:?}", op);
    }
    Ok(())
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn sqlite_does_what_the_reference_does(ops in prop::collection::vec(op(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agrees::<Sqlite>(ops))?;
    }
}
