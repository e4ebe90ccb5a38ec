//! Who asks, as the transport has established it.
//!
//! Takes: a verified caller, or the operator's word at the home. Gives: a [`Caller`] for each governed call.
//! May name: id, identify, reason, room, serve, settle.

use crate::id::TenantId;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::credential::Presented;
use crate::settle::Receipt;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::Mutex;

/// The way in.
pub(super) enum Door {
    /// An HTTP request: its caller until it is taken, and what it has shown, for as long as its answer goes on.
    Request(Mutex<Option<Box<Caller>>>, HeaderMap),
    /// A process that the operator started for one tenant.
    Operator(TenantId),
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Door {
    pub(super) fn request(caller: Caller, headers: &HeaderMap) -> Self {
        let shown = headers.get_all(AUTHORIZATION).iter().cloned();
        let shown = shown.map(|mut value| {
            value.set_sensitive(true);
            (AUTHORIZATION, value)
        });
        Self::Request(Mutex::new(Some(Box::new(caller))), shown.collect())
    }

    /// The caller, for one call. It is verified anew each time but the first.
    pub(super) async fn enter(&self, room: &Strongroom) -> Result<Caller, Box<Receipt>> {
        match self {
            Self::Request(caller, shown) => {
                let first = caller.lock().take();
                match first {
                    Some(caller) => Ok(*caller),
                    None => {
                        let presented = Presented::read(shown);
                        room.identify(presented.credential()).await.map_err(|r| presented.explain(*r).into())
                    }
                }
            }
            Self::Operator(tenant) => room.operator(tenant).await,
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
