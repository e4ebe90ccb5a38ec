//! The names that only these files use: roles, credentials and where they are put, buckets, configuration keys, tool
//! patterns.
//!
//! Takes: text from files. Gives: [`RoleName`], [`CredentialHandle`], [`QueryName`], [`UserName`], [`BucketName`],
//! [`ConfigKey`], [`ToolPattern`]. May name: id.

use crate::id::{FunctionName, ToolName, text_id};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a name was refused: what is wrong, and after the semicolon the allowed form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid; {rule}")]
pub struct InvalidName {
    kind: &'static str,
    value: String,
    rule: &'static str,
}

/// Starts with a lower-case letter or digit, then those and the bytes in `extra`.
fn is_word(text: &str, max: usize, extra: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= max
        && text.as_bytes().first().is_some_and(plain)
        && text.as_bytes().iter().all(|b| plain(b) || extra.contains(b))
}

text_id!(
    InvalidName,
    /// A role of a tenant, which a key carries. `[a-z0-9][a-z0-9_-]{0,62}`.
    RoleName,
    "role",
    "use 1 to 63 lower-case letters, digits, '-' and '_', starting with a letter or digit",
    |t| is_word(t, 63, b"-_")
);
text_id!(
    InvalidName,
    /// The name by which a grant refers to a credential. `[a-z0-9][a-z0-9_-]{0,62}`.
    CredentialHandle,
    "credential",
    "use 1 to 63 lower-case letters, digits, '-' and '_', starting with a letter or digit",
    |t| is_word(t, 63, b"-_")
);
text_id!(
    InvalidName,
    /// A query parameter that carries a credential. `[A-Za-z0-9_.-]{1,64}`.
    QueryName,
    "query parameter",
    "use 1 to 64 letters, digits, '-', '_' and '.'",
    |t| (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
);
text_id!(
    InvalidName,
    /// The user of basic authentication: at most 255 bytes, no colon and no control characters; may be empty.
    UserName,
    "user name",
    "use at most 255 bytes, without colons and control characters",
    |t| t.len() <= 255 && !t.chars().any(|c| c == ':' || c.is_control())
);
text_id!(
    InvalidName,
    /// A bucket of the tenant's own keyvalue store. `[a-z0-9][a-z0-9_./-]{0,127}`.
    BucketName,
    "bucket",
    "use 1 to 128 lower-case letters, digits, '-', '_', '.' and '/', starting with a letter or digit",
    |t| is_word(t, 128, b"-_./")
);
text_id!(
    InvalidName,
    /// A configuration key of a tool: 1 to 128 visible ASCII characters.
    ConfigKey,
    "configuration key",
    "use 1 to 128 visible ASCII characters",
    |t| (1..=128).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic())
);

/// Which tool functions: all (`*`), those of one tool (`orders`), or one (`orders.delete`).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ToolPattern {
    /// Every function of every installed tool.
    Any,
    /// Every function of this tool.
    Tool(ToolName),
    /// This function.
    Function(FunctionName),
}

impl ToolPattern {
    /// Reads `*`, `<tool>` or `<tool>.<function>`.
    ///
    /// # Errors
    /// [`InvalidName`] with the allowed forms.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let invalid = |rule| InvalidName { kind: "tool", value: text.chars().take(80).collect(), rule };
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(tool) = text.strip_suffix(".*")
            && ToolName::new(tool).is_ok()
        {
            return Err(invalid("write the tool's name alone for all of its functions"));
        }
        let form = "use \"<tool>\", \"<tool>.<function>\" or \"*\"";
        match text.split_once('.') {
            None => ToolName::new(text).map(Self::Tool).map_err(|_| invalid(form)),
            Some((tool, function)) if !function.is_empty() && ToolName::new(tool).is_ok() => {
                FunctionName::new(text).map(Self::Function).map_err(|_| invalid(form))
            }
            Some(_) => Err(invalid(form)),
        }
    }

    /// Whether the function is one of these.
    #[must_use]
    pub fn matches(&self, function: &FunctionName) -> bool {
        match self {
            Self::Any => true,
            Self::Tool(tool) => function.as_str().split('.').next() == Some(tool.as_str()),
            Self::Function(one) => one == function,
        }
    }
}

impl fmt::Display for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Tool(tool) => tool.as_str(),
            Self::Function(function) => function.as_str(),
        })
    }
}

impl fmt::Debug for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl TryFrom<String> for ToolPattern {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<ToolPattern> for String {
    fn from(pattern: ToolPattern) -> String {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_form() {
        assert!(BucketName::new("orders/cart").is_ok());
        for bad in ["", "/cart", "../x", "Cart", "a b", &"x".repeat(129)] {
            assert!(BucketName::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "-a", "a.b", "A", &"x".repeat(64)] {
            assert!(RoleName::new(bad).is_err(), "{bad}");
        }
        assert!(ConfigKey::new("currency.default").is_ok() && ConfigKey::new("a b").is_err());
    }

    #[test]
    fn a_tool_pattern_matches_whole_names() {
        let function = |name| FunctionName::new(name).unwrap();
        for (pattern, name, expected) in [
            ("*", "orders.delete", true),
            ("orders", "orders.delete", true),
            ("orders", "orders.admin.delete", true),
            ("orders", "orders-eu.delete", false),
            ("orders", "order.s", false),
            ("orders.delete", "orders.delete", true),
            ("orders.delete", "orders.delete-all", false),
            ("orders.admin", "orders.admin.delete", false),
        ] {
            assert_eq!(
                ToolPattern::parse(pattern).unwrap().matches(&function(name)),
                expected,
                "{pattern} {name}"
            );
        }
        for bad in ["", "orders.*", "ord*", ".delete", "orders.", "Orders", "a b", "**"] {
            assert!(ToolPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
