//! What a client needs to get a token: challenges in answers (RFC 6750), and metadata of the protected resource (RFC 9728).
//!
//! Takes: answers of the other routes, the operator's settings. Gives: the same answers with their challenge, the metadata. May name:
//! config, identify, id, reason, room, serve.
//!
//! The host's own URL is the operator's word (`public_url`, `[hosts]`), never what a request's Host header says alone.

use super::problem::Problem;
use crate::config::{HostConfig, WebUrl};
use crate::id::FunctionName;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::serve::{arrival, header_value};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;

/// Where the metadata of the host is (RFC 9728, 3).
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// The part of the host that is a resource of its own to clients of the Model Context Protocol.
const MCP: &str = "/mcp";

/// Scopes that a call needs and its token does not have, beside those that it has.
#[derive(Debug, Clone)]
pub(crate) struct Lacks(String);

impl Lacks {
    /// What a token's caller lacks for this function; `None` for one whose scopes allow it, and for one without a token.
    pub(crate) fn of(caller: &Caller, function: &str) -> Option<Self> {
        let (prefix, scopes) = (caller.scope_prefix()?, caller.scopes()?);
        let function = FunctionName::new(function).ok()?;
        if scopes.iter().any(|scope| scope.matches(&function)) {
            return None;
        }
        // All at once: whoever asks for the new one alone would lose those it has.
        let scopes = scopes.iter().map(ToString::to_string).chain([function.to_string()]);
        let all: Vec<_> = scopes.map(|scope| format!("{prefix}{scope}")).collect();
        Some(Self(all.join(" ")))
    }
}

/// What a challenge to a request says of it.
pub(super) struct Challenge {
    mcp: bool,
    asked: Option<String>,
}

impl Challenge {
    pub(super) fn of(room: &Strongroom, request: &Request) -> Self {
        let asked = room.in_force(|settings| asked(&settings.host, request));
        Self { mcp: request.uri().path() == MCP, asked }
    }

    /// Puts it into an answer that needs one.
    pub(super) fn put(&self, room: &Strongroom, mut response: Response) -> Response {
        let error = match (response.status(), response.extensions().get::<Lacks>()) {
            (StatusCode::UNAUTHORIZED, _) => match response.headers().get("strongroom-reason") {
                Some(reason) if is_invalid(reason.as_bytes()) => Some(r#"error="invalid_token""#.to_owned()),
                _ => None,
            },
            (StatusCode::FORBIDDEN, Some(Lacks(scopes))) => {
                Some(format!(r#"error="insufficient_scope", scope="{}""#, quoted(scopes)))
            }
            _ => return response,
        };
        let place =
            public(&room.settings().host, self.asked.as_deref()).and_then(|url| metadata_url(&url, self.mcp));
        let place = place.map(|url| format!(r#"resource_metadata="{}""#, quoted(&url)));
        let parts = [Some(r#"realm="strongroom""#.to_owned()), error, place];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if let Some(value) = header_value(&format!("Bearer {}", parts.join(", "))) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        response
    }
}

fn is_invalid(reason: &[u8]) -> bool {
    [Reason::TokenInvalid, Reason::TenantUnknown].iter().any(|invalid| invalid.code().as_bytes() == reason)
}

/// Inside of a quoted string (RFC 9110, 5.6.4). Scopes and URLs are visible ASCII.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn base(url: &WebUrl) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Under which URL a client reaches this host, when there is somebody whose tokens it takes: `public_url`, or with `[hosts]` the
/// same under the host name that is asked for, if it is one of this host's.
fn public(host: &HostConfig, asked: Option<&str>) -> Option<WebUrl> {
    let url = host.public_url.as_ref().filter(|_| !host.issuers.is_empty())?;
    match (host.hosts.are_told_apart(), asked) {
        (false, _) => Some(url.clone()),
        (true, name) => {
            let name = name.filter(|name| host.hosts.whose(name).is_some())?;
            host.hosts.url(url, name)
        }
    }
}

/// The host name that is asked for, when names are told apart.
fn asked(host: &HostConfig, request: &Request) -> Option<String> {
    let asked = || arrival::named(request.uri(), request.headers()).ok();
    host.hosts.are_told_apart().then(asked).flatten()
}

/// Where the metadata of the resource is. The well-known part goes between host and path (RFC 9728, 3.1).
fn metadata_url(url: &WebUrl, mcp: bool) -> Option<String> {
    let origin = url.parts()?.origin().ascii_serialization();
    let path = base(url).strip_prefix(origin.as_str()).unwrap_or_default();
    Some(format!("{origin}{METADATA}{path}{}", if mcp { MCP } else { "" }))
}

pub(super) async fn metadata(State(room): State<Strongroom>, request: Request) -> Response {
    document(&room, &request, "")
}

pub(super) async fn metadata_of_mcp(State(room): State<Strongroom>, request: Request) -> Response {
    document(&room, &request, MCP)
}

fn document(room: &Strongroom, request: &Request, path: &str) -> Response {
    let settings = room.settings();
    let host = &settings.host;
    match public(host, asked(host, request).as_deref()) {
        Some(url) => {
            let issuers: Vec<_> = host.issuers.iter().map(|issuer| &issuer.url).collect();
            Json(json!({
                "resource": format!("{}{path}", base(&url)),
                "authorization_servers": issuers,
                "bearer_methods_supported": ["header"],
                "resource_name": "Strongroom",
            }))
            .into_response()
        }
        None => {
            Problem::plain(StatusCode::NOT_FOUND, "this host takes API keys, or has no `public_url`").into()
        }
    }
}
