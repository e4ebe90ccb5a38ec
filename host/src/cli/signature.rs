//! Schemas in a few words, for people.
//!
//! Takes: JSON Schema as the library writes it. Gives: lines of text. May name: nothing.

use serde_json::{Map, Value};

/// The first sentence of a description.
pub(crate) fn first_sentence(docs: Option<&str>) -> String {
    let paragraph = docs.and_then(|docs| docs.split("\n\n").next()).unwrap_or("");
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    line.split_inclusive(". ").next().unwrap_or("").trim().to_owned()
}

/// What a function answers with, and what it fails with if its type says so.
pub(crate) fn result(schema: &Value) -> (String, Option<String>) {
    let choices = schema.get("oneOf").and_then(Value::as_array);
    let side = |name: &str| choices?.iter().find_map(|choice| choice.get("properties")?.get(name));
    match (side("ok"), side("err")) {
        (Some(ok), Some(err)) => (word(ok), Some(word(err))),
        _ => (word(schema), None),
    }
}

/// The fields of an object: name, type, description; one that is not required has a `?`.
pub(crate) fn fields(schema: &Value) -> Vec<[String; 3]> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let field = |(name, schema): (&String, &Value)| {
        let mark = if required.contains(&name.as_str()) { "" } else { "?" };
        let docs = first_sentence(schema.get("description").and_then(Value::as_str));
        [format!("{name}{mark}"), word(schema), docs]
    };
    properties.map(field).collect()
}

/// A type in one line.
pub(crate) fn word(schema: &Value) -> String {
    brief(schema, 3)
}

fn brief(schema: &Value, depth: usize) -> String {
    let Some(object) = schema.as_object() else { return "anything".into() };
    if let Some(choices) = list(object, "oneOf").or_else(|| list(object, "anyOf")) {
        let words: Vec<String> = choices.iter().map(|choice| brief(choice, depth)).collect();
        // A wide integer is also taken as text, and a float may be a word such as "NaN": people need not read that
        // every time.
        return match words.as_slice() {
            [number, other, rest @ ..]
                if (number.starts_with("integer") && other == "string") || number == "number" =>
            {
                std::iter::once(number).chain(rest).cloned().collect::<Vec<_>>().join(" | ")
            }
            words => words.join(" | "),
        };
    }
    if let Some(labels) = list(object, "enum") {
        return labels.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(constant) = object.get("const") {
        return constant.to_string();
    }
    match object.get("type").and_then(Value::as_str) {
        Some("object") => record(object, depth),
        Some("array") => array(object, depth),
        Some("integer") => integer(object),
        Some("string") if object.contains_key("contentEncoding") => "base64".into(),
        Some(other) => other.to_owned(),
        None => "anything".into(),
    }
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Vec<Value>> {
    object.get(key).and_then(Value::as_array)
}

fn record(object: &Map<String, Value>, depth: usize) -> String {
    let properties = object.get("properties").and_then(Value::as_object);
    let Some(properties) = properties.filter(|p| !p.is_empty()) else { return "{}".into() };
    let Some(depth) = depth.checked_sub(1) else { return "{…}".into() };
    let required = list(object, "required");
    let field = |(name, schema): (&String, &Value)| {
        let mark = if required.is_some_and(|r| r.iter().any(|r| r == name)) { "" } else { "?" };
        format!("{name}{mark}: {}", brief(schema, depth))
    };
    format!("{{ {} }}", properties.iter().map(field).collect::<Vec<_>>().join(", "))
}

fn array(object: &Map<String, Value>, depth: usize) -> String {
    if let Some(items) = list(object, "prefixItems") {
        let words: Vec<String> = items.iter().map(|item| brief(item, depth)).collect();
        return format!("[{}]", words.join(", "));
    }
    let item = object.get("items").map_or_else(|| "anything".into(), |item| brief(item, depth));
    match object.get("minItems") {
        Some(count) => format!("[{item}; {count}]"),
        None if item.contains(" | ") => format!("({item})[]"),
        None => format!("{item}[]"),
    }
}

/// Bounds are shown where they are not those of 64 bits.
fn integer(object: &Map<String, Value>) -> String {
    match (object.get("minimum").and_then(Value::as_i64), object.get("maximum").and_then(Value::as_i64)) {
        (Some(min), Some(max)) if max != i64::MAX => format!("integer {min}..{max}"),
        _ => "integer".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_short_and_tell_what_matters() {
        let byte = json!({ "type": "integer", "minimum": 0, "maximum": 255 });
        let wide = json!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": u64::MAX },
            { "type": "string", "pattern": "x" }, { "type": "null" }] });
        for (schema, expected) in [
            (byte.clone(), "integer 0..255"),
            (wide, "integer | null"),
            (json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN"] }] }), "number"),
            (json!({ "type": "string", "enum": ["a", "b"] }), "\"a\" | \"b\""),
            (json!({ "type": "array", "items": byte }), "integer 0..255[]"),
            (json!({ "type": "array", "prefixItems": [{ "type": "string" }], "items": false }), "[string]"),
            (json!({ "type": "string", "contentEncoding": "base64" }), "base64"),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "null" } },
                    "required": ["a"] }),
                "{ a: string, b?: null }",
            ),
        ] {
            assert_eq!(word(&schema), expected);
        }
    }
}
