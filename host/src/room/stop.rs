//! The incident stop: kill switches, and the calls that run when one is thrown.
//!
//! Takes: whom to stop, and why. Gives: [`Stopped`], when the switch is in force and in the book. May name: id, isolate,
//! reason, storage.

use super::{OperateError, Strongroom};
use crate::id::{Digest, TenantId};
use crate::isolate::RunningCall;
use crate::reason::Reason;
use crate::storage::ledger::{Kill, KillMode, KillScope, Obeyed, Order};
use std::time::Duration;

/// How long calls that were told to stop are waited for. They end within milliseconds; what takes longer is a cell that
/// an embedder holds and does not run, or a disk that does not answer.
const GONE: Duration = Duration::from_secs(5);

/// What a kill switch came to in this process. Other processes on the same home folder do the same within some
/// milliseconds, by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Calls that ran and were told to stop.
    pub calls: usize,
    /// Whether all of them have ended, so that nothing of them runs any more. `false` when one has not within 5 seconds.
    pub gone: bool,
}

impl Strongroom {
    /// Stops calls, until [`Strongroom::revive`]: none that the scope names begins, and those that run are broken off as
    /// `killed`. When it is ready, none of them runs in this process any more.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written. A switch that is on stays on all the same.
    pub async fn kill(&self, scope: KillScope, why: &str) -> Result<Stopped, OperateError> {
        let calls = self.switch_on(&scope, KillMode::Stop, why).await?;
        let order = Order::On { scope: scope.clone(), mode: KillMode::Stop, why: why.to_owned() };
        let gone = tokio::time::timeout(GONE, self.room.running.gone(&scope));
        let (written, gone) = tokio::join!(self.enter_order(&order, &scope), gone);
        written?;
        Ok(Stopped { calls, gone: gone.is_ok() })
    }

    /// Freezes writes, until [`Strongroom::revive`]: no function that writes begins for whom the scope names. Writes that
    /// run end, and reads go on. It replaces a switch that stops the same scope.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written. A switch that is on stays on all the same.
    pub async fn freeze(&self, scope: KillScope, why: &str) -> Result<(), OperateError> {
        self.switch_on(&scope, KillMode::Freeze, why).await?;
        let order = Order::On { scope: scope.clone(), mode: KillMode::Freeze, why: why.to_owned() };
        self.enter_order(&order, &scope).await
    }

    /// Waits until the other processes on this home folder obey the switches as they are now, at most so long. They obey
    /// within some milliseconds, and say so within a quarter of a second.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn others_obey(&self, patience: Duration) -> Result<Obeyed, OperateError> {
        Ok(self.room.ledger.others_obey(patience).await?)
    }

    pub(super) async fn switch_on(
        &self,
        scope: &KillScope,
        mode: KillMode,
        why: &str,
    ) -> Result<usize, OperateError> {
        let who = self.room.local_actor();
        Ok(self.room.ledger.kill(scope.clone(), mode, who.as_str(), why).await?)
    }

    /// Lets calls go on that were stopped or frozen. `false` when they were not.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written.
    pub async fn revive(&self, scope: KillScope) -> Result<bool, OperateError> {
        let was = self.room.ledger.revive(scope.clone()).await?;
        if was {
            self.enter_order(&Order::Off { scope: scope.clone() }, &scope).await?;
        }
        Ok(was)
    }

    async fn enter_order(&self, order: &Order, scope: &KillScope) -> Result<(), OperateError> {
        let component: Option<Digest> = match scope {
            KillScope::Component(digest) => Some(*digest),
            _ => None,
        };
        let tenant: Option<&TenantId> = scope.tenant();
        self.enter(&order.to_string(), tenant, Reason::Ok, component).await
    }

    /// The kill switches that are on, in the order host, tenants, actors, tools, components.
    #[must_use]
    pub fn kills(&self) -> Vec<Kill> {
        self.room.ledger.kills()
    }

    /// The calls that run in this process at the moment, oldest first.
    #[must_use]
    pub fn running(&self) -> Vec<RunningCall> {
        self.room.running.calls()
    }
}
