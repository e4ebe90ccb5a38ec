//! `wasi:logging`, gated: that a tool has written something stands in the host's log, marked with tenant and call; what it
//! has written, when the operator says so.
//!
//! Takes: the call's facts. Gives: the gated view. May name: imports::gate, imports::call.

use super::bindings::wasi::logging::logging::{self, Level};
use super::call::CallFacts;
use super::gate::{Audited, FromStop};
use super::table::LOG;
use wasmtime::Result;

/// Longest message, in bytes; the rest is cut off.
const MESSAGE: usize = 8 * 1024;
/// Longest context, in bytes; the rest is cut off.
const CONTEXT: usize = 128;

impl logging::Host for Audited<'_, &CallFacts> {
    fn log(&mut self, level: Level, context: String, message: String) -> Result<()> {
        let bytes = u64::try_from(context.len().saturating_add(message.len())).unwrap_or(u64::MAX);
        self.gate.enter(&LOG, None, None, bytes).map_err(wasmtime::Error::from_stop)?;
        let facts = self.inner;
        macro_rules! emit {
            ($level:ident) => {
                match facts.tells {
                    true => {
                        let (context, message) = (clean(&context, CONTEXT), clean(&message, MESSAGE));
                        tracing::$level!(target: "strongroom::tool", tenant = %facts.tenant, call_id = %facts.id,
                            function = %facts.function, context, "{message}")
                    }
                    // A tool may write whatever it was given, and whatever it found.
                    false => tracing::$level!(target: "strongroom::tool", tenant = %facts.tenant, call_id = %facts.id,
                        function = %facts.function, bytes, "the tool has written a message"),
                }
            };
        }
        match level {
            Level::Trace => emit!(trace),
            Level::Debug => emit!(debug),
            Level::Info => emit!(info),
            Level::Warn => emit!(warn),
            Level::Error | Level::Critical => emit!(error),
        }
        Ok(())
    }
}

/// Cuts at a character's border and escapes control characters, so that a message cannot forge a log line.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for c in text.chars() {
        if out.len().saturating_add(c.len_utf8()) > limit {
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn messages_cannot_forge_lines_and_are_cut_at_characters() {
        assert_eq!(clean("a\nb\u{1b}[31m", 100), "a\\nb\\u{1b}[31m");
        assert_eq!(clean("ääää", 5), "ää");
    }
}
