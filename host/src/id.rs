//! Names and numbers as types, so that one cannot be passed for another.
//!
//! Takes: text from files, credentials and requests. Gives: validated newtypes. May name: nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a name was refused. The message says which form is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    value: String,
    rule: &'static str,
}

/// `[a-z0-9][a-z0-9_-]{0,62}`: safe as a file name, a header value and a metric label on every system.
fn is_slug(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.len() <= 63
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// Visible ASCII, 1 to `max` bytes.
fn is_visible(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`, the form of tool and function names in the Model Context Protocol.
fn is_tool_name(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// A name that is text of a certain form, with an error type of the module that defines it. Most are short and stand in place:
/// to copy or compare one touches no other memory.
macro_rules! text_id {
    ($error:ident, $(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(::smol_str::SmolStr);

        impl $name {
            /// Checks the form and makes the name.
            ///
            /// # Errors
            /// What is wrong, and the allowed form.
            pub fn new(text: impl AsRef<str>) -> Result<Self, $error> {
                let text = text.as_ref();
                if Self::is(text) {
                    Ok(Self(text.into()))
                } else {
                    Err($error { kind: $kind, value: text.chars().take(80).collect(), rule: $rule })
                }
            }

            /// Whether a text has the form.
            #[must_use]
            pub fn is(text: &str) -> bool {
                let check: fn(&str) -> bool = $check;
                check(text)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_id;

text_id!(
    InvalidId,
    /// A customer of the platform. `[a-z0-9][a-z0-9_-]{0,62}`.
    TenantId,
    "tenant",
    "use 1 to 63 lower-case letters, digits, '-' and '_', starting with a letter or digit",
    is_slug
);
text_id!(
    InvalidId,
    /// Who acts for the tenant: a key's owner, an agent, a person. 1 to 128 visible ASCII characters.
    ActorId,
    "actor",
    "use 1 to 128 visible ASCII characters",
    |t| is_visible(t, 128)
);
text_id!(
    InvalidId,
    /// A caller's own name for a row of calls that belong together. 1 to 128 visible ASCII characters.
    RunId,
    "run",
    "use 1 to 128 visible ASCII characters",
    |t| is_visible(t, 128)
);
text_id!(
    InvalidId,
    /// An installed component's name, from its manifest. `[a-z0-9][a-z0-9_-]{0,62}`.
    ToolName,
    "tool name",
    "use 1 to 63 lower-case letters, digits, '-' and '_', starting with a letter or digit",
    is_slug
);
text_id!(
    InvalidId,
    /// A tool function as callers name it: `<tool>.<function>`, `[A-Za-z0-9_.-]{1,128}`.
    FunctionName,
    "tool function",
    "use 1 to 128 letters, digits, '_', '-' and '.', starting with a letter or digit",
    is_tool_name
);
text_id!(
    InvalidId,
    /// The name of a need in a manifest (`needs.http.<name>` and so on). Same form as a tenant.
    NeedName,
    "need",
    "use 1 to 63 lower-case letters, digits, '-' and '_', starting with a letter or digit",
    is_slug
);
text_id!(
    InvalidId,
    /// The public part of an API key, `sr_live_<id>_<secret>`. 1 to 32 lower-case letters and digits.
    KeyId,
    "key id",
    "use 1 to 32 lower-case letters and digits",
    |t| is_visible(t, 32) && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
);
text_id!(
    InvalidId,
    /// A client's `Idempotency-Key`: 1 to 255 visible ASCII characters.
    IdempotencyKey,
    "idempotency key",
    "use 1 to 255 visible ASCII characters",
    |t| is_visible(t, 255)
);

impl ActorId {
    /// Who acts when there is no credential, unless the host says otherwise.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }
}

impl TenantId {
    /// The tenant of a host that has no tenants configured.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

/// One call. 48 bits of milliseconds since 1970 and 80 random bits, so that ids sort by time;
/// written as `call_` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId([u8; 16]);

impl CallId {
    /// Makes an id from the time (milliseconds since 1970, its low 48 bits) and random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let [_, _, a, b, c, d, e, f] = unix_ms.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        Self([a, b, c, d, e, f, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9])
    }

    /// Reads `call_<32 hex digits>`; `None` when the text has another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text.strip_prefix("call_")?, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Wraps 16 bytes that already are an id.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// When it was made, in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        let [a, b, c, d, e, f, ..] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call_{}", hex::encode(self.0))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a call id is call_<32 hex digits>"))
    }
}

/// SHA-256, written as `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Wraps 32 bytes that already are a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without the prefix; safe as a file name.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads `sha256:<64 hex digits>`; `None` when the text has another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix("sha256:")?, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a digest is sha256:<64 hex digits>"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_form() {
        for good in ["acme", "a", "a-b_c9", &"x".repeat(63)] {
            assert!(TenantId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a.b", "a/b", "..", "a b", "ä", &"x".repeat(64)] {
            assert!(TenantId::new(bad).is_err(), "{bad}");
        }
        assert!(IdempotencyKey::new("x".repeat(256)).is_err());
        assert!(IdempotencyKey::new("two\nlines").is_err());
    }

    #[test]
    fn call_ids_sort_by_time_and_read_back() {
        let (a, b) = (CallId::new(1, [9; 10]), CallId::new(2, [0; 10]));
        assert!(a < b);
        assert_eq!(CallId::parse(&a.to_string()), Some(a));
        assert_eq!(CallId::parse("call_zz"), None);
    }
}
