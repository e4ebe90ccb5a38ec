//! The short way of a request whose answer is one message: rmcp's model and checks, without the tasks and channels that it
//! starts for each request. What a tool answers is written as it stands, and not read again on its way.
//!
//! Takes: a request's headers and text. Gives: its answer, or that it is none of these. May name: identify, serve.
//!
//! What goes this way is a plain and well-formed `tools/call` or `tools/list` that asks for no messages besides its answer.
//! Everything else is rmcp's transport's, so what is refused there is refused by it alone, and nothing here says no.

use super::answer::Told;
use super::asked::Sent;
use super::calling::Frame;
use super::forbid;
use super::surface::{Answered, Surface};
use crate::identify::Caller;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rmcp::model::{
    ClientCapabilities, ClientRequest, ErrorCode, Implementation, InitializeRequestParams, JsonObject,
    JsonRpcVersion2_0, ListToolsRequest, PaginatedRequestParams, ProtocolVersion, RequestId,
    RequestMetaObject, ServerJsonRpcMessage, ServerResult,
};
use rmcp::service::{Peer, RequestContext, RoleServer, Service, serve_directly};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ErrorData, ServerHandler};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::OnceLock;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// Bytes of most answers, so that they are written without growing.
const USUAL: usize = 2048;
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// `_meta`: the revision of a request that stands alone.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta`: what asks for messages before the answer.
const META_ASKS: [&str; 2] = ["progressToken", "io.modelcontextprotocol/logLevel"];

/// What rmcp's handlers know of a client: of each revision one that hears nothing. What goes the short way sends it nothing.
#[derive(Debug)]
pub(super) struct Peers(Box<[(ProtocolVersion, Peer<RoleServer>)]>);

/// Ends as soon as it has begun.
struct Idle;

impl ServerHandler for Idle {}

impl Peers {
    /// To be called inside of a runtime.
    pub(super) fn new() -> Self {
        let versions = ProtocolVersion::KNOWN_VERSIONS.iter();
        let peers = versions.map(|version| {
            let client =
                InitializeRequestParams::new(ClientCapabilities::default(), Implementation::default())
                    .with_protocol_version(version.clone());
            let nobody = AsyncRwTransport::new_server(tokio::io::empty(), tokio::io::sink());
            let idle = serve_directly(Idle, nobody, Some(client));
            (version.clone(), idle.peer().clone())
        });
        Self(peers.collect())
    }

    fn of(&self, version: &str) -> Option<&(ProtocolVersion, Peer<RoleServer>)> {
        self.0.iter().find(|(known, _)| known.as_str() == version)
    }
}

/// A request that can go the short way.
pub(super) enum Direct {
    Tool(ToolCall),
    Tools(ToolList),
}

/// `tools/call`.
pub(super) struct ToolCall {
    id: RequestId,
    name: String,
    arguments: JsonObject,
    meta: RequestMetaObject,
    /// Of a revision without a handshake.
    current: bool,
}

/// `tools/list`.
pub(super) struct ToolList {
    cursor: Option<String>,
    context: RequestContext<RoleServer>,
    current: bool,
}

/// A request as JSON-RPC has it. One that has anything else beside it is not plain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(rename = "jsonrpc")]
    _jsonrpc: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(borrow)]
    method: Cow<'a, str>,
    params: Option<Params>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    name: Option<String>,
    arguments: Option<JsonObject>,
    cursor: Option<String>,
    #[serde(rename = "_meta")]
    meta: Option<RequestMetaObject>,
}

impl Direct {
    /// Reads a request; `None` for one that is for rmcp's transport to judge.
    pub(super) fn read(headers: &HeaderMap, text: &str, peers: &Peers) -> Option<Self> {
        if !takes_both(headers) || !only(headers, &CONTENT_TYPE)?.eq_ignore_ascii_case(JSON) {
            return None;
        }
        let (version, peer) = peers.of(only(headers, &VERSION)?)?;
        let Envelope { id, method, params, .. } = serde_json::from_str(text).ok()?;
        let Params { name, arguments, cursor, meta } = params.unwrap_or_default();
        let meta = meta.unwrap_or_default();
        let current = version.as_str() >= ProtocolVersion::STANDARD_HEADERS.as_str();
        let fits = if current {
            only(headers, &METHOD)? == method
                && name.as_deref().is_none_or(|name| only(headers, &NAME) == Some(name))
                && meta.protocol_version().as_ref() == Some(version)
                && meta.missing_required_keys(version).is_empty()
        } else {
            !meta.contains_key(META_VERSION)
        };
        if !fits || META_ASKS.iter().any(|key| meta.contains_key(*key)) {
            return None;
        }
        match (&*method, name, arguments, cursor) {
            ("tools/call", Some(name), arguments, None) => {
                let arguments = arguments.unwrap_or_default();
                Some(Self::Tool(ToolCall { id, name, arguments, meta, current }))
            }
            ("tools/list", None, None, cursor) => {
                let mut context = RequestContext::new(id, peer.clone());
                context.meta = meta;
                Some(Self::Tools(ToolList { cursor, context, current }))
            }
            _ => None,
        }
    }
}

impl ToolCall {
    /// The answer. A client that goes away drops this, and the call with it.
    pub(super) async fn answer(self, surface: &Surface, caller: Caller, sent: &Sent) -> Response {
        let Self { id, name, arguments, meta, current } = self;
        let lacks = OnceLock::new();
        let frame = Frame {
            sent,
            meta: &meta,
            stateless: current,
            declared: meta.client_capabilities().unwrap_or_default(),
            peer: None,
            lacks: &lacks,
        };
        let answered = surface.tool_alone(caller, &name, arguments, &frame).await;
        let mut response = match answered {
            Ok(Answered::Told(receipt, form)) => match Told::of(&receipt, form, current) {
                Ok(result) => written(StatusCode::OK, &Answer { jsonrpc: JsonRpcVersion2_0, id, result }),
                Err(error) => message(Err(error), id, current),
            },
            Ok(Answered::Linked(mut result)) => {
                result.result_type = result.result_type.filter(|_| current);
                message(Ok(ServerResult::CallToolResult(result)), id, current)
            }
            Ok(Answered::Asks(questions)) => message(Ok(questions.into()), id, current),
            Err(error) => message(Err(error), id, current),
        };
        forbid(&mut response, lacks.get());
        response
    }
}

impl ToolList {
    /// The answer.
    pub(super) async fn answer(self, surface: Surface) -> Response {
        let Self { cursor, context, current } = self;
        let id = context.id.clone();
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
        // In a box: rmcp's future has room for every kind of request.
        let listed = Box::pin(Service::<RoleServer>::handle_request(&surface, request, context)).await;
        message(listed, id, current)
    }
}

fn message(given: Result<ServerResult, ErrorData>, id: RequestId, current: bool) -> Response {
    let message = match given {
        Ok(result) => ServerJsonRpcMessage::response(result, id),
        Err(error) => ServerJsonRpcMessage::error(error, Some(id)),
    };
    written(if current { status(&message) } else { StatusCode::OK }, &message)
}

/// An answer as JSON-RPC has it.
#[derive(Serialize)]
struct Answer<R> {
    jsonrpc: JsonRpcVersion2_0,
    id: RequestId,
    result: R,
}

fn written(status: StatusCode, message: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(USUAL);
    match serde_json::to_writer(&mut text, message) {
        Ok(()) => {
            (status, [(CONTENT_TYPE, HeaderValue::from_static(JSON))], Body::from(text)).into_response()
        }
        Err(error) => {
            tracing::error!("an answer cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whether both kinds of answers are named, each as it stands.
fn takes_both(headers: &HeaderMap) -> bool {
    let Some(accept) = only(headers, &ACCEPT) else { return false };
    let names = |kind: &str| accept.split(',').any(|part| part.trim().eq_ignore_ascii_case(kind));
    !accept.contains([';', '"']) && names(JSON) && names(EVENTS)
}

/// The value of a header that is there once, and text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The status of an answer (revision 2026-07-28, Streamable HTTP), as rmcp's transport has it for a request with its `_meta`.
fn status(message: &ServerJsonRpcMessage) -> StatusCode {
    let ServerJsonRpcMessage::Error(error) = message else { return StatusCode::OK };
    match error.error.code {
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn message(method: &str, version: Option<&str>, meta: Value) -> Value {
        let mut message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "_meta": meta } });
        if method == "tools/call" {
            message["params"]["name"] = json!("a.b");
        }
        if let Some(version) = version {
            message["params"]["_meta"][META_VERSION] = json!(version);
            message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        message
    }

    fn is_direct(headers: &[(&HeaderName, &str)], message: &Value) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Direct::read(&map, &message.to_string(), &Peers::new()).is_some()
    }

    #[tokio::test]
    async fn plain_calls_and_lists_of_every_revision_go_the_short_way() {
        let both = (&ACCEPT, "application/json, text/event-stream");
        let json = (&CONTENT_TYPE, JSON);
        for known in ProtocolVersion::KNOWN_VERSIONS {
            let current = known == &ProtocolVersion::V_2026_07_28;
            for method in ["tools/call", "tools/list"] {
                let message = |meta| message(method, current.then_some(known.as_str()), meta);
                let headers = [both, json, (&VERSION, known.as_str()), (&METHOD, method), (&NAME, "a.b")];
                assert!(is_direct(&headers, &message(json!({}))), "{known} {method}");
                assert!(!is_direct(&headers, &message(json!({ "progressToken": 1 }))));
                assert!(!is_direct(&headers, &message(json!({ META_ASKS[1]: "debug" }))));
            }
        }
        let message = message("tools/call", Some("2026-07-28"), json!({}));
        let all = [both, json, (&VERSION, "2026-07-28"), (&METHOD, "tools/call"), (&NAME, "a.b")];
        for missing in 0..all.len() {
            let mut rest = all.to_vec();
            let (name, value) = rest.remove(missing);
            assert!(!is_direct(&rest, &message), "without {name}");
            rest.extend([(name, value), (name, value)]);
            assert!(!is_direct(&rest, &message), "{name} twice");
        }
    }

    #[tokio::test]
    async fn what_is_not_a_plain_call_goes_rmcps_way() {
        let headers = [
            (&ACCEPT, "text/event-stream,application/json"),
            (&CONTENT_TYPE, JSON),
            (&VERSION, "2025-11-25"),
        ];
        let good = message("tools/call", None, json!({}));
        assert!(is_direct(&headers, &good));
        for (key, value) in [("result", json!(1)), ("id", json!(null)), ("method", json!("prompts/get"))] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(!is_direct(&headers, &bad), "{bad}");
        }
        assert!(!is_direct(&headers, &json!([good])));
    }
}
