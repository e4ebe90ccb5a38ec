//! How a client wants its answer: now, later (RFC 7240), or with progress on the way.
//!
//! Takes: headers. Gives: [`Wanted`], [`wait`]. May name: nothing.

use http::header::{ACCEPT, HeaderMap, HeaderName};
use std::time::Duration;

/// RFC 7240, section 2.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// RFC 7240, section 3.
pub(super) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest that a request waits for a call that runs, whatever it would prefer.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The form of a call's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One answer, when the call has ended.
    Now,
    /// 202, and the answer when it is asked for: `Prefer: respond-async`.
    Later,
    /// Server-sent events: `Accept: text/event-stream`, and no JSON.
    Events,
}

impl Wanted {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let accepts = |essence: &str| {
            let all = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            let mut ranges = all.flat_map(|value| value.split(','));
            ranges.any(|range| {
                let range = range.split(';').next().unwrap_or_default();
                range.trim().eq_ignore_ascii_case(essence)
            })
        };
        // Whoever takes JSON, too, understands a plain answer: most clients of MCP name both everywhere.
        let events = accepts("text/event-stream") && !["application/json", "*/*"].into_iter().any(accepts);
        match events {
            true => Self::Events,
            false if preferences(headers).any(|p| p.eq_ignore_ascii_case("respond-async")) => Self::Later,
            false => Self::Now,
        }
    }
}

/// `Prefer: wait=10`: for how long to wait for an answer, in seconds, at most [`LONGEST_WAIT`]. What is no number is no preference.
pub(super) fn wait(headers: &HeaderMap) -> Duration {
    let seconds = preferences(headers).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("wait").then(|| value.parse().ok()).flatten()
    });
    seconds.map_or(Duration::ZERO, Duration::from_secs).min(LONGEST_WAIT)
}

fn preferences(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).map(|p| p.split(';').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_form_of_the_answer_is_the_clients_word() {
        let wanted = |pairs: &[(HeaderName, &'static str)]| Wanted::read(&with(pairs));
        assert_eq!(wanted(&[]), Wanted::Now);
        assert_eq!(wanted(&[(PREFER, "respond-async")]), Wanted::Later);
        assert_eq!(wanted(&[(PREFER, "handling=strict, Respond-Async; x=1, wait=3")]), Wanted::Later);
        assert_eq!(wanted(&[(PREFER, "wait=3"), (PREFER, "respond-async")]), Wanted::Later);
        assert_eq!(wanted(&[(PREFER, "respond-asynchronously")]), Wanted::Now);
        assert_eq!(wanted(&[(ACCEPT, "text/event-stream")]), Wanted::Events);
        assert_eq!(wanted(&[(ACCEPT, "text/event-stream;q=1"), (PREFER, "respond-async")]), Wanted::Events);
        for both in ["application/json, text/event-stream", "text/event-stream, */*;q=0.1", "*/*"] {
            assert_eq!(wanted(&[(ACCEPT, both)]), Wanted::Now, "{both}");
        }
    }

    #[test]
    fn a_wait_is_bounded() {
        let seconds = |value| wait(&with(&[(PREFER, value)])).as_secs();
        assert_eq!(
            (seconds("wait=7"), seconds("respond-async, WAIT=\"8\""), seconds("wait=999")),
            (7, 8, 60)
        );
        for none in ["wait", "wait=", "wait=-1", "wait=x", "await=3"] {
            assert_eq!(seconds(none), 0, "{none}");
        }
    }
}
