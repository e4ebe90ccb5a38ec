//! The proofs: that somebody may look or change, and that a change is in the book before it is made.
//!
//! Takes: verdicts of the door. Gives: [`Leave`] and [`Doing`]. May name: audit, config, execute, id, reason, room,
//! settle, storage.

use super::door::of_host;
use super::refused::{reason_of, text_of};
use crate::audit::bracket::Bracket;
use crate::config::Effect;
use crate::execute::Answer;
use crate::id::{ActorId, CallId, Digest, TenantId};
use crate::reason::{Outcome, Reason};
use crate::room::{OperateError, Strongroom};
use crate::settle::{Receipt, WITHHELD};
use crate::storage::ledger::{AdminKey, AdminRole, KillScope};
use std::marker::PhantomData;
use std::sync::Arc;

/// What a proof allows.
pub(crate) trait Level: Send + Sync + 'static {
    /// 0 to look, 1 to change what is a tenant's own, 2 for what is the operator's alone.
    const RANK: u8;
}

/// To look.
pub(crate) struct Read;
/// To change what is a tenant's own: for its admins, and for operators.
pub(crate) struct Change;
/// To change what is the operator's: limits, tools, the host, what calls came to.
pub(crate) struct Operate;

impl Level for Read {
    const RANK: u8 = 0;
}
impl Level for Change {
    const RANK: u8 = 1;
}
impl Level for Operate {
    const RANK: u8 = 2;
}

type Denied = (Reason, String);

/// Over what a proof is.
pub(crate) trait Over: Sized + Send + Sync + 'static {
    /// Whether a role may do something of this rank; `asked` is what stands in the path.
    fn judge(room: &Strongroom, role: &AdminRole, rank: u8, asked: &str) -> Result<Self, Denied>;
    /// The tenant, where it is one.
    fn tenant(&self) -> Option<&TenantId>;
}

/// The host as a whole.
pub(crate) struct OfHost;
/// One tenant.
pub(crate) struct OfTenant(TenantId);

impl OfTenant {
    pub(super) fn id(&self) -> &TenantId {
        &self.0
    }

    pub(super) fn scope(&self, actor: Option<ActorId>) -> KillScope {
        match actor {
            Some(actor) => KillScope::Actor(self.0.clone(), actor),
            None => KillScope::Tenant(self.0.clone()),
        }
    }
}

/// Nothing but who asks.
pub(crate) struct OfSelf;

/// One text for all that a role does not allow, so that it tells nothing of what there is.
fn denied(role: &AdminRole) -> Denied {
    let allows = match role {
        AdminRole::Operator => "an operator may not do this",
        AdminRole::Auditor => "an auditor may look at everything and change nothing",
        AdminRole::TenantAdmin(_) => "an admin of a tenant may look at and change what is this tenant's own",
    };
    (Reason::RoleDenied, allows.to_owned())
}

impl Over for OfHost {
    fn judge(_: &Strongroom, role: &AdminRole, rank: u8, _: &str) -> Result<Self, Denied> {
        of_host(role, rank).then_some(Self).ok_or_else(|| denied(role))
    }

    fn tenant(&self) -> Option<&TenantId> {
        None
    }
}

impl Over for OfSelf {
    fn judge(_: &Strongroom, role: &AdminRole, rank: u8, _: &str) -> Result<Self, Denied> {
        (rank == Read::RANK).then_some(Self).ok_or_else(|| denied(role))
    }

    fn tenant(&self) -> Option<&TenantId> {
        None
    }
}

impl Over for OfTenant {
    fn judge(room: &Strongroom, role: &AdminRole, rank: u8, asked: &str) -> Result<Self, Denied> {
        let tenant = TenantId::new(asked).ok();
        if let AdminRole::TenantAdmin(own) = role {
            // Before anything is asked of what there is.
            let own =
                tenant.filter(|tenant| tenant == own && rank <= Change::RANK).ok_or_else(|| denied(role))?;
            return match room.settings().tenants.get(&own) {
                Some(config) if config.suspended => {
                    Err((Reason::TenantSuspended, "the operator has suspended this tenant".to_owned()))
                }
                Some(_) => Ok(Self(own)),
                None => Err(denied(role)),
            };
        }
        if !of_host(role, rank) {
            return Err(denied(role));
        }
        let known = tenant.map(|tenant| (room.has_anything_of(&tenant), tenant));
        match known {
            Some((Ok(true), tenant)) => Ok(Self(tenant)),
            Some((Err(error), _)) => Err((reason_of(&error), text_of(&error))),
            _ => Err((Reason::NotFound, "there is no such tenant, and nothing of one".to_owned())),
        }
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.0)
    }
}

/// Proof that whoever asks may do something of this level, over this. Only the door makes one.
///
/// Its parts are private, so a handler without one reaches nothing of the host.
#[must_use = "what was granted and not used leaves an entry of a request that never was"]
pub(crate) struct Leave<L, O> {
    pub(super) room: Strongroom,
    bracket: Bracket,
    pub(super) over: O,
    pub(super) key: Arc<AdminKey>,
    level: PhantomData<L>,
}

/// Proof that a change that somebody may make is in the book. It serves one change.
#[must_use = "a change that was begun and not made is unknown in the book"]
pub(crate) struct Doing<L, O> {
    pub(super) room: Strongroom,
    bracket: Bracket,
    pub(super) over: O,
    pub(super) key: Arc<AdminKey>,
    level: PhantomData<L>,
}

impl<L: Level, O: Over> Leave<L, O> {
    pub(super) fn granted(room: Strongroom, bracket: Bracket, over: O, key: Arc<AdminKey>) -> Self {
        Self { room, bracket, over, key, level: PhantomData }
    }

    /// Refuses what was asked after all, because of how it was asked.
    pub(crate) async fn refuse(self, reason: Reason, message: impl Into<String>) -> Box<Receipt> {
        Box::new(self.bracket.refuse(reason, message).close().await)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.room.now_ms()
    }

    /// Whether there is something of this name now, for whoever may switch it off.
    pub(crate) fn knows(&self, scope: &KillScope) -> bool {
        self.room.knows(scope)
    }

    /// What is asked, as a keyed digest of it: the book holds no values.
    pub(crate) fn asks(&mut self, body: &str) {
        let digest: Digest = self.room.inner().mac_of(body.as_bytes());
        self.bracket.asks(digest, body.len());
    }
}

impl<L: Level> Leave<L, OfTenant> {
    /// The tenant.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.over.0
    }

    /// The tenant, or one actor of it, as switches name them.
    pub(crate) fn scope(&self, actor: Option<ActorId>) -> KillScope {
        self.over.scope(actor)
    }
}

impl<O: Over> Leave<Read, O> {
    /// Ends the request: it is in the book before anything is shown.
    pub(super) async fn shown<T>(self, seen: Result<T, OperateError>) -> Result<(CallId, T), Box<Receipt>> {
        let call = self.bracket.call_id();
        match seen {
            Ok(seen) => {
                let closed = self.bracket.close(Reason::Ok, Outcome::Executed, Effect::Write).await;
                match closed.reason {
                    Reason::Ok => Ok((call, seen)),
                    reason => Err(Box::new(Receipt::of(closed, unwritten(reason), Vec::new()))),
                }
            }
            Err(error) => Err(self.refuse(reason_of(&error), text_of(&error)).await),
        }
    }
}

impl<O: Over> Leave<Change, O> {
    /// Puts into the book that the change is about to be made.
    pub(crate) async fn begin(self) -> Result<Doing<Change, O>, Box<Receipt>> {
        begin(self).await
    }
}

impl<O: Over> Leave<Operate, O> {
    /// Puts into the book that the change is about to be made.
    pub(crate) async fn begin(self) -> Result<Doing<Operate, O>, Box<Receipt>> {
        begin(self).await
    }
}

async fn begin<L: Level, O: Over>(leave: Leave<L, O>) -> Result<Doing<L, O>, Box<Receipt>> {
    let Leave { room, mut bracket, over, key, level } = leave;
    if bracket.begins().await.is_err() {
        let refused =
            bracket.refuse(Reason::AuditUnavailable, "the audit log cannot be written; nothing was changed");
        return Err(Box::new(refused.close().await));
    }
    Ok(Doing { room, bracket, over, key, level })
}

impl<L: Level, O: Over> Doing<L, O> {
    /// Ends the request with what the change came to.
    pub(super) async fn done<T>(self, done: Result<T, OperateError>) -> Result<(CallId, T), Box<Receipt>> {
        let call = self.bracket.call_id();
        let (reason, outcome, message) = match &done {
            Ok(_) => (Reason::Ok, Outcome::Executed, None),
            Err(error) => (reason_of(error), Outcome::Failed, Some(text_of(error))),
        };
        let closed = self.bracket.close(reason, outcome, Effect::Write).await;
        match (done, closed.reason) {
            (Ok(done), Reason::Ok) => Ok((call, done)),
            (_, written) if written == reason => {
                let answer = Answer::failed(reason, message.unwrap_or_default());
                Err(Box::new(Receipt::of(closed, answer, Vec::new())))
            }
            (_, other) => Err(Box::new(Receipt::of(closed, unwritten(other), Vec::new()))),
        }
    }
}

fn unwritten(reason: Reason) -> Answer {
    Answer::failed(reason, WITHHELD)
}
