//! What may be changed, with the proof that somebody may and that the book has it.
//!
//! Takes: [`Doing`]. Gives: what came of it, and its call in the book. May name: config, id, identify, reason, room,
//! settle, storage.

use super::leave::{Change, Doing, OfHost, OfTenant, Operate};
use super::reads::{Seen, not_there};
use crate::config::{RoleName, ToolPattern};
use crate::id::{ActorId, CallId, IdempotencyKey, KeyId, TenantId};
use crate::identify::key::ApiKey;
use crate::room::{BudgetOf, LONGEST_GRACE_MS, Made, NewKey, OperateError, SettleAs, Stopped};
use crate::storage::ledger::{AdminRole, KillMode, KillScope, StoredKey, UnknownWrite};
use std::sync::Arc;

/// How switches of tenants' admins are signed: they change no other.
const OWN: &str = "tenant-admin:";

/// A key that is asked for.
pub(crate) struct KeyOrder {
    pub(crate) actor: ActorId,
    pub(crate) role: Option<RoleName>,
    pub(crate) scopes: Vec<ToolPattern>,
    pub(crate) expires_ms: Option<u64>,
    /// Under which the order is carried out once.
    pub(crate) once: IdempotencyKey,
}

/// A key that is to take another one's place.
pub(crate) struct Rotation {
    pub(crate) id: KeyId,
    pub(crate) grace_ms: u64,
    /// Under which the order is carried out once.
    pub(crate) once: IdempotencyKey,
}

/// A key as it is kept now, and its text where it was made by this very order.
pub(crate) struct Ordered {
    pub(crate) stored: Arc<StoredKey>,
    pub(crate) made: Option<ApiKey>,
}

impl Doing<Change, OfTenant> {
    fn tenant(&self) -> &TenantId {
        self.over.id()
    }

    /// Makes a key. An order that is repeated gives the same key without its text, which was shown then.
    pub(crate) async fn create_key(self, order: KeyOrder) -> Seen<Ordered> {
        let ordered = self.make_key(order).await;
        self.done(ordered).await
    }

    async fn make_key(&self, order: KeyOrder) -> Result<Ordered, OperateError> {
        let KeyOrder { actor, role, scopes, expires_ms, once } = order;
        let tenant = self.tenant().clone();
        let id = self.room.inner().key_maker.id_for(&self.key.id, &once).map_err(OperateError::Entropy)?;
        let same = |stored: &StoredKey| {
            stored.tenant == tenant
                && stored.actor == actor
                && stored.role.as_deref() == role.as_ref().map(|role| role.as_str())
                && stored.scopes == scopes.iter().map(ToString::to_string).collect::<Vec<_>>()
                && stored.expires_ms == expires_ms
        };
        let new = NewKey {
            tenant: tenant.clone(),
            actor: actor.clone(),
            role: role.clone(),
            scopes: scopes.clone(),
            expires_ms,
        };
        let made = self.room.make_key(new, Some(id)).await?;
        self.ordered(made, same)
    }

    /// Makes a key in the place of one of the tenant's. An order that is repeated gives the new key without its text.
    pub(crate) async fn rotate_key(self, order: Rotation) -> Seen<Ordered> {
        let ordered = self.replace_key(order).await;
        self.done(ordered).await
    }

    async fn replace_key(&self, Rotation { id, grace_ms, once }: Rotation) -> Result<Ordered, OperateError> {
        let old = self.own_key(&id)?;
        let new = self.room.inner().key_maker.id_for(&self.key.id, &once).map_err(OperateError::Entropy)?;
        let same = |stored: &StoredKey| {
            stored.tenant == old.tenant
                && stored.actor == old.actor
                && stored.role == old.role
                && stored.scopes == old.scopes
                && stored.id != old.id
        };
        let ledger = &self.room.inner().ledger;
        if let Some(stored) = ledger.key(&new) {
            if !same(&stored) {
                return Err(OperateError::OnceMore);
            }
            // What broke off between both keys is brought to its end.
            let ends_ms = self.room.now_ms().saturating_add(grace_ms.min(LONGEST_GRACE_MS));
            ledger.end_key(&id, ends_ms).await?;
            return Ok(Ordered { stored, made: None });
        }
        let made = self.room.rotate_key_as(&id, grace_ms, Some(new)).await?;
        self.ordered(made, same)
    }

    fn ordered(&self, made: Made, same: impl Fn(&StoredKey) -> bool) -> Result<Ordered, OperateError> {
        let (id, made) = match made {
            Made::Now(made) => (made.id.clone(), Some(made)),
            Made::Before(id) => (id, None),
        };
        let stored = self.room.inner().ledger.key(&id).ok_or_else(|| OperateError::Key(id.clone()))?;
        match made.is_some() || same(&stored) {
            true => Ok(Ordered { stored, made }),
            false => Err(OperateError::OnceMore),
        }
    }

    /// Ends a key of the tenant's.
    pub(crate) async fn revoke_key(self, id: &KeyId) -> Seen<()> {
        let revoked = match self.own_key(id) {
            Ok(_) => self.room.revoke_key(id).await,
            Err(error) => Err(error),
        };
        self.done(revoked).await
    }

    fn own_key(&self, id: &KeyId) -> Result<Arc<StoredKey>, OperateError> {
        let keys = self.room.keys(Some(self.tenant()));
        keys.into_iter().find(|key| key.id == *id).ok_or_else(|| OperateError::Key(id.clone()))
    }

    /// Breaks off one call.
    pub(crate) async fn stop_call(self, call: CallId, why: &str) -> Seen<Stopped> {
        let stopped = self.room.stop_call(self.tenant(), call, why).await;
        self.done(stopped).await
    }

    /// Stops or freezes the tenant, or one actor of it. Gives the calls that were stopped, when it stops.
    pub(crate) async fn switch(
        self,
        actor: Option<ActorId>,
        mode: KillMode,
        why: &str,
    ) -> Seen<Option<Stopped>> {
        let (scope, own) = (self.over.scope(actor), self.own());
        let done = match mode {
            KillMode::Stop => self.room.kill_over(scope, why, own).await.map(Some),
            KillMode::Freeze => self.room.freeze_over(scope, why, own).await.map(|()| None),
        };
        self.done(done).await
    }

    /// Lets the tenant, or one actor of it, go on.
    pub(crate) async fn lift(self, actor: Option<ActorId>) -> Seen<()> {
        let (scope, own) = (self.over.scope(actor), self.own());
        let lifted = self.room.revive_own(scope.clone(), own).await;
        let lifted = lifted.and_then(|was| if was { Ok(()) } else { Err(was_not(&scope)) });
        self.done(lifted).await
    }

    /// Whose switches he may change: an operator everybody's, an admin of a tenant those of such admins.
    fn own(&self) -> Option<&'static str> {
        matches!(self.key.role, AdminRole::TenantAdmin(_)).then_some(OWN)
    }
}

impl Doing<Operate, OfTenant> {
    /// Raises a budget of the tenant until a time.
    pub(crate) async fn raise(self, budget: BudgetOf, more: u64, until_ms: u64, why: &str) -> Seen<()> {
        let budget = BudgetOf { tenant: self.over.id().clone(), ..budget };
        let raised = self.room.raise_budget(&budget, more, until_ms, why).await;
        self.done(raised).await
    }

    /// Ends a raise before its time.
    pub(crate) async fn lower(self, budget: BudgetOf) -> Seen<()> {
        let budget = BudgetOf { tenant: self.over.id().clone(), ..budget };
        let lowered = self.room.lower_budget(&budget).await;
        let lowered =
            lowered.and_then(|was| if was { Ok(()) } else { Err(not_there("this budget was not raised")) });
        self.done(lowered).await
    }

    /// Says what became of a write of the tenant's that broke off.
    pub(crate) async fn settle(self, call: CallId, how: SettleAs, why: &str) -> Seen<UnknownWrite> {
        let settled = self.settled(call, how, why).await;
        self.done(settled).await
    }

    async fn settled(&self, call: CallId, how: SettleAs, why: &str) -> Result<UnknownWrite, OperateError> {
        let own = self.room.inner().ledger.unknown_writes(Some(self.over.id()))?;
        match own.iter().any(|write| write.call_id == call) {
            true => self.room.settle_unknown(call, how, why).await,
            false => Err(OperateError::NotUnknown(call)),
        }
    }
}

impl Doing<Operate, OfHost> {
    /// Stops or freezes whatever the scope names. Gives the calls that were stopped, when it stops.
    pub(crate) async fn switch(self, scope: KillScope, mode: KillMode, why: &str) -> Seen<Option<Stopped>> {
        let done = match mode {
            KillMode::Stop => self.room.kill(scope, why).await.map(Some),
            KillMode::Freeze => self.room.freeze(scope, why).await.map(|()| None),
        };
        self.done(done).await
    }

    /// Lets what the scope names go on.
    pub(crate) async fn lift(self, scope: KillScope) -> Seen<()> {
        let lifted = self.room.revive(scope.clone()).await;
        let lifted = lifted.and_then(|was| if was { Ok(()) } else { Err(was_not(&scope)) });
        self.done(lifted).await
    }
}

fn was_not(scope: &KillScope) -> OperateError {
    not_there(&format!("{scope} was neither stopped nor frozen"))
}
