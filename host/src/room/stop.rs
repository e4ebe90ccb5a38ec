//! The incident stop: kill switches, and the calls that run when one is thrown.
//!
//! Takes: whom to stop, and why. Gives: [`Stopped`], when the switch is in force and in the book. May name: id, isolate,
//! reason, storage.

use super::{OperateError, Strongroom};
use crate::id::{CallId, Digest, TenantId};
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
        self.kill_over(scope, why, None).await
    }

    /// The same, but not over a switch of somebody whose name does not begin as `own` says.
    pub(crate) async fn kill_over(
        &self,
        scope: KillScope,
        why: &str,
        own: Option<&'static str>,
    ) -> Result<Stopped, OperateError> {
        let calls = self.switch_on(&scope, KillMode::Stop, why, own).await?;
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
        self.freeze_over(scope, why, None).await
    }

    /// The same, but not over a switch of somebody whose name does not begin as `own` says.
    pub(crate) async fn freeze_over(
        &self,
        scope: KillScope,
        why: &str,
        own: Option<&'static str>,
    ) -> Result<(), OperateError> {
        self.switch_on(&scope, KillMode::Freeze, why, own).await?;
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
        own: Option<&'static str>,
    ) -> Result<usize, OperateError> {
        let who = self.actor();
        let done = self.room.ledger.kill_over(scope.clone(), mode, who.as_str(), why, own).await?;
        done.ok_or_else(|| OperateError::OfOthers(scope.clone()))
    }

    /// Lets calls go on that were stopped or frozen. `false` when they were not.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written.
    pub async fn revive(&self, scope: KillScope) -> Result<bool, OperateError> {
        self.revive_own(scope, None).await
    }

    /// The same, but not for a switch of somebody whose name does not begin as `own` says.
    pub(crate) async fn revive_own(
        &self,
        scope: KillScope,
        own: Option<&'static str>,
    ) -> Result<bool, OperateError> {
        let was = self.room.ledger.revive_own(scope.clone(), own).await?;
        if !was && self.kills().iter().any(|kill| kill.scope == scope) {
            return Err(OperateError::OfOthers(scope));
        }
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

    /// Breaks off one call of a tenant that runs in this process, as `killed`. Others go on, and more may begin.
    ///
    /// # Errors
    /// [`OperateError::NotThere`] when it does not run here; when the book cannot be written.
    pub async fn stop_call(
        &self,
        tenant: &TenantId,
        call: CallId,
        why: &str,
    ) -> Result<Stopped, OperateError> {
        let stop = self.room.running.stop_one(tenant, call);
        let gone = match tokio::time::timeout(GONE, stop).await {
            Ok(true) => true,
            Ok(false) => return Err(OperateError::NotThere(format!("no call {call} of {tenant} runs here"))),
            Err(_) => false,
        };
        self.enter(&format!("call.stop {call}: {why}"), Some(tenant), Reason::Ok, None).await?;
        Ok(Stopped { calls: 1, gone })
    }

    /// Whether there is such a thing now; a switch for one that is not there yet is on all the same.
    #[must_use]
    pub fn knows(&self, scope: &KillScope) -> bool {
        let of_tenant = |tenant| self.settings().tenants.contains_key(tenant);
        match scope {
            KillScope::Host => true,
            KillScope::Tenant(tenant) => of_tenant(tenant),
            // A host without tenants' files asks for no keys, and has one actor whom nobody can misspell for another.
            KillScope::Actor(tenant, actor) => {
                let keys = self.keys(Some(tenant));
                of_tenant(tenant)
                    && (self.settings().single_tenant || keys.iter().any(|key| key.actor == *actor))
            }
            KillScope::Tool(tool) => self.catalogue().tool(tool).is_some(),
            KillScope::Component(digest) => {
                self.catalogue().tools().iter().any(|tool| tool.digest == *digest)
            }
            KillScope::Token(tokens) => {
                self.settings().host.issuers.iter().any(|issuer| issuer.url.as_str() == tokens.issuer)
            }
        }
    }

    /// The calls that run in this process at the moment, oldest first.
    #[must_use]
    pub fn running(&self) -> Vec<RunningCall> {
        self.room.running.calls()
    }
}
