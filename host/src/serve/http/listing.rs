//! `GET /v1/tools`: what the caller may call, in the order of the names.
//!
//! Takes: a request. Gives: the list. May name: config, identify, id, reason, room, serve, tools.

use super::asks::Asks;
use super::problem::respond;
use crate::config::{Effect, KeptFor};
use crate::id::{Digest, FunctionName, ToolName};
use crate::room::{Listed, Strongroom};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct Listing<'a> {
    schema_version: u32,
    tools: Vec<Item<'a>>,
}

/// One function, as it is told.
#[derive(Serialize)]
pub(super) struct Item<'a> {
    pub(super) name: &'a FunctionName,
    pub(super) description: &'a str,
    pub(super) effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<KeptFor>,
    pub(super) input_schema: &'a Value,
    pub(super) output_schema: &'a Value,
    pub(super) tool: &'a ToolName,
    version: &'a str,
    digest: Digest,
}

impl<'a> From<&'a Listed> for Item<'a> {
    fn from(listed: &'a Listed) -> Self {
        let Listed { tool, function } = listed;
        Self {
            name: &function.name,
            // A function without docs is described by its tool.
            description: function.signature.docs().unwrap_or(&tool.manifest.description),
            effect: function.effect,
            cache: function.cache,
            input_schema: &function.arguments_schema,
            output_schema: &function.result_schema,
            tool: &tool.name,
            version: &tool.manifest.version,
            digest: tool.digest,
        }
    }
}

pub(super) async fn list(State(room): State<Strongroom>, Asks(caller): Asks) -> Response {
    match room.list(caller).await {
        Ok(listed) => {
            let mut tools: Vec<_> = listed.iter().map(Item::from).collect();
            tools.sort_by_key(|item| item.name);
            Json(Listing { schema_version: 1, tools }).into_response()
        }
        Err(receipt) => respond(*receipt, None),
    }
}
