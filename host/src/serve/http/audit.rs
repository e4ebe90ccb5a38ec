//! `GET /v1/audit`: the entries of the audit log that are the caller's tenant's own, page by page.
//!
//! Takes: a request. Gives: entries, oldest first, and where the next page begins. May name: audit, reason, room,
//! serve.

use super::asks::Asks;
use super::problem::respond;
use crate::audit::Entry;
use crate::reason::Reason;
use crate::room::{Page, Strongroom};
use crate::serve::paging::Paging;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    entries: Vec<Value>,
    next: String,
    end: bool,
}

pub(super) async fn entries(
    State(room): State<Strongroom>,
    asked: Result<Query<Paging>, QueryRejection>,
    Asks(caller): Asks,
) -> Response {
    let paging = match asked {
        Ok(Query(paging)) => paging,
        Err(rejection) => {
            let why = rejection.body_text();
            let refused = room.refuse_look(caller, "read audit log", Reason::ArgumentsInvalid, &why).await;
            return respond(*refused, None);
        }
    };
    match room.entries_of(caller, paging.from.as_deref(), paging.most()).await {
        Ok(Page { entries, next, end }) => {
            let entries = entries.iter().map(shown).collect();
            Json(Document { schema_version: 1, entries, next, end }).into_response()
        }
        Err(receipt) => respond(*receipt, None),
    }
}

/// As `audit show --format json` has it, without the place in the host's log.
fn shown(entry: &Entry) -> Value {
    let mut shown = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("seq");
    }
    shown
}
