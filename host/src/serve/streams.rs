//! Answers that go on until their client leaves: how many there are, and when they end.
//!
//! Takes: tenants. Gives: places. May name: id.

use crate::id::TenantId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Streams at once: of one tenant, and of all.
pub(super) const OF_ONE: usize = 4;
pub(super) const OF_ALL: usize = 128;

/// The streams that are open, and the sign that they should end.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
    stopping: watch::Receiver<bool>,
}

impl Streams {
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { open: Arc::default(), stopping }
    }

    /// Waits for the sign that they should end. The server lets its streams end before it waits for them.
    pub(super) async fn stopping(&self) {
        // A server that is gone needs no sign.
        drop(self.stopping.clone().wait_for(|stopping| *stopping).await.map(|_| ()));
    }

    /// A place for one more, if there is one.
    pub(super) fn enter(&self, tenant: &TenantId) -> Option<Place> {
        let mut open = self.open.lock();
        if open.values().sum::<usize>() >= OF_ALL || open.get(tenant).is_some_and(|n| *n >= OF_ONE) {
            return None;
        }
        *open.entry(tenant.clone()).or_default() += 1;
        Some(Place { open: self.open.clone(), tenant: tenant.clone() })
    }
}

/// Waits for the sign that streams should end; where nobody gives it, for ever: a process of its own ends by itself.
pub(super) async fn stopping(streams: Option<&Streams>) {
    match streams {
        Some(streams) => streams.stopping().await,
        None => std::future::pending().await,
    }
}

/// A place of a tenant, given back with it.
pub(super) struct Place {
    open: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_a_few_places_and_gives_them_back() {
        let streams = Streams::new(watch::channel(false).1);
        let tenant = |n: usize| TenantId::new(format!("t{n}")).unwrap();
        let held: Vec<_> = (0..OF_ONE).map(|_| streams.enter(&tenant(0)).unwrap()).collect();
        assert!(streams.enter(&tenant(0)).is_none() && streams.enter(&tenant(1)).is_some());
        drop(held);
        let held: Vec<_> = (0..OF_ALL).map(|n| streams.enter(&tenant(n)).unwrap()).collect();
        assert!(streams.enter(&tenant(OF_ALL)).is_none());
        drop(held);
        assert!(streams.open.lock().is_empty());
    }
}
