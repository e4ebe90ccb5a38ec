//! `POST /v1/memory/retrieve`: what the caller's tenant remembers and fits a query best.
//!
//! Takes: a request. Gives: entries, the best first. May name: reason, room, serve, storage.

use super::asks::identified;
use super::body::{self, Fault};
use super::headers;
use super::problem::respond;
use crate::reason::Reason;
use crate::room::Strongroom;
use crate::storage::tenant::{Found, MAX_QUERY, MAX_TOP_K};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// Room for a query of [`MAX_QUERY`] bytes, each escaped.
const MOST: u64 = 6 * MAX_QUERY as u64 + 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    query: String,
    #[serde(default = "few")]
    top_k: u32,
}

fn few() -> u32 {
    5
}

#[derive(Serialize)]
struct Document {
    schema_version: u32,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    text: String,
    tags: Vec<String>,
    score: f64,
}

impl From<Found> for Entry {
    fn from(Found { id, text, tags, score, .. }: Found) -> Self {
        Self { id, text, tags, score }
    }
}

pub(super) async fn retrieve(State(room): State<Strongroom>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (caller, body) = match identified(&room, &parts, body).await {
        Ok(identified) => identified,
        Err(refused) => return refused,
    };
    let read = match headers::is_json(&parts.headers) {
        true => body::read(&parts.headers, body, MOST).await,
        false => {
            body::discard(&parts.headers, body).await;
            Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, headers::NOT_JSON))
        }
    };
    let query = read.and_then(|text| {
        let query: Result<Query, _> = serde_json::from_str(&text);
        query.map_err(|error| Fault::new(StatusCode::BAD_REQUEST, format!("the body is no query: {error}")))
    });
    match query {
        Ok(Query { query, top_k }) => match room.retrieve_of(caller, &query, top_k.clamp(1, MAX_TOP_K)).await
        {
            Ok(found) => {
                let entries = found.into_iter().map(Entry::from).collect();
                Json(Document { schema_version: 1, entries }).into_response()
            }
            Err(receipt) => respond(*receipt, None),
        },
        Err(Fault { status, detail }) => {
            let refused =
                room.refuse_look(caller, "retrieve memory", Reason::ArgumentsInvalid, &detail).await;
            respond(*refused, Some(status))
        }
    }
}
