//! State that outlives a call: the ledger of the host, each tenant's own store, and what may be lost at any time.
//!
//! Takes: a folder and a clock. Gives: [`ledger::SqliteLedger`], [`tenant::TenantStores`], [`cache::TenantCaches`], `answers` and
//! [`StorageError`]. May name: id, powers, reason, step.

pub(crate) mod answers;
mod batch;
pub mod cache;
mod error;
mod folder;
pub mod ledger;
mod sqlite;
pub mod tenant;

pub use error::{Kept, StorageError};
pub use folder::Folder;
#[cfg(test)]
pub(crate) use folder::tests::temporary as tests_folder;
