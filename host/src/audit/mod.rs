//! The book: what every call did, durable before its answer. If it cannot be written, nothing runs.
//!
//! Takes: entries. Gives: [`Journal`], its forms on disk and in memory, and [`read`]. May name: id, powers, reason.

pub(crate) mod bracket;
mod cbor;
#[cfg(test)]
mod cddl_tests;
mod edge;
mod entry;
#[cfg(test)]
mod faulty;
mod file;
#[cfg(test)]
mod file_tests;
mod frame;
mod journal;
mod key;
mod load;
mod log_file;
mod memory;
mod ocsf;
mod open;
mod owners;
mod prove;
#[cfg(test)]
mod prove_tests;
mod publish;
mod read;
mod retain;
mod rotate;
mod shared;
mod shelf;
mod tail;
#[cfg(test)]
mod vector_tests;
mod verdict;
mod verify;
mod writer;

pub use entry::{Decision, Entry, Head, ImportRecord, Phase, SCHEMA};
pub use file::{FileJournal, Place, Timing};
pub use journal::{AuditUnavailable, Journal, Pending, SyncPoint};
pub use key::{BadCheckpoint, BookKey, KEY_FILE, KeyError, Known, PUBLIC_FILE, Signed};
pub use log_file::LogFile;
pub use memory::MemoryJournal;
pub use ocsf::{OCSF_VERSION, ocsf};
pub use prove::{BadProof, Claim, Fact, NoProof, PROOF, Proof, Proven, prove_entry, prove_since};
pub use publish::{Hold, SEEN};
pub use read::{Filter, ReadError, read};
pub use retain::{DropError, Dropped, Dropping, carried};
pub use rotate::{RotateError, rotate};
pub use verdict::{Bad, Verified};
pub use verify::verify;
