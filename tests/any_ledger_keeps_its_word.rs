//! A ledger does the same as a model of it, in any order of what callers, operators, crashes and time may do.
//!
//! Another engine goes through the same test: implement `Ledger`, say in `Engine` how its processes begin and die, and call
//! [`agrees`].

mod engine;
mod model;
mod ops;

use engine::{Engine, Sqlite, Still};
use model::{Model, Place};
use ops::{MOST_MORE, NOON, Op, actor, amounts, budgets, every, op, scope, tenant, tool};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strongroom::id::{CallId, Digest, FunctionName};
use strongroom::reason::Reason;
use strongroom::storage::ledger::{
    BudgetMode, ClaimScope, KillMode, KillScope, KillTarget, Ledger, Raise, ReserveError, StartError,
    StoredAnswer,
};

/// An engine and the model, and what the engine has given away, with what the model calls it.
struct Two<E: Engine> {
    engine: E,
    ledger: E::Ledger,
    model: Model,
    clock: Arc<Still>,
    reserved: Vec<(<E::Ledger as Ledger>::Reservation, u64)>,
    begun: Vec<(<E::Ledger as Ledger>::Charge, u64)>,
    claims: Vec<(<E::Ledger as Ledger>::Claim, Place)>,
    writes: Vec<(<E::Ledger as Ledger>::Started, Place)>,
    calls: u8,
}

type Same = Result<(), TestCaseError>;

/// Takes out the one that is meant, if there are any.
fn take<T>(which: usize, of: &mut Vec<T>) -> Option<T> {
    which.checked_rem(of.len()).map(|at| of.swap_remove(at))
}

impl<E: Engine> Two<E> {
    fn new() -> Self {
        let clock = Still::new();
        let engine = E::new(clock.clone());
        let ledger = engine.open();
        let mut model = Model::default();
        model.now = NOON;
        let (reserved, begun, claims, writes) = (vec![], vec![], vec![], vec![]);
        Self { engine, ledger, model, clock, reserved, begun, claims, writes, calls: 0 }
    }

    /// Does something, and compares what is told.
    async fn play(&mut self, op: &Op) -> Same {
        match *op {
            Op::Reserve { .. } | Op::GiveBack(_) | Op::Begin(_) | Op::Settle { .. } | Op::Abandon(_) => {
                self.spend(op).await
            }
            Op::Claim { .. } | Op::LeaveClaim(_) | Op::Start { .. } => self.ask(op).await,
            Op::Complete { .. } | Op::Lose(_) | Op::Release(_) | Op::LeaveWrite(_) => self.write(op).await,
            Op::Kill { .. } | Op::Revive { .. } | Op::Raise { .. } | Op::Lower { .. } => self.order(op).await,
            Op::Pass(ms) => {
                let before = self.clock.0.fetch_add(ms, Ordering::SeqCst);
                self.model.pass(before + ms);
                Ok(())
            }
            Op::Close => {
                self.ledger.close().await.unwrap();
                self.model.die();
                self.go_on_with(self.engine.open());
                Ok(())
            }
            Op::Crash => self.crash().await,
        }
    }

    async fn spend(&mut self, op: &Op) -> Same {
        match *op {
            Op::Reserve { tenant: of, actor, tool, fuel, stored } => {
                let (of, all, want) = (tenant(of), budgets(actor, tool), amounts(fuel, stored));
                self.calls += 1;
                let name = u64::from(self.calls);
                let right = self.model.reserve(name, &of, &all, want);
                match self.ledger.reserve(&of, &all, want).await {
                    Ok(reservation) if right.is_empty() => self.reserved.push((reservation, name)),
                    Err(ReserveError::Exceeded(no)) if !right.is_empty() => {
                        let told = (no.budget.count, no.left);
                        prop_assert!(right.contains(&told), "{:?} is none of {:?}", told, right);
                    }
                    told => prop_assert!(false, "{:?}, in the way: {:?}", told.map(drop), right),
                }
            }
            Op::GiveBack(which) => {
                if let Some((reservation, name)) = take(which, &mut self.reserved) {
                    drop(reservation);
                    self.model.held.remove(&name);
                }
            }
            Op::Begin(which) => {
                if let Some((reservation, name)) = take(which, &mut self.reserved) {
                    self.begun.push((self.ledger.begin(reservation), name));
                }
            }
            Op::Settle { which, fuel, stored } => {
                if let Some((charge, name)) = take(which, &mut self.begun) {
                    let used = amounts(fuel, stored);
                    prop_assert_eq!(self.ledger.settle(charge, used), self.model.settle(name, Some(used)));
                }
            }
            Op::Abandon(which) => {
                if let Some((charge, name)) = take(which, &mut self.begun) {
                    drop(charge);
                    self.model.settle(name, None);
                }
            }
            _ => unreachable!(),
        }
        Ok(())
    }

    async fn ask(&mut self, op: &Op) -> Same {
        match *op {
            Op::Claim { tenant: of, key, print } => {
                let function = FunctionName::new("orders.pay").unwrap();
                let scope = ClaimScope { tenant: tenant(of), function, key: Digest::of(&[key]) };
                self.calls += 1;
                let call = CallId::new(NOON, [self.calls; 10]);
                let place = (scope, call, [print; 32]);
                let right = self.model.claim(&place);
                let told = self.ledger.claim(place.0.clone(), place.2, call).await.unwrap();
                let told = told.map(|claim| self.claims.push((claim, place)));
                prop_assert_eq!(told, right);
            }
            Op::LeaveClaim(which) => {
                if let Some((claim, place)) = take(which, &mut self.claims) {
                    drop(claim);
                    self.model.leave(&place);
                }
            }
            Op::Start { which, deadline } => {
                if let Some((claim, place)) = take(which, &mut self.claims) {
                    let right = self.model.start(&place, deadline);
                    let told = match self.ledger.start(claim, Duration::from_millis(deadline)).await {
                        Ok(started) => {
                            self.writes.push((started, place));
                            true
                        }
                        Err(StartError::Taken) => false,
                        Err(StartError::Storage(error)) => panic!("{error}"),
                    };
                    prop_assert_eq!(told, right);
                }
            }
            _ => unreachable!(),
        }
        Ok(())
    }

    async fn write(&mut self, op: &Op) -> Same {
        let (Op::Complete { which, .. } | Op::Lose(which) | Op::Release(which) | Op::LeaveWrite(which)) = *op
        else {
            unreachable!()
        };
        if self.begun.is_empty() && matches!(op, Op::Complete { .. }) {
            return Ok(());
        }
        let Some((write, place)) = take(which, &mut self.writes) else { return Ok(()) };
        match *op {
            Op::Complete { charge, fuel, .. } => {
                let (charge, name) = take(charge, &mut self.begun).unwrap();
                let body = format!("{which} {fuel}").into_bytes();
                let answer = StoredAnswer { reason: Reason::Ok, body, fuel, at_unix_ms: self.model.now };
                let used = amounts(fuel, 1);
                let told = self.ledger.complete(write, answer.clone(), charge, used).await.unwrap();
                self.model.end(&place, Some(answer));
                prop_assert_eq!(told, self.model.settle(name, Some(used)));
            }
            Op::Lose(_) => {
                self.ledger.lose(write).await.unwrap();
                self.model.leave(&place);
            }
            Op::Release(_) => {
                self.ledger.release(write).await.unwrap();
                self.model.end(&place, None);
            }
            _ => {
                drop(write);
                self.model.leave(&place);
            }
        }
        // What nobody waits for is done before what is asked for after it.
        self.ledger.revive(KillScope::Tool(tool(1))).await.unwrap();
        Ok(())
    }

    async fn order(&mut self, op: &Op) -> Same {
        match *op {
            Op::Kill { scope: of, stop } => {
                let mode = if stop { KillMode::Stop } else { KillMode::Freeze };
                self.ledger.kill(scope(of), mode, "kim", "a test").await.unwrap();
                self.model.kills.insert(scope(of), mode);
            }
            Op::Revive { scope: of } => {
                let told = self.ledger.revive(scope(of)).await.unwrap();
                prop_assert_eq!(told, self.model.kills.remove(&scope(of)).is_some());
            }
            Op::Raise { tenant: of, budget, more, ms } => {
                let (tenant, count, until_ms) =
                    (tenant(of), every()[budget].count.clone(), self.model.now + ms);
                self.model.raises.insert((tenant.clone(), count.clone()), (more, until_ms));
                let (by, why, at_ms) = ("kim".to_owned(), "a test".to_owned(), self.model.now);
                let raise = Raise { tenant, count, more, until_ms, by, why, at_ms };
                self.ledger.raise(raise).await.unwrap();
            }
            Op::Lower { tenant: of, budget } => {
                let (of, count) = (tenant(of), every()[budget].count.clone());
                let told = self.ledger.lower(&of, &count).await.unwrap();
                prop_assert_eq!(told, self.model.raises.remove(&(of, count)).is_some());
            }
            _ => unreachable!(),
        }
        Ok(())
    }

    async fn crash(&mut self) -> Same {
        self.engine.crash();
        let next = self.engine.open();
        self.model.die();
        for of in [tenant(0), tenant(1)] {
            for told in next.usage(&of, &every()).await.unwrap() {
                let (count, [least, ..]) = (&told.budget.count, self.model.used(&of, &told.budget.count));
                // What was set aside for the dead process counts as spent; of a budget that only warns there may be more of
                // it than its limit.
                let most = match told.budget.mode {
                    BudgetMode::Hard => told.budget.limit + MOST_MORE,
                    BudgetMode::Warn => u64::MAX,
                };
                prop_assert!((least..=most).contains(&told.spent), "{:?}, at least {}", told, least);
                prop_assert_eq!(told.reserved, 0, "a dead process holds nothing");
                let slot = self.model.slot(&of, count);
                self.model.spent.insert(slot, told.spent);
            }
        }
        self.go_on_with(next);
        Ok(())
    }

    /// A process has ended; what it had given away is dropped by whoever has it, later.
    fn go_on_with(&mut self, ledger: E::Ledger) {
        self.ledger = ledger;
        (self.reserved, self.begun) = (vec![], vec![]);
        (self.claims, self.writes) = (vec![], vec![]);
    }

    /// Compares everything that can be asked without changing anything.
    async fn same(&self) -> Same {
        for of in [tenant(0), tenant(1)] {
            for told in self.ledger.usage(&of, &every()).await.unwrap() {
                let raised = told.budget.raised.map_or(0, |raised| raised.by);
                let right = self.model.used(&of, &told.budget.count);
                prop_assert_eq!([told.spent, told.reserved, raised], right, "{:?}", told.budget.count);
            }
            let component = Digest::of(b"orders 1");
            for (a, t, writes) in [(0, 0, true), (0, 0, false), (1, 0, true), (0, 1, true)] {
                let (actor, tool) = (actor(a), tool(t));
                let (tool, component) = (Some(&tool), (t == 0).then_some(&component));
                let call = KillTarget { tenant: &of, actor: Some(&actor), tool, component, writes };
                let told = self.ledger.killed(&call).map(|kill| (kill.scope, kill.mode));
                prop_assert_eq!(told, self.model.killed(&call));
            }
        }
        Ok(())
    }
}

async fn agrees<E: Engine>(ops: Vec<Op>) -> Same {
    let mut two = Two::<E>::new();
    for op in &ops {
        let same = match two.play(op).await {
            Ok(()) => two.same().await,
            different => different,
        };
        same.map_err(|error| TestCaseError::fail(format!("after {op:?}: {error}")))?;
    }
    Ok(())
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: 96,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn sqlite_does_what_the_model_does(ops in prop::collection::vec(op(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agrees::<Sqlite>(ops))?;
    }
}
