//! The headers of a call besides the credential: what the body is, the idempotency key, the run, and the trace.
//!
//! Takes: headers. Gives: checked values, or what is wrong in words. May name: id, telemetry.

use crate::id::{IdempotencyKey, RunId};
use crate::telemetry::TraceParent;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// draft-ietf-httpapi-idempotency-key-header-07.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Which of the caller's runs a call is a step of.
pub(super) const RUN: HeaderName = HeaderName::from_static("strongroom-run");

/// W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a client is told whose body is something else.
pub(super) const NOT_JSON: &str =
    "send the header `content-type: application/json` and the body in UTF-8, not compressed";

/// Whether the body is JSON text as it is: `application/json` in UTF-8, or not said.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let encoded =
        headers.get_all(CONTENT_ENCODING).iter().any(|e| !e.as_bytes().eq_ignore_ascii_case(b"identity"));
    let json = match (types.next(), types.next()) {
        (None, _) => true,
        (Some(one), None) => one.to_str().is_ok_and(is_json_type),
        (Some(_), Some(_)) => false,
    };
    json && !encoded
}

fn is_json_type(text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.filter_map(|p| p.split_once('=')).all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The idempotency key, when there is one: as the draft has it, a string in quotes, or as most clients send it, bare.
/// Both forms of one text are one key.
pub(in crate::serve) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, String> {
    let Some(value) = only(headers, &IDEMPOTENCY_KEY, "Idempotency-Key")? else { return Ok(None) };
    let text = value.to_str().map_err(|_| "the Idempotency-Key is not ASCII text")?;
    let key = match text.strip_prefix('"') {
        None => IdempotencyKey::new(text),
        Some(rest) => IdempotencyKey::new(unquoted(rest).ok_or("the Idempotency-Key's quotes do not match")?),
    };
    // The message names the rule and not the value: keys are the caller's own.
    key.map(Some).map_err(|_| "an Idempotency-Key is 1 to 255 visible ASCII characters".into())
}

/// The caller's own name for the run that the call is a step of.
pub(in crate::serve) fn run(headers: &HeaderMap) -> Result<Option<RunId>, String> {
    let Some(value) = only(headers, &RUN, "Strongroom-Run")? else { return Ok(None) };
    let run = value.to_str().ok().and_then(|text| RunId::new(text).ok());
    run.map(Some).ok_or_else(|| "a Strongroom-Run is 1 to 128 visible ASCII characters".into())
}

/// The trace that the call is shown in. What is no `traceparent`, or is there twice, is none: the recommendation has a new
/// trace begin then, and no call fails for it.
pub(in crate::serve) fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    let value = only(headers, &TRACE_PARENT, "traceparent").ok().flatten()?;
    TraceParent::parse(value.to_str().ok()?)
}

/// A header that may stand there once.
fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &str,
) -> Result<Option<&'a HeaderValue>, String> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(format!("more than one {shown}; send one")),
    }
}

/// The rest of a structured field's string (RFC 9651, 3.3.3), after its first quote.
fn unquoted(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(text),
            '\\' => text.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_body_is_json_or_is_not_read() {
        for good in [
            &[][..],
            &["application/json"],
            &["Application/JSON; charset=UTF-8"],
            &["application/json;charset=\"utf-8\""],
        ] {
            assert!(is_json(&with(CONTENT_TYPE, good)), "{good:?}");
        }
        for bad in [
            &["text/plain"][..],
            &[""],
            &["application/json; charset=utf-16"],
            &["application/jsonx"],
            &["application/json", "application/json"],
            &["application/x-www-form-urlencoded"],
        ] {
            assert!(!is_json(&with(CONTENT_TYPE, bad)), "{bad:?}");
        }
        assert!(!is_json(&with(CONTENT_ENCODING, &["gzip"])));
        assert!(is_json(&with(CONTENT_ENCODING, &["identity"])));
    }

    #[test]
    fn a_key_is_the_same_with_quotes_and_without() {
        let read = |values: &[&str]| idempotency_key(&with(IDEMPOTENCY_KEY, values));
        assert_eq!(read(&[]).unwrap(), None);
        let key = IdempotencyKey::new("a-1").unwrap();
        assert_eq!(read(&["a-1"]).unwrap(), Some(key.clone()));
        assert_eq!(read(&["\"a-1\""]).unwrap(), Some(key));
        assert_eq!(read(&[r#""a\"\\b""#]).unwrap().unwrap().as_str(), r#"a"\b"#);
        let long = "x".repeat(256);
        for bad in
            [&[""][..], &["\"\""], &["\"a"], &["\"a\"b"], &["\"a\\b\""], &["a b"], &["a", "a"], &[&long]]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_run_has_one_name() {
        let read = |values: &[&str]| run(&with(RUN, values));
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["run-7"]).unwrap(), Some(RunId::new("run-7").unwrap()));
        for bad in [&[""][..], &["a b"], &["a", "a"]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
