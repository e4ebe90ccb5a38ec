//! What a call must have been granted so that the gate lets an import pass.
//!
//! Takes: nothing. Gives: [`Right`]. May name: nothing.

use serde::Serialize;

/// The right that an import asks for: always a need of the tool's manifest together with the tenant's grant for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// None: it works in every call.
    Free,
    /// What its handle was made with: a stream on a file has the file's right, one on standard output needs none.
    Handle,
    /// An HTTP endpoint whose grant covers the request's origin, method and path. What works on an answer has this right
    /// too: without it there is no answer.
    Http,
    /// A directory, read-only or read-write.
    Dir,
    /// A directory, read-write, in a function that is declared to write.
    DirWrite,
    /// A keyvalue bucket, read-only or read-write.
    KeyValue,
    /// A keyvalue bucket, read-write, in a function that is declared to write.
    KeyValueWrite,
    /// The tenant's memory, read-only or read-write.
    Memory,
    /// The tenant's memory, read-write, in a function that is declared to write.
    MemoryWrite,
    /// The tool's cache for the tenant, also in a function that is declared to read.
    Cache,
    /// Asking the caller for this kind of thing, also in a function that is declared to read.
    Ask,
    /// The configuration key.
    Config,
    /// Given to nobody: the call is refused, or nothing ever gives the handle that it works on.
    Nobody,
}

impl Right {
    /// The words of the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "none",
            Self::Handle => "as its handle",
            Self::Http => "http",
            Self::Dir => "dir",
            Self::DirWrite => "dir rw",
            Self::KeyValue => "keyvalue",
            Self::KeyValueWrite => "keyvalue rw",
            Self::Memory => "memory",
            Self::MemoryWrite => "memory rw",
            Self::Cache => "cache",
            Self::Ask => "ask",
            Self::Config => "config",
            Self::Nobody => "given to nobody",
        }
    }
}
