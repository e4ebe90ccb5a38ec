//! `[mcp]` of the operator's file: what functions are called there, which web pages may call, and how long a result is that is given as
//! a link.
//!
//! Takes: the table. Gives: [`McpRules`]. May name: config, id.

use super::size::ByteSize;
use crate::id::FunctionName;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::{BTreeMap, BTreeSet};

/// The most names, and the most origins.
const MOST: usize = 1000;

/// The rules of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct McpRules {
    /// `names`: what clients see instead of `<tool>.<function>`; 1 to 128 letters, digits, `_` and `-`, each once.
    #[serde(deserialize_with = "names")]
    pub names: BTreeMap<FunctionName, String>,
    /// `origins`: web pages that may call beside those of this machine, as `https://app.example.com`.
    #[serde(deserialize_with = "origins")]
    pub origins: Vec<String>,
    /// `tool_messages`: whether what tools log goes to callers that ask for it. Unless it is said so, it is for the operator alone.
    pub tool_messages: bool,
    /// `max_inline_result`: the longest result, in bytes of its JSON text, that an answer holds itself; a longer one is a link, which
    /// `resources/read` reads. [`LEAST_INLINE`] to [`MOST_INLINE`], written as `"256KiB"`, which is the default. 0, written as `"0B"`:
    /// every result is in its answer.
    #[serde(deserialize_with = "inline")]
    pub max_inline_result: u64,
}

/// The least that can be set as the longest result within an answer.
pub const LEAST_INLINE: u64 = 1024;
/// No result is longer.
pub const MOST_INLINE: u64 = 1024 * 1024;

impl Default for McpRules {
    fn default() -> Self {
        let (names, origins) = Default::default();
        Self { names, origins, tool_messages: false, max_inline_result: 256 * 1024 }
    }
}

impl McpRules {
    /// Whether an answer holds a result of so many bytes itself.
    #[must_use]
    pub fn is_inline(&self, bytes: usize) -> bool {
        let most = self.max_inline_result;
        most == 0 || u64::try_from(bytes).is_ok_and(|bytes| bytes <= most)
    }
}

fn inline<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let given = ByteSize::deserialize(d)?;
    match given.0 {
        0 | LEAST_INLINE..=MOST_INLINE => Ok(given.0),
        _ => Err(D::Error::custom(format!(
            "{given} is out of range; write a size from {} to {}, or \"0B\" for results that are never links",
            ByteSize(LEAST_INLINE),
            ByteSize(MOST_INLINE)
        ))),
    }
}

fn names<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<FunctionName, String>, D::Error> {
    let names = BTreeMap::<FunctionName, String>::deserialize(d)?;
    let mut seen = BTreeSet::new();
    for (function, name) in &names {
        // With a dot, a name could hide another tool's function.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !(1..=128).contains(&name.len()) || !name.bytes().all(plain) {
            let shown: String = name.chars().take(40).collect();
            return Err(D::Error::custom(format!(
                "{shown:?} is no name for {function}; use 1 to 128 letters, digits, '_' and '-'"
            )));
        }
        if !seen.insert(name) {
            return Err(D::Error::custom(format!("two functions are called {name:?}")));
        }
    }
    if names.len() > MOST {
        return Err(D::Error::custom(format!("more than {MOST} names")));
    }
    Ok(names)
}

fn origins<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(d)?;
    for origin in &origins {
        // As browsers write it: the comparison is by the letter.
        let written = url::Url::parse(origin).map(|url| url.origin().ascii_serialization());
        let web = origin.starts_with("https://") || origin.starts_with("http://");
        if !web || written.as_deref() != Ok(origin) {
            let shown: String = origin.chars().take(80).collect();
            return Err(D::Error::custom(format!(
                "{shown:?} is no origin; write it as browsers do, \"https://app.example.com\""
            )));
        }
    }
    if origins.len() > MOST {
        return Err(D::Error::custom(format!("more than {MOST} origins")));
    }
    Ok(origins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostConfig;
    use crate::config::tests::printed;

    #[test]
    fn a_result_is_inline_up_to_a_size_or_always() {
        let read = |text: &str| toml::from_str::<McpRules>(text).unwrap();
        let inline = |text: &str, bytes: usize| read(text).is_inline(bytes);
        assert!(inline("", 256 << 10) && !inline("", (256 << 10) + 1));
        let least = "max_inline_result = '1KiB'";
        assert!(inline(least, 1024) && !inline(least, 1025));
        let most = "max_inline_result = '1MiB'";
        assert!(inline(most, 1 << 20) && !inline(most, (1 << 20) + 1));
        assert!(inline("max_inline_result = '0B'", usize::MAX));
        let most = "write a size from 1KiB to 1MiB, or \"0B\" for results that are never links";
        for (value, what) in [("65536", "a size with its unit"), ("\"2MiB\"", most)] {
            let text = format!("[mcp]\ntool_messages = true\nmax_inline_result = {value}\n");
            let fault = HostConfig::parse("strongroom.toml", &text).unwrap_err();
            assert_eq!(fault.line(), Some(3), "{fault}");
            assert!(printed(&fault).contains(what), "{}", printed(&fault));
        }
    }

    #[test]
    fn names_hide_no_function_and_origins_are_written_as_browsers_do() {
        let read = |text: &str| toml::from_str::<McpRules>(text);
        let good = "names = { 'orders.pay' = 'pay_order' }\norigins = ['https://a.example', 'http://b.example:8080']";
        let rules = read(good).unwrap();
        assert_eq!(rules.names.values().collect::<Vec<_>>(), ["pay_order"]);
        assert_eq!(rules.origins.len(), 2);
        for bad in [
            "names = { 'orders.pay' = 'files.read' }",
            "names = { 'orders.pay' = '' }",
            "names = { 'orders.pay' = 'x', 'orders.list' = 'x' }",
            "names = { 'no function' = 'x' }",
            "origins = ['*']",
            "origins = ['https://a.example/']",
            "origins = ['https://A.example']",
            "origins = ['https://a.example:443']",
            "origins = ['null']",
            "origins = ['file:///x']",
            "hosts = []",
            "max_inline_result = 65536",
            "max_inline_result = '64K'",
            "max_inline_result = '1023B'",
            "max_inline_result = '1025KiB'",
            "max_inline_result = '-1B'",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
