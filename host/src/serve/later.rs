//! Calls that go on after their request was answered, and their answers until they are fetched.
//!
//! Takes: identified callers and what they ask. Gives: [`Later`]. May name: admit, id, identify, imports, room, settle.
//!
//! It is memory and nothing else: what must outlive a restart does so in the ledger, where a write's answer is kept under
//! its idempotency key. Only whoever began a call finds it again.

use crate::admit::CallRequest;
use crate::id::{ActorId, CallId, TenantId};
use crate::identify::Caller;
use crate::imports::Progress;
use crate::room::Strongroom;
use crate::settle::Receipt;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Calls of one tenant that run so, or whose answers are kept.
pub const LATER_OF_ONE: usize = 64;
/// The same for all tenants together.
pub const LATER_OF_ALL: usize = 1024;
/// How long an answer is kept for whoever fetches it.
pub const LATER_KEPT: Duration = Duration::from_secs(600);
/// Reports of progress that wait to be taken over; more are dropped.
const REPORTS: usize = 8;

/// How far a call is.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// It runs, and this is what it said last.
    Runs(Option<Progress>),
    /// It has ended.
    Ended(Arc<Receipt>),
}

/// The calls of a server. Clones are handles to the same ones; when the last is dropped, calls that run are cancelled.
#[derive(Clone, Debug)]
pub(super) struct Later(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: Mutex<BTreeMap<CallId, Begun>>,
    tasks: Mutex<JoinSet<()>>,
    stopping: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Begun {
    tenant: TenantId,
    actor: ActorId,
    stage: watch::Receiver<Stage>,
    /// Dropped with the rest, it ends the call's task, and the call when that still runs.
    _held: oneshot::Sender<()>,
}

impl Begun {
    fn has_ended(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Ended(_))
    }
}

impl Later {
    /// None yet. `stopping` becomes true when the server ends: from then on no answer is kept.
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Self {
        let (begun, tasks) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { begun, tasks, stopping }))
    }

    /// Begins a call; gives the caller back when there is no place, because as many of the tenant's, or of all, still run.
    pub(super) fn begin(
        &self,
        room: Strongroom,
        caller: Caller,
        request: CallRequest,
    ) -> Result<CallId, Box<Caller>> {
        let id = caller.call_id();
        let (tell, stage) = watch::channel(Stage::Runs(None));
        let (held, mut dropped) = oneshot::channel();
        let begun =
            Begun { tenant: caller.tenant().clone(), actor: caller.actor().clone(), stage, _held: held };
        if !self.enter(id, begun) {
            return Err(Box::new(caller));
        }
        let (shared, mut stopping) = (Arc::downgrade(&self.0), self.0.stopping.clone());
        let task = async move {
            let (progress, mut reports) = mpsc::channel(REPORTS);
            let request = CallRequest { progress: Some(progress), ..request };
            let mut call = pin!(room.call_as(caller, request));
            let receipt = loop {
                tokio::select! {
                    biased;
                    _ = &mut dropped => return,
                    receipt = &mut call => break receipt,
                    Some(report) = reports.recv() => drop(tell.send_replace(Stage::Runs(Some(report)))),
                }
            };
            tell.send_replace(Stage::Ended(Arc::new(receipt)));
            tokio::select! {
                _ = &mut dropped => return,
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = tokio::time::sleep(LATER_KEPT) => {}
            }
            if let Some(shared) = shared.upgrade() {
                shared.begun.lock().remove(&id);
            }
        };
        self.spawn(task);
        Ok(id)
    }

    /// Lets a call that has begun go on to its end, of which nobody hears here.
    pub(super) fn go_on(&self, call: impl Future<Output = Receipt> + Send + 'static) {
        self.spawn(async move { drop(call.await) });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.tasks.lock();
        while let Some(ended) = tasks.try_join_next() {
            super::report(ended);
        }
        tasks.spawn(task);
    }

    /// Puts a call among the others. Answers that nobody has fetched give way: the tenant's own when it has too many, and
    /// when there are too many in all, those of the tenant that has most.
    fn enter(&self, id: CallId, begun: Begun) -> bool {
        let mut all = self.0.begun.lock();
        let of = |all: &BTreeMap<CallId, Begun>, tenant: &TenantId| {
            all.values().filter(|one| one.tenant == *tenant).count()
        };
        if of(&all, &begun.tenant) >= LATER_OF_ONE && !give_way(&mut all, &begun.tenant) {
            return false;
        }
        if all.len() >= LATER_OF_ALL {
            let ended = all.values().filter(|one| one.has_ended());
            let most = ended.map(|one| one.tenant.clone()).max_by_key(|tenant| of(&all, tenant));
            if !most.is_some_and(|tenant| give_way(&mut all, &tenant)) {
                return false;
            }
        }
        all.insert(id, begun);
        true
    }

    /// How far a call is, for whoever began it; `None` for everybody else, and when it is not kept any more.
    pub(super) fn find(&self, id: CallId, caller: &Caller) -> Option<watch::Receiver<Stage>> {
        let all = self.0.begun.lock();
        let found = all.get(&id)?;
        (found.tenant == *caller.tenant() && found.actor == *caller.actor()).then(|| found.stage.clone())
    }

    /// Cancels a call that runs, and forgets the answer of one that has ended. Ask [`Later::find`] first whose it is.
    pub(super) fn forget(&self, id: CallId) {
        self.0.begun.lock().remove(&id);
    }

    /// Waits until the calls that run have ended. No other may begin meanwhile. Dropped before its time, it cancels them.
    pub(super) async fn ended(&self) {
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock());
        while let Some(ended) = tasks.join_next().await {
            super::report(ended);
        }
    }
}

/// The tenant's oldest answer is forgotten, if there is one.
fn give_way(all: &mut BTreeMap<CallId, Begun>, tenant: &TenantId) -> bool {
    let oldest = all.iter().find(|(_, one)| one.tenant == *tenant && one.has_ended()).map(|(id, _)| *id);
    oldest.is_some_and(|id| all.remove(&id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    fn id(n: usize) -> CallId {
        CallId::new(u64::try_from(n).unwrap(), [0; 10])
    }

    fn begun(tenant: &str, stage: Stage) -> Begun {
        let (tell, stage) = watch::channel(stage);
        drop(tell);
        let (tenant, actor) = (TenantId::new(tenant).unwrap(), ActorId::new("kim").unwrap());
        Begun { tenant, actor, stage, _held: oneshot::channel().0 }
    }

    fn ended() -> Stage {
        Stage::Ended(Arc::new(Receipt::sample(Reason::Cancelled)))
    }

    #[test]
    fn a_tenant_has_so_many_and_answers_give_way_to_calls() {
        let later = Later::new(watch::channel(false).1);
        for n in 0..LATER_OF_ONE {
            let stage = if n == 7 || n == 9 { ended() } else { Stage::Runs(None) };
            assert!(later.enter(id(n), begun("acme", stage)));
        }
        let has = |n: usize| later.0.begun.lock().contains_key(&id(n));
        assert!(later.enter(id(100), begun("acme", Stage::Runs(None))));
        assert!(!has(7) && has(9), "the oldest answer gives way");
        assert!(later.enter(id(101), begun("acme", Stage::Runs(None))) && !has(9));
        assert!(!later.enter(id(102), begun("acme", Stage::Runs(None))), "calls that run do not");
        assert!(later.enter(id(103), begun("globex", Stage::Runs(None))));
    }

    #[test]
    fn when_all_is_taken_the_one_with_most_gives_way() {
        let later = Later::new(watch::channel(false).1);
        for n in 0..LATER_OF_ALL {
            // The first has one answer, the others as many as they may.
            let tenant = if n == 0 { "first".to_owned() } else { format!("t{}", n / LATER_OF_ONE) };
            assert!(later.enter(id(n), begun(&tenant, ended())), "{n}");
        }
        assert!(later.enter(id(5000), begun("late", Stage::Runs(None))));
        assert_eq!(later.0.begun.lock().len(), LATER_OF_ALL);
        assert!(later.0.begun.lock().contains_key(&id(0)));
    }
}
