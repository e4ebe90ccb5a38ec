//! The book: what every call did, durable before its answer. If it cannot be written, nothing runs.
//!
//! Takes: entries. Gives: [`Journal`], its forms on disk and in memory, and [`read`]. May name: id, powers, reason,
//! step.

pub(crate) mod announce;
pub(crate) mod bracket;
mod cbor;
#[cfg(test)]
mod cddl_tests;
mod cosign;
mod disk;
mod edge;
mod entry;
#[cfg(test)]
mod faulty;
mod file;
#[cfg(test)]
mod file_tests;
mod filling;
mod frame;
#[cfg(test)]
mod haste_tests;
mod heads;
#[cfg(test)]
mod heads_tests;
#[cfg(test)]
mod hole_tests;
mod journal;
mod key;
mod load;
mod log_file;
mod memory;
mod ocsf;
mod open;
mod otlp;
mod owners;
mod prove;
#[cfg(test)]
mod prove_tests;
mod publish;
mod read;
mod records;
mod retain;
mod rotate;
#[cfg(test)]
mod samples;
mod shared;
mod shelf;
mod still;
mod tail;
mod tenant_export;
mod tenant_log;
mod trees;
mod trees_file;
#[cfg(test)]
mod trees_tests;
#[cfg(test)]
mod vector_tests;
mod verdict;
mod verify;
mod view;
mod witness;
mod writer;

pub use cosign::{Witness, WitnessKey};
pub use entry::{Decision, Entry, Head, ImportRecord, Phase, SCHEMA};
pub use file::{FileJournal, Place, Timing};
pub use journal::{AuditUnavailable, Haste, Journal, Pending, SyncPoint, Synced};
pub use key::{BadCheckpoint, BookKey, KEY_FILE, KeyError, Known, PUBLIC_FILE, Signed};
pub use log_file::LogFile;
pub use memory::MemoryJournal;
pub use ocsf::{OCSF_VERSION, ocsf};
pub use otlp::otlp;
pub use prove::{BadProof, Claim, Fact, NoProof, PROOF, Proof, Proven, prove_entry, prove_since};
pub use publish::{Hold, SEEN};
pub use read::{Filter, ReadError, read};
pub use retain::{DropError, Dropped, Dropping, carried};
pub use rotate::{RotateError, rotate};
pub use still::verify_still;
pub use tenant_export::{Exported, NoExport, export_tenant};
pub use tenant_log::{HEAD_PROOF, Kept, TENANT_KEYS, TenantVerified, Told, tenant_of, verify_tenant};
pub use verdict::{Bad, Verified};
pub use verify::verify;
pub use witness::{Refusal, WITNESSED, continued, cosignatures, cosigned, keep, request};
