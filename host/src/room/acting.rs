//! Whose orders a handle to the host takes: those of whoever holds the home folder, or of an admin who is named.
//!
//! Takes: an actor, and how he is known. Gives: a handle whose acts are in the book as his. May name: audit, id.

use super::Strongroom;
use crate::audit::Entry;
use crate::id::ActorId;
use std::sync::Arc;

/// An admin who gives orders.
#[derive(Debug)]
pub(super) struct Acting {
    actor: ActorId,
    /// By which key, and in which call.
    how: String,
}

impl Strongroom {
    /// The same host, whose acts through this handle are in the book as this actor's. `how` says how he is known.
    pub(crate) fn acting_as(&self, actor: ActorId, how: String) -> Self {
        Self { room: self.room.clone(), acting: Some(Arc::new(Acting { actor, how })) }
    }

    /// Who orders what is done through this handle.
    pub(super) fn actor(&self) -> ActorId {
        match &self.acting {
            Some(acting) => acting.actor.clone(),
            None => self.room.local_actor(),
        }
    }

    /// Says in an entry of an act whose it is.
    pub(super) fn sign(&self, entry: &mut Entry) {
        entry.actor_id = Some(self.actor());
        if let Some(acting) = &self.acting {
            entry.note = Some(acting.how.clone());
        }
    }
}
