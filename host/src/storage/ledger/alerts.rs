//! Who hears alerts: everybody who subscribed in this process, each alert once for all processes on a ledger.
//!
//! Takes: crossings. Gives: [`Alerts`]. May name: id, powers.

use super::alert::{Alert, Crossing};
use super::{Ledger, lease};
use crate::id::TenantId;
use crate::storage::{StorageError, batch};
use tokio::sync::broadcast;

/// Alerts that a slow listener may be behind; older ones are counted and lost for it.
const BEHIND: usize = 1024;

#[derive(Debug)]
pub(super) struct Sender(broadcast::Sender<Alert>);

impl Default for Sender {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

/// The alerts of a ledger from now on.
#[derive(Debug)]
pub struct Alerts(broadcast::Receiver<Alert>);

impl Alerts {
    /// The next one; `None` when the ledger is gone. One who listens too slowly misses the oldest, with a warning.
    pub async fn next(&mut self) -> Option<Alert> {
        loop {
            match self.0.recv().await {
                Ok(alert) => return Some(alert),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "budget alerts were missed by one who listens too slowly");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Ledger {
    /// Alerts from now on that this process raises.
    #[must_use]
    pub fn alerts(&self) -> Alerts {
        Alerts(self.inner.alerts.0.subscribe())
    }

    /// Tells of parts of limits that were reached, unless another process has.
    pub(super) fn tell(&self, tenant: &TenantId, crossed: Vec<Crossing>) {
        for crossing in crossed {
            let (to, at_ms) = (self.inner.alerts.0.clone(), self.inner.clock.unix_ms());
            let (told, tenant) = (tenant.clone(), tenant.clone());
            let Crossing { count, start, limit, part, spent } = crossing.clone();
            let tell = move |result: Result<bool, StorageError>| match result {
                Ok(false) => {}
                Ok(true) => {
                    let (of, per, who) = (count.of, count.per, count.who.as_str().to_owned());
                    let window_start_ms = start;
                    let alert =
                        Alert { tenant, of, per, who, percent: part, limit, spent, window_start_ms, at_ms };
                    // Nobody has to listen.
                    drop(to.send(alert));
                }
                Err(error) => tracing::warn!(%error, "a budget's alert could not be noted, and is not told"),
            };
            self.inner.writer.post(batch::job(move |c| lease::tell(c, &told, &crossing), tell));
        }
    }
}
