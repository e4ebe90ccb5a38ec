//! The calls that run in this process, and how they are stopped.
//!
//! Takes: who calls what. Gives: a [`Stay`] for as long as it runs, which hears of the kill switch that stops it.
//! May name: id, storage.
//!
//! A call is entered first and checked against the switches afterwards; whoever throws a switch puts it in force first
//! and looks for calls afterwards. So no call slips through between the two.

use crate::id::{ActorId, CallId, Digest, TenantId, ToolName};
use crate::storage::ledger::{Kill, KillMode, KillScope, KillTarget, Switches};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// A call that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningCall {
    /// The call.
    pub call_id: CallId,
    /// Whose.
    pub tenant: TenantId,
    /// Who calls for the tenant.
    pub actor: ActorId,
    /// The tool.
    pub tool: ToolName,
    /// Its component.
    pub component: Digest,
    /// Whether the function writes.
    pub writes: bool,
}

impl RunningCall {
    /// The call, as kill switches see it.
    #[must_use]
    pub fn target(&self) -> KillTarget<'_> {
        KillTarget {
            tenant: &self.tenant,
            actor: Some(&self.actor),
            tool: Some(&self.tool),
            component: Some(&self.component),
            writes: self.writes,
        }
    }
}

struct Entered {
    call: RunningCall,
    /// Taken when the call is told to stop.
    tell: Option<oneshot::Sender<Told>>,
}

/// Why a call that runs is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A switch stops it.
    By(Kill),
    /// An admin stops this call, and no other.
    Alone,
}

#[derive(Default)]
struct Entries {
    next: u64,
    calls: HashMap<u64, Entered>,
}

/// The calls that run.
#[derive(Default)]
pub(crate) struct Running {
    entries: Mutex<Entries>,
    left: Notify,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("calls", &self.entries.lock().calls.len()).finish()
    }
}

impl Running {
    /// Enters a call; it leaves when what is given is dropped.
    pub(crate) fn enter(self: &Arc<Self>, call: RunningCall) -> Stay {
        let (tell, told) = oneshot::channel();
        let mut entries = self.entries.lock();
        let place = entries.next;
        entries.next = place.wrapping_add(1);
        entries.calls.insert(place, Entered { call, tell: Some(tell) });
        Stay { running: self.clone(), place, told }
    }

    /// Tells every call to stop that a switch stops, once; gives how many were told. A freeze lets those that run end.
    pub(crate) fn stop(&self, switches: &Switches) -> usize {
        let mut told = 0;
        for entered in self.entries.lock().calls.values_mut() {
            let kill = switches.against(&entered.call.target());
            let Some(kill) = kill.filter(|kill| kill.mode == KillMode::Stop) else { continue };
            if let Some(tell) = entered.tell.take() {
                // A call that is just leaving hears nothing any more.
                told += usize::from(tell.send(Told::By(kill.clone())).is_ok());
            }
        }
        told
    }

    /// Tells one call of a tenant to stop, and waits until it is gone; `false` when it does not run, or was told before.
    pub(crate) async fn stop_one(&self, tenant: &TenantId, call: CallId) -> bool {
        let is_it = |entered: &Entered| entered.call.call_id == call && entered.call.tenant == *tenant;
        let told = {
            let mut entries = self.entries.lock();
            let entered = entries.calls.values_mut().find(|entered| is_it(entered));
            entered.and_then(|entered| entered.tell.take()?.send(Told::Alone).ok())
        };
        if told.is_some() {
            self.none(is_it).await;
        }
        told.is_some()
    }

    /// Waits until none of the calls that were told to stop and that the scope names is left.
    pub(crate) async fn gone(&self, scope: &KillScope) {
        self.none(|entered| entered.tell.is_none() && scope.names(&entered.call.target())).await;
    }

    async fn none(&self, is_meant: impl Fn(&Entered) -> bool) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // From here on no leave is missed.
            left.as_mut().enable();
            if !self.entries.lock().calls.values().any(&is_meant) {
                return;
            }
            left.await;
        }
    }

    /// The calls that run at the moment, oldest first.
    pub(crate) fn calls(&self) -> Vec<RunningCall> {
        let mut calls: Vec<_> = self.entries.lock().calls.values().map(|e| e.call.clone()).collect();
        calls.sort_by_key(|call| call.call_id);
        calls
    }
}

/// A call's place among those that run.
pub(crate) struct Stay {
    running: Arc<Running>,
    place: u64,
    told: oneshot::Receiver<Told>,
}

impl Stay {
    /// Ready when the call is to stop.
    pub(crate) async fn stopped(&mut self) -> Told {
        match (&mut self.told).await {
            Ok(told) => told,
            // Nobody can tell it any more, so nobody does.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let entered = self.running.entries.lock().calls.remove(&self.place);
        if entered.is_some_and(|entered| entered.tell.is_none()) {
            self.running.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::powers::SystemClock;
    use crate::storage::ledger::SqliteLedger;

    fn call(n: u8, tenant: &str) -> RunningCall {
        RunningCall {
            call_id: CallId::new(u64::from(n), [n; 10]),
            tenant: TenantId::new(tenant).unwrap(),
            actor: ActorId::new("kim").unwrap(),
            tool: ToolName::new("orders").unwrap(),
            component: Digest::of(b"orders"),
            writes: true,
        }
    }

    #[tokio::test]
    async fn those_that_are_named_hear_it_once_and_the_others_do_not() {
        let running = Arc::new(Running::default());
        let ledger = SqliteLedger::in_memory(Arc::new(SystemClock)).unwrap();
        let listener = running.clone();
        ledger.on_switches(move |switches| listener.stop(switches));
        let (mut first, mut second) = (running.enter(call(1, "acme")), running.enter(call(2, "globex")));
        let acme = KillScope::Tenant(TenantId::new("acme").unwrap());
        let order = |mode| ledger.kill(acme.clone(), mode, "lee", "drill");
        assert_eq!(order(KillMode::Freeze).await.unwrap(), 0, "what runs may end");
        assert_eq!(order(KillMode::Stop).await.unwrap(), 1);
        assert_eq!(order(KillMode::Stop).await.unwrap(), 0, "it was told before");
        assert!(matches!(first.stopped().await, Told::By(kill) if kill.scope == acme));
        assert!(futures_now(second.stopped()).is_none());
        running.gone(&KillScope::Tenant(TenantId::new("globex").unwrap())).await;
        assert!(futures_now(running.gone(&acme)).is_none(), "the first is still there");
        let (gone, ()) = tokio::join!(running.gone(&acme), async { drop(first) });
        assert_eq!((gone, running.calls()), ((), vec![call(2, "globex")]));
        drop(second);
        assert!(running.calls().is_empty());
    }

    #[tokio::test]
    async fn one_call_is_stopped_and_its_tenant_is_the_one_who_was_named() {
        let running = Arc::new(Running::default());
        let (mut first, mut second) = (running.enter(call(1, "acme")), running.enter(call(2, "acme")));
        let (acme, id) = (TenantId::new("acme").unwrap(), call(1, "acme").call_id);
        assert!(!running.stop_one(&TenantId::new("globex").unwrap(), id).await, "it is another's");
        assert!(!running.stop_one(&acme, call(3, "acme").call_id).await, "it does not run");
        let (stopped, told) = tokio::join!(running.stop_one(&acme, id), async {
            let told = first.stopped().await;
            drop(first);
            told
        });
        assert_eq!((stopped, told), (true, Told::Alone));
        assert!(futures_now(second.stopped()).is_none());
    }

    fn futures_now<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
