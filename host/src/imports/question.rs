//! What a tool asks, as the Model Context Protocol has it, and what fits as an answer.
//!
//! Takes: a guest's question, a client's result. Gives: [`Question`] and [`Answer`]. May name: config, id.

use crate::config::AskKind;
use crate::id::Digest;
use serde_json::{Map, Value, json};

/// The longest message of a form, and its longest schema, in bytes.
const MESSAGE: usize = 4096;
const SCHEMA: usize = 16 * 1024;
/// The most fields of a form.
const FIELDS: usize = 64;
/// The longest prompt, in bytes.
const PROMPT: usize = 64 * 1024;
/// The most folders of an answer.
const ROOTS: usize = 256;

/// A question within its bounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) kind: AskKind,
    /// The protocol's request.
    pub(super) request: Value,
}

/// An answer that fits its question.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// A form that was filled in.
    Accept(Value),
    Decline,
    Cancel,
    Said {
        text: String,
        model: String,
        stop: Option<String>,
    },
    Roots(Vec<(String, Option<String>)>),
}

impl Question {
    /// A form.
    pub(super) fn form(message: &str, schema: &str) -> Result<Self, String> {
        if message.is_empty() || message.len() > MESSAGE {
            return Err(format!("the message has {} bytes; 1 to {MESSAGE} are allowed", message.len()));
        }
        if schema.len() > SCHEMA {
            return Err(format!("the schema has {} bytes; at most {SCHEMA} are allowed", schema.len()));
        }
        let schema: Value =
            serde_json::from_str(schema).map_err(|error| format!("the schema is no JSON: {error}"))?;
        let fields = schema.get("properties").and_then(Value::as_object);
        let Some(fields) = fields.filter(|_| schema.get("type") == Some(&json!("object"))) else {
            return Err("the schema is no object with `properties`".into());
        };
        if fields.len() > FIELDS {
            return Err(format!("the schema has more than {FIELDS} fields"));
        }
        let strange = fields.iter().find(|(_, field)| !is_field(field));
        if let Some((name, _)) = strange {
            let name: String = name.chars().take(40).collect();
            return Err(format!(
                "the field {name:?} is neither a string, a number, a boolean, nor a choice of strings"
            ));
        }
        let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
        Ok(Self {
            kind: AskKind::Elicit,
            request: json!({ "method": "elicitation/create", "params": params }),
        })
    }

    /// A prompt: who says what, what comes first, and the most tokens.
    pub(super) fn prompt(messages: &[(&str, &str)], system: Option<&str>, most: u32) -> Result<Self, String> {
        let bytes = messages.iter().map(|(_, text)| text.len()).fold(0, usize::saturating_add);
        let bytes = bytes.saturating_add(system.map_or(0, str::len));
        if messages.is_empty() || bytes > PROMPT || most == 0 {
            return Err(format!(
                "a prompt has at least one message, at most {PROMPT} bytes, and `max-tokens` of at least 1"
            ));
        }
        let messages: Vec<_> = messages
            .iter()
            .map(|(role, text)| json!({ "role": role, "content": { "type": "text", "text": text } }))
            .collect();
        let mut params = json!({ "messages": messages, "maxTokens": most });
        if let (Some(system), Some(params)) = (system, params.as_object_mut()) {
            params.insert("systemPrompt".into(), json!(system));
        }
        let request = json!({ "method": "sampling/createMessage", "params": params });
        Ok(Self { kind: AskKind::Sample, request })
    }

    pub(super) fn roots() -> Self {
        Self { kind: AskKind::Roots, request: json!({ "method": "roots/list", "params": {} }) }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.request.to_string().as_bytes())
    }

    /// The result of a client, if it answers this question.
    pub(super) fn read(&self, result: &Value) -> Option<Answer> {
        match self.kind {
            AskKind::Elicit => match result.get("action")?.as_str()? {
                "accept" => {
                    let content = result.get("content").cloned().unwrap_or_else(|| json!({}));
                    let schema = self.request.pointer("/params/requestedSchema")?;
                    fits(schema, content.as_object()?).then_some(Answer::Accept(content))
                }
                "decline" => Some(Answer::Decline),
                "cancel" => Some(Answer::Cancel),
                _ => None,
            },
            AskKind::Sample => {
                let model = result.get("model")?.as_str()?.to_owned();
                let stop = result.get("stopReason").and_then(Value::as_str).map(str::to_owned);
                let texts: Vec<&str> = match result.get("content")? {
                    Value::Array(blocks) => blocks.iter().filter_map(text).collect(),
                    block => text(block).into_iter().collect(),
                };
                Some(Answer::Said { text: texts.join("\n"), model, stop })
            }
            AskKind::Roots => {
                let roots = result.get("roots")?.as_array().filter(|roots| roots.len() <= ROOTS)?;
                let root = |root: &Value| {
                    let name = root.get("name").and_then(Value::as_str).map(str::to_owned);
                    Some((root.get("uri")?.as_str()?.to_owned(), name))
                };
                roots.iter().map(root).collect::<Option<_>>().map(Answer::Roots)
            }
        }
    }
}

fn text(block: &Value) -> Option<&str> {
    (block.get("type")? == "text").then(|| block.get("text")?.as_str())?
}

fn is_field(field: &Value) -> bool {
    match field.get("type").and_then(Value::as_str) {
        Some("string" | "number" | "integer" | "boolean") => true,
        Some("array") => {
            let choice =
                |items: &Value| ["enum", "anyOf", "oneOf"].iter().any(|key| items.get(key).is_some());
            field.get("items").is_some_and(choice)
        }
        _ => false,
    }
}

/// Whether a form is filled in as its schema asks: types, choices, bounds, and all that is required. A field that the schema
/// does not know is not the tool's to have.
fn fits(schema: &Value, content: &Map<String, Value>) -> bool {
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else { return false };
    let required = schema.get("required").and_then(Value::as_array);
    let there = |name: &Value| name.as_str().is_some_and(|name| content.contains_key(name));
    required.is_none_or(|required| required.iter().all(there))
        && content.iter().all(|(name, value)| fields.get(name).is_some_and(|field| field_fits(field, value)))
}

fn field_fits(field: &Value, value: &Value) -> bool {
    let bound = |key: &str| field.get(key).and_then(Value::as_f64);
    let count = |key: &str| field.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let between = |n: usize, least: &str, most: &str| {
        count(least).is_none_or(|least| n >= least) && count(most).is_none_or(|most| n <= most)
    };
    match (field.get("type").and_then(Value::as_str), value) {
        (Some("string"), Value::String(text)) => {
            between(text.chars().count(), "minLength", "maxLength") && chosen(field, text)
        }
        (Some(kind @ ("number" | "integer")), Value::Number(number)) => {
            let Some(value) = number.as_f64() else { return false };
            (kind == "number" || value.fract() == 0.0)
                && bound("minimum").is_none_or(|least| value >= least)
                && bound("maximum").is_none_or(|most| value <= most)
        }
        (Some("boolean"), Value::Bool(_)) => true,
        (Some("array"), Value::Array(items)) => {
            let one = field.get("items");
            let known =
                |item: &Value| item.as_str().is_some_and(|text| one.is_some_and(|one| chosen(one, text)));
            between(items.len(), "minItems", "maxItems") && items.iter().all(known)
        }
        _ => false,
    }
}

/// Whether a text is one of the choices, where there are some.
fn chosen(field: &Value, text: &str) -> bool {
    let words = field.get("enum").and_then(Value::as_array);
    let titled = ["oneOf", "anyOf"].iter().find_map(|key| field.get(key).and_then(Value::as_array));
    words.is_none_or(|words| words.iter().any(|word| word == text))
        && titled.is_none_or(|all| all.iter().any(|one| one.get("const").is_some_and(|word| word == text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA_OF: &str = r#"{"type":"object","required":["name"],"properties":{
        "name":{"type":"string","minLength":2},"age":{"type":"integer","minimum":0},
        "how":{"type":"string","oneOf":[{"const":"a","title":"A"}]},
        "many":{"type":"array","maxItems":2,"items":{"type":"string","enum":["x","y"]}}}}"#;

    #[test]
    fn only_a_form_that_fits_is_an_answer() {
        let form = Question::form("Who?", SCHEMA_OF).unwrap();
        let filled = |content: Value| form.read(&json!({ "action": "accept", "content": content }));
        for good in
            [json!({ "name": "Ada" }), json!({ "name": "Ada", "age": 36, "how": "a", "many": ["x", "y"] })]
        {
            assert_eq!(filled(good.clone()), Some(Answer::Accept(good)));
        }
        for bad in [
            json!({}),
            json!({ "name": "A" }),
            json!({ "name": 7 }),
            json!({ "name": "Ada", "age": 1.5 }),
            json!({ "name": "Ada", "age": -1 }),
            json!({ "name": "Ada", "how": "b" }),
            json!({ "name": "Ada", "many": ["x", "y", "x"] }),
            json!({ "name": "Ada", "many": ["z"] }),
            json!({ "name": "Ada", "more": true }),
            json!("Ada"),
        ] {
            assert_eq!(filled(bad.clone()), None, "{bad}");
        }
        assert_eq!(form.read(&json!({ "action": "decline" })), Some(Answer::Decline));
        for strange in [json!(12345), json!({}), json!({ "action": "maybe" }), json!(null)] {
            assert_eq!(form.read(&strange), None);
        }
    }

    #[test]
    fn questions_have_bounds() {
        for schema in
            ["", "[]", r#"{"type":"object"}"#, r#"{"type":"object","properties":{"a":{"type":"object"}}}"#]
        {
            assert!(Question::form("Who?", schema).is_err(), "{schema}");
        }
        assert!(Question::form("", SCHEMA_OF).is_err());
        assert!(Question::form(&"x".repeat(5000), SCHEMA_OF).is_err());
        assert!(Question::prompt(&[], None, 1).is_err());
        assert!(Question::prompt(&[("user", "hi")], None, 0).is_err());
        assert!(Question::prompt(&[("user", &"x".repeat(70_000))], None, 9).is_err());
    }

    #[test]
    fn words_and_folders_are_read() {
        let prompt = Question::prompt(&[("user", "hi")], Some("be kind"), 9).unwrap();
        let said = json!({ "role": "assistant", "model": "m", "content": [{ "type": "text", "text": "a" },
            { "type": "image", "data": "", "mimeType": "image/png" }, { "type": "text", "text": "b" }] });
        let told = Answer::Said { text: "a\nb".into(), model: "m".into(), stop: None };
        assert_eq!(prompt.read(&said), Some(told));
        let roots = json!({ "roots": [{ "uri": "file:///a", "name": "A" }, { "uri": "file:///b" }] });
        let told = Answer::Roots(vec![("file:///a".into(), Some("A".into())), ("file:///b".into(), None)]);
        assert_eq!(Question::roots().read(&roots), Some(told));
        assert_eq!(Question::roots().read(&json!({ "roots": [{}] })), None);
    }
}
