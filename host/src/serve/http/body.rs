//! A request's body, within its bounds of size and time.
//!
//! Takes: headers and a body. Gives: its text, or a [`Fault`]. May name: serve.

use crate::serve::BODY_TIMEOUT;
use axum::body::Body;
use http::header::EXPECT;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use std::time::Duration;

/// What a client that is being refused may still send until it has read the answer.
const LINGER: Duration = Duration::from_millis(500);
/// Bytes of it that are taken.
const LINGER_BYTES: usize = 4 << 20;

/// What is wrong with a body.
pub(in crate::serve) struct Fault {
    pub(in crate::serve) status: StatusCode,
    pub(in crate::serve) detail: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}

/// Reads a body as text of at most `max` bytes.
pub(in crate::serve) async fn read(headers: &HeaderMap, mut body: Body, max: u64) -> Result<String, Fault> {
    let too_long =
        || Fault::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {max} bytes"));
    if body.size_hint().lower() > max {
        discard(headers, body).await;
        return Err(too_long());
    }
    let limited = Limited::new(&mut body, usize::try_from(max).unwrap_or(usize::MAX));
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(headers, body).await;
            return Err(too_long());
        }
        Ok(Err(_)) => return Err(Fault::new(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => {
            let detail = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
            return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, detail));
        }
    };
    String::from_utf8(bytes.into())
        .map_err(|_| Fault::new(StatusCode::BAD_REQUEST, "the body is not UTF-8 text"))
}

/// Takes some more of a body that nobody wants: a connection that is closed with bytes unread is reset, and the
/// client would lose the answer.
pub(in crate::serve) async fn discard(headers: &HeaderMap, mut body: Body) {
    // This one waits to be asked for its body, and is not asked.
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut left = LINGER_BYTES;
    let taken = tokio::time::timeout(LINGER, async {
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, bytes::Bytes::len)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    });
    // Either way the answer is next.
    drop(taken.await);
}
