//! A ledger without a disk, as short as its promises allow: what any other one is compared with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use strongroom::id::{CallId, TenantId};
use strongroom::powers::Clock;
use strongroom::storage::StorageError;
use strongroom::storage::ledger::{
    Amounts, Budget, BudgetMode, ClaimScope, Claimed, Count, Exceeded, Kill, KillMode, KillScope, KillTarget,
    Ledger, Of, Per, ReserveError, StartError, StoredAnswer, Usage,
};

/// What a call may hold its key beyond the time that it has to run, and how long an answer is given again.
const GRACE_MS: u64 = 60_000;
const KEPT_MS: u64 = 86_400_000;

type Slot = (TenantId, Count, u64);
type Print = [u8; 32];

#[derive(Default)]
struct State {
    life: u32,
    spent: HashMap<Slot, u64>,
    held: HashMap<Slot, u64>,
    holders: HashMap<ClaimScope, (CallId, Print, u64)>,
    rows: HashMap<ClaimScope, (CallId, Print, Row)>,
    kills: BTreeMap<KillScope, Kill>,
}

#[derive(Clone)]
enum Row {
    Started,
    Unknown,
    Done(StoredAnswer),
}

#[derive(Clone)]
pub struct Reference {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

/// Amounts held back; dropped, they are given back or, once the call has begun, charged.
pub struct Hold {
    ledger: Reference,
    life: u32,
    slots: Vec<Slot>,
    want: Amounts,
    charged: Amounts,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.ledger.state();
        if state.life != self.life {
            return;
        }
        for slot in &self.slots {
            *state.held.entry(slot.clone()).or_default() -= self.want.of(slot.1.of);
            *state.spent.entry(slot.clone()).or_default() += self.charged.of(slot.1.of);
        }
    }
}

/// A place under a key; dropped after the write has begun, its outcome is unknown.
pub struct Place {
    ledger: Reference,
    life: u32,
    scope: ClaimScope,
    call: CallId,
    print: Print,
    end: Option<Row>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.ledger.state();
        if state.life != self.life {
            return;
        }
        if state.holders.get(&self.scope).is_some_and(|(call, ..)| *call == self.call) {
            state.holders.remove(&self.scope);
        }
        if let (Some(end), Some(row)) = (self.end.take(), state.mine(&self.scope, self.call)) {
            *row = end;
        }
    }
}

impl State {
    /// The row of a write that this call has begun and nobody has ended.
    fn mine(&mut self, scope: &ClaimScope, call: CallId) -> Option<&mut Row> {
        let (of, _, row) = self.rows.get_mut(scope)?;
        (*of == call && matches!(row, Row::Started)).then_some(row)
    }

    fn row(&mut self, scope: &ClaimScope, now: u64) -> Option<(CallId, Print, Row)> {
        let found = self.rows.get(scope).cloned();
        found.filter(|(_, _, row)| !matches!(row, Row::Done(answer) if answer.at_unix_ms + KEPT_MS < now))
    }
}

impl Reference {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::default(), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The process ends, in whatever way: what is held is charged whole, and what was running is unknown.
    pub fn end(&self) {
        let mut state = self.state();
        state.life += 1;
        for (slot, held) in std::mem::take(&mut state.held) {
            *state.spent.entry(slot).or_default() += held;
        }
        state.holders.clear();
        let started = state.rows.values_mut().filter(|(_, _, row)| matches!(row, Row::Started));
        started.for_each(|(_, _, row)| *row = Row::Unknown);
    }

    /// After a crash more may count as spent than was: this much.
    pub fn adopt(&self, tenant: &TenantId, usage: &Usage) {
        let slot = (tenant.clone(), usage.budget.count.clone(), usage.window_start);
        self.state().spent.insert(slot, usage.spent);
    }

    fn slot(&self, tenant: &TenantId, budget: &Budget) -> Slot {
        let length = match budget.count.per {
            Per::Minute => 60_000,
            Per::Day => 86_400_000,
            _ => u64::MAX,
        };
        let now = self.clock.unix_ms();
        (tenant.clone(), budget.count.clone(), if length == u64::MAX { 0 } else { now - now % length })
    }

    fn counted(&self, slot: &Slot) -> (u64, u64) {
        let state = self.state();
        let of = |sums: &HashMap<Slot, u64>| sums.get(slot).copied().unwrap_or_default();
        (of(&state.spent), of(&state.held))
    }
}

impl Ledger for Reference {
    type Reservation = Hold;
    type Charge = Hold;
    type Claim = Place;
    type Started = Place;

    async fn reserve(&self, tenant: &TenantId, all: &[Budget], want: Amounts) -> Result<Hold, ReserveError> {
        let slots: Vec<_> = all.iter().map(|budget| self.slot(tenant, budget)).collect();
        for (budget, slot) in all.iter().zip(&slots).filter(|(budget, _)| budget.mode == BudgetMode::Hard) {
            let (spent, held) = self.counted(slot);
            let left = budget.limit.saturating_sub(spent + held);
            if want.of(budget.count.of) > left {
                return Err(Exceeded { budget: budget.clone(), left, retry_after_ms: None }.into());
            }
        }
        for slot in &slots {
            *self.state().held.entry(slot.clone()).or_default() += want.of(slot.1.of);
        }
        let life = self.state().life;
        Ok(Hold { ledger: self.clone(), life, slots, want, charged: Amounts::default() })
    }

    fn begin(&self, mut reservation: Hold) -> Hold {
        reservation.charged = reservation.want;
        reservation
    }

    fn settle(&self, mut charge: Hold, actual: Amounts) -> Amounts {
        charge.charged = actual.min(charge.want);
        charge.charged
    }

    async fn claim(
        &self,
        scope: ClaimScope,
        print: Print,
        call: CallId,
    ) -> Result<Claimed<Place>, StorageError> {
        let (now, mut state) = (self.clock.unix_ms(), self.state());
        match state.holders.get(&scope) {
            Some((call_id, held, until)) if *until >= now => {
                let same = *held == print;
                return Ok(if same { Claimed::InProgress { call_id: *call_id } } else { Claimed::Mismatch });
            }
            _ => {}
        }
        // Whoever asks takes the place of one that is taken for dead, and leaves it again unless the key is free.
        state.holders.remove(&scope);
        Ok(match state.row(&scope, now) {
            Some((_, held, _)) if held != print => Claimed::Mismatch,
            Some((call_id, _, Row::Done(answer))) => Claimed::Replay { answer, call_id },
            Some((call_id, ..)) => Claimed::Unknown { call_id },
            None => {
                state.holders.insert(scope.clone(), (call, print, now + GRACE_MS));
                let life = state.life;
                Claimed::Fresh(Place { ledger: self.clone(), life, scope, call, print, end: None })
            }
        })
    }

    async fn start(&self, mut claim: Place, deadline: Duration) -> Result<Place, StartError> {
        let now = self.clock.unix_ms();
        let mut state = self.state();
        if state.row(&claim.scope, now).is_some() {
            drop(state);
            return Err(StartError::Taken);
        }
        if let Some(held) = state.holders.get_mut(&claim.scope).filter(|(call, ..)| *call == claim.call) {
            held.2 = now + u64::try_from(deadline.as_millis()).unwrap() + GRACE_MS;
        }
        state.rows.insert(claim.scope.clone(), (claim.call, claim.print, Row::Started));
        drop(state);
        claim.end = Some(Row::Unknown);
        Ok(claim)
    }

    async fn complete(
        &self,
        mut write: Place,
        answer: StoredAnswer,
        charge: Hold,
        actual: Amounts,
    ) -> Result<Amounts, StorageError> {
        if self.state().mine(&write.scope, write.call).is_none() {
            return Err(StorageError::Failed("it was settled by somebody else".into()));
        }
        write.end = Some(Row::Done(answer));
        Ok(self.settle(charge, actual))
    }

    async fn lose(&self, _write: Place) -> Result<(), StorageError> {
        Ok(())
    }

    async fn release(&self, mut write: Place) -> Result<(), StorageError> {
        write.end = None;
        let mut state = self.state();
        if state.mine(&write.scope, write.call).is_some() {
            state.rows.remove(&write.scope);
        }
        drop(state);
        Ok(())
    }

    async fn kill(
        &self,
        scope: KillScope,
        mode: KillMode,
        by: &str,
        why: &str,
    ) -> Result<usize, StorageError> {
        let at_unix_ms = self.clock.unix_ms();
        let kill = Kill { scope: scope.clone(), mode, by: by.into(), why: why.into(), at_unix_ms };
        self.state().kills.insert(scope, kill);
        Ok(0)
    }

    async fn revive(&self, scope: KillScope) -> Result<bool, StorageError> {
        Ok(self.state().kills.remove(&scope).is_some())
    }

    fn killed(&self, call: &KillTarget<'_>) -> Option<Kill> {
        let state = self.state();
        let mut named = state.kills.values().filter(|kill| kill.scope.names(call));
        let stop = named.clone().find(|kill| kill.mode == KillMode::Stop);
        stop.or_else(|| named.find(|_| call.writes)).cloned()
    }

    async fn usage(&self, tenant: &TenantId, budgets: &[Budget]) -> Result<Vec<Usage>, StorageError> {
        let usage = budgets.iter().map(|budget| {
            let slot = self.slot(tenant, budget);
            let (spent, reserved) = self.counted(&slot);
            Usage { budget: budget.clone(), spent, reserved, window_start: slot.2, window_ends: None }
        });
        Ok(usage.collect())
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.end();
        Ok(())
    }
}

/// What the calls of the test count for.
pub fn budgets() -> Vec<Budget> {
    let warn = |budget| Budget { mode: BudgetMode::Warn, ..budget };
    vec![
        Budget::new(Of::Calls, Per::Minute, 7),
        Budget::new(Of::Fuel, Per::Day, 400),
        warn(Budget::new(Of::Fuel, Per::Minute, 10)),
        Budget::new(Of::Calls, Per::Total, 60),
    ]
}
