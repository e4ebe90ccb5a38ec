//! `GET /v1/tools`: what the caller may call, in the order of the names.
//!
//! Takes: a request. Gives: the list. May name: config, identify, id, reason, room, serve, tools.

use super::problem::respond;
use crate::config::{Effect, KeptFor};
use crate::id::{Digest, FunctionName, ToolName};
use crate::room::{Listed, Strongroom};
use crate::serve::credential::Presented;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct Listing<'a> {
    schema_version: u32,
    tools: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    name: &'a FunctionName,
    description: &'a str,
    effect: Effect,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<KeptFor>,
    input_schema: &'a Value,
    output_schema: &'a Value,
    tool: &'a ToolName,
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

pub(super) async fn list(State(room): State<Strongroom>, headers: HeaderMap) -> Response {
    let presented = Presented::read(&headers);
    let caller = match room.identify(presented.credential()).await {
        Ok(caller) => caller,
        Err(receipt) => return respond(presented.explain(*receipt), None),
    };
    match room.list(caller).await {
        Ok(listed) => {
            let mut tools: Vec<_> = listed.iter().map(Item::from).collect();
            tools.sort_by_key(|item| item.name);
            Json(Listing { schema_version: 1, tools }).into_response()
        }
        Err(receipt) => respond(*receipt, None),
    }
}
