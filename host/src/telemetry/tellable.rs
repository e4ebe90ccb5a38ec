//! Which of a process's trace events may be shown at all, at whatever level somebody asks for.
//!
//! Takes: an event's description. Gives: [`is_tellable`]. May name: nothing.

use tracing::{Level, Metadata};

/// Whether events and spans of this description may be shown: those of the engine's bindings quote what guests give to
/// imports, and what other crates say at level trace is nobody's promise. The program asks this before anything else;
/// embedders hand it to their subscriber, as `tracing_subscriber::filter::filter_fn(strongroom::telemetry::is_tellable)`.
#[must_use]
pub fn is_tellable(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    match target.strip_prefix("strongroom") {
        Some(rest) if rest.is_empty() || rest.starts_with("::") => !rest.starts_with("::imports::bindings"),
        _ => *metadata.level() != Level::TRACE,
    }
}
