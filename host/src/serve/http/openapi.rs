//! `GET /openapi.json`: the API as OpenAPI 3.1, with the tools that the caller may call.
//!
//! Takes: a request. Gives: the document. May name: config, id, identify, room, serve, tools.
//!
//! Without a credential, on a host with tenants, it has the routes and no tool.

use super::listing::Item;
use super::problem::respond;
use crate::config::Effect;
use crate::room::Strongroom;
use crate::serve::credential::Shown;
use crate::serve::openapi::{self, About, body, named, problem};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

/// Answers as schemas; each is held against real answers by a test.
const SCHEMAS: &str = include_str!("openapi_schemas.json");

pub(super) async fn document(State(room): State<Strongroom>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let shown = Shown::of(&parts);
    if shown.is_nothing() && !room.settings().single_tenant {
        return Json(api(&[])).into_response();
    }
    let listed = match shown.identify(&room).await {
        Ok(caller) => room.list(caller).await,
        Err(receipt) => Err(receipt),
    };
    match listed {
        Ok(listed) => {
            let mut tools: Vec<_> = listed.iter().map(Item::from).collect();
            tools.sort_by_key(|item| item.name);
            Json(api(&tools)).into_response()
        }
        Err(receipt) => respond(*receipt, None),
    }
}

fn api(tools: &[Item<'_>]) -> Value {
    let mut paths = routes();
    paths.extend(
        tools.iter().map(|tool| (format!("/v1/tools/{}", tool.name), json!({ "post": of_tool(tool) }))),
    );
    let about = About {
        title: "Strongroom",
        description: "Governed calls of sandboxed tools. The tenant comes from the credential alone.",
        bearer: json!({ "type": "http", "scheme": "bearer" }),
        schemas: SCHEMAS,
    };
    openapi::document(about, paths)
}

/// One tool of the caller's: the general route with its own schemas.
fn of_tool(tool: &Item<'_>) -> Value {
    let writes = tool.effect == Effect::Write;
    json!({
        "operationId": tool.name,
        "summary": tool.description,
        "tags": [tool.tool],
        "parameters": call_parameters(writes),
        "requestBody": body(tool.input_schema),
        "responses": call_responses(tool.output_schema),
    })
}

fn routes() -> Map<String, Value> {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^call_[0-9a-f]{32}$" } });
    let name = json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string" },
                       "description": "`<tool>.<function>`" });
    let mut call = json!({
        "operationId": "call", "summary": "One governed call", "requestBody": body(&json!({ "type": "object" })),
        "responses": call_responses(&json!(true)),
    });
    let parameters: Vec<_> = [name].into_iter().chain(call_parameters(false)).collect();
    if let Some(call) = call.as_object_mut() {
        call.insert("parameters".to_owned(), json!(parameters));
    }
    let get = |id: &str, summary: &str, schema: &str, parameters: Value| json!({ "operationId": id, "summary": summary, "parameters": parameters, "responses": ok(schema) });
    let events = |id: &str, summary: &str, parameters: Value| {
        let stream = json!({ "text/event-stream": { "schema": { "type": "string" } } });
        json!({ "operationId": id, "summary": summary, "parameters": parameters, "responses": {
            "200": { "description": "Server-sent events.", "content": stream }, "default": problem(),
        } })
    };
    let page = json!([
        { "name": "from", "in": "query", "schema": { "type": "string" }, "description": "`next` of an earlier page." },
        { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 } },
    ]);
    let prefer = json!({ "name": "Prefer", "in": "header", "schema": { "type": "string" },
                         "description": "`wait=10`: wait so many seconds, at most 60, for the call to end (RFC 7240)." });
    let fetch = json!({
        "operationId": "fetchCall", "summary": "The answer of a call that was begun with `Prefer: respond-async`",
        "parameters": [id, prefer], "responses": call_responses(&json!(true)),
    });
    let cancel = json!({
        "operationId": "cancelCall", "summary": "Cancels such a call, or forgets its answer", "parameters": [id],
        "responses": { "204": { "description": "It is gone." }, "default": problem() },
    });
    let retrieve = json!({
        "operationId": "retrieve", "summary": "What the tenant remembers and fits a query best",
        "requestBody": body(&named("Query")), "responses": ok("Memories"),
    });
    let alive = |id: &str, summary: &str| json!({ "operationId": id, "summary": summary, "security": [], "responses": ok("Health") });
    let mcp = json!({
        "operationId": "mcp", "summary": "The Model Context Protocol, streamable HTTP: the same calls for its clients",
        "requestBody": body(&json!({ "type": "object" })),
        "responses": { "200": { "description": "As the protocol has it." }, "default": problem() },
    });
    let document = json!({
        "operationId": "openapi", "summary": "This document, with the caller's tools", "security": [{}, { "bearer": [] }],
        "responses": { "200": { "description": "OpenAPI 3.1.", "content": { "application/json": {} } }, "default": problem() },
    });
    let metadata = |id: &str| {
        json!({ "operationId": id, "summary": "Whose access tokens count here (RFC 9728)", "security": [],
                "responses": { "200": { "description": "Metadata of the protected resource.",
                    "content": { "application/json": { "schema": { "type": "object" } } } }, "default": problem() } })
    };
    let all = [
        ("/v1/tools", json!({ "get": get("listTools", "What the caller may call", "Tools", json!([])) })),
        ("/v1/tools/{name}", json!({ "post": call })),
        ("/v1/calls/{id}", json!({ "get": fetch, "delete": cancel })),
        (
            "/v1/calls/{id}/events",
            json!({ "get": events("watchCall", "Its progress, then its answer", json!([id])) }),
        ),
        (
            "/v1/usage",
            json!({ "get": get("usage", "How far the tenant's budgets are used", "Usage", json!([])) }),
        ),
        ("/v1/usage/events", json!({ "get": events("watchUsage", "The tenant's budget alerts", json!([])) })),
        (
            "/v1/audit",
            json!({ "get": get("audit", "The tenant's own entries of the audit log", "Entries", page) }),
        ),
        ("/v1/memory/retrieve", json!({ "post": retrieve })),
        ("/mcp", json!({ "post": mcp })),
        ("/openapi.json", json!({ "get": document })),
        ("/.well-known/oauth-protected-resource", json!({ "get": metadata("resource") })),
        ("/.well-known/oauth-protected-resource/mcp", json!({ "get": metadata("resourceMcp") })),
        ("/livez", json!({ "get": alive("live", "Whether the program serves") })),
        ("/readyz", json!({ "get": alive("ready", "Whether calls can run") })),
    ];
    all.into_iter().map(|(path, item)| (path.to_owned(), item)).collect()
}

fn call_parameters(writes: bool) -> Vec<Value> {
    let header = |name: &str, required: bool, most: u32, what: &str| {
        json!({ "name": name, "in": "header", "required": required, "description": what,
                "schema": { "type": "string", "minLength": 1, "maxLength": most } })
    };
    vec![
        header(
            "Idempotency-Key",
            writes,
            255,
            "A write needs one: the same key and arguments take effect once.",
        ),
        header("Strongroom-Run", false, 128, "The caller's name for the run that the call is a step of."),
        header(
            "Prefer",
            false,
            255,
            "`respond-async`: 202 at once, and the answer at `Location` (RFC 7240).",
        ),
    ]
}

fn call_responses(result: &Value) -> Value {
    let header = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
    json!({
        "200": {
            "description": "The function's result. With `Accept: text/event-stream`: its progress, then its result.",
            "headers": {
                "Strongroom-Call-Id": header("The call, as the audit log has it."),
                "Strongroom-Fuel": header("Fuel used."),
                "Idempotent-Replayed": header("`true` for the stored answer of an earlier equal call."),
                "RateLimit": header("What is left of budgets."),
            },
            "content": { "application/json": { "schema": result } },
        },
        "202": { "description": "It runs; ask at `Location`.",
                 "content": { "application/json": { "schema": named("Running") } } },
        "default": problem(),
    })
}

fn ok(schema: &str) -> Value {
    json!({
        "200": { "description": "As asked.", "content": { "application/json": { "schema": named(schema) } } },
        "default": problem(),
    })
}
