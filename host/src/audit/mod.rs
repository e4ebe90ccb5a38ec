//! The book: what every call did, durable before its answer. If it cannot be written, nothing runs.
//!
//! Takes: entries. Gives: [`Journal`], its forms on disk and in memory, and [`read`]. May name: id, powers, reason.

pub(crate) mod bracket;
mod entry;
#[cfg(test)]
mod faulty;
mod file;
#[cfg(test)]
mod file_tests;
mod journal;
mod log_file;
mod memory;
mod read;
mod scan;
mod shared;
mod writer;

pub use entry::{Decision, Entry, ImportRecord, Phase, SCHEMA};
pub use file::{FileJournal, Timing};
pub use journal::{AuditUnavailable, Journal, Pending, SyncPoint};
pub use log_file::{FILE, LogFile};
pub use memory::MemoryJournal;
pub use read::{Filter, ReadError, read};
