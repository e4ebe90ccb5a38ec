//! A function as clients list it: its name, what it does, its schemas, and hints from its manifest.
//!
//! Takes: an installed function. Gives: rmcp's `Tool`. May name: config, room, serve, tools, typed.

use super::answer::{Form, error_schema};
use super::{links, names};
use crate::config::{Effect, Settings};
use crate::room::Listed;
use crate::tools::ToolFunction;
use crate::typed::Kind;
use rmcp::model::{MetaObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Longest title; a first sentence that is longer is a description only.
const TITLE: usize = 80;

pub(super) fn tool(listed: &Listed, settings: &Settings) -> Tool {
    let Listed { tool, function } = listed;
    // A function without docs is described by its tool.
    let description = function.signature.docs().unwrap_or(&tool.manifest.description).to_owned();
    let name = names::shown(&function.name, settings).to_owned();
    let input = object(function.arguments_schema.clone());
    let mut shown = Tool::new(name, description, input);
    shown.title = function.signature.docs().and_then(title);
    shown.output_schema = output(function).map(Arc::new);
    let reads = function.effect == Effect::Read;
    shown.annotations = Some(
        ToolAnnotations::new()
            .read_only(reads)
            .destructive(!reads)
            .idempotent(reads)
            .open_world(!tool.manifest.needs.http.is_empty()),
    );
    let mut meta = MetaObject::new();
    meta.0.insert("strongroom/function".into(), json!(function.name));
    meta.0.insert("strongroom/version".into(), json!(tool.manifest.version));
    meta.0.insert("strongroom/digest".into(), json!(tool.digest));
    shown.meta = Some(meta);
    shown
}

/// The first sentence, when it can stand as a title.
pub(super) fn title(docs: &str) -> Option<String> {
    let line = docs.lines().next()?;
    let sentence = line.split_once(". ").map_or(line, |(sentence, _)| sentence).trim();
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    (!sentence.is_empty() && sentence.chars().count() <= TITLE).then(|| sentence.to_owned())
}

/// What `structuredContent` holds: the result, or what went wrong. Clients check a failed call's content by it, too.
fn output(function: &ToolFunction) -> Option<Map<String, Value>> {
    let result = match Form::of(function) {
        Form::Object => function.result_schema.clone(),
        Form::Wrapped => json!({
            "type": "object",
            "properties": { "result": function.result_schema },
            "required": ["result"],
            "additionalProperties": false,
        }),
        Form::Content | Form::Nothing => return None,
    };
    let own = match function.signature.result().map(crate::typed::Shape::kind) {
        Some(Kind::Result(_, Some(error))) => error.schema(),
        _ => json!(true),
    };
    Some(object(json!({ "type": "object", "anyOf": [result, error_schema(&own), links::schema()] })))
}

fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_first_sentence_is_a_title() {
        assert_eq!(title("Sends an order. It takes a while.").as_deref(), Some("Sends an order"));
        assert_eq!(title("Version 1.2 of it\nmore").as_deref(), Some("Version 1.2 of it"));
        assert_eq!(title(""), None);
        assert_eq!(title(&"x".repeat(81)), None);
    }
}
