//! The trace that a call is part of, as its caller says it: W3C Trace Context's `traceparent`.
//!
//! Takes: text. Gives: [`TraceParent`]. May name: nothing.

/// A trace and the span in it that caused a call. It says where a call is shown, and nothing about who asks or what may
/// happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl TraceParent {
    /// Reads a `traceparent` (W3C Trace Context, level 1): version, trace id, parent id, flags, in lower-case hex. `None`
    /// for anything else, and then a call begins a trace of its own, as the recommendation says. Of a version to come, the
    /// parts that are known are read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('-')?;
        let [version] = bytes(version)?;
        let (trace, rest) = rest.split_once('-')?;
        let (span, rest) = rest.split_once('-')?;
        let flags = match (version, rest.split_once('-')) {
            (0xff, _) | (0, Some(_)) => return None,
            (_, Some((flags, _))) => flags,
            (_, None) => rest,
        };
        let [flags] = bytes(flags)?;
        let (trace, span): ([u8; 16], [u8; 8]) = (bytes(trace)?, bytes(span)?);
        let known = trace != [0; 16] && span != [0; 8];
        known.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// The 16 bytes of the trace's id.
    #[must_use]
    pub fn trace_id(&self) -> &[u8; 16] {
        &self.trace
    }

    /// The 8 bytes of the id of the span that caused the call.
    #[must_use]
    pub fn span_id(&self) -> &[u8; 8] {
        &self.span
    }

    /// Whether the caller records the trace; what it does not record is not exported.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn only_what_the_recommendation_allows_is_a_parent() {
        let parsed = TraceParent::parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(hex::encode(parsed.trace_id()), TRACE);
        assert_eq!(hex::encode(parsed.span_id()), SPAN);
        assert!(parsed.is_sampled());
        assert!(!TraceParent::parse(&format!("00-{TRACE}-{SPAN}-00")).unwrap().is_sampled());
        assert!(TraceParent::parse(&format!("cc-{TRACE}-{SPAN}-03-what-comes")).unwrap().is_sampled());
        for bad in [
            "",
            "00",
            "-",
            &format!("ff-{TRACE}-{SPAN}-01"),
            &format!("00-{TRACE}-{SPAN}-01-more"),
            &format!("00-{TRACE}-{SPAN}-1"),
            &format!("00-{TRACE}-{SPAN}"),
            &format!("0-{TRACE}-{SPAN}-01"),
            &format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            &format!("00-{}-{SPAN}-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{TRACE}0-{SPAN}-01"),
            &format!("00-{TRACE}-{SPAN}-0g"),
            &format!(" 00-{TRACE}-{SPAN}-01"),
            &format!("00-{TRACE}-{SPAN}-01\u{e9}"),
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad:?}");
        }
    }
}
