//! Takes a credential out of whatever comes back from the service it was sent to.
//!
//! Takes: a secret and a stream of bytes. Gives: the bytes with every form of the secret blanked. May name: nothing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};

/// Shortest secret that is looked for: shorter ones would blank ordinary text.
const SHORTEST: usize = 6;

/// Finds a secret as it stands, as hexadecimal digits, as base64 at any offset, and percent-encoded.
#[derive(Debug, Clone)]
pub(crate) struct Redactor {
    search: aho_corasick::AhoCorasick,
    longest: usize,
}

impl Redactor {
    /// A redactor for a header's value and, where it has the form `<scheme> <token>`, for the token alone.
    pub(crate) fn new(value: &str) -> Option<Self> {
        let token = value.split_once(' ').map_or(value, |(_, token)| token.trim());
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for secret in [value, token] {
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
        let matches: Vec<_> = self.search.find_iter(&held[..]).map(|m| m.range()).collect();
        for range in &matches {
            if let Some(part) = held.get_mut(range.clone()) {
                part.fill(b'*');
            }
        }
        // A match may begin in the last `longest - 1` bytes and end in what has not come yet.
        let keep = if end { 0 } else { self.longest.saturating_sub(1).min(held.len()) };
        let ready = held.len().saturating_sub(keep);
        held.split_to(ready).freeze()
    }
}

fn encodings(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms =
        vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
    let percent: String = url::form_urlencoded::byte_serialize(bytes).collect();
    forms.push(percent.replace('+', "%20").into_bytes());
    forms.push(percent.into_bytes());
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

    const SECRET: &str = "Bearer s3cr3t-c4n4ry/+=token";

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
        forms.push(url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
        forms
    }

    proptest! {
        #[test]
        fn no_form_of_the_secret_survives_any_cut(step in 1_usize..64, before in "[a-z]{0,40}", after in "[a-z]{0,40}") {
            let redactor = Redactor::new(SECRET).unwrap();
            for form in forms_of(SECRET).iter().chain(&forms_of("s3cr3t-c4n4ry/+=token")) {
                let body = format!("{before}{form}{after}");
                let clean = through(&redactor, body.as_bytes(), step);
                prop_assert!(!redactor.finds(&clean), "{form} in {}", String::from_utf8_lossy(&clean));
                prop_assert_eq!(clean.len(), body.len());
            }
        }

        #[test]
        fn other_bytes_pass_unchanged(body in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..64) {
            let redactor = Redactor::new(SECRET).unwrap();
            prop_assert_eq!(through(&redactor, &body, step), body);
        }
    }
}
