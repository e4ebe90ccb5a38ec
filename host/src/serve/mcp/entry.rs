//! How each request of a session comes in: with its own caller, and what its own headers say.
//!
//! Takes: a request's door and headers. Gives: [`Entry`], which travels with the request through rmcp. May name: serve.

use super::asked::Sent;
use super::door::Door;
use crate::serve::http::Lacks;
use http::request::Parts;
use rmcp::model::Extensions;
use std::sync::{Arc, OnceLock};

/// The way in of one request.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) door: Arc<Door>,
    pub(super) sent: Sent,
    /// Scopes that the request's token would need beside its own, when that is why its call was refused.
    pub(super) lacks: Arc<OnceLock<Lacks>>,
}

impl Entry {
    pub(super) fn new(door: Door, sent: Sent) -> Self {
        Self { door: Arc::new(door), sent, lacks: Arc::default() }
    }

    /// The one that came with a request over HTTP.
    pub(super) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Parts>()?.extensions.get::<Self>().cloned()
    }
}

/// Whether a method is one whose handler takes the caller; a request of another is closed by the server itself.
pub(super) fn is_governed(method: Option<&str>) -> bool {
    matches!(
        method,
        Some(
            "tools/list"
                | "tools/call"
                | "resources/list"
                | "resources/templates/list"
                | "resources/read"
                | "resources/subscribe"
                | "prompts/list"
                | "prompts/get"
                | "completion/complete"
        )
    )
}
