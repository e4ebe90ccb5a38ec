//! Large results as links: the answer to a call names where its result is, and `resources/read` reads it there.
//!
//! Takes: receipts, and URIs of links. Gives: rmcp's results. May name: config, identify, reason, room, serve, settle, storage, tools,
//! typed.
//!
//! A function with an output schema must give content that fits it (2025-11-25 and 2026-07-28, Tools, Output Schema), and the official
//! clients refuse a result without. So the link stands there as well, as one more form that every output schema allows.

mod document;

use super::answer::{self, Form};
use super::offered::is_bytes;
use super::surface::{Answered, Surface};
use super::{content, names};
use crate::config::McpRules;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::{Fetched, KeepResult, RESULT_GONE};
use crate::settle::Receipt;
use crate::storage::ledger::{Given, RESULT_KEPT_MS, ResultId};
use crate::tools::ToolFunction;
use document::{Body, Document, long_ones};
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents};
use serde_json::{Value, json};

/// How the URI of a kept result begins. No tool can offer resources of this scheme.
const PREFIX: &str = "strongroom://result/";

/// What a kept result is, as the ledger keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// JSON, as it stands.
    Json,
    /// A string: its characters are what is read.
    Text,
    /// `list<u8>`: its bytes are.
    Bytes,
    /// Blocks of content, each of which is read by itself.
    Content,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Json, Self::Text, Self::Bytes, Self::Content];

    fn of(form: Form, function: &ToolFunction, value: &Value) -> Self {
        match value {
            _ if form == Form::Content => Self::Content,
            Value::String(_) if is_bytes(function) => Self::Bytes,
            Value::String(_) => Self::Text,
            _ => Self::Json,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Content => "content",
        }
    }
}

/// Whether a result is too long to stand in its answer.
pub(super) fn is_long(receipt: &Receipt, rules: &McpRules) -> bool {
    receipt.reason == Reason::Ok && receipt.value.as_ref().is_some_and(|value| !rules.is_inline(value.len()))
}

/// One more form of `structuredContent`, for every function that has any.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "resource_link": {
            "type": "object",
            "properties": {
                "uri": { "type": "string" },
                "mime_type": { "type": "string" },
                "size": { "type": "integer", "minimum": 0 },
                "kept_ms": { "type": "integer", "minimum": 0 },
            },
            "required": ["uri", "mime_type", "size", "kept_ms"],
            "additionalProperties": false,
        } },
        "required": ["resource_link"],
        "additionalProperties": false,
    })
}

/// The answer to a call whose result is too long for it. When the result cannot be kept, the answer holds it all the same: what was
/// done is not to be lost for its length.
pub(super) async fn answered(
    surface: &Surface,
    receipt: Receipt,
    form: Form,
    function: &ToolFunction,
) -> Answered {
    match link_to(surface, &receipt, form, function).await {
        Some(result) => Answered::Linked(result),
        None => Answered::Told(receipt, form),
    }
}

async fn link_to(
    surface: &Surface,
    receipt: &Receipt,
    form: Form,
    function: &ToolFunction,
) -> Option<CallToolResult> {
    let settings = surface.room.settings();
    let most = usize::try_from(settings.host.mcp.max_inline_result).ok()?;
    let text = receipt.value.as_deref()?;
    // What cannot be read is refused where short results are.
    let value: Value = serde_json::from_str(text).ok()?;
    let kind = Kind::of(form, function, &value);
    let (blocks, value) = match kind {
        Kind::Content => (content::blocks(value).ok()?, Value::Null),
        _ => (Vec::new(), value),
    };
    let long = long_ones(&blocks, most);
    if kind == Kind::Content && long.is_empty() {
        // Its blocks are links, or short: there is nothing in it that could be read elsewhere.
        return None;
    }
    let keep = KeepResult { receipt, function: &function.name, form: kind.word(), value: text };
    let kept = surface.room.keep_result(keep).await.inspect_err(|error| {
        tracing::warn!(call_id = %receipt.call_id, %error, "a long result is in its answer, because it cannot be kept");
    });
    let (id, name) = (kept.ok()?, names::shown(&function.name, &settings));
    let mut result = match kind {
        Kind::Content => CallToolResult::success(linked(blocks, &long, id, name)),
        kind => whole(&document(kind, &value, text), id, name, form),
    };
    let mut meta = answer::meta(receipt);
    meta.0.insert("strongroom/linked".into(), json!({ "kept_ms": RESULT_KEPT_MS }));
    result.meta = Some(meta);
    Some(result)
}

/// A result as it is read; `text` is its JSON.
fn document<'a>(kind: Kind, value: &'a Value, text: &'a str) -> Document<'a> {
    match (kind, value) {
        (Kind::Text, Value::String(words)) => Document { mime_type: "text/plain", body: Body::Text(words) },
        (Kind::Bytes, Value::String(data)) => {
            Document { mime_type: "application/octet-stream", body: Body::Bytes(data) }
        }
        _ => Document { mime_type: "application/json", body: Body::Text(text) },
    }
}

/// A link to the whole result.
fn whole(document: &Document<'_>, id: ResultId, name: &str, form: Form) -> CallToolResult {
    let (uri, size) = (format!("{PREFIX}{id}"), document.size());
    let said = format!(
        "The result of {name} has {size} bytes, more than an answer holds. Read it with resources/read of {uri} within an hour."
    );
    let link = link(uri.clone(), name, document);
    let mut result =
        CallToolResult::success(vec![ContentBlock::text(said), ContentBlock::resource_link(link)]);
    if matches!(form, Form::Object | Form::Wrapped) {
        let mime_type = document.mime_type;
        let link = json!({ "uri": uri, "mime_type": mime_type, "size": size, "kept_ms": RESULT_KEPT_MS });
        result.structured_content = Some(json!({ "resource_link": link }));
    }
    result
}

/// The blocks, with links in the places of the long ones.
fn linked(blocks: Vec<ContentBlock>, long: &[usize], id: ResultId, name: &str) -> Vec<ContentBlock> {
    let place = |(n, block): (usize, ContentBlock)| match Document::of(&block).filter(|_| long.contains(&n)) {
        Some(document) => ContentBlock::resource_link(link(format!("{PREFIX}{id}/{n}"), name, &document)),
        None => block,
    };
    blocks.into_iter().enumerate().map(place).collect()
}

fn link(uri: String, name: &str, document: &Document<'_>) -> Resource {
    let mut link = Resource::new(uri, name);
    link.title = Some(format!("Result of {name}"));
    link.description = Some(
        "What the call gave, as the tool's types have it. Whoever made the call can read it for an hour."
            .into(),
    );
    link.mime_type = Some(document.mime_type.to_owned());
    link.size = u64::try_from(document.size()).ok();
    link
}

/// Which kept result, and which block of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    id: ResultId,
    block: Option<usize>,
}

/// What a URI of the host's own names, which may be nothing; `None` for every other URI.
pub(super) fn place(uri: &str) -> Option<Option<Place>> {
    let rest = uri.strip_prefix(PREFIX)?;
    let (id, block) = match rest.split_once('/') {
        None => (rest, Some(None)),
        // Written in one way only.
        Some((id, n)) => (id, n.parse().ok().filter(|block: &usize| block.to_string() == n).map(Some)),
    };
    Some(ResultId::parse(id).zip(block).map(|(id, block)| Place { id, block }))
}

/// What is read of a kept result; the caller again when there is none for it.
pub(super) async fn read(
    surface: &Surface,
    uri: &str,
    place: Place,
    caller: Caller,
) -> Result<Result<ResourceContents, ErrorData>, Box<Caller>> {
    let show = |given: &Given, value: String| show(given, &value, place.block, uri);
    match surface.room.fetch_result(caller, place.id, show).await {
        Fetched::Given(contents) => Ok(Ok(contents)),
        Fetched::Nothing(caller) => Err(caller),
        Fetched::Refused(receipt) if receipt.reason == Reason::NotFound => Ok(Err(gone(uri))),
        Fetched::Refused(receipt) => Ok(Err(answer::refusal(*receipt))),
    }
}

/// What everybody hears of a resource that is not there for them.
pub(super) fn gone(uri: &str) -> ErrorData {
    ErrorData::resource_not_found(RESULT_GONE, Some(json!({ "uri": uri })))
}

fn show(given: &Given, text: &str, block: Option<usize>, uri: &str) -> Option<ResourceContents> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == given.form)?;
    let value: Value = serde_json::from_str(text).ok()?;
    match (kind, block) {
        (Kind::Content, Some(n)) => {
            let blocks = content::blocks(value).ok()?;
            Document::of(blocks.get(n)?).map(|document| document.contents(uri))
        }
        (Kind::Content, None) | (_, Some(_)) => None,
        (kind, None) => Some(document(kind, &value, text).contents(uri)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uri_of_the_hosts_own_form_names_a_result() {
        let id = "0123456789abcdef0123456789abcdef";
        let block = |uri: &str| place(uri).flatten().map(|place| place.block);
        assert_eq!(block(&format!("{PREFIX}{id}")), Some(None));
        assert_eq!(block(&format!("{PREFIX}{id}/7")), Some(Some(7)));
        assert_eq!(place("orders://7"), None);
        let upper = id.to_uppercase();
        for bad in ["", "x", &upper, &format!("{id}0"), "0123456789abcdef", "/7", "//"] {
            assert_eq!(place(&format!("{PREFIX}{bad}")), Some(None), "{bad}");
        }
        for bad in ["", "07", "+7", "-1", "1/2", "18446744073709551616"] {
            assert_eq!(place(&format!("{PREFIX}{id}/{bad}")), Some(None), "{bad}");
        }
    }
}
