//! The routes of the HTTP API.
//!
//! Takes: a host. Gives: the router. May name: reason, room, serve.

mod body;
mod call;
mod guard;
mod headers;
pub(super) mod health;
mod listing;
mod problem;
mod ratelimit;
mod usage;

use super::header_value;
use crate::room::Strongroom;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
pub(super) use guard::foreign as is_foreign;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use problem::Problem;
use tokio::sync::watch;

/// All routes, behind the guard. `loopback` says whether only this machine reaches the listener.
/// `stopping` becomes true when the server ends, for answers that would go on.
pub(super) fn router(room: Strongroom, loopback: bool, stopping: watch::Receiver<bool>) -> Router {
    let guard = guard::Guard { room: room.clone(), loopback };
    Router::new()
        .route("/v1/tools", get(listing::list))
        .route("/v1/tools/{name}", post(call::call))
        .route("/v1/usage", get(usage::usage))
        .route("/v1/usage/events", get(usage::events))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(Extension(usage::Streams::new(stopping)))
        .layer(from_fn_with_state(guard, guard::check))
        .layer(map_response(private))
        .with_state(room)
}

async fn no_route() -> Response {
    Problem::plain(StatusCode::NOT_FOUND, "there is nothing here; tools are called at /v1/tools/{name}")
        .into()
}

async fn no_method() -> Response {
    Problem::plain(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods; see the Allow header").into()
}

/// Answers are one caller's own: nobody on the way keeps them, and no browser takes them for something else.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
