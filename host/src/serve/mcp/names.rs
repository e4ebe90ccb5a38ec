//! What functions are called here: `<tool>.<function>`, or the name that the operator's `[mcp.names]` gives one.
//!
//! Takes: names. Gives: names. May name: config, id.

use crate::config::Settings;
use crate::id::FunctionName;

/// The name that clients see.
pub(super) fn shown<'a>(function: &'a FunctionName, settings: &'a Settings) -> &'a str {
    settings.host.mcp.names.get(function).map_or(function.as_str(), |name| name.as_str())
}

/// The function that a client means. A name of the operator's holds no dot, so it can hide no other function.
pub(super) fn meant(name: &str, settings: &Settings) -> String {
    let mut names = settings.host.mcp.names.iter();
    names.find(|(_, shown)| shown.as_str() == name).map_or(name, |(function, _)| function.as_str()).to_owned()
}
