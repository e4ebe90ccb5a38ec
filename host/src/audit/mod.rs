//! The book: what every call did, durable before its answer. If it cannot be written, nothing runs.
//!
//! Takes: entries. Gives: [`Journal`], its forms on disk and in memory. May name: id, powers, reason.

pub(crate) mod bracket;
mod entry;
mod journal;
mod memory;

pub use entry::{Decision, Entry, ImportRecord, Phase, SCHEMA};
pub use journal::{AuditUnavailable, Journal, Pending, SyncPoint};
pub use memory::MemoryJournal;
