//! What a cache refuses. Nothing else fails: a cache that cannot be read is empty, one that cannot be written forgets.
//!
//! Takes: what a guest wrote. Gives: [`CacheError`]. May name: nothing.

use super::{MAX_CACHE_KEY, MAX_CACHE_VALUE, MAX_TTL_S, MIN_TTL_S};

/// Why nothing was cached or looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The key is empty or too long.
    #[error("a key has 1 to {MAX_CACHE_KEY} bytes, this one has {0}")]
    Key(usize),
    /// The time to live is out of its bounds.
    #[error("a time to live is {MIN_TTL_S} to {MAX_TTL_S} seconds, this one is {0}")]
    Ttl(u32),
    /// The value is larger than any value may be.
    #[error("a value has at most {MAX_CACHE_VALUE} bytes, this one has {0}")]
    Value(usize),
    /// The value alone is more than the tenant's cache, or the tool's part of it, may hold.
    #[error("the entry counts {entry} bytes, and the cache holds at most {most}")]
    TooLarge {
        /// Bytes of the entry as they are counted.
        entry: u64,
        /// Bytes that the cache may hold.
        most: u64,
    },
}
