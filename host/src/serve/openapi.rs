//! What the documents of both APIs have in common: OpenAPI 3.1, one kind of credential, one form of refusals.
//!
//! Takes: routes, schemas, words. Gives: a document. May name: reason.

use crate::reason::Reason;
use serde_json::{Map, Value, json};

/// What a document says of itself.
pub(super) struct About<'a> {
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    /// The one credential.
    pub(super) bearer: Value,
    /// Bodies and answers as schemas, in JSON.
    pub(super) schemas: &'a str,
}

/// The document of these paths.
pub(super) fn document(about: About<'_>, paths: Map<String, Value>) -> Value {
    let About { title, description, bearer, schemas } = about;
    let mut schemas: Map<String, Value> = serde_json::from_str(schemas).unwrap_or_default();
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    schemas.insert("Reason".to_owned(), json!({ "type": "string", "enum": codes }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": description,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": bearer },
            "schemas": schemas,
            "responses": { "problem": {
                "description": "Refused or failed; `reason_code` says why (RFC 9457).",
                "content": { "application/problem+json": { "schema": named("Problem") } },
            } },
        },
    })
}

/// A reference to a schema.
pub(super) fn named(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// What a request has to bring.
pub(super) fn body(schema: &Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

/// Every refusal.
pub(super) fn problem() -> Value {
    json!({ "$ref": "#/components/responses/problem" })
}
