//! The Model Context Protocol: `POST /mcp` (streamable HTTP) and standard input and output.
//!
//! Takes: a host and a request. Gives: rmcp's answer to it. May name: config, id, identify, reason, room, serve, settle, typed.
//!
//! JSON-RPC, the protocol's versions and its HTTP rules are rmcp's. Here is what it leaves to its server: who asks is settled
//! by the credential alone, before the body is read, and each governed call goes the way that the HTTP API's go. A request stands
//! alone unless its client began a session by a handshake, and even then shows its own credential.

mod annotate;
mod answer;
mod asked;
mod asker;
mod beside;
mod calling;
mod changes;
mod content;
mod direct;
mod door;
mod entry;
mod ids;
mod links;
mod logs;
mod names;
mod offered;
mod progress;
mod rounds;
mod sessions;
mod stdio;
mod surface;

use super::http::{Lacks, body, identified, respond};
use crate::id::{ActorId, TenantId};
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::streams::{self, Streams};
use asked::Sent;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use direct::{Direct, Peers};
use door::Door;
use entry::Entry;
use futures::StreamExt as _;
use http::header::{ALLOW, AUTHORIZATION};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::value::RawValue;
use sessions::{Of, Sessions};
use std::sync::Arc;
pub use stdio::stdio;
use surface::{Shared, Surface};
use tokio::sync::{mpsc, watch};
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

/// What outlives a request.
#[derive(Debug)]
pub(super) struct Halls {
    sessions: Sessions,
    peers: Peers,
    shared: Arc<Shared>,
}

impl Halls {
    /// For a server that has these streams; `stopping` becomes true when it ends. To be called inside of a runtime.
    pub(super) fn new(
        room: Strongroom,
        streams: Streams,
        stopping: watch::Receiver<bool>,
        work: Work,
    ) -> Self {
        let (streams, waits) = (Some(streams), Some(Streams::new(stopping)));
        let shared = Arc::new(Shared { room, streams, waits, work });
        Self { sessions: Sessions::new(), peers: Peers::new(), shared }
    }
}

/// What has to be known of a message before rmcp reads it.
#[derive(Default, serde::Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl Message<'_> {
    /// The id of a request; what is none is rmcp's to refuse.
    fn request(&self) -> Option<RequestId> {
        self.id.filter(|_| self.method.is_some()).and_then(|id| serde_json::from_str(id.get()).ok())
    }
}

/// One message of a client, with its answer.
pub(super) async fn post(State(halls): State<Arc<Halls>>, request: Request) -> Response {
    let room = &halls.shared.room;
    let (mut parts, unread) = request.into_parts();
    let (caller, unread) = match identified(room, &parts, unread).await {
        Ok(identified) => identified,
        Err(refused) => return refused,
    };
    let most = room.in_force(|settings| settings.host.max_request_body).saturating_add(ENVELOPE);
    let text = match body::read(&parts.headers, unread, most).await {
        Ok(text) => text,
        Err(body::Fault { status, detail }) => {
            let refused = room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, &detail).await;
            return respond(refused, Some(status));
        }
    };
    // What is no message of the protocol is rmcp's to refuse.
    let message = match sessions::may_be_in_one(&parts.headers) {
        true => serde_json::from_str(&text).unwrap_or_default(),
        false => Message::default(),
    };
    let (begins, governed) =
        (message.method.as_deref() == Some("initialize"), entry::is_governed(message.method.as_deref()));
    let session = halls.sessions.of(&parts.headers, &caller, begins).await;
    if let Of::Unknown = session {
        return unknown(room, caller).await;
    }
    let sent = Sent::read(&parts.headers);
    let surface = Surface { shared: halls.shared.clone(), entry: None, session: session.session() };
    let direct = match session {
        Of::Alone => Direct::read(&parts.headers, &text, &halls.peers),
        _ => None,
    };
    let direct = match direct {
        Some(Direct::Tool(call)) => return shown(call.answer(&surface, caller, &sent).await),
        Some(Direct::Tools(list)) => Some(list),
        None => None,
    };
    let in_use = match (&session, message.request()) {
        (Of::Known(_, session), Some(id)) => match session.take(id) {
            Some(in_use) => Some(in_use),
            None => {
                let what = "another request of this session has this id and no answer yet; give each its own";
                let refused = room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, what).await;
                return respond(refused, Some(StatusCode::BAD_REQUEST));
            }
        },
        _ => None,
    };
    let owner = (caller.tenant().clone(), caller.actor().clone());
    let entry = Entry::new(Door::request(caller, &parts), sent);
    // Its work is done: what follows neither needs nor logs it.
    parts.headers.remove(AUTHORIZATION);
    let (door, lacks) = (entry.door.clone(), entry.lacks.clone());
    let mut response = match direct {
        Some(list) => list.answer(Surface { entry: Some(entry), ..surface }).await,
        None => {
            parts.extensions.insert(entry);
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let request = Request::from_parts(parts, Body::from(text));
            // In a box, or what goes the short way makes room for all of it, 20 kB for each request.
            let response = Box::pin(at_length(surface, &session, &halls, owner, request, most)).await;
            // It is in use as long as its answer is not whole.
            response.map(|body| match in_use {
                Some(in_use) => Body::new(body.map_frame(move |frame| {
                    let _while_it_lasts = &in_use;
                    frame
                })),
                None => body,
            })
        }
    };
    let fits = !response.status().is_client_error();
    // In a session the answer begins before the handler does, which takes the caller then.
    let taken = fits && matches!(session, Of::Known(..)) && governed;
    if !taken && let Err(receipt) = door.leave(room, fits).await {
        return respond(*receipt, None);
    }
    forbid(&mut response, lacks.get());
    shown(response)
}

/// The protocol's authorization has a status for what a token lacks; the body is what it would be otherwise.
fn forbid(response: &mut Response, lacks: Option<&Lacks>) {
    if let Some(lacks) = lacks.filter(|_| response.status() == StatusCode::OK) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.extensions_mut().insert(lacks.clone());
    }
}

/// rmcp's own way: every message of every revision, sessions, and streams.
async fn at_length(
    surface: Surface,
    session: &Of,
    halls: &Halls,
    owner: (TenantId, ActorId),
    request: Request,
    most: usize,
) -> Response {
    let config = config(&surface.work, most);
    let make = move || Ok(surface.clone());
    let response = match session {
        Of::Alone | Of::Unknown => {
            let sessions = Arc::new(NeverSessionManager::default());
            StreamableHttpService::new(make, sessions, config).handle(request).await
        }
        Of::New(_) | Of::Known(..) => {
            let config = config.with_legacy_session_mode(true);
            StreamableHttpService::new(make, halls.sessions.manager.clone(), config).handle(request).await
        }
    };
    if let (Of::New(session), Some(name)) = (session, response.headers().get(sessions::HEADER)) {
        halls.sessions.keep(name.to_str().unwrap_or_default(), owner, session.clone()).await;
    }
    response.map(Body::new).into_response()
}

/// How rmcp serves a request.
fn config(work: &Work, most: usize) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(most)
        .with_cancellation_token(work.ends.child_token())
        // Both were looked at, by rules that follow the settings.
        .disable_allowed_hosts()
        .disable_allowed_origins()
}

fn shown(mut response: Response) -> Response {
    // Proxies that buffer would hold progress back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The rest of a session's life: `GET` for what the server says by itself, `DELETE` for its end. Without a session there is
/// neither.
pub(super) async fn session(State(halls): State<Arc<Halls>>, request: Request) -> Response {
    let shared = halls.shared.clone();
    let room = &shared.room;
    let (mut parts, unread) = request.into_parts();
    let (caller, _) = match identified(room, &parts, unread).await {
        Ok(identified) => identified,
        Err(refused) => return refused,
    };
    let (name, session) = match halls.sessions.of(&parts.headers, &caller, false).await {
        Of::Known(name, session) => (name, session),
        Of::Alone | Of::New(_) => {
            let what = "there is no session in this request; `POST` needs none";
            let refused = room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, what).await;
            let mut refused = respond(refused, Some(StatusCode::METHOD_NOT_ALLOWED));
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return refused;
        }
        Of::Unknown => return unknown(room, caller).await,
    };
    let door = Arc::new(Door::request(caller, &parts));
    parts.headers.remove(AUTHORIZATION);
    if let Err(receipt) = door.leave(room, true).await {
        return respond(*receipt, None);
    }
    let (ends, gets) = (parts.method == Method::DELETE, parts.method == Method::GET);
    let make = || Err::<Surface, _>(std::io::Error::other("a session that runs makes no other"));
    let config = config(&shared.work, 0).with_legacy_session_mode(true);
    let service = StreamableHttpService::new(make, halls.sessions.manager.clone(), config);
    let response = service.handle(Request::from_parts(parts, Body::empty())).await;
    if ends {
        halls.sessions.forget(&name);
    }
    let response = response.map(Body::new).into_response();
    if !gets || !response.status().is_success() {
        return shown(response);
    }
    // What changed is found and told for as long as somebody listens, and no longer.
    let until = async move {
        tokio::select! {
            () = changes::tell_session(&shared.room, &door, &session) => {}
            () = streams::stopping(shared.streams.as_ref()) => {}
        }
    };
    let (head, body) = response.into_parts();
    shown(Response::from_parts(head, Body::from_stream(body.into_data_stream().take_until(Box::pin(until)))))
}

async fn unknown(room: &Strongroom, caller: Caller) -> Response {
    let what = "there is no such session, or not any more; begin anew with `initialize`";
    let refused = room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, what).await;
    respond(refused, Some(StatusCode::NOT_FOUND))
}
