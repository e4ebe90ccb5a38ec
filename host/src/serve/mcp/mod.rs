//! The Model Context Protocol: `POST /mcp` (streamable HTTP) and standard input and output.
//!
//! Takes: a host and a request. Gives: rmcp's answer to it. May name: config, id, identify, reason, room, serve, settle, typed.
//!
//! JSON-RPC, the protocol's versions and its HTTP rules are rmcp's. Here is what it leaves to its server: who asks is settled
//! by the credential alone, before the body is read, and each governed call goes the way that the HTTP API's go. Every request
//! stands alone; there are no sessions.

mod annotate;
mod answer;
mod asked;
mod changes;
mod content;
mod door;
mod names;
mod offered;
mod origin;
mod progress;
mod stdio;
mod surface;

use super::http::{body, identified, respond};
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::streams::Streams;
use asked::Sent;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use door::Door;
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::sync::Arc;
pub use stdio::stdio;
use surface::Surface;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What JSON-RPC and its metadata may add to the arguments of a call, in bytes.
const ENVELOPE: u64 = 16 * 1024;

/// What runs for requests of the protocol. rmcp works on tasks of its own: a server that ends breaks them off and waits.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// Cancelled when the server gives up on what still runs.
    ends: CancellationToken,
    _alive: mpsc::Sender<()>,
}

/// The server's side of [`Work`].
#[derive(Debug)]
pub(super) struct Ending {
    ends: CancellationToken,
    gone: mpsc::Receiver<()>,
}

impl Work {
    pub(super) fn new() -> (Self, Ending) {
        let (alive, gone) = mpsc::channel(1);
        let ends = CancellationToken::new();
        (Self { ends: ends.clone(), _alive: alive }, Ending { ends, gone })
    }
}

impl Ending {
    /// Breaks off what runs, and waits until it has ended. All copies of [`Work`] must be on their way out.
    pub(super) async fn wait(mut self) {
        self.ends.cancel();
        while self.gone.recv().await.is_some() {}
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.ends.cancel();
    }
}

/// One message of a client, with its answer.
pub(super) async fn post(
    State(room): State<Strongroom>,
    Extension(work): Extension<Work>,
    Extension(streams): Extension<Streams>,
    request: Request,
) -> Response {
    let (mut parts, unread) = request.into_parts();
    if let Some(why) = origin::foreign(&parts, &room.settings()) {
        body::discard(&parts.headers, unread).await;
        return respond(room.turn_away(Reason::PolicyDenied, why).await, None);
    }
    let (caller, unread) = match identified(&room, &parts, unread).await {
        Ok(identified) => identified,
        Err(refused) => return refused,
    };
    let most = room.settings().host.max_request_body.saturating_add(ENVELOPE);
    let text = match body::read(&parts.headers, unread, most).await {
        Ok(text) => text,
        Err(body::Fault { status, detail }) => {
            let refused = room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, &detail).await;
            return respond(refused, Some(status));
        }
    };
    let door = Arc::new(Door::request(caller, &parts));
    // Its work is done: what follows neither needs nor logs it.
    parts.headers.remove(AUTHORIZATION);
    let surface = Surface {
        room: room.clone(),
        door: door.clone(),
        sent: Sent::read(&parts.headers),
        streams: Some(streams),
        lacks: Arc::default(),
        _work: work.clone(),
    };
    let lacks = surface.lacks.clone();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(most)
        .with_cancellation_token(work.ends.child_token())
        // Both were looked at, by rules that follow the settings.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(surface.clone()), sessions, config);
    let response = service.handle(Request::from_parts(parts, Body::from(text))).await;
    let fits = !response.status().is_client_error();
    if let Err(receipt) = door.leave(&room, fits).await {
        return respond(*receipt, None);
    }
    let mut response = response.map(Body::new).into_response();
    // The protocol's authorization has a status for it; the body is what it would be otherwise.
    if let Some(lacks) = lacks.get().filter(|_| response.status() == StatusCode::OK) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.extensions_mut().insert(lacks.clone());
    }
    // Proxies that buffer would hold progress back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
