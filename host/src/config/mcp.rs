//! `[mcp]` of the operator's file: what functions are called there, and which web pages may call.
//!
//! Takes: the table. Gives: [`McpRules`]. May name: id.

use crate::id::FunctionName;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::{BTreeMap, BTreeSet};

/// The most names, and the most origins.
const MOST: usize = 1000;

/// The rules of the table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
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
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
