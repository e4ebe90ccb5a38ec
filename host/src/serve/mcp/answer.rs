//! A receipt as the protocol's answer: a result, a result that says what went wrong, or an error of the protocol itself.
//!
//! Takes: receipts. Gives: rmcp's results. May name: config, id, reason, serve, settle, storage, tools, typed.
//!
//! A model reads results and can mend what it did; errors of the protocol are for its program. So only a tool that there is
//! not, and a caller who may not be here, are errors of the protocol.

use super::content;
use crate::config::AskKind;
use crate::reason::Reason;
use crate::settle::{FromCache, Receipt};
use crate::storage::ledger::{BudgetMode, Usage};
use crate::tools::ToolFunction;
use crate::typed::Kind;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ClientCapabilities, ContentBlock, MetaObject};
use serde_json::{Map, Value, json};

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

/// The answer to a call. `form` is that of the function that answered.
pub(super) fn result(receipt: Receipt, form: Form) -> Result<CallToolResult, ErrorData> {
    let meta = meta(&receipt);
    let mut result = match receipt.reason {
        Reason::Ok => done(receipt.value, form)?,
        Reason::ToolUnknown => {
            let text = receipt.message.unwrap_or_else(|| receipt.reason.meaning().into());
            return Err(ErrorData::invalid_params(text, Some(Value::Object(meta.0))));
        }
        _ => failed(receipt),
    };
    result.meta = Some(meta);
    Ok(result)
}

fn done(value: Option<String>, form: Form) -> Result<CallToolResult, ErrorData> {
    let text = value.unwrap_or_else(|| "null".into());
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        tracing::error!("an answer is no JSON: {error}");
        ErrorData::internal_error("the answer cannot be read", None)
    })?;
    if form == Form::Content {
        let blocks = content::blocks(value).map_err(|error| {
            tracing::error!("content cannot be read: {error}");
            ErrorData::internal_error("the answer cannot be read", None)
        })?;
        return Ok(CallToolResult::success(blocks));
    }
    let readable = match &value {
        Value::String(words) => words.clone(),
        _ => text,
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(readable)]);
    result.structured_content = match form {
        Form::Object => Some(value),
        Form::Wrapped => Some(json!({ "result": value })),
        Form::Content | Form::Nothing => None,
    };
    Ok(result)
}

fn failed(receipt: Receipt) -> CallToolResult {
    let reason = receipt.reason;
    let message = message(&receipt);
    let own = receipt.value.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let text = match (&own, receipt.value) {
        (Some(Value::String(words)), _) => words.clone(),
        (_, Some(text)) => text,
        (_, None) => format!("{reason}: {message}"),
    };
    let mut fields = Map::new();
    fields.insert("reason_code".into(), json!(reason));
    fields.insert("message".into(), json!(message));
    fields.insert("call_id".into(), json!(receipt.call_id));
    if let Some(ms) = receipt.retry_after_ms {
        fields.insert("retry_after_ms".into(), json!(ms));
    }
    if let Some(own) = own {
        fields.insert("error".into(), own);
    }
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(Value::Object(fields));
    result
}

/// The refusal of a request that is no call of a tool.
pub(super) fn refusal(receipt: Receipt) -> ErrorData {
    let (meta, message) = (meta(&receipt), message(&receipt));
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

fn message(receipt: &Receipt) -> String {
    match (&receipt.message, receipt.reason) {
        (Some(cause), Reason::StorageUnavailable) => {
            // The cause names files of the operator's; who reads this is a tenant.
            tracing::error!(call_id = %receipt.call_id, reason_code = receipt.reason.code(), "{cause}");
            receipt.reason.meaning().into()
        }
        (Some(message), _) => message.clone(),
        (None, reason) => reason.meaning().into(),
    }
}

/// What the HTTP API says in headers.
pub(super) fn meta(receipt: &Receipt) -> MetaObject {
    let mut meta = MetaObject::new();
    let mut put = |name: &str, value: Value| meta.0.insert(format!("strongroom/{name}"), value);
    put("call-id", json!(receipt.call_id));
    put("reason-code", json!(receipt.reason));
    put("fuel", json!(receipt.fuel));
    if let Some(ms) = receipt.retry_after_ms {
        put("retry-after-ms", json!(ms));
    }
    if receipt.is_replayed() {
        put("replayed", json!(true));
    }
    if let Some(FromCache { call_id, age_ms, left_ms }) = receipt.cached {
        put("cached", json!({ "call_id": call_id, "age_ms": age_ms, "left_ms": left_ms }));
    }
    let hard = receipt.budgets.iter().filter(|usage| usage.budget.mode == BudgetMode::Hard);
    let budgets: Vec<_> = hard.map(|usage| budget(usage, receipt.ended_ms)).collect();
    if !budgets.is_empty() {
        put("budgets", Value::Array(budgets));
    }
    meta
}

fn budget(usage: &Usage, now_ms: u64) -> Value {
    let count = &usage.budget.count;
    let mut told = json!({
        "of": count.of.as_str(),
        "per": count.per.as_str(),
        "limit": usage.budget.allows(),
        "left": usage.left(),
        "actor": count.who.actor().is_some(),
        "tool": count.who.tool().is_some(),
    });
    if let (Some(fields), Some(end)) = (told.as_object_mut(), usage.window_ends) {
        fields.insert("resets_in_ms".into(), json!(end.saturating_sub(now_ms)));
    }
    told
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
        serde_json::to_value(result(receipt, form).unwrap()).unwrap()
    }

    #[test]
    fn every_reason_is_a_result_but_an_unknown_tool() {
        for reason in Reason::ALL.iter().copied() {
            let told = result(Receipt { message: Some("so it is".into()), ..receipt(reason) }, Form::Object);
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
