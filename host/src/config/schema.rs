//! The form of a manifest as JSON Schema (2020-12), for editors and for pipelines that check files before they are used.
//!
//! Takes: nothing. Gives: [`manifest_schema`]. May name: authorize.
//!
//! What the schema refuses, [`Manifest::parse`](super::Manifest::parse) refuses. The other way round there are a few
//! rules that JSON Schema cannot say: the sum of a function's and its tool's name, the range of sizes and times, the decoding of
//! paths. Bounds come from where they are enforced.

use super::limits::{MAX_DEADLINE_MS, MAX_EGRESS, MAX_FUEL, MAX_MEMORY, MAX_STORED, MIN_MEMORY};
use super::list::MAX_ELEMENTS;
use super::manifest::{MAX_DESCRIPTION, MAX_ENTRIES};
use super::offered::{MAX_URI, MIME, URI};
use super::size::ByteSize;
use crate::authorize::path::MAX_PATTERN_BYTES;
use serde_json::{Map, Value, json};

/// Names of tools and needs.
const SLUG: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// The JSON Schema of `tool.toml`.
#[must_use]
pub fn manifest_schema() -> Value {
    let mut root = table(
        "What a tool declares about itself. It gives no rights: a tenant's grants bind what it needs.",
        [
            ("name", name()),
            ("version", version()),
            ("description", description()),
            ("functions", functions()),
            ("needs", needs()),
            ("limits", limits()),
        ],
    );
    if let Value::Object(root) = &mut root {
        root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        root.insert("$id".into(), "urn:strongroom:schema:tool:1".into());
        root.insert("title".into(), "Manifest of a Strongroom tool (tool.toml)".into());
        root.insert("required".into(), json!(["name", "version"]));
    }
    root
}

fn name() -> Value {
    let says = "The tool's name; its functions are called as `<name>.<function>`. 1 to 63 lower-case letters, digits, `-` \
                and `_`, starting with a letter or digit.";
    json!({ "description": says, "type": "string", "pattern": SLUG })
}

fn version() -> Value {
    let says = "The tool's version: three numbers, then what may follow `-` or `+`. At most 64 bytes.";
    let pattern = r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}([-+][0-9A-Za-z.+-]+)?$";
    json!({ "description": says, "type": "string", "pattern": pattern, "maxLength": 64, "examples": ["1.2.0"] })
}

fn description() -> Value {
    let says = format!("What the tool is for. At most {} bytes.", grouped(MAX_DESCRIPTION));
    json!({ "description": says, "type": "string", "maxLength": MAX_DESCRIPTION, "default": "" })
}

fn functions() -> Value {
    let says = "Per function, by its name without the tool: what it does. A function without an entry writes, and the \
                component must export each function that has one.";
    let names = json!({ "pattern": "^[A-Za-z0-9_.-]{1,126}$" });
    let effect = json!({
        "description": "`read`: it only reads, needs no idempotency key, and gets no right to write, whatever is granted. \
                        `write`: it may change something outside of itself.",
        "enum": ["read", "write"],
    });
    let cache = json!({
        "description": "How long an answer may be given again to equal calls of the same tenant and actor, as `60s`, `5m` or `1h`: 1s \
                        to 1h. Only of a function that reads.",
        "type": "string", "pattern": "^([0-9]*[1-9][0-9]*(s|m)|0*1h)$", "examples": ["60s", "5m"],
    });
    let uri = json!({
        "description": "Its URI; `{name}` stands for the function's parameter of that name, which is a string. The scheme `strongroom` is the \
                        host's own.",
        "type": "string", "pattern": URI, "not": { "pattern": "^strongroom:" }, "maxLength": MAX_URI,
        "examples": ["guide://orders", "orders://{id}"],
    });
    let mime = json!({
        "description": "What kind of document it is.",
        "type": "string", "pattern": MIME, "maxLength": 128, "examples": ["text/markdown"],
    });
    let says_resource = "The resource of the Model Context Protocol that the function gives, in place of a tool. Only of a function \
                         that reads.";
    let mut resource = table(says_resource, [("uri", uri), ("mime_type", mime)]);
    if let Value::Object(resource) = &mut resource {
        resource.insert("required".into(), json!(["uri"]));
    }
    let prompt = json!({
        "description": "Whether it is a prompt of the Model Context Protocol, in place of a tool. Only of a function that reads and \
                        gives no resource.",
        "type": "boolean", "default": false,
    });
    let keys = [("effect", effect), ("cache", cache), ("resource", resource), ("prompt", prompt)];
    let mut rule = table("One function.", keys);
    if let Value::Object(rule) = &mut rule {
        rule.insert("required".into(), json!(["effect"]));
        let reads = json!({ "properties": { "effect": { "const": "read" } } });
        rule.insert("dependentSchemas".into(), json!({ "cache": reads, "resource": reads }));
        let prompt = json!({ "properties": { "prompt": { "const": true } }, "required": ["prompt"] });
        let alone = json!({ "properties": { "effect": { "const": "read" }, "resource": false } });
        rule.insert("if".into(), prompt);
        rule.insert("then".into(), alone);
    }
    map(says, "function", names, rule)
}

fn needs() -> Value {
    let slug = json!({ "pattern": SLUG });
    table(
        "The capabilities that the tool needs, each under a name of its own choice. What it does not name, no tenant can \
         grant.",
        [
            (
                "http",
                map(
                    "HTTP endpoints; the guest may write the need's name in place of a host.",
                    "need",
                    slug.clone(),
                    http(),
                ),
            ),
            (
                "dir",
                map(
                    "Directories; the guest sees each at `/<need>`.",
                    "need",
                    slug.clone(),
                    moded("One directory."),
                ),
            ),
            ("keyvalue", map("Buckets of the tenant's keyvalue store.", "need", slug, moded("One bucket."))),
            (
                "memory",
                moded(
                    "The tenant's memory, of which there is one. Without this table the tool does not need it.",
                ),
            ),
            (
                "cache",
                table(
                    "A cache of the tool's own for each tenant. An empty table: who caches reads and sets. Without it the tool \
                     does not need it.",
                    [],
                ),
            ),
            ("ask", asking()),
            ("config", table("Configuration values.", [("keys", config_keys())])),
        ],
    )
}

fn http() -> Value {
    let methods = json!({
        "type": "string", "pattern": "^[A-Z-]{1,32}$", "not": { "enum": ["CONNECT", "TRACE"] },
        "examples": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    });
    let paths = json!({
        "type": "string", "maxLength": MAX_PATTERN_BYTES,
        "pattern": r"^/((\*|[^/*?#\\\u0000-\u001f\u007f-\u009f]+)/)*(\*\*?|[^/*?#\\\u0000-\u001f\u007f-\u009f]*)$",
        "not": { "pattern": r"(^|/)\.\.?(;[^/]*)?(/|$)" },
    });
    let mut need = table(
        "Which requests the tool sends there.",
        [
            ("methods", list("The methods, in upper case; neither `CONNECT` nor `TRACE`.", 1, methods)),
            (
                "paths",
                list(
                    "The paths: segments between slashes, where `*` is exactly one segment and `**`, only at the end, any \
                     rest. Queries are no part of it. Each at most 1,024 bytes.",
                    1,
                    paths,
                ),
            ),
        ],
    );
    if let Value::Object(need) = &mut need {
        need.insert("required".into(), json!(["methods", "paths"]));
    }
    need
}

fn asking() -> Value {
    let kinds = json!({ "enum": ["elicit", "sample", "roots"] });
    let says = "Asking the caller for something while a function runs: a form for a person, words of a model, the folders \
                that it works in. Without it the tool does not need it.";
    let mut need = table(says, [("kinds", list("What for.", 1, kinds))]);
    if let Value::Object(need) = &mut need {
        need.insert("required".into(), json!(["kinds"]));
    }
    need
}

fn config_keys() -> Value {
    let key = json!({ "type": "string", "pattern": "^[!-~]{1,128}$" });
    list("The keys that the tool asks for: 1 to 128 visible ASCII characters each. Not for secrets.", 0, key)
}

fn limits() -> Value {
    let (least, most) = (ByteSize(MIN_MEMORY), ByteSize(MAX_MEMORY));
    let memory = format!(
        "Bytes over all memories and tables of a call, as a whole number with its unit `B`, `KiB`, `MiB` or `GiB`: {least} to \
         {most}."
    );
    let egress = format!(
        "Bytes that a call sends to the network, paths, header fields and bodies of its requests together, written the same \
         way: {} to {}.",
        ByteSize(0),
        ByteSize(MAX_EGRESS)
    );
    let stored = format!(
        "Bytes that a call writes to the tenant's files, keyvalue and memory, names, keys and contents together, written the \
         same way: {} to {}.",
        ByteSize(0),
        ByteSize(MAX_STORED)
    );
    table(
        "What one call may use at most. The tenant's and the host's limits may be lower, and the lowest counts; a limit that \
         is left out is theirs.",
        [
            ("fuel", number("Fuel units: guest instructions and host work together.", MAX_FUEL)),
            (
                "memory",
                json!({
                    "description": memory, "type": "string", "pattern": r"^[0-9]+\s*(B|KiB|MiB|GiB)$",
                    "examples": ["16MiB", "64MiB"],
                }),
            ),
            ("deadline_ms", number("Milliseconds from the start of the guest to its end.", MAX_DEADLINE_MS)),
            (
                "egress",
                json!({
                    "description": egress, "type": "string", "pattern": r"^[0-9]+\s*(B|KiB|MiB|GiB)$",
                    "examples": ["1MiB", "16MiB"],
                }),
            ),
            (
                "stored",
                json!({
                    "description": stored, "type": "string", "pattern": r"^[0-9]+\s*(B|KiB|MiB|GiB)$",
                    "examples": ["1MiB", "64MiB"],
                }),
            ),
        ],
    )
}

/// A table with these keys and no others.
fn table<const N: usize>(says: &str, keys: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> =
        keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    json!({ "description": says, "type": "object", "properties": properties, "additionalProperties": false })
}

/// A table whose keys are names of one form.
fn map(says: &str, of: &str, names: Value, value: Value) -> Value {
    json!({
        "description": says, "type": "object", "title": of, "propertyNames": names, "additionalProperties": value,
        "maxProperties": MAX_ENTRIES,
    })
}

fn moded(says: &str) -> Value {
    let mode = json!({
        "description": "`ro`: read only. `rw`: read and write.", "enum": ["ro", "rw"], "default": "ro",
    });
    table(says, [("mode", mode)])
}

fn list(says: &str, least: usize, items: Value) -> Value {
    let says = format!("{says} {least} to {MAX_ELEMENTS} of them, none twice.");
    let mut list = json!({ "description": says, "type": "array", "items": items, "maxItems": MAX_ELEMENTS, "uniqueItems": true });
    if let Value::Object(list) = &mut list {
        match least {
            0 => list.insert("default".into(), json!([])),
            _ => list.insert("minItems".into(), least.into()),
        };
    }
    list
}

fn number(says: &str, most: u64) -> Value {
    json!({
        "description": format!("{says} 1 to {}.", grouped(usize::try_from(most).unwrap_or(usize::MAX))),
        "type": "integer", "minimum": 1, "maximum": most,
    })
}

/// A number as people read it, `1,000,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
