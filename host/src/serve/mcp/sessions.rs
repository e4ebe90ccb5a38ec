//! Sessions of clients with a handshake (protocols up to 2025-11-25): what a client can be asked for, its level of log messages,
//! and the resources that it follows.
//!
//! Takes: handshakes. Gives: [`Sessions`]. May name: id, identify, imports, serve.
//!
//! A session is its caller's own: whoever comes with its name and is somebody else is told that there is none. It opens
//! nothing: each request shows its credential anew. When there is no place for one more, a handshake goes without: then nothing
//! works that needs a session, and all else does.

use crate::id::{ActorId, TenantId};
use crate::identify::Caller;
use crate::imports::Severity;
use http::HeaderMap;
use parking_lot::Mutex;
use rmcp::model::RequestId;
use rmcp::service::{Peer, RoleServer};
use rmcp::transport::streamable_http_server::session::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The header with a session's name.
pub(super) const HEADER: &str = "mcp-session-id";
/// The header with the protocol's revision, and the first one without sessions. They are dates, and sort as such.
const VERSION: &str = "mcp-protocol-version";
const STATELESS: &[u8] = b"2026-07-28";
/// Sessions at once: of one tenant, and of all.
const OF_ONE: usize = 16;
const OF_ALL: usize = 512;
/// How long a session lasts without a message.
const IDLE: Duration = Duration::from_secs(3600);
/// The most resources that a session follows.
pub(super) const FOLLOWED: usize = 64;

/// The longest URI of one, in bytes.
pub(super) const URI: usize = 2048;

/// What a session remembers.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The ids of requests that have no whole answer yet.
    in_use: Mutex<HashSet<RequestId>>,
    /// The least severity of log messages that the client wants.
    pub(super) least: Mutex<Option<Severity>>,
    pub(super) followed: Mutex<BTreeSet<String>>,
    pub(super) peer: OnceLock<Peer<RoleServer>>,
}

/// The id of a request, which no other request of its session has meanwhile.
#[derive(Debug)]
pub(super) struct InUse {
    session: Arc<Session>,
    id: RequestId,
}

impl Session {
    /// `None` for an id that is in use. rmcp gives the answer of one request to whoever came last with its id.
    pub(super) fn take(self: &Arc<Self>, id: RequestId) -> Option<InUse> {
        let free = self.in_use.lock().insert(id.clone());
        free.then(|| InUse { session: self.clone(), id })
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.session.in_use.lock().remove(&self.id);
    }
}

#[derive(Debug)]
struct Held {
    tenant: TenantId,
    actor: ActorId,
    session: Arc<Session>,
}

/// The sessions of a server.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Sessions {
    pub(super) manager: Arc<LocalSessionManager>,
    held: Arc<Mutex<HashMap<String, Held>>>,
}

/// The session that a request belongs to.
#[derive(Debug)]
pub(super) enum Of {
    /// None: it stands alone.
    Alone,
    /// One that it begins.
    New(Arc<Session>),
    /// One that was begun.
    Known(String, Arc<Session>),
    /// One that there is not, or not for this caller.
    Unknown,
}

/// Whether a request can belong to a session. Revisions of that day and later have none, and who names one there has said
/// nothing.
pub(super) fn may_be_in_one(headers: &HeaderMap) -> bool {
    headers.get(VERSION).is_none_or(|version| version.as_bytes() < STATELESS)
}

impl Of {
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        match self {
            Self::New(session) | Self::Known(_, session) => Some(session.clone()),
            Self::Alone | Self::Unknown => None,
        }
    }
}

impl Sessions {
    pub(in crate::serve) fn new() -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(IDLE);
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        Self { manager: Arc::new(manager), held: Arc::default() }
    }

    /// Which session a request belongs to; `begins` when it is a handshake.
    pub(super) async fn of(&self, headers: &HeaderMap, caller: &Caller, begins: bool) -> Of {
        let Some(name) = headers.get(HEADER).filter(|_| may_be_in_one(headers)) else {
            return match begins && self.has_place(caller.tenant()).await {
                true => Of::New(Arc::default()),
                false => Of::Alone,
            };
        };
        let name = name.to_str().unwrap_or_default();
        let held = self.held.lock();
        match held.get(name) {
            Some(held) if (&held.tenant, &held.actor) == (caller.tenant(), caller.actor()) => {
                Of::Known(name.to_owned(), held.session.clone())
            }
            _ => Of::Unknown,
        }
    }

    /// Keeps a session that has begun. Of several that began at once for the last place, the others end here.
    pub(super) async fn keep(&self, name: &str, (tenant, actor): (TenantId, ActorId), session: Arc<Session>) {
        let kept = {
            let mut held = self.held.lock();
            let fits = fits(&held, &tenant);
            if fits {
                held.insert(name.to_owned(), Held { tenant, actor, session });
            }
            fits
        };
        if !kept && let Err(error) = self.manager.close_session(&name.into()).await {
            tracing::warn!("a session beyond the limit could not be ended: {error}");
        }
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&self, name: &str) {
        self.held.lock().remove(name);
    }

    /// Whether there is a place for one more of the tenant, after those that ended by themselves are forgotten.
    async fn has_place(&self, tenant: &TenantId) -> bool {
        let names: Vec<String> = self.held.lock().keys().cloned().collect();
        for name in names {
            if !matches!(self.manager.has_session(&name.as_str().into()).await, Ok(true)) {
                self.forget(&name);
            }
        }
        fits(&self.held.lock(), tenant)
    }
}

fn fits(held: &HashMap<String, Held>, tenant: &TenantId) -> bool {
    held.len() < OF_ALL && held.values().filter(|held| held.tenant == *tenant).count() < OF_ONE
}
