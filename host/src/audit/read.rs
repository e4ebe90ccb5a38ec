//! Reading the book back, entry by entry.
//!
//! Takes: the log's directory and what to look for. Gives: entries, in order. May name: id, reason.

use super::{Entry, FILE};
use crate::id::{CallId, TenantId};
use crate::reason::{Outcome, Reason};
use cap_std::fs::{Dir, File};
use std::io::{self, BufRead, BufReader};

/// Which entries to give; what is `None` lets every entry through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Entries of this tenant.
    pub tenant: Option<TenantId>,
    /// Entries whose action has this as one of its words, or as the tool of one: `orders` finds
    /// `call orders.get` and `kill tool orders`.
    pub about: Option<String>,
    /// Entries with this reason code.
    pub reason: Option<Reason>,
    /// Entries with this outcome.
    pub outcome: Option<Outcome>,
    /// Entries of this call.
    pub call_id: Option<CallId>,
    /// Entries of this time or later, in microseconds since 1970.
    pub since_us: Option<u64>,
    /// Entries before this time, in microseconds since 1970.
    pub before_us: Option<u64>,
}

impl Filter {
    /// Whether an entry is looked for.
    #[must_use]
    pub fn matches(&self, entry: &Entry) -> bool {
        self.tenant.as_ref().is_none_or(|t| entry.tenant_id.as_ref() == Some(t))
            && self.about.as_ref().is_none_or(|about| is_about(&entry.action, about))
            && self.reason.is_none_or(|r| entry.reason_code == r)
            && self.outcome.is_none_or(|o| entry.outcome == o)
            && self.call_id.is_none_or(|c| entry.call_id == Some(c))
            && self.since_us.is_none_or(|t| entry.time_us >= t)
            && self.before_us.is_none_or(|t| entry.time_us < t)
    }
}

fn is_about(action: &str, about: &str) -> bool {
    action.split(' ').any(|word| word == about || word.split_once('.').is_some_and(|(tool, _)| tool == about))
}

/// The log cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("the audit log cannot be read: {0}")]
    File(#[from] io::Error),
    /// A line is no entry.
    #[error("line {line} of the audit log is no entry: {cause}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// Why.
        cause: serde_json::Error,
    },
}

/// Gives the entries that the filter lets through, in the order of the log, reading as it goes. A last line that is
/// being written is left out.
///
/// # Errors
/// [`ReadError`] when the file cannot be opened; the iterator gives one and ends when it cannot be read on.
pub fn read(
    dir: &Dir,
    filter: Filter,
) -> Result<impl Iterator<Item = Result<Entry, ReadError>> + use<>, ReadError> {
    let mut lines = Lines { file: BufReader::new(dir.open(FILE)?), text: Vec::new(), line: 0, ended: false };
    let next = move || lines.next_entry().transpose();
    Ok(std::iter::from_fn(next).filter(move |e| e.as_ref().map_or(true, |entry| filter.matches(entry))))
}

struct Lines {
    file: BufReader<File>,
    text: Vec<u8>,
    line: u64,
    ended: bool,
}

impl Lines {
    fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        self.text.clear();
        self.file.read_until(b'\n', &mut self.text)?;
        if !self.text.ends_with(b"\n") {
            return Ok(None);
        }
        self.line += 1;
        let entry =
            serde_json::from_slice(&self.text).map_err(|cause| ReadError::Line { line: self.line, cause })?;
        self.ended = false;
        Ok(Some(entry))
    }
}
