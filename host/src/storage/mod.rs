//! State that outlives a call: the ledger of the host, and each tenant's own store.
//!
//! Takes: a folder and a clock. Gives: [`ledger::Ledger`], [`tenant::TenantStores`] and [`StorageError`].
//! May name: id, powers, reason.

mod batch;
mod error;
mod folder;
pub mod ledger;
mod sqlite;
pub mod tenant;

pub use error::{Kept, StorageError};
pub use folder::Folder;
#[cfg(test)]
pub(crate) use folder::tests::temporary as tests_folder;
