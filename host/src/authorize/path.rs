//! Path patterns of HTTP needs, and the strict reading of request paths that they are matched against.
//!
//! Takes: patterns from files, request targets from guests. Gives: [`PathPattern`], [`RequestPath`].
//! May name: nothing.
//!
//! A path is matched only if every server would read it the same way: whatever some servers decode, collapse
//! or cut (dot segments, encoded slashes, backslashes, empty segments, double encoding) is refused.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Why a text is no path pattern: what is wrong, and after the semicolon what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path pattern {pattern:?} {what}; {fix}")]
pub struct InvalidPattern {
    pattern: String,
    what: &'static str,
    fix: &'static str,
}

/// Why a request's path is matched by no pattern at all. It never quotes the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path {0}")]
pub struct UnclearPath(&'static str);

/// Longest request path, in bytes, without the query.
pub const MAX_PATH_BYTES: usize = 8 * 1024;
/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// Which paths of an origin: segments between slashes, where `*` is exactly one segment that is not empty,
/// and `**`, only at the end, is one or more segments of any kind. So `/files/**` is everything that starts
/// with `/files/`, `/**` is everything, and `/orders/*` is neither `/orders/` nor `/orders/1/lines`.
///
/// Segments are compared after percent-decoding, with case; the query string is no part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(Vec<Segment>);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Any,
    Rest,
}

impl PathPattern {
    /// Reads a pattern: it starts with `/`, and its wildcards stand for whole segments.
    ///
    /// # Errors
    /// When no request could match it, or when it would match more than it seems to.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let bad = |what, fix| Err(InvalidPattern { pattern: text.chars().take(80).collect(), what, fix });
        let Some(rest) = text.strip_prefix('/') else {
            return bad("does not start with a slash", "write it as \"/orders/*\"");
        };
        if text.len() > MAX_PATTERN_BYTES {
            return bad("is too long", "keep it under 1024 bytes");
        }
        if text.contains(['?', '#']) {
            return bad("holds a query or fragment", "match the path alone; queries are not matched");
        }
        let count = rest.split('/').count();
        let mut segments = Vec::with_capacity(count);
        for (index, raw) in rest.split('/').enumerate() {
            let last = index + 1 == count;
            segments.push(match raw {
                "*" => Segment::Any,
                "**" if last => Segment::Rest,
                "**" => return bad("has `**` in the middle", "`**` may only be the last segment"),
                "" if last => Segment::Literal(String::new()),
                "" => return bad("has an empty segment", "leave out the doubled slash"),
                _ if raw.contains('*') => {
                    return bad(
                        "has `*` inside a segment",
                        "`*` stands for a whole segment; a literal star is %2A",
                    );
                }
                _ => match decode(raw) {
                    Ok(decoded) => Segment::Literal(decoded.into_owned()),
                    Err(_) => {
                        return bad(
                            "can match no request",
                            "leave out dot segments, backslashes, control characters and encoded slashes",
                        );
                    }
                },
            });
        }
        Ok(Self(segments))
    }

    /// Whether the path is one of these.
    #[must_use]
    pub fn matches(&self, path: &RequestPath<'_>) -> bool {
        let mut segments = path.segments.iter();
        for wanted in &self.0 {
            let Some(segment) = segments.next() else { return false };
            match wanted {
                Segment::Rest => return true,
                Segment::Any if segment.is_empty() => return false,
                Segment::Any => {}
                Segment::Literal(literal) if literal == segment => {}
                Segment::Literal(_) => return false,
            }
        }
        segments.next().is_none()
    }

    /// The pattern of this one path.
    #[must_use]
    pub fn exact(path: &RequestPath<'_>) -> Self {
        Self(path.segments.iter().map(|segment| Segment::Literal(segment.as_ref().to_owned())).collect())
    }

    /// Whether every path that `other` matches is matched here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.meet(other).as_ref() == Some(other)
    }

    /// The pattern of exactly the paths that both match, if there are any.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let (mut left, mut right) = (self.0.as_slice(), other.0.as_slice());
        let mut both = Vec::with_capacity(left.len().max(right.len()));
        loop {
            let segment = match (left, right) {
                ([], []) => return Some(Self(both)),
                ([], _) | (_, []) => return None,
                ([Segment::Rest], rest) | (rest, [Segment::Rest]) => {
                    both.extend_from_slice(rest);
                    return Some(Self(both));
                }
                ([a, left_rest @ ..], [b, right_rest @ ..]) => {
                    (left, right) = (left_rest, right_rest);
                    match (a, b) {
                        (Segment::Any, Segment::Literal(l)) | (Segment::Literal(l), Segment::Any)
                            if l.is_empty() =>
                        {
                            return None;
                        }
                        (Segment::Any, narrow) | (narrow, Segment::Any) => narrow,
                        (a, b) if a == b => a,
                        _ => return None,
                    }
                }
            };
            both.push(segment.clone());
        }
    }

    /// Whether this is `/**`, every path there is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.0.as_slice(), [Segment::Rest])
    }
}

/// The path of a request, read strictly: decoded once, segment by segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath<'a> {
    raw: &'a str,
    segments: Vec<Cow<'a, str>>,
}

impl<'a> RequestPath<'a> {
    /// Reads path and query as they stand in a request; nothing at all is `/`.
    ///
    /// # Errors
    /// When servers could differ on which path it is, when it is longer than [`MAX_PATH_BYTES`], or when path
    /// or query hold white space, control or non-ASCII characters or a fragment.
    pub fn parse(path_and_query: &'a str) -> Result<Self, UnclearPath> {
        let text = if path_and_query.is_empty() { "/" } else { path_and_query };
        if text.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(UnclearPath("holds white space, control or non-ASCII characters"));
        }
        if text.contains('#') {
            return Err(UnclearPath("holds a fragment"));
        }
        let raw = text.split_once('?').map_or(text, |(path, _)| path);
        if raw.len() > MAX_PATH_BYTES {
            return Err(UnclearPath("is longer than 8 KiB"));
        }
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(UnclearPath("does not start with a slash"));
        };
        let mut segments = Vec::with_capacity(8);
        let mut pieces = rest.split('/').peekable();
        while let Some(piece) = pieces.next() {
            if piece.is_empty() && pieces.peek().is_some() {
                return Err(UnclearPath("holds an empty segment"));
            }
            segments.push(decode(piece)?);
        }
        Ok(Self { raw, segments })
    }

    /// The path as it stands in the request, without the query.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.raw
    }
}

/// Decodes one segment, and refuses it if it, or what further decoding makes of it, has a meaning of its own.
fn decode(raw: &str) -> Result<Cow<'_, str>, UnclearPath> {
    harmless(raw)?;
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let once = decode_once(raw, true)?;
    harmless(&once)?;
    let mut deeper = once.clone();
    // Each round is shorter than the one before; four that still decode are a disguise.
    for _ in 0..4 {
        let next = decode_once(&deeper, false)?;
        if next == deeper {
            return Ok(Cow::Owned(once));
        }
        harmless(&next)?;
        deeper = next;
    }
    Err(UnclearPath("is encoded again and again"))
}

/// Percent-decodes. A percent sign without two digits is refused, or, if not `strict`, stays as it is:
/// that is what a server that decodes once too often would do.
fn decode_once(text: &str, strict: bool) -> Result<String, UnclearPath> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let pair = match after {
            [high, low, ..] if *byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = after;
        match pair {
            Some((high, low)) => {
                decoded.push(high * 16 + low);
                rest = after.get(2..).unwrap_or_default();
            }
            None if strict && *byte == b'%' => return Err(UnclearPath("holds a broken percent-encoding")),
            None => decoded.push(*byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| UnclearPath("does not decode to UTF-8"))
}

fn harmless(segment: &str) -> Result<(), UnclearPath> {
    if segment.contains(['/', '\\']) {
        return Err(UnclearPath("holds an encoded slash or a backslash"));
    }
    if segment.chars().any(|c| c.is_control()) {
        return Err(UnclearPath("holds a control character"));
    }
    // Some servers cut path parameters (`..;x`) before they resolve dot segments.
    if matches!(segment.split(';').next(), Some("." | "..")) {
        return Err(UnclearPath("holds a dot segment"));
    }
    Ok(())
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            f.write_str("/")?;
            match segment {
                Segment::Any => f.write_str("*")?,
                Segment::Rest => f.write_str("**")?,
                Segment::Literal(text) => {
                    for byte in text.bytes() {
                        match byte {
                            b'*' | b'%' | b'?' | b'#' => write!(f, "%{byte:02X}")?,
                            _ if byte.is_ascii_graphic() => write!(f, "{}", char::from(byte))?,
                            _ => write!(f, "%{byte:02X}")?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl TryFrom<String> for PathPattern {
    type Error = InvalidPattern;
    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests;
