//! `/livez` and `/readyz`, for whoever restarts or routes to the host. They name no tenant and are in no book.
//!
//! Takes: a host. Gives: answers. May name: reason, room, serve.

use super::problem::Problem;
use crate::reason::Reason;
use crate::room::Strongroom;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;

pub(super) async fn live() -> Response {
    fine()
}

pub(super) async fn ready(State(room): State<Strongroom>) -> Response {
    match room.ready() {
        Ok(()) => fine(),
        Err(error) => {
            // The cause may hold paths of the operator's; it goes to the operator's log.
            tracing::warn!(reason_code = error.reason().code(), "not ready: {error}");
            Problem::new(Reason::AuditUnavailable, Reason::AuditUnavailable.meaning()).into()
        }
    }
}

fn fine() -> Response {
    ([(CONTENT_TYPE, "application/json")], r#"{"schema_version":1,"status":"ok"}"#).into_response()
}
