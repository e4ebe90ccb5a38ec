//! SPIFFE ids (spiffe.io, SPIFFE-ID): `spiffe://<trust domain>/<path>`, the name of a workload.
//!
//! Takes: text. Gives: [`SpiffeId`], [`TrustDomain`]. May name: nothing.

use serde::Deserialize;
use std::fmt;

/// Longest id, in bytes (SPIFFE-ID, 2.3).
const MAX_ID: usize = 2_048;
/// Longest trust domain, in bytes (SPIFFE-ID, 2.3).
const MAX_DOMAIN: usize = 255;

/// Whose authorities vouch for an id: 1 to 255 of `a-z`, `0-9`, `.`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is(text: &str) -> bool {
        (1..=MAX_DOMAIN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TrustDomain {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match Self::is(&text) {
            true => Ok(Self(text)),
            false => {
                let shown: String = text.chars().take(80).collect();
                Err(format!(
                    "{shown:?} is no trust domain; write 1 to 255 lower-case letters, digits, '.', '-' and '_', as \"prod.example\""
                ))
            }
        }
    }
}

/// A segment of a path: letters, digits, `.`, `-` and `_`, and neither `.` nor `..` (SPIFFE-ID, 2.2).
pub(super) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The id of one workload: with a path, as a leaf certificate must have it (X.509-SVID, 4.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    text: String,
    domain: TrustDomain,
}

impl SpiffeId {
    /// Reads an id; nothing of it is normalised, because only one spelling is allowed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_ID {
            return Err("it is longer than 2,048 bytes");
        }
        let rest = text.strip_prefix("spiffe://").ok_or("it does not begin with `spiffe://`")?;
        let (domain, path) = rest.split_once('/').ok_or("it has no path")?;
        if !TrustDomain::is(domain) {
            return Err("its trust domain is not one");
        }
        if !path.split('/').all(is_segment) {
            return Err("its path is not one of letters, digits, '.', '-' and '_' between single slashes");
        }
        Ok(Self { text: text.to_owned(), domain: TrustDomain(domain.to_owned()) })
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its trust domain.
    #[must_use]
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The segments of its path; there is one at least.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        // The scheme, nothing, the trust domain; then the path.
        self.text.split('/').skip(3)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_the_specification_has_them() {
        for good in [
            "spiffe://prod.example/a",
            "spiffe://p/ns/acme/sa/kim-1",
            "spiffe://a_b-c.d/A.b/..x",
            "spiffe://1/1",
        ] {
            let id = SpiffeId::parse(good).unwrap();
            assert_eq!(id.as_str(), good);
            let path: Vec<_> = id.segments().collect();
            assert_eq!(good, format!("spiffe://{}/{}", id.domain(), path.join("/")));
        }
        let long = format!("spiffe://p/{}", "a".repeat(MAX_ID));
        let far = format!("spiffe://{}/a", "a".repeat(256));
        for bad in [
            "",
            "spiffe://",
            "spiffe:///a",
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe://p/a/",
            "spiffe://p//a",
            "spiffe://p/./a",
            "spiffe://p/../a",
            "spiffe://P/a",
            "SPIFFE://p/a",
            "https://p/a",
            "spiffe://p:1/a",
            "spiffe://u@p/a",
            "spiffe://p/a?b",
            "spiffe://p/a#b",
            "spiffe://p/%61",
            "spiffe://p/ä",
            "spiffe://p/a b",
            "spiffe:/p/a",
            " spiffe://p/a",
            "spiffe://p/a\n",
            "spiffe://p/a\0",
            &long,
            &far,
        ] {
            assert!(SpiffeId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
