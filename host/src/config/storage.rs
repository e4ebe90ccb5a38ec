//! How much a tenant may keep: the `[storage]` tables of the tenants' files and of the operator's.
//!
//! Takes: the tables. Gives: [`StorageRules`], [`QuotaRule`]. May name: nothing.
//!
//! ```toml
//! [storage]
//! keyvalue = { bytes = "16MiB", entries = 10000 }   # all buckets together: keys and values
//! memory   = { bytes = "16MiB", entries = 10000 }   # identifiers, texts and tags
//! cache    = { bytes = "16MiB", entries = 10000 }
//! ```

use super::limits;
use serde::{Deserialize, Serialize};

/// The most bytes that a quota can name: 1 TiB.
pub const MAX_QUOTA_BYTES: u64 = 1 << 40;
/// The most entries that a quota can name: 1,000,000,000.
pub const MAX_QUOTA_ENTRIES: u64 = 1_000_000_000;

/// What a tenant may keep of each kind. What is left out is as the host has it: in `strongroom.toml`, or else as it was
/// built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageRules {
    /// Of keyvalue, in all buckets together. Default 256 MiB in 100,000 entries.
    pub keyvalue: QuotaRule,
    /// Of the memory. Default 256 MiB in 100,000 entries.
    pub memory: QuotaRule,
    /// Of the caches of its tools together. Default 16 MiB in 4,096 entries; over it the tenant's oldest entries go.
    pub cache: QuotaRule,
}

/// How much of one kind. Zero keeps nothing; what is there already stays, and only growth is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaRule {
    /// Bytes, 0 to [`MAX_QUOTA_BYTES`]; written as `"16MiB"`.
    #[serde(deserialize_with = "limits::optional_size::<0, MAX_QUOTA_BYTES, _>")]
    pub bytes: Option<u64>,
    /// Entries, 0 to [`MAX_QUOTA_ENTRIES`].
    #[serde(deserialize_with = "limits::optional::<0, MAX_QUOTA_ENTRIES, _>")]
    pub entries: Option<u64>,
}
