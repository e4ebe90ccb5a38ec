//! What calls no tool, in the book: what somebody looks at; an admin's request, whose it is, and for a change that it is about to be made.
//!
//! Takes: a verified admin, an action. Gives: entries. May name: config, id.

use super::Bracket;
use crate::audit::AuditUnavailable;
use crate::config::Effect;
use crate::id::{ActorId, TenantId};

impl Bracket {
    /// The call only looks, and calls no tool.
    pub(crate) fn does(&mut self, action: &str) {
        self.with(|open| open.entry.action = action.to_owned());
    }

    /// The admin's key was verified. `how` tells which key it was, and its role.
    pub(crate) fn by_admin(&mut self, actor: &ActorId, how: &str) {
        self.with(|open| open.entry.actor_id = Some(actor.clone()));
        self.notes(how);
    }

    /// Which tenant it is about, where it is about one.
    pub(crate) fn concerns(&mut self, tenant: &TenantId) {
        self.with(|open| open.entry.tenant_id = Some(tenant.clone()));
    }

    /// Puts into the book, durably, that a change is about to be made. From here on the request is not refused any more: it
    /// ends, or nobody knows how.
    pub(crate) async fn begins(&mut self) -> Result<(), AuditUnavailable> {
        let Some(announcer) = self.announcer() else { return Ok(()) };
        announcer.announce(Vec::new())?.durable().await?;
        self.with(|open| open.effect = Effect::Write);
        self.runs();
        Ok(())
    }
}
