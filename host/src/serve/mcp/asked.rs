//! What a call carries beside its arguments: the idempotency key, the run and the trace, in `_meta` or in headers.
//!
//! Takes: a request's `_meta`, and its headers. Gives: [`Asked`], or what is wrong in words. May name: id, serve, telemetry.

use crate::id::{IdempotencyKey, RunId};
use crate::serve::http::headers;
use crate::telemetry::TraceParent;
use http::HeaderMap;
use rmcp::model::RequestMetaObject;
use serde_json::Value;

/// `_meta`: the idempotency key.
pub(super) const IDEMPOTENCY_KEY: &str = "strongroom/idempotency-key";
/// `_meta`: the caller's own name for the run.
pub(super) const RUN: &str = "strongroom/run";
/// `_meta`: the trace that the call is shown in (MCP, trace context in `_meta`; W3C Trace Context).
const TRACE_PARENT: &str = "traceparent";

/// What the headers said, if there are any.
#[derive(Clone, Debug)]
pub(super) struct Sent(Result<Asked, String>);

/// What a call carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) key: Option<IdempotencyKey>,
    pub(super) run: Option<RunId>,
    pub(super) trace: Option<TraceParent>,
}

impl Sent {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let read = || {
            let (key, run) = (headers::idempotency_key(headers)?, headers::run(headers)?);
            Ok(Asked { key, run, trace: headers::trace(headers) })
        };
        Self(read())
    }

    pub(super) fn nothing() -> Self {
        Self(Ok(Asked::default()))
    }

    /// Both together. A key in two places must be one key: which of two would count is nobody's guess.
    pub(super) fn with(&self, meta: &RequestMetaObject) -> Result<Asked, String> {
        let Asked { key, run, trace } = self.0.clone()?;
        let told = |name: &str| match meta.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("`_meta[\"{name}\"]` is no string")),
        };
        let in_meta = told(IDEMPOTENCY_KEY)?.map(IdempotencyKey::new).transpose();
        let in_meta = in_meta
            .map_err(|_| format!("`_meta[\"{IDEMPOTENCY_KEY}\"]` is 1 to 255 visible ASCII characters"))?;
        let run_in_meta = told(RUN)?.map(RunId::new).transpose();
        let run_in_meta =
            run_in_meta.map_err(|_| format!("`_meta[\"{RUN}\"]` is 1 to 128 visible ASCII characters"))?;
        // OpenTelemetry's convention for the protocol: the header may be that of a proxy's own request, `_meta` is the caller's.
        let trace = meta.get(TRACE_PARENT).and_then(Value::as_str).and_then(TraceParent::parse).or(trace);
        Ok(Asked { key: one(key, in_meta, "idempotency keys")?, run: one(run, run_in_meta, "runs")?, trace })
    }
}

fn one<T: PartialEq>(header: Option<T>, meta: Option<T>, what: &str) -> Result<Option<T>, String> {
    match (header, meta) {
        (Some(a), Some(b)) if a != b => Err(format!("the headers and `_meta` name different {what}")),
        (a, b) => Ok(b.or(a)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(headers: &[(&'static str, &str)], meta: Value) -> Result<Asked, String> {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Sent::read(&headers).with(&serde_json::from_value(meta).unwrap())
    }

    #[test]
    fn a_key_comes_by_header_or_meta_and_must_be_one() {
        let key = |text: &str| Some(IdempotencyKey::new(text).unwrap());
        let header = ("idempotency-key", "a");
        assert_eq!(with(&[], json!({})).unwrap(), Asked::default());
        assert_eq!(with(&[header], json!({})).unwrap().key, key("a"));
        assert_eq!(with(&[], json!({ IDEMPOTENCY_KEY: "b" })).unwrap().key, key("b"));
        assert_eq!(with(&[header], json!({ IDEMPOTENCY_KEY: "a", RUN: "r" })).unwrap().key, key("a"));
        for bad in [json!("b"), json!(""), json!("a b"), json!(1), json!(null)] {
            assert!(with(&[header], json!({ IDEMPOTENCY_KEY: bad })).is_err());
        }
        assert!(with(&[("strongroom-run", "r")], json!({ RUN: "s" })).is_err());
        assert!(with(&[("idempotency-key", "a b")], json!({})).is_err());
    }

    #[test]
    fn the_trace_in_meta_is_closer_to_the_call_than_the_headers() {
        let of = |digit: &str| format!("00-{}-00f067aa0ba902b7-01", digit.repeat(32));
        let (a, b) = (of("a"), of("b"));
        let header = ("traceparent", a.as_str());
        assert_eq!(with(&[header], json!({})).unwrap().trace, TraceParent::parse(&a));
        assert_eq!(with(&[], json!({ TRACE_PARENT: b })).unwrap().trace, TraceParent::parse(&b));
        assert_eq!(with(&[header], json!({ TRACE_PARENT: b })).unwrap().trace, TraceParent::parse(&b));
        // What is no trace is none, and fails no call.
        for none in [json!("nonsense"), json!(1), json!(null)] {
            assert_eq!(with(&[header], json!({ TRACE_PARENT: none })).unwrap().trace, TraceParent::parse(&a));
            assert_eq!(with(&[], json!({ TRACE_PARENT: none })).unwrap().trace, None);
        }
    }
}
