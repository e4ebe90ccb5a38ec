//! A client that a running tool can ask: over a session, by requests of the server (protocols up to 2025-11-25).
//!
//! Takes: a client and what it declared. Gives: [`Asker`], [`able`], [`fits`]. May name: config, id, imports, powers, serve.

use crate::config::AskKind;
use crate::id::TenantId;
use crate::imports::asking::{Asks, Unanswered};
use crate::powers::BoxFuture;
use crate::serve::streams::{self, Streams};
use futures::future::try_join_all;
use rmcp::model::{ClientCapabilities, ClientResult, InputRequest, ServerRequest};
use rmcp::service::{Peer, RoleServer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The longest text of an error of the client's that a tool is told, in characters.
const ERROR: usize = 200;

/// What a client declared that it can be asked for.
pub(super) fn able(declared: &ClientCapabilities) -> BTreeSet<AskKind> {
    // Without a word on how, it is a form; a client that says `url` alone shows none.
    let form = declared.elicitation.as_ref().is_some_and(|can| can.form.is_some() || can.url.is_none());
    let can = |kind: &AskKind| match kind {
        AskKind::Elicit => form,
        AskKind::Sample => declared.sampling.is_some(),
        AskKind::Roots => declared.roots.is_some(),
    };
    AskKind::ALL.into_iter().filter(can).collect()
}

/// Whether the protocol has words for a request.
pub(super) fn fits(request: &Value) -> Result<(), String> {
    input_request(request.clone()).map(drop)
}

/// The request in rmcp's words.
pub(super) fn input_request(request: Value) -> Result<InputRequest, String> {
    let read = |request| serde_json::from_value::<InputRequest>(request);
    read(request).map_err(|_| "the protocol's schema for forms has no words for it".to_owned())
}

/// The client of a session.
pub(super) struct Asker {
    pub(super) peer: Peer<RoleServer>,
    pub(super) tenant: TenantId,
    /// Calls that wait, in all; a process of its own needs no bound.
    pub(super) waits: Option<Streams>,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}

impl Asker {
    async fn one(&self, request: Value) -> Result<Value, Unanswered> {
        let request = match input_request(request).map_err(Unanswered::Failed)? {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Err(Unanswered::Failed("the protocol has no such request".into())),
        };
        let answer = self.peer.send_request(request).await.map_err(|error| {
            let why: String = error.to_string().chars().take(ERROR).collect();
            Unanswered::Failed(format!("the client gave no answer: {why}"))
        })?;
        let value = match answer {
            ClientResult::CreateMessageResult(result) => serde_json::to_value(result),
            ClientResult::ElicitResult(result) => serde_json::to_value(result),
            ClientResult::ListRootsResult(result) => serde_json::to_value(result),
            other => serde_json::to_value(other),
        };
        value.map_err(|error| Unanswered::Failed(error.to_string()))
    }
}

impl Asks for Asker {
    fn ask(&self, requests: Vec<Value>) -> BoxFuture<'_, Result<Vec<Value>, Unanswered>> {
        Box::pin(async move {
            let place = match &self.waits {
                None => None,
                Some(waits) => Some(waits.enter(&self.tenant).ok_or(Unanswered::Busy)?),
            };
            let answers = tokio::select! {
                answers = try_join_all(requests.into_iter().map(|request| self.one(request))) => answers,
                () = streams::stopping(self.waits.as_ref()) => Err(Unanswered::Failed("the host is shutting down".into())),
            };
            drop(place);
            answers
        })
    }
}
