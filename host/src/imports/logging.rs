//! `wasi:logging`, gated: that a tool has written something stands in the host's log, marked with tenant and call; what it
//! has written, when the operator says so.
//!
//! Takes: the call's facts. Gives: the gated view. May name: imports::gate, imports::call, imports::hooks.

use super::bindings::wasi::logging::logging::{self, Level};
use super::call::CallFacts;
use super::gate::{Audited, FromStop};
use super::hooks::Hooks;
use super::table::LOG;
use wasmtime::Result;

/// Longest message, in bytes; the rest is cut off.
const MESSAGE: usize = 8 * 1024;
/// Longest context, in bytes; the rest is cut off.
const CONTEXT: usize = 128;

/// How much a message matters, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words of wasi:logging")]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

/// A message of a tool, for its caller. No form of a credential of the tenant is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMessage {
    /// How much it matters.
    pub severity: Severity,
    /// What it belongs to; at most 128 bytes.
    pub context: String,
    /// The message; at most 8 KiB.
    pub message: String,
}

/// Where messages go that a caller wants to see. Bounded: what nobody fetches in time is dropped, the call does not wait.
#[derive(Debug, Clone)]
pub struct LogSender {
    /// The least that the caller wants.
    pub least: Severity,
    /// Where they go.
    pub sender: tokio::sync::mpsc::Sender<LogMessage>,
}

/// What the interface needs: the call's facts, and its tenant's credentials, to keep them out.
pub(crate) struct LogView<'a> {
    pub(crate) facts: &'a CallFacts,
    pub(crate) hooks: &'a mut Hooks,
}

impl LogView<'_> {
    /// Tells the caller, if it wants to hear that much.
    fn tell(&mut self, level: Level, context: &str, message: &str) {
        let severity = Severity::from(level);
        let Some(logs) = self.facts.logs.as_ref().filter(|logs| severity >= logs.least) else { return };
        let [context, message] =
            [(context, CONTEXT), (message, MESSAGE)].map(|(text, most)| self.hooks.blank(clean(text, most)));
        // A full or closed channel means that nobody is looking at the moment, which is no failure of the call.
        let _ = logs.sender.try_send(LogMessage { severity, context, message });
    }
}

impl logging::Host for Audited<'_, LogView<'_>> {
    fn log(&mut self, level: Level, context: String, message: String) -> Result<()> {
        let bytes = u64::try_from(context.len().saturating_add(message.len())).unwrap_or(u64::MAX);
        self.gate.enter(&LOG, None, None, bytes).map_err(wasmtime::Error::from_stop)?;
        self.inner.tell(level, &context, &message);
        let facts = self.inner.facts;
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
