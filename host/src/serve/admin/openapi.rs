//! `GET /admin/openapi.json`: the admin API as OpenAPI 3.1, made from the table of routes.
//!
//! Takes: the routes. Gives: the document. May name: serve.

use super::routes::{self, Route, Takes};
use crate::serve::openapi::{self, About, named, problem};
use serde_json::{Map, Value, json};

/// Bodies and answers as schemas; each answer is held against real ones by a test.
const SCHEMAS: &str = include_str!("openapi_schemas.json");

/// The document.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_owned(), operation(&route));
        }
    }
    let about = About {
        title: "Strongroom: admin API",
        description: "Orders of those who administrate the host. What a key may do is its role's; every request is in the audit log.",
        bearer: json!({ "type": "http", "scheme": "bearer", "description": "A key of `strongroom admin key create`." }),
        schemas: SCHEMAS,
    };
    openapi::document(about, paths)
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    match route.takes {
        Takes::Nothing => {}
        Takes::Page => parameters.extend([
            json!({ "name": "from", "in": "query", "schema": { "type": "string" }, "description": "`next` of an earlier page." }),
            json!({ "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 } }),
        ]),
        Takes::Once => parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
            "description": "The same key and order make one thing. A repeat is answered with 200, without the key's text.",
        })),
    }
    let content = json!({ "application/json": { "schema": named(route.answer) } });
    let done = json!({ "description": "As asked.", "content": content });
    let mut responses = json!({ "200": done, "default": problem() });
    if let (Takes::Once, Some(responses)) = (route.takes, responses.as_object_mut()) {
        responses.insert("201".to_owned(), json!({ "description": "It was made.", "content": content }));
    }
    let scope = if route.path.contains("{tenant}") { "_of_tenant" } else { "" };
    let mut operation = json!({
        "operationId": format!("{}{scope}", route.action.replace('.', "_")), "summary": route.summary,
        "parameters": parameters, "responses": responses,
    });
    if let (Some(body), Some(operation)) = (route.body, operation.as_object_mut()) {
        operation.insert("requestBody".to_owned(), openapi::body(&named(body)));
    }
    operation
}
