//! Takes a credential out of whatever comes back from the service it was sent to.
//!
//! Takes: secrets and a stream of bytes. Gives: the bytes with every form of the secrets blanked. May name: nothing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use std::fmt;

/// Shortest secret that is looked for: shorter ones would blank ordinary text.
const SHORTEST: usize = 6;

/// Finds secrets as they stand, as hexadecimal digits, as base64 at any offset, percent-encoded, and escaped as JSON and
/// HTML do it. It prints nothing of itself.
#[derive(Clone)]
pub(crate) struct Redactor {
    search: aho_corasick::AhoCorasick,
    longest: usize,
}

impl Redactor {
    /// A redactor for all of these; `None` when there is nothing to look for.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            if secret.len() >= SHORTEST {
                forms.extend(encodings(secret));
            }
        }
        forms.sort();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max()?;
        let search = aho_corasick::AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostLongest)
            .build(&forms)
            .ok()?;
        Some(Self { search, longest })
    }

    /// Whether some form of the secret stands in these bytes.
    pub(crate) fn finds(&self, bytes: &[u8]) -> bool {
        self.search.is_match(bytes)
    }

    /// Blanks the secret in the part that can no longer change, and keeps the rest in `held` for the next call.
    pub(crate) fn push(&self, held: &mut BytesMut, more: &[u8], end: bool) -> Bytes {
        held.extend_from_slice(more);
        // What begins in the last `longest - 1` bytes may end, or be part of something longer, in what has not come yet.
        let keep = if end { 0 } else { self.longest.saturating_sub(1).min(held.len()) };
        let ready = held.len().saturating_sub(keep);
        let matches: Vec<_> = self.search.find_iter(&held[..]).map(|m| m.range()).collect();
        for range in matches.into_iter().take_while(|range| range.start < ready) {
            if let Some(part) = held.get_mut(range) {
                part.fill(b'*');
            }
        }
        held.split_to(ready).freeze()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// The text with each of these bytes replaced as `to` says.
fn escaped(text: &str, to: impl Fn(char) -> Option<String>) -> String {
    text.chars().map(|c| to(c).unwrap_or_else(|| c.to_string())).collect()
}

/// Every character that is not kept as `%XX` of its bytes, in upper and in lower case.
fn percent(text: &str, kept: &str) -> [String; 2] {
    let upper = escaped(text, |c| {
        let keep = c.is_ascii_alphanumeric() || kept.contains(c);
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).bytes();
        (!keep).then(|| bytes.map(|b| format!("%{b:02X}")).collect())
    });
    // Only the digits: a `%XX` begins at each percent sign, since every other one is encoded itself.
    let mut pieces = upper.split('%');
    let mut lower = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        lower.push('%');
        lower.push_str(&digits.to_ascii_lowercase());
        lower.push_str(rest);
    }
    [upper, lower]
}

fn encodings(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms =
        vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
    // As RFC 3986 has it, as forms and as JavaScript's encodeURIComponent and encodeURI do it.
    for kept in ["-._~", "-._*", "-_.!~*'()", "-_.!~*'();/?:@&=+$,#"] {
        for text in percent(secret, kept) {
            forms.push(text.replace("%20", "+").into_bytes());
            forms.push(text.into_bytes());
        }
    }
    let json = |slash: Option<&str>| {
        escaped(secret, |c| match c {
            '"' | '\\' => Some(format!("\\{c}")),
            '/' => slash.map(str::to_owned),
            _ => None,
        })
    };
    forms.extend([json(None).into_bytes(), json(Some("\\/")).into_bytes()]);
    let html = |[double, single]: [&str; 2]| {
        escaped(secret, |c| match c {
            '&' => Some("&amp;".to_owned()),
            '<' => Some("&lt;".to_owned()),
            '>' => Some("&gt;".to_owned()),
            '"' => Some(double.to_owned()),
            '\'' => Some(single.to_owned()),
            _ => None,
        })
    };
    forms.extend([["&quot;", "&#39;"], ["&quot;", "&#x27;"], ["\"", "'"]].map(|q| html(q).into_bytes()));
    // Base64 of a text that holds the secret: the secret may begin at any of three offsets, and the first and last
    // characters depend on its neighbours, so the inner characters are what is looked for.
    for offset in 0..3_usize {
        let mut padded = vec![0; offset];
        padded.extend_from_slice(bytes);
        let first = if offset == 0 { 0 } else { offset.saturating_add(1) };
        let whole = padded.len() - padded.len() % 3;
        let last = whole / 3 * 4;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            if let Some(inner) = text.get(first..last).filter(|inner| inner.len() >= SHORTEST) {
                forms.push(inner.as_bytes().to_vec());
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "Bearer s3cr3t-c4n4ry/+=\"t&ken";
    const TOKEN: &str = "s3cr3t-c4n4ry/+=\"t&ken";

    fn through(redactor: &Redactor, body: &[u8], step: usize) -> Vec<u8> {
        let (mut held, mut out) = (BytesMut::new(), Vec::new());
        for chunk in body.chunks(step) {
            out.extend_from_slice(&redactor.push(&mut held, chunk, false));
        }
        out.extend_from_slice(&redactor.push(&mut held, &[], true));
        out
    }

    fn forms_of(text: &str) -> Vec<String> {
        let padded = [text.to_owned(), format!("x{text}y"), format!("xy{text}")];
        let mut forms = vec![text.to_owned(), hex::encode(text)];
        forms.extend(padded.iter().map(|t| STANDARD_NO_PAD.encode(t)));
        forms.extend(padded.iter().map(|t| URL_SAFE_NO_PAD.encode(t)));
        let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        forms.extend([form.to_lowercase(), form]);
        forms.push(serde_json::to_string(text).unwrap().trim_matches('"').to_owned());
        forms.push(text.replace('&', "&amp;").replace('"', "&quot;"));
        forms
    }

    proptest! {
        #[test]
        fn no_form_of_the_secret_survives_any_cut(step in 1_usize..64, before in "[a-z]{0,40}", after in "[a-z]{0,40}") {
            let redactor = Redactor::new([SECRET, TOKEN]).unwrap();
            for form in forms_of(SECRET).iter().chain(&forms_of(TOKEN)) {
                let body = format!("{before}{form}{after}");
                let clean = through(&redactor, body.as_bytes(), step);
                prop_assert!(!redactor.finds(&clean), "{form} in {}", String::from_utf8_lossy(&clean));
                prop_assert_eq!(clean.len(), body.len());
            }
        }

        #[test]
        fn other_bytes_pass_unchanged(body in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..64) {
            let redactor = Redactor::new([SECRET]).unwrap();
            prop_assert_eq!(through(&redactor, &body, step), body);
        }
    }

    #[test]
    fn of_two_secrets_that_begin_alike_the_longer_one_goes_whole() {
        let redactor = Redactor::new(["abcdef", "abcdefghijkl"]).unwrap();
        for step in 1..20 {
            let clean = through(&redactor, b"x abcdefghijkl y abcdef z", step);
            assert_eq!(String::from_utf8_lossy(&clean), "x ************ y ****** z");
        }
        assert!(Redactor::new(["short", ""]).is_none() && Redactor::new([]).is_none());
        assert_eq!(format!("{redactor:?}"), "Redactor");
    }
}
