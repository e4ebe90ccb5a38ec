//! The OpenAPI document says what there is: every route and tool of it answers, and answers have the schemas that it gives.

use super::client::{Reply, Served, request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use strongroom_tests::house;

const RULES: &str = "[tools]\nallow = ['*']\n[grants.prober.memory]\nmode = 'rw'\n
                     [[budgets]]\nof = 'calls'\nper = 'day'\nlimit = 1000\n";

async fn document(served: &Served, key: Option<&str>) -> Value {
    let headers: Vec<_> = key.map(|key| format!("authorization: Bearer {key}")).into_iter().collect();
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    let reply = served.get("/openapi.json", &headers).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn paths(document: &Value) -> BTreeSet<String> {
    document["paths"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_one_of_the_document_is_there() {
    let house = house().tool("echo").tenant("acme", RULES).build().await;
    let key = house.key("acme").await;
    let served = Served::new(&house.room);
    let document = document(&served, None).await;
    let source = include_str!("../../host/src/serve/http/mod.rs");
    let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    assert_eq!(paths(&document), routes.collect(), "the document and the router");
    let authorization = format!("authorization: Bearer {key}");
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "echo.nothing").replace("{id}", "call_0");
        for method in item.as_object().unwrap().keys() {
            let asks = request(&method.to_uppercase(), &path, &[&authorization], "{}");
            let reply = served.raw(asks).await;
            let plain = reply.status == 404 && reply.body.contains("there is nothing here");
            assert!(reply.status != 405 && !plain, "{method} {path}: {reply:?}");
        }
        for method in ["PUT", "PATCH"] {
            assert_eq!(
                served.raw(request(method, &path, &[&authorization], "{}")).await.status,
                405,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn it_has_the_callers_tools_and_no_others() {
    let house = house().tool("echo").tool("prober").tenant("acme", RULES).build().await;
    let (all, narrow) = (house.key("acme").await, house.key_for("acme", None, &["echo.nothing"]).await);
    let served = Served::new(&house.room);
    let tools = |document: &Value| -> BTreeSet<String> {
        paths(document).into_iter().filter(|p| p.starts_with("/v1/tools/") && !p.contains('{')).collect()
    };
    assert!(tools(&document(&served, None).await).is_empty());
    assert_eq!(
        tools(&document(&served, Some(&narrow)).await),
        BTreeSet::from(["/v1/tools/echo.nothing".into()])
    );
    let whole = document(&served, Some(&all)).await;
    let call = &whole["paths"]["/v1/tools/prober.kv-get"]["post"];
    let listed = served.get("/v1/tools", &[&format!("authorization: Bearer {all}")]).await.json();
    let tool =
        listed["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "prober.kv-get").unwrap();
    assert_eq!(call["requestBody"]["content"]["application/json"]["schema"], tool["input_schema"]);
    assert_eq!(call["responses"]["200"]["content"]["application/json"]["schema"], tool["output_schema"]);
    let needs = |function: &str| {
        whole["paths"][format!("/v1/tools/{function}")]["post"]["parameters"][0]["required"].clone()
    };
    assert_eq!((needs("prober.kv-get"), needs("prober.kv-set")), (json!(false), json!(true)));
    served
        .get("/openapi.json", &["authorization: Bearer sr_live_a_b"])
        .await
        .is_problem(401, "tenant_unknown");
}

/// Whether an answer has the schema of this name.
#[track_caller]
fn fits(document: &Value, schema: &str, answer: &Value) {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{schema}"), "components": document["components"],
    });
    let validator = jsonschema::validator_for(&root).unwrap();
    let errors: Vec<_> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{schema}: {errors:?} in {answer}");
}

#[tokio::test]
async fn answers_have_the_schemas_that_it_gives() {
    let house = house().tool("prober").tenant("acme", RULES).build().await;
    let key = house.key("acme").await;
    let served = Served::new(&house.room);
    let remember = r#"{"id":"a1","text":"an invoice","tags":["x"]}"#;
    served.call(&key, "prober.mem-remember", &["idempotency-key: 1"], remember).await;
    let document = document(&served, Some(&key)).await;
    let authorization = format!("authorization: Bearer {key}");
    let get = async |path: &str| -> Reply { served.get(path, &[&authorization]).await };
    for (path, schema) in [("/v1/tools", "Tools"), ("/v1/usage", "Usage"), ("/v1/audit", "Entries")] {
        let answer = get(path).await.json();
        fits(&document, schema, &answer);
        assert!(
            answer.as_object().unwrap().values().any(|v| v.as_array().is_some_and(|a| !a.is_empty())),
            "{path}"
        );
    }
    for path in ["/livez", "/readyz"] {
        fits(&document, "Health", &get(path).await.json());
    }
    let found = request("POST", "/v1/memory/retrieve", &[&authorization], r#"{"query":"invoice"}"#);
    let found = served.raw(found).await.json();
    assert_eq!(found["entries"].as_array().unwrap().len(), 1);
    fits(&document, "Memories", &found);
    let begun = served.call(&key, "prober.now", &["prefer: respond-async"], "{}").await;
    fits(&document, "Running", &begun.json());
    fits(&document, "Problem", &served.call(&key, "prober.nope", &[], "{}").await.json());
    fits(&document, "Problem", &served.call(&key, "prober.kv-set", &[], "{}").await.json());
}
