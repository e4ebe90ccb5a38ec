//! Which access tokens an operator has revoked: one, those of whom one names, or all of an issuer.
//!
//! Takes: names. Gives: [`TokenScope`]. May name: nothing.
//!
//! As text: `https://login.example.com#id=<jti>`, `…#subject=<sub>`, or the issuer alone. What is no plain letter or digit in them is
//! written as in a URL's query, so that no scope has a space.

use std::fmt;
use url::form_urlencoded::{byte_serialize, parse};

/// Longest issuer, id or subject, in bytes.
const MAX: usize = 2_048;

/// Which tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenScope {
    /// The claim `iss`.
    pub issuer: String,
    /// Which of this issuer's.
    pub which: Which,
}

/// Which tokens of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Which {
    /// The one with this claim `jti`.
    Id(String),
    /// Those of this actor, as the issuer names it, that were issued before the order.
    Subject(String),
    /// All that were issued before the order.
    All,
}

impl TokenScope {
    /// Reads what it shows. The error says what is wrong.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let form = || format!("{text}: write `<issuer>`, `<issuer>#id=<jti>` or `<issuer>#subject=<sub>`");
        let (issuer, which) = match text.split_once('#') {
            None => (text, Which::All),
            Some((issuer, rest)) => {
                let mut pairs = parse(rest.as_bytes());
                let which = match (pairs.next(), pairs.next()) {
                    (Some((kind, value)), None) if kind == "id" => Which::Id(value.into_owned()),
                    (Some((kind, value)), None) if kind == "subject" => Which::Subject(value.into_owned()),
                    _ => return Err(form()),
                };
                (issuer, which)
            }
        };
        let scope = Self { issuer: issuer.to_owned(), which };
        // What it shows is what was read, so that one scope has one text.
        if issuer.is_empty() || text.len() > 2 * MAX || scope.to_string() != text {
            Err(form())
        } else {
            Ok(scope)
        }
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.issuer.chars().filter(|c| c.is_ascii_graphic() && *c != '#');
        issuer.into_iter().try_for_each(|c| write!(f, "{c}"))?;
        let (kind, value) = match &self.which {
            Which::All => return Ok(()),
            Which::Id(id) => ("id", id),
            Which::Subject(subject) => ("subject", subject),
        };
        write!(f, "#{kind}=")?;
        byte_serialize(value.as_bytes()).try_for_each(|part| f.write_str(part))
    }
}

/// A token that was verified, as revocations see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenTarget<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) id: Option<&'a str>,
    pub(crate) subject: &'a str,
    /// When it was issued at the latest, in milliseconds since 1970; `None` when nobody knows.
    pub(crate) issued_ms: Option<u64>,
    /// By how many milliseconds the issuer's clock may be ahead of this host's.
    pub(crate) leeway_ms: u64,
}

impl TokenTarget<'_> {
    /// The scopes that name it.
    pub(super) fn scopes(&self) -> impl Iterator<Item = TokenScope> + use<> {
        let issuer = self.issuer.to_owned();
        let id = self.id.map(|id| Which::Id(id.to_owned()));
        let all = [id, Some(Which::Subject(self.subject.to_owned())), Some(Which::All)];
        all.into_iter().flatten().map(move |which| TokenScope { issuer: issuer.clone(), which })
    }

    /// Whether an order of this time (milliseconds since 1970) revokes it. Of a token that may have been issued before the order, it is
    /// taken that it was.
    pub(super) fn is_hit(&self, which: &Which, ordered_ms: u64) -> bool {
        let latest = ordered_ms.saturating_add(self.leeway_ms);
        matches!(which, Which::Id(_)) || self.issued_ms.is_none_or(|issued| issued <= latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_text_and_back() {
        let all = [
            Which::All,
            Which::Id("a b: c/=&#".to_owned()),
            Which::Subject("auth0|ü".to_owned()),
            Which::Id("t-1".to_owned()),
        ];
        for which in all {
            let scope = TokenScope { issuer: "https://a.example/t".to_owned(), which };
            assert!(!scope.to_string().contains(' '));
            assert_eq!(TokenScope::read(&scope.to_string()).as_ref(), Ok(&scope));
        }
        for bad in [
            "",
            "#id=x",
            "https://a#x=y",
            "https://a#id=x&id=y",
            "https://a#",
            "https://a #id=x",
            "https://a#id=a b",
        ] {
            assert!(TokenScope::read(bad).is_err(), "{bad}");
        }
    }
}
