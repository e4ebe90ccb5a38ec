//! Messages for those who run the tool.
//!
//! Takes: the host's `wasi:logging/logging`. Gives: a function for each level. May name: host.
//!
//! Messages go to the tenant's log, marked with tenant, tool and call; the caller sees them only where the operator lets callers
//! that ask for it. No grant is needed, and nothing can fail. A message is at most 8,192 bytes, the rest is cut off. Do not log secrets or personal data.
//!
//! ```
//! use strongroom_sdk::{fake, log};
//!
//! let host = fake::Host::new();
//! log::warn(format_args!("order {} has no address", 918));
//! assert_eq!(host.logs()[0].message, "order 918 has no address");
//! ```

use crate::host;
use std::fmt::Display;

/// How much a message matters, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Values of variables and the path taken.
    Trace,
    /// Of use when something is being looked into.
    Debug,
    /// Part of normal work, worth seeing.
    Info,
    /// Something is off, and the work goes on.
    Warn,
    /// Something failed.
    Error,
    /// Nothing can go on.
    Critical,
}

/// Writes one message; `context` (at most 128 bytes) groups messages that belong together.
pub fn write(level: Level, context: &str, message: impl Display) {
    host::log(level, context, &message.to_string());
}

/// Writes a message of [`Level::Debug`] without context.
pub fn debug(message: impl Display) {
    write(Level::Debug, "", message);
}

/// Writes a message of [`Level::Info`] without context.
pub fn info(message: impl Display) {
    write(Level::Info, "", message);
}

/// Writes a message of [`Level::Warn`] without context.
pub fn warn(message: impl Display) {
    write(Level::Warn, "", message);
}

/// Writes a message of [`Level::Error`] without context.
pub fn error(message: impl Display) {
    write(Level::Error, "", message);
}
