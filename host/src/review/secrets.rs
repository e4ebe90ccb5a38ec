//! The rule on credentials that were left in the file.
//!
//! Takes: a [`Subject`]. Gives: [`Finding`]s, which never hold what was found. May name: nothing.
//!
//! Looked at are the data segments and the manifest. Only forms that no other data has are known: prefixes that a
//! service chose so that such rules work, PEM private keys, and JSON Web Tokens. A credential that is encoded,
//! encrypted or put together at run time is not found.

use super::{Finding, Rule, Subject, data};

/// What begins a credential, and what has to follow.
struct Form {
    what: &'static str,
    prefix: &'static [u8],
    /// Bytes of `tail` that must follow.
    least: usize,
    tail: fn(u8) -> bool,
}

const fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

const fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

const fn dashed(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

macro_rules! forms {
    ($( $what:literal $prefix:literal $least:literal $tail:ident; )+) => {
        const FORMS: &[Form] = &[ $( Form { what: $what, prefix: $prefix, least: $least, tail: $tail }, )+ ];
    };
}

forms! {
    "an AWS access key id" b"AKIA" 16 upper;
    "a temporary AWS access key id" b"ASIA" 16 upper;
    "a GitHub token" b"ghp_" 36 word;
    "a GitHub token" b"gho_" 36 word;
    "a GitHub token" b"ghs_" 36 word;
    "a GitHub token" b"github_pat_" 22 dashed;
    "a GitLab token" b"glpat-" 20 dashed;
    "a Stripe secret key" b"sk_live_" 16 word;
    "a Stripe restricted key" b"rk_live_" 16 word;
    "a Slack token" b"xoxb-" 20 dashed;
    "a Slack token" b"xoxp-" 20 dashed;
    "a Google API key" b"AIza" 35 dashed;
    "an API key of this host" b"sr_live_" 16 dashed;
}

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for segment in data::segments(subject.bytes) {
        for (what, at) in scan(segment.content) {
            let message =
                format!("the data holds what looks like {what}, at byte {} of the file", segment.offset + at);
            findings.push(Finding::of_component(Rule::HardCodedSecret, "data", message));
        }
    }
    for (index, line) in subject.text.unwrap_or_default().lines().enumerate() {
        for (what, _) in scan(line.as_bytes()) {
            let message = format!("the manifest holds what looks like {what}");
            let mut finding = Finding::of_component(Rule::HardCodedSecret, "manifest", message);
            finding.place.line = Some(index + 1);
            findings.push(finding);
        }
    }
}

/// What looks like a credential, and where it begins.
fn scan(bytes: &[u8]) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    let mut at = 0;
    while let [first, following @ ..] = rest {
        let form = FORMS.iter().find(|form| {
            let tail = rest.strip_prefix(form.prefix).and_then(|tail| tail.get(..form.least));
            form.prefix.first() == Some(first)
                && tail.is_some_and(|tail| tail.iter().all(|b| (form.tail)(*b)))
        });
        match (form, first) {
            (Some(form), _) => found.push((form.what, at)),
            (None, b'-') if is_private_key(rest) => found.push(("a private key", at)),
            (None, b'e') if is_jwt(rest) => found.push(("a JSON Web Token", at)),
            _ => {}
        }
        rest = following;
        at += 1;
    }
    found
}

/// A PEM header with a line of content; the header alone is what libraries that read such keys hold.
fn is_private_key(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"-----BEGIN ") else { return false };
    let label = rest.iter().take(40).take_while(|b| b.is_ascii_uppercase() || **b == b' ').count();
    let Some((label, rest)) = rest.split_at_checked(label) else { return false };
    let Some(rest) = rest.strip_prefix(b"-----").filter(|_| label.ends_with(b"PRIVATE KEY")) else {
        return false;
    };
    let content = rest.trim_ascii_start();
    let base64 = |b: &u8| word(*b) || matches!(b, b'+' | b'/');
    content.len() < rest.len() && content.iter().take(16).filter(|b| base64(b)).count() == 16
}

/// Three parts in base64url, of which the first two begin as JSON objects do.
fn is_jwt(text: &[u8]) -> bool {
    // Bounded, so that a file made of beginnings takes no longer than another.
    let part = |text: &[u8]| text.iter().take(4096).take_while(|b| dashed(**b)).count();
    if !text.starts_with(b"eyJ") {
        return false;
    }
    let Some((header, rest)) = text.split_at_checked(part(text)) else { return false };
    let Some(rest) = rest.strip_prefix(b".") else { return false };
    let Some((claims, rest)) = rest.split_at_checked(part(rest)) else { return false };
    let begins = |text: &[u8]| text.starts_with(b"eyJ") && text.len() >= 12;
    begins(header) && begins(claims) && rest.strip_prefix(b".").is_some_and(|signature| part(signature) >= 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Put together here, so that scanners of source code do not stop at this file.
    fn made(parts: &[&str]) -> Vec<u8> {
        format!("..{}..", parts.concat()).into_bytes()
    }

    #[test]
    fn credentials_are_known_by_their_form() {
        let a40 = "a1B2".repeat(10);
        let jwt = ["eyJhbGciOiJ", "IUzI1NiJ9", ".eyJzdWIiOiIxMjM0In0", ".c2lnbmF0dXJlLXNpZ25h"];
        let pem = ["-----BEGIN RSA ", "PRIVATE KEY-----\n", "MIIEowIBAAKCAQEA0123"];
        for (parts, what) in [
            (&["AKIA", "IOSFODNN7EXAMPLE"][..], "an AWS access key id"),
            (&["ghp_", &a40], "a GitHub token"),
            (&["sk_live_", &a40], "a Stripe secret key"),
            (&["sr_live_", "k1_", &a40], "an API key of this host"),
            (&pem, "a private key"),
            (&jwt, "a JSON Web Token"),
        ] {
            assert_eq!(scan(&made(parts)), [(what, 2)]);
        }
    }

    #[test]
    fn what_only_begins_like_one_is_none() {
        for parts in [
            &["AKIA", "iosfodnn7example"][..],
            &["ghp_", "short"],
            &["-----BEGIN ", "PRIVATE KEY-----", "-----END"],
            &["-----BEGIN ", "CERTIFICATE-----\n", "MIIEowIBAAKCAQEA0123"],
            &["eyJhbGciOiJIUzI1NiJ9", ".", "notjson"],
            &["eyJ"],
            &[],
        ] {
            assert_eq!(scan(&made(parts)), [], "{parts:?}");
        }
    }
}
