//! Who asks, as the transport has established it.
//!
//! Takes: a verified caller, or the operator's word at the home. Gives: a [`Caller`] for each governed call.
//! May name: id, identify, reason, room, serve, settle.

use crate::id::TenantId;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::credential::Kept;
use crate::serve::vigil::Vigil;
use crate::settle::Receipt;
use http::request::Parts;
use parking_lot::Mutex;
use std::sync::Arc;

/// The way in.
pub(super) enum Door {
    /// An HTTP request: its caller until it is taken, and what it has shown, for as long as its answer goes on.
    Request(Mutex<Option<Box<Caller>>>, Arc<Kept>),
    /// A process that the operator started for one tenant.
    Operator(TenantId),
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Door {
    pub(super) fn request(caller: Caller, parts: &Parts) -> Self {
        Self::Request(Mutex::new(Some(Box::new(caller))), Arc::new(Kept::of(parts)))
    }

    /// The caller, for one call. It is verified anew each time but the first.
    pub(super) async fn enter(&self, room: &Strongroom) -> Result<Caller, Box<Receipt>> {
        match self {
            Self::Request(caller, shown) => {
                let first = caller.lock().take();
                match first {
                    Some(caller) => Ok(*caller),
                    None => shown.shown().identify(room).await,
                }
            }
            Self::Operator(tenant) => room.operator(tenant).await,
        }
    }

    /// What ends an answer that goes on for this caller; an operator's process ends by itself.
    pub(super) fn vigil(&self, room: &Strongroom, caller: &Caller) -> Option<Vigil> {
        match self {
            Self::Request(_, kept) => Some(Vigil::of(room, kept.clone(), caller)),
            Self::Operator(_) => None,
        }
    }

    /// Closes the call of a caller who asked for nothing that is governed: a handshake, or what is no message at all.
    pub(super) async fn leave(&self, room: &Strongroom, fits: bool) -> Result<(), Box<Receipt>> {
        let Self::Request(caller, _) = self else { return Ok(()) };
        let Some(caller) = caller.lock().take() else { return Ok(()) };
        if fits {
            return room.looked(*caller, "greet", Ok(())).await;
        }
        // The client has its answer from rmcp; the book has that it came to nothing.
        drop(
            room.refuse(*caller, "/mcp", Reason::ArgumentsInvalid, "what came is no message of the protocol")
                .await,
        );
        Ok(())
    }
}
