//! A receipt as the protocol's answer: a result, a result that says what went wrong, or an error of the protocol itself.
//!
//! Takes: receipts. Gives: rmcp's results, or the text of one. May name: config, id, reason, serve, settle, storage, tools, typed.
//!
//! A model reads results and can mend what it did; errors of the protocol are for its program. So only a tool that there is
//! not, and a caller who may not be here, are errors of the protocol.

use super::content;
use crate::config::AskKind;
use crate::id::CallId;
use crate::reason::Reason;
use crate::settle::{FromCache, Receipt};
use crate::storage::ledger::{BudgetMode, Usage};
use crate::tools::ToolFunction;
use crate::typed::Kind;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ClientCapabilities, ContentBlock, MetaObject, ResultType};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;

/// How a function's result becomes `structuredContent`, which must be an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// It is one.
    Object,
    /// As the field `result` of one.
    Wrapped,
    /// It is content, and no structure.
    Content,
    /// The function gives nothing.
    Nothing,
}

impl Form {
    pub(super) fn of(function: &ToolFunction) -> Self {
        let result = function.signature.result().and_then(|result| match result.kind() {
            Kind::Result(ok, _) => ok.as_deref(),
            _ => Some(result),
        });
        if result.is_some_and(content::is) {
            return Self::Content;
        }
        match function.result_schema.get("type").and_then(Value::as_str) {
            Some("object") => Self::Object,
            Some("null") => Self::Nothing,
            _ => Self::Wrapped,
        }
    }
}

/// The schema of what a failed call gives; `own` is that of the function's own error.
pub(super) fn error_schema(own: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "reason_code": { "type": "string" },
            "message": { "type": "string" },
            "call_id": { "type": "string" },
            "retry_after_ms": { "type": "integer", "minimum": 0 },
            "error": own,
        },
        "required": ["reason_code"],
        "additionalProperties": false,
    })
}

/// A tool's answer as the protocol has it (`CallToolResult`). It borrows from the receipt, since results can be long.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told<'a> {
    /// Since 2026-07-28.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<ResultType>,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<Structured<'a>>,
    is_error: bool,
    #[serde(rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text([Text<'a>; 1]),
    Blocks(Vec<ContentBlock>),
}

/// A block of text.
#[derive(Serialize)]
#[serde(tag = "type", rename = "text")]
struct Text<'a> {
    text: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Structured<'a> {
    Object(&'a RawValue),
    Wrapped { result: &'a RawValue },
    Failed(Failed<'a>),
}

#[derive(Serialize)]
struct Failed<'a> {
    reason_code: Reason,
    message: Cow<'a, str>,
    call_id: CallId,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
}

impl<'a> Content<'a> {
    fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text([Text { text: text.into() }])
    }
}

impl<'a> Told<'a> {
    /// The answer to a call. `form` is that of the function that answered; `current` is whether the revision has result types.
    pub(super) fn of(receipt: &'a Receipt, form: Form, current: bool) -> Result<Self, ErrorData> {
        let (content, structured_content) = match receipt.reason {
            Reason::Ok => done(receipt.value.as_deref().unwrap_or("null"), form)?,
            Reason::ToolUnknown => {
                let text = receipt.message.clone().unwrap_or_else(|| receipt.reason.meaning().into());
                return Err(ErrorData::invalid_params(text, Some(Value::Object(meta(receipt).0))));
            }
            _ => failed(receipt),
        };
        let is_error = receipt.reason != Reason::Ok;
        let result_type = current.then_some(ResultType::COMPLETE);
        Ok(Self { result_type, content, structured_content, is_error, meta: Meta::of(receipt) })
    }
}

/// The same for rmcp, which tells it as the client's revision has it.
pub(super) fn result(receipt: &Receipt, form: Form) -> Result<CallToolResult, ErrorData> {
    let told = serde_json::to_value(Told::of(receipt, form, true)?);
    told.and_then(serde_json::from_value).map_err(|error| unreadable("an answer", &error))
}

/// The host made it, so its client can do nothing about it.
fn unreadable(what: &str, error: &serde_json::Error) -> ErrorData {
    tracing::error!("{what} cannot be read: {error}");
    ErrorData::internal_error("the answer cannot be read", None)
}

fn done(text: &str, form: Form) -> Result<(Content<'_>, Option<Structured<'_>>), ErrorData> {
    let value: &RawValue = serde_json::from_str(text).map_err(|error| unreadable("an answer", &error))?;
    if form == Form::Content {
        let blocks = serde_json::from_str(text).and_then(content::blocks);
        let blocks = blocks.map_err(|error| unreadable("content", &error))?;
        return Ok((Content::Blocks(blocks), None));
    }
    let structured = match form {
        Form::Object => Some(Structured::Object(value)),
        Form::Wrapped => Some(Structured::Wrapped { result: value }),
        Form::Content | Form::Nothing => None,
    };
    Ok((Content::text(readable(text)), structured))
}

/// What people read of a value: a string is its characters.
fn readable(text: &str) -> Cow<'_, str> {
    // Most are objects, and an error that says so costs more than to look.
    let string = text.trim_start().starts_with('"').then(|| serde_json::from_str(text));
    string.and_then(Result::ok).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn failed(receipt: &Receipt) -> (Content<'_>, Option<Structured<'_>>) {
    let (reason_code, message) = (receipt.reason, message(receipt));
    let text = match &receipt.value {
        Some(own) => readable(own),
        None => format!("{reason_code}: {message}").into(),
    };
    let error = receipt.value.as_deref().and_then(|own| serde_json::from_str(own).ok());
    let (call_id, retry_after_ms) = (receipt.call_id, receipt.retry_after_ms);
    let failed = Failed { reason_code, message, call_id, retry_after_ms, error };
    (Content::text(text), Some(Structured::Failed(failed)))
}

/// The refusal of a request that is no call of a tool.
pub(super) fn refusal(receipt: Receipt) -> ErrorData {
    let (meta, message) = (meta(&receipt), message(&receipt).into_owned());
    let text = format!("{}: {message}", receipt.reason);
    match receipt.reason {
        Reason::ArgumentsInvalid | Reason::ToolUnknown | Reason::RequestStateInvalid => {
            ErrorData::invalid_params(text, Some(Value::Object(meta.0)))
        }
        _ => ErrorData::internal_error(text, Some(Value::Object(meta.0))),
    }
}

/// The refusal of a call that needs more of its client than it declared (SEP-2575).
#[expect(
    deprecated,
    reason = "SEP-2577 will take two of them out of a later protocol; those of today have them"
)]
pub(super) fn unable(receipt: Receipt) -> ErrorData {
    let required = ClientCapabilities::builder();
    let required = match receipt.asked.unable {
        Some(AskKind::Elicit) => required.enable_elicitation().build(),
        Some(AskKind::Sample) => required.enable_sampling().build(),
        Some(AskKind::Roots) => required.enable_roots().build(),
        None => required.build(),
    };
    let mut error = ErrorData::missing_required_client_capability(required);
    error.message = format!("{}: {}", receipt.reason, message(&receipt)).into();
    if let Some(Value::Object(data)) = &mut error.data {
        data.extend(meta(&receipt).0);
    }
    error
}

fn message(receipt: &Receipt) -> Cow<'_, str> {
    match (&receipt.message, receipt.reason) {
        (Some(cause), Reason::StorageUnavailable) => {
            // The cause names files of the operator's; who reads this is a tenant.
            tracing::error!(call_id = %receipt.call_id, reason_code = receipt.reason.code(), "{cause}");
            receipt.reason.meaning().into()
        }
        (Some(message), _) => message.into(),
        (None, reason) => reason.meaning().into(),
    }
}

/// What the HTTP API says in headers.
#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "strongroom/call-id")]
    call_id: CallId,
    #[serde(rename = "strongroom/reason-code")]
    reason_code: Reason,
    #[serde(rename = "strongroom/fuel")]
    fuel: u64,
    #[serde(rename = "strongroom/retry-after-ms", skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(rename = "strongroom/replayed", skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    #[serde(rename = "strongroom/cached", skip_serializing_if = "Option::is_none")]
    cached: Option<FromCache>,
    #[serde(rename = "strongroom/budgets", skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<Left<'a>>,
}

/// How far a budget is used.
#[derive(Serialize)]
struct Left<'a> {
    of: &'a str,
    per: &'a str,
    limit: u64,
    left: u64,
    actor: bool,
    tool: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_in_ms: Option<u64>,
}

impl<'a> Meta<'a> {
    fn of(receipt: &'a Receipt) -> Self {
        let hard = receipt.budgets.iter().filter(|usage| usage.budget.mode == BudgetMode::Hard);
        Self {
            call_id: receipt.call_id,
            reason_code: receipt.reason,
            fuel: receipt.fuel,
            retry_after_ms: receipt.retry_after_ms,
            replayed: receipt.is_replayed(),
            cached: receipt.cached,
            budgets: hard.map(|usage| Left::of(usage, receipt.ended_ms)).collect(),
        }
    }
}

impl<'a> Left<'a> {
    fn of(usage: &'a Usage, now_ms: u64) -> Self {
        let count = &usage.budget.count;
        Self {
            of: count.of.as_str(),
            per: count.per.as_str(),
            limit: usage.budget.allows(),
            left: usage.left(),
            actor: count.who.actor().is_some(),
            tool: count.who.tool().is_some(),
            resets_in_ms: usage.window_ends.map(|end| end.saturating_sub(now_ms)),
        }
    }
}

/// The same as rmcp has it.
pub(super) fn meta(receipt: &Receipt) -> MetaObject {
    // Its keys are strings, and its numbers whole; it cannot fail.
    let meta = serde_json::to_value(Meta::of(receipt)).and_then(serde_json::from_value);
    meta.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Outcome;
    use crate::storage::ledger::{Budget, Of, Per};

    fn receipt(reason: Reason) -> Receipt {
        Receipt { outcome: Outcome::Executed, message: None, ..Receipt::sample(reason) }
    }

    fn shown(receipt: Receipt, form: Form) -> Value {
        serde_json::to_value(result(&receipt, form).unwrap()).unwrap()
    }

    #[test]
    fn every_reason_is_a_result_but_an_unknown_tool() {
        for reason in Reason::ALL.iter().copied() {
            let told = result(&Receipt { message: Some("so it is".into()), ..receipt(reason) }, Form::Object);
            match reason {
                Reason::ToolUnknown => assert_eq!(told.unwrap_err().code.0, -32602),
                Reason::Ok => assert_ne!(told.unwrap().is_error, Some(true)),
                _ => {
                    let told = serde_json::to_value(told.unwrap()).unwrap();
                    assert_eq!(told["isError"], true, "{reason}");
                    assert_eq!(told["structuredContent"]["reason_code"], reason.code());
                    assert_eq!(told["_meta"]["strongroom/reason-code"], reason.code());
                    let hidden = reason == Reason::StorageUnavailable;
                    assert_eq!(told["structuredContent"]["message"] == "so it is", !hidden);
                }
            }
        }
    }

    #[test]
    fn a_result_is_text_and_an_object() {
        let ok = |value: &str| Receipt { value: Some(value.into()), ..receipt(Reason::Ok) };
        let told = shown(ok(r#"{"b": 1.10,"a":2}"#), Form::Object);
        assert_eq!(told["content"][0]["text"], r#"{"b": 1.10,"a":2}"#);
        assert_eq!(told["structuredContent"], json!({ "b": 1.1, "a": 2 }));
        let told = shown(ok(r#""words""#), Form::Wrapped);
        assert_eq!(told["content"][0]["text"], "words");
        assert_eq!(told["structuredContent"], json!({ "result": "words" }));
        let told = shown(receipt(Reason::Ok), Form::Nothing);
        assert_eq!((told.get("structuredContent"), &told["content"][0]["text"]), (None, &json!("null")));
    }

    #[test]
    fn a_failure_says_what_a_client_needs() {
        let limited = Receipt {
            retry_after_ms: Some(1500),
            budgets: vec![Usage::none(Budget::new(Of::Calls, Per::Total, 9), 0)],
            outcome: Outcome::Denied,
            ..receipt(Reason::RateLimited)
        };
        let told = shown(limited, Form::Object);
        assert_eq!(told["structuredContent"]["retry_after_ms"], 1500);
        assert_eq!(told["_meta"]["strongroom/retry-after-ms"], 1500);
        assert_eq!(told["_meta"]["strongroom/budgets"][0]["left"], 9);
        let own = Receipt { value: Some(r#""no such order""#.into()), ..receipt(Reason::ToolError) };
        let told = shown(own, Form::Wrapped);
        assert_eq!(told["content"][0]["text"], "no such order");
        assert_eq!(told["structuredContent"]["error"], "no such order");
        let again = Receipt { outcome: Outcome::Replayed, ..receipt(Reason::Ok) };
        assert_eq!(shown(again, Form::Nothing)["_meta"]["strongroom/replayed"], true);
    }
}
