//! The document describes the admin API: answers have the schemas that it gives, and bodies are what it says.

use super::office::Office;
use serde_json::{Value, json};

/// Whether a value has the schema of an answer or a body of this route.
#[track_caller]
fn fits(document: &Value, schema: &Value, value: &Value) {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": schema["$ref"], "components": document["components"],
    });
    let validator = jsonschema::validator_for(&root).unwrap();
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{schema}: {errors:?} in {value}");
}

#[tokio::test]
async fn answers_have_the_schemas_that_the_document_gives() {
    let office = Office::open().await;
    let key = office.house.key("acme").await;
    let running = office.begin_sleeping(&key).await;
    let id = key.split('_').nth(2).unwrap();
    let document = office.get(&office.operator, "/admin/openapi.json").await.json();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let until = u64::try_from(now).unwrap() + 3_600_000;
    // In this order, so that each one finds what it is about.
    let changes: Vec<(&str, &str, Value)> = vec![
        (
            "post",
            "/admin/v1/switches",
            json!({ "scope": "tool", "name": "prober", "mode": "freeze", "why": "x" }),
        ),
        (
            "post",
            "/admin/v1/tokens/revoke",
            json!({ "issuer": "https://login.example.com", "id": "j", "why": "x" }),
        ),
        (
            "post",
            "/admin/v1/tenants/{tenant}/switches",
            json!({ "actor": "agent", "mode": "freeze", "why": "x" }),
        ),
        (
            "post",
            "/admin/v1/tenants/{tenant}/budgets/raise",
            json!({ "of": "calls", "per": "day", "more": 1, "until_ms": until, "why": "x" }),
        ),
        ("post", "/admin/v1/tenants/{tenant}/keys", json!({ "actor": "agent", "scopes": ["prober.now"] })),
        ("post", "/admin/v1/tenants/{tenant}/keys/{key}/rotate", json!({ "grace_ms": 1000 })),
    ];
    let undone: Vec<(&str, &str, Value)> = vec![
        ("post", "/admin/v1/switches/lift", json!({ "scope": "tool", "name": "prober" })),
        ("post", "/admin/v1/tokens/restore", json!({ "issuer": "https://login.example.com", "id": "j" })),
        ("post", "/admin/v1/tenants/{tenant}/switches/lift", json!({ "actor": "agent" })),
        ("post", "/admin/v1/tenants/{tenant}/budgets/lower", json!({ "of": "calls", "per": "day" })),
        ("delete", "/admin/v1/tenants/{tenant}/keys/{key}", Value::Null),
        ("post", "/admin/v1/tenants/{tenant}/calls/{call}/stop", json!({ "why": "x" })),
    ];
    let reads = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    let reads: Vec<_> = reads.map(|(path, _)| ("get", path.as_str(), Value::Null)).collect();
    for (method, path, body) in changes.into_iter().chain(reads).chain(undone) {
        let operation = &document["paths"][path][method];
        if let Some(content) = operation.pointer("/requestBody/content/application~1json/schema") {
            fits(&document, content, &body);
        }
        let asked = path.replace("{tenant}", "acme").replace("{key}", id).replace("{call}", &running);
        let reply = office.ask(&office.operator, &method.to_uppercase(), &asked, &body).await;
        assert!(reply.status < 300, "{method} {path}: {reply:?}");
        let content =
            &operation["responses"][reply.status.to_string()]["content"]["application/json"]["schema"];
        fits(&document, content, &reply.json());
    }
    // A list that is empty would fit whatever its items were said to be.
    let problem = office.get(&office.own, "/admin/v1/tenants").await;
    fits(&document, &json!({ "$ref": "#/components/schemas/Problem" }), &problem.json());
}
