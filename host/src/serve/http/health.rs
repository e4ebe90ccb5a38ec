//! `/livez` and `/readyz`, for whoever restarts or routes to the host. They name no tenant and are in no book.
//!
//! Takes: a host. Gives: answers. May name: reason, room, serve.

use super::problem::Problem;
use crate::reason::Reason;
use crate::room::Strongroom;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

pub(super) async fn live() -> Response {
    fine(json!({ "schema_version": 1, "status": "ok" }))
}

pub(super) async fn ready(State(room): State<Strongroom>) -> Response {
    match room.ready() {
        // With old settings calls run well; whoever looks after the host is told all the same, without a file's name.
        Ok(()) => fine(match room.stale_since() {
            None => json!({ "schema_version": 1, "status": "ok", "config": "current" }),
            Some(ms) => {
                json!({ "schema_version": 1, "status": "ok", "config": "stale", "stale_since_unix_ms": ms })
            }
        }),
        Err(error) => {
            // The cause may hold paths of the operator's; it goes to the operator's log.
            tracing::warn!(reason_code = error.reason().code(), "not ready: {error}");
            Problem::new(Reason::AuditUnavailable, Reason::AuditUnavailable.meaning()).into()
        }
    }
}

fn fine(body: Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
