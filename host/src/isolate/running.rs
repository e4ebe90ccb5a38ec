//! The calls that run in this process, and how they are stopped.
//!
//! Takes: who calls what. Gives: a [`Stay`] for as long as it runs, which hears of the kill switch that stops it.
//! May name: id, storage.
//!
//! A call is entered first and checked against the switches afterwards; whoever throws a switch puts it in force first
//! and looks for calls afterwards. So no call slips through between the two.

use crate::id::{ActorId, CallId, Digest, TenantId, ToolName};
use crate::storage::ledger::{Kill, KillMode, KillScope, KillTarget, Switches};
use parking_lot::Mutex;
use std::collections::HashMap;
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
    tell: Option<oneshot::Sender<Kill>>,
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
                told += usize::from(tell.send(kill.clone()).is_ok());
            }
        }
        told
    }

    /// Waits until none of the calls that were told to stop and that the scope names is left.
    pub(crate) async fn gone(&self, scope: &KillScope) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // From here on no leave is missed.
            left.as_mut().enable();
            let stops = |entered: &Entered| entered.tell.is_none() && scope.names(&entered.call.target());
            if !self.entries.lock().calls.values().any(stops) {
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
    told: oneshot::Receiver<Kill>,
}

impl Stay {
    /// Ready when a switch stops the call.
    pub(crate) async fn stopped(&mut self) -> Kill {
        match (&mut self.told).await {
            Ok(kill) => kill,
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
        assert_eq!(first.stopped().await.scope, acme);
        assert!(futures_now(second.stopped()).is_none());
        running.gone(&KillScope::Tenant(TenantId::new("globex").unwrap())).await;
        assert!(futures_now(running.gone(&acme)).is_none(), "the first is still there");
        let (gone, ()) = tokio::join!(running.gone(&acme), async { drop(first) });
        assert_eq!((gone, running.calls()), ((), vec![call(2, "globex")]));
        drop(second);
        assert!(running.calls().is_empty());
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
