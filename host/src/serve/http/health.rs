//! `/livez` and `/readyz`, for whoever restarts or routes to the host. They name no tenant and are in no book.
//!
//! Takes: a host. Gives: answers. May name: reason, room, serve.

use super::problem::Problem;
use crate::reason::Reason;
use crate::room::{Health, Strongroom};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

/// When to ask again whether a host is ready that is not, in milliseconds.
const AGAIN: u64 = 1_000;

pub(in crate::serve) async fn live() -> Response {
    fine(json!({ "schema_version": 1, "status": "ok" }))
}

pub(in crate::serve) async fn ready(State(room): State<Strongroom>) -> Response {
    let health = room.health().await;
    let told = told(&health);
    if health.is_ready() {
        return fine(told);
    }
    let ill = health.checks().into_iter().find_map(|(_, check)| check.err());
    let problem = match ill {
        Some(reason) => Problem::new(reason, reason.meaning()),
        None => Problem::new(
            Reason::Overloaded,
            "the host is ending: calls that run go on, new ones go elsewhere",
        ),
    };
    problem.retry_after(AGAIN).with(told).into()
}

/// The parts, each with its reason code; never with a cause, which may hold paths of the operator's.
fn told(health: &Health) -> Value {
    let word = |check: Result<(), Reason>| check.map_or_else(Reason::code, |()| Reason::Ok.code());
    let mut checks: Map<_, _> =
        health.checks().into_iter().map(|(name, check)| (name.to_owned(), json!(word(check)))).collect();
    checks.insert("serving".into(), json!(if health.draining { "draining" } else { "ok" }));
    let mut told = json!({
        "schema_version": 1,
        "status": if health.is_ready() { "ok" } else { "not_ready" },
        "config": if health.stale_since.is_some() { "stale" } else { "current" },
        "checks": checks,
    });
    if let (Some(told), Some(ms)) = (told.as_object_mut(), health.stale_since) {
        told.insert("stale_since_unix_ms".into(), json!(ms));
    }
    told
}

fn fine(body: Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
