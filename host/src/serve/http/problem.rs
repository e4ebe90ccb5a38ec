//! Answers that are not `ok`: problem details (RFC 9457) with the reason code, the same word as everywhere.
//!
//! Takes: a receipt, or a reason. Gives: responses. May name: id, reason, serve, settle.

use super::{header_value, ratelimit};
use crate::id::CallId;
use crate::reason::Reason;
use crate::settle::{FromCache, Receipt};
use axum::body::Body;
use axum::response::Response;
use http::header::{AGE, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

const CALL_ID: HeaderName = HeaderName::from_static("strongroom-call-id");
const REASON: HeaderName = HeaderName::from_static("strongroom-reason");
const FUEL: HeaderName = HeaderName::from_static("strongroom-fuel");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// One problem.
#[derive(Debug)]
pub(in crate::serve) struct Problem {
    status: StatusCode,
    reason: Option<Reason>,
    detail: Option<String>,
    call_id: Option<CallId>,
    retry_after_ms: Option<u64>,
    /// JSON text: the tool's own error.
    error: Option<String>,
    /// Members of its own.
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of HTTP itself, before there is a call: a path, a method.
    pub(in crate::serve) fn plain(status: StatusCode, detail: &str) -> Self {
        let detail = Some(detail.to_owned());
        let (call_id, retry_after_ms, error) = (None, None, None);
        Self { status, reason: None, detail, call_id, retry_after_ms, error, more: Map::new() }
    }

    /// A problem with its reason.
    pub(in crate::serve) fn new(reason: Reason, detail: &str) -> Self {
        Self { reason: Some(reason), ..Self::plain(status_of(reason), detail) }
    }

    /// The same with another status: one reason can have several in HTTP (a body that is too long, or of another type).
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with when to try again.
    pub(super) fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The same with members of its own, as RFC 9457 allows them; what is no object adds none.
    pub(super) fn with(mut self, more: Value) -> Self {
        if let Value::Object(more) = more {
            self.more = more;
        }
        self
    }

    pub(super) fn of(receipt: Receipt) -> Self {
        let mut detail = receipt.message;
        if receipt.reason == Reason::StorageUnavailable {
            // The cause names files of the operator's; who reads this is a tenant.
            let cause = detail.unwrap_or_default();
            tracing::error!(call_id = %receipt.call_id, reason_code = receipt.reason.code(), "{cause}");
            detail = Some(receipt.reason.meaning().into());
        }
        Self {
            status: status_of(receipt.reason),
            reason: Some(receipt.reason),
            detail,
            call_id: Some(receipt.call_id),
            retry_after_ms: receipt.retry_after_ms,
            error: receipt.value,
            more: Map::new(),
        }
    }

    /// Its JSON.
    pub(super) fn text(&self) -> String {
        let title = match self.reason {
            Some(reason) => reason.meaning(),
            None => self.status.canonical_reason().unwrap_or("Error"),
        };
        let kind = match self.reason {
            Some(reason) => format!("urn:strongroom:reason:{reason}"),
            None => "about:blank".to_owned(),
        };
        let mut body = json!({ "type": kind, "title": title, "status": self.status.as_u16() });
        if let Some(fields) = body.as_object_mut() {
            // The problem's own words are not to be taken for others.
            let status = fields.get("status").cloned();
            fields.extend(self.more.iter().map(|(name, value)| (name.clone(), value.clone())));
            fields.extend(status.map(|status| ("status".to_owned(), status)));
            let optional = [
                ("detail", self.detail.as_ref().map(|d| json!(d))),
                ("reason_code", self.reason.map(|r| json!(r))),
                ("call_id", self.call_id.map(|c| json!(c))),
                ("retry_after_ms", self.retry_after_ms.map(|ms| json!(ms))),
            ];
            fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        let mut text = body.to_string();
        if let Some(error) = &self.error {
            // As the tool's answer has it, byte for byte: read and written again, it could lose digits.
            text.pop();
            text.push_str(",\"error\":");
            text.push_str(error);
            text.push('}');
        }
        text
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let mut response = Self::new(Body::from(problem.text()));
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(ms) = problem.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        if problem.status == StatusCode::UNAUTHORIZED {
            let challenge = match problem.reason {
                Some(Reason::TenantUnknown | Reason::AdminUnknown) => {
                    r#"Bearer realm="strongroom", error="invalid_token""#
                }
                _ => r#"Bearer realm="strongroom""#,
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The answer to a call. `status` is for a refusal that has a status of its own in HTTP.
pub(in crate::serve) fn respond(mut receipt: Receipt, status: Option<StatusCode>) -> Response {
    let (call_id, reason, fuel) = (receipt.call_id, receipt.reason, receipt.fuel);
    let (replayed, cached) = (receipt.is_replayed(), receipt.cached);
    let (budgets, ended_ms) = (std::mem::take(&mut receipt.budgets), receipt.ended_ms);
    let mut response = if reason == Reason::Ok {
        let value = receipt.value.take().unwrap_or_else(|| "null".into());
        let mut response = Response::new(Body::from(value));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    } else {
        let problem = Problem::of(receipt);
        match status {
            Some(status) => problem.with_status(status).into(),
            None => problem.into(),
        }
    };
    let headers = response.headers_mut();
    headers.extend(header_value(&call_id.to_string()).map(|value| (CALL_ID, value)));
    headers.insert(REASON, HeaderValue::from_static(reason.code()));
    headers.insert(FUEL, HeaderValue::from(fuel));
    ratelimit::put(&budgets, ended_ms, headers);
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(FromCache { age_ms, left_ms, .. }) = cached {
        headers.insert(AGE, HeaderValue::from(age_ms / 1000));
        let status = header_value(&format!("strongroom; hit; ttl={}", left_ms / 1000));
        headers.extend(status.map(|value| (CACHE_STATUS, value)));
    }
    response
}

fn status_of(reason: Reason) -> StatusCode {
    StatusCode::from_u16(reason.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Outcome;
    use http_body_util::BodyExt as _;

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
    }

    #[tokio::test]
    async fn every_reason_has_its_problem() {
        for reason in Reason::ALL.iter().copied().filter(|r| *r != Reason::Ok) {
            let response = respond(Receipt::sample(reason), None);
            assert_eq!(response.status().as_u16(), reason.http_status());
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()["strongroom-reason"], reason.code());
            assert_eq!(response.headers()["strongroom-fuel"], "7");
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), reason.http_status() == 401);
            let body: Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!(body["type"], format!("urn:strongroom:reason:{}", reason.code()));
            assert_eq!(body["title"], reason.meaning());
            assert_eq!(body["status"], reason.http_status());
            let detail = if reason == Reason::StorageUnavailable { reason.meaning() } else { "so it is" };
            assert_eq!(body["detail"], detail);
            assert_eq!(body["reason_code"], reason.code());
            assert_eq!(body["call_id"], CallId::new(1, [2; 10]).to_string());
            assert!(body.get("retry_after_ms").is_none() && body.get("error").is_none());
        }
    }

    #[tokio::test]
    async fn seconds_are_rounded_up_and_milliseconds_are_exact() {
        for (ms, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (0, "0")] {
            let response =
                respond(Receipt { retry_after_ms: Some(ms), ..Receipt::sample(Reason::RateLimited) }, None);
            assert_eq!(response.headers()[RETRY_AFTER], seconds);
            let body: Value = serde_json::from_str(&text(response).await).unwrap();
            assert_eq!(body["retry_after_ms"], ms);
        }
    }

    #[tokio::test]
    async fn a_tools_error_is_given_byte_for_byte() {
        let error = r#"{"tag":"broken","val":1.10}"#;
        let failed = Receipt { value: Some(error.into()), ..Receipt::sample(Reason::ToolError) };
        let body = text(respond(failed, None)).await;
        assert!(body.ends_with(&format!(",\"error\":{error}}}")), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["tag"], "broken");
    }

    #[tokio::test]
    async fn an_answer_is_given_byte_for_byte() {
        let value = r#"{"b": 1.10,"a":2}"#;
        let done =
            Receipt { value: Some(value.into()), outcome: Outcome::Replayed, ..Receipt::sample(Reason::Ok) };
        let response = respond(done, None);
        assert_eq!(response.headers()["idempotent-replayed"], "true");
        assert_eq!(text(response).await, value);
    }

    #[tokio::test]
    async fn an_answer_from_the_cache_tells_its_age() {
        let from = FromCache { call_id: CallId::new(1, [1; 10]), age_ms: 2_900, left_ms: 57_100 };
        let done = Receipt { outcome: Outcome::Cached, cached: Some(from), ..Receipt::sample(Reason::Ok) };
        let response = respond(done, None);
        assert_eq!(response.headers()["age"], "2");
        assert_eq!(response.headers()["cache-status"], "strongroom; hit; ttl=57");
        assert!(!response.headers().contains_key("idempotent-replayed"));
        let ran = respond(Receipt::sample(Reason::Ok), None);
        assert!(!ran.headers().contains_key("age") && !ran.headers().contains_key("cache-status"));
    }

    #[tokio::test]
    async fn a_problem_of_http_names_no_reason() {
        let body = text(Problem::plain(StatusCode::NOT_FOUND, "nothing here").into()).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["title"], "Not Found");
        assert!(body.get("reason_code").is_none());
    }
}
