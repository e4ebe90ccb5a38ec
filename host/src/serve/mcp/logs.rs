//! What a tool logs, to the client that asked for it: from the level on that it set, in the order in which it was said.
//!
//! Takes: a call and its messages. Gives: the call's outcome, after the last message was told. May name: imports.
#![expect(deprecated, reason = "SEP-2577 will take logging out of a later protocol; those of today have it")]

use super::beside::beside;
use crate::imports::{LogMessage, Severity};
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::service::{Peer, RoleServer};
use tokio::sync::mpsc::Receiver;

/// Messages that wait; a tool that logs faster than they are taken loses some.
pub(super) const WAITING: usize = 64;

/// The least severity that a level asks for; `None` when tools say nothing so grave.
pub(super) fn least(level: LoggingLevel) -> Option<Severity> {
    match level {
        LoggingLevel::Debug => Some(Severity::Trace),
        LoggingLevel::Info => Some(Severity::Info),
        LoggingLevel::Notice | LoggingLevel::Warning => Some(Severity::Warn),
        LoggingLevel::Error => Some(Severity::Error),
        LoggingLevel::Critical => Some(Severity::Critical),
        _ => None,
    }
}

fn level(severity: Severity) -> LoggingLevel {
    match severity {
        Severity::Trace | Severity::Debug => LoggingLevel::Debug,
        Severity::Info => LoggingLevel::Info,
        Severity::Warn => LoggingLevel::Warning,
        Severity::Error => LoggingLevel::Error,
        Severity::Critical => LoggingLevel::Critical,
    }
}

/// Runs the call to its end, and tells its messages meanwhile. `function` is what they are named by.
pub(super) async fn alongside<T>(
    call: impl Future<Output = T>,
    mut messages: Receiver<LogMessage>,
    peer: Peer<RoleServer>,
    function: String,
) -> T {
    let telling = async {
        while let Some(LogMessage { severity, context, message }) = messages.recv().await {
            let logger = if context.is_empty() { function.clone() } else { format!("{function}/{context}") };
            let told = LoggingMessageNotificationParam::new(level(severity), message.into());
            if peer.notify_logging_message(told.with_logger(logger)).await.is_err() {
                return;
            }
        }
    };
    beside(call, telling).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_takes_what_is_as_grave_and_more() {
        let takes = |asked, severity| least(asked).is_some_and(|least| severity >= least);
        assert!(takes(LoggingLevel::Debug, Severity::Trace) && takes(LoggingLevel::Info, Severity::Critical));
        assert!(!takes(LoggingLevel::Info, Severity::Debug) && !takes(LoggingLevel::Notice, Severity::Info));
        assert!(!takes(LoggingLevel::Emergency, Severity::Critical));
    }
}
