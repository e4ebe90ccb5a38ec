//! `GET /v1/audit`: the entries of the audit log that are the caller's tenant's own, page by page.
//!
//! Takes: a request. Gives: entries, oldest first, and where the next page begins. May name: audit, reason, room,
//! serve.

use super::asks::Asks;
use super::problem::respond;
use crate::audit::Entry;
use crate::reason::Reason;
use crate::room::{MOST_ENTRIES, Page, Strongroom};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Entries of a page, where the request does not say.
const SOME: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    from: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    entries: Vec<Value>,
    next: String,
    end: bool,
}

pub(super) async fn entries(
    State(room): State<Strongroom>,
    asked: Result<Query<Asked>, QueryRejection>,
    Asks(caller): Asks,
) -> Response {
    let Asked { from, limit } = match asked {
        Ok(Query(asked)) => asked,
        Err(rejection) => {
            let why = rejection.body_text();
            let refused = room.refuse_look(caller, "read audit log", Reason::ArgumentsInvalid, &why).await;
            return respond(*refused, None);
        }
    };
    let most = limit.unwrap_or(SOME).clamp(1, MOST_ENTRIES);
    match room.entries_of(caller, from.as_deref(), most).await {
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
