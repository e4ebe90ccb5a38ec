//! The routes of the HTTP API.
//!
//! Takes: a host. Gives: the router. May name: reason, room, serve.

mod asks;
mod audit;
pub(super) mod body;
mod call;
mod calls;
mod challenge;
mod events;
mod guard;
pub(super) mod headers;
pub(super) mod health;
mod listing;
mod memory;
mod openapi;
mod prefer;
mod problem;
mod ratelimit;
mod served;
mod usage;

use super::later::Later;
use super::streams::Streams;
use super::{header_value, mcp};
use crate::room::Strongroom;
pub(super) use asks::identified;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use challenge::Challenge;
pub(super) use challenge::Lacks;
pub(super) use guard::foreign as is_foreign;
pub(super) use guard::{Only, only};
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
pub(super) use problem::{Problem, respond};
use served::Served;
use std::sync::Arc;
use tokio::sync::watch;

/// All routes, behind the guard, those of the other surfaces too. `loopback` says whether only this machine reaches the listener.
/// `later` has the calls that go on after their request; `stopping` becomes true when the server ends, for answers that would go on.
pub(super) fn router(
    room: Strongroom,
    loopback: bool,
    later: Later,
    stopping: watch::Receiver<bool>,
    work: mcp::Work,
) -> Router {
    let guard = guard::Guard { room: room.clone(), loopback };
    let streams = Streams::new(stopping.clone());
    let halls = Arc::new(mcp::Halls::new(room.clone(), streams.clone(), stopping, work));
    let served = Served::from(served::Parts { room, later, streams, halls });
    Router::new()
        .route("/v1/tools", get(listing::list))
        .route("/v1/tools/{name}", post(call::call))
        .route("/v1/calls/{id}", get(calls::fetch).delete(calls::cancel))
        .route("/v1/calls/{id}/events", get(calls::events))
        .route("/v1/memory/retrieve", post(memory::retrieve))
        .route("/v1/audit", get(audit::entries))
        .route("/v1/usage", get(usage::usage))
        .route("/v1/usage/events", get(usage::events))
        .route("/.well-known/oauth-protected-resource", get(challenge::metadata))
        .route("/.well-known/oauth-protected-resource/mcp", get(challenge::metadata_of_mcp))
        .route("/mcp", post(mcp::post).get(mcp::session).delete(mcp::session))
        .route("/openapi.json", get(openapi::document))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        // One layer: each costs every request copies and blocks of memory.
        .layer(from_fn_with_state(guard, pass))
        .with_state(served)
}

/// What every request meets before its handler, and every answer after it.
async fn pass(State(guard): State<guard::Guard>, request: Request, next: Next) -> Response {
    let challenge = Challenge::of(&guard.room, &request);
    let response = match guard.check(request).await {
        Ok(request) => next.run(request).await,
        Err(refused) => refused,
    };
    private(challenge.put(&guard.room, response)).await
}

async fn no_route() -> Response {
    Problem::plain(
        StatusCode::NOT_FOUND,
        "there is nothing here; tools are called at /v1/tools/{name} and /mcp",
    )
    .into()
}

pub(super) async fn no_method() -> Response {
    Problem::plain(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods; see the Allow header").into()
}

/// Answers are one caller's own: nobody on the way keeps them, and no browser takes them for something else.
pub(super) async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
