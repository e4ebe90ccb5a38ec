//! A ledger does the same as a model of it, in any order of what callers, operators, crashes and time may do.
//!
//! Another engine goes through the same test: implement `Ledger`, say in `Engine` how its processes begin and die, and call
//! [`agrees`].

mod engine;
mod model;
mod ops;

use engine::{Engine, Sqlite, Still};
use model::{Key, Model};
use ops::{MOST_MORE, NOON, Op, actor, amounts, budgets, every, op, scope, tenant, tool};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strongroom::id::{CallId, Digest, FunctionName};
use strongroom::reason::Reason;
use strongroom::storage::ledger::{
    Amounts, BudgetMode, ClaimScope, Claimed, KillMode, KillScope, KillTarget, Ledger, Raise, ReserveError,
    StartError, StoredAnswer,
};

/// An engine and the model, and what the engine has given away: the model has the same at the same places.
struct Two<E: Engine> {
    engine: E,
    ledger: E::Ledger,
    model: Model,
    clock: Arc<Still>,
    reserved: Vec<<E::Ledger as Ledger>::Reservation>,
    begun: Vec<<E::Ledger as Ledger>::Charge>,
    claims: Vec<<E::Ledger as Ledger>::Claim>,
    writes: Vec<<E::Ledger as Ledger>::Started>,
    calls: u8,
}

type Same = Result<(), TestCaseError>;

/// Which of so many is meant, if there are any.
fn one_of(which: usize, len: usize) -> Option<usize> {
    which.checked_rem(len)
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
                self.clock.0.fetch_add(ms, Ordering::SeqCst);
                self.model.pass(ms);
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
                match (self.ledger.reserve(&of, &all, want).await, self.model.reserve(&of, &all, want)) {
                    (Ok(reservation), Ok(())) => self.reserved.push(reservation),
                    (Err(ReserveError::Exceeded(no)), Err(right)) => {
                        let told = (no.budget.count, no.left);
                        prop_assert!(right.contains(&told), "{:?} is none of {:?}", told, right);
                    }
                    (told, right) => prop_assert!(false, "{:?}, {:?}", told.map(drop), right),
                }
            }
            Op::GiveBack(which) => {
                if let Some(at) = one_of(which, self.reserved.len()) {
                    drop(self.reserved.swap_remove(at));
                    self.model.reserved.swap_remove(at);
                }
            }
            Op::Begin(which) => {
                if let Some(at) = one_of(which, self.reserved.len()) {
                    self.begun.push(self.ledger.begin(self.reserved.swap_remove(at)));
                    let hold = self.model.reserved.swap_remove(at);
                    self.model.begun.push(hold);
                }
            }
            Op::Settle { which, fuel, stored } => {
                if let Some(at) = one_of(which, self.begun.len()) {
                    let used = amounts(fuel, stored);
                    let told = self.ledger.settle(self.begun.swap_remove(at), used);
                    prop_assert_eq!(told, self.model.settle(at, used));
                }
            }
            Op::Abandon(which) => {
                if let Some(at) = one_of(which, self.begun.len()) {
                    drop(self.begun.swap_remove(at));
                    self.model.settle(at, MOST);
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
                let told = match self.ledger.claim(scope.clone(), [print; 32], call).await.unwrap() {
                    Claimed::Fresh(claim) => {
                        self.claims.push(claim);
                        Key::Fresh
                    }
                    Claimed::Replay { answer, call_id } => Key::Replay(call_id, answer),
                    Claimed::InProgress { call_id } => Key::InProgress(call_id),
                    Claimed::Mismatch => Key::Mismatch,
                    Claimed::Unknown { call_id } => Key::Unknown(call_id),
                    Claimed::Lost { call_id, .. } => panic!("{call_id} is lost"),
                };
                prop_assert_eq!(told, self.model.claim((scope, call, [print; 32])));
            }
            Op::LeaveClaim(which) => {
                if let Some(at) = one_of(which, self.claims.len()) {
                    drop(self.claims.swap_remove(at));
                    let place = self.model.claims.swap_remove(at);
                    self.model.leave(&place);
                }
            }
            Op::Start { which, deadline } => {
                if let Some(at) = one_of(which, self.claims.len()) {
                    let claim = self.claims.swap_remove(at);
                    let told = match self.ledger.start(claim, Duration::from_millis(deadline)).await {
                        Ok(started) => {
                            self.writes.push(started);
                            true
                        }
                        Err(StartError::Taken) => false,
                        Err(StartError::Storage(error)) => panic!("{error}"),
                    };
                    prop_assert_eq!(told, self.model.start(at, deadline));
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
        let Some(at) = one_of(which, self.writes.len()) else { return Ok(()) };
        let call = self.model.writes[at].1;
        match *op {
            Op::Complete { charge, fuel, .. } => {
                let Some(charge) = one_of(charge, self.begun.len()) else { return Ok(()) };
                let body = format!("{which} {fuel}").into_bytes();
                let answer = StoredAnswer { reason: Reason::Ok, body, fuel, at_unix_ms: self.model.now };
                let (write, held) = (self.writes.swap_remove(at), self.begun.swap_remove(charge));
                let used = amounts(fuel, 1);
                let told = self.ledger.complete(write, answer.clone(), held, used).await.ok();
                let stored = self.model.end(at, Key::Replay(call, answer));
                let charged = self.model.settle(charge, if stored { used } else { MOST });
                prop_assert_eq!(told, stored.then_some(charged));
            }
            Op::Lose(_) => {
                self.ledger.lose(self.writes.swap_remove(at)).await.unwrap();
                self.model.end(at, Key::Unknown(call));
            }
            Op::Release(_) => {
                self.ledger.release(self.writes.swap_remove(at)).await.unwrap();
                self.model.end(at, Key::Fresh);
            }
            _ => {
                drop(self.writes.swap_remove(at));
                self.model.end(at, Key::Unknown(call));
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

/// More than anybody holds back.
const MOST: Amounts =
    Amounts { calls: u64::MAX, fuel: u64::MAX, egress: u64::MAX, stored: u64::MAX, spend: u64::MAX };

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
