//! How the audit log has an effect before it happens.
//!
//! Takes: nothing. Gives: [`Way`]. May name: nothing.

use serde::Serialize;

/// When the entry that an effect is about to happen is written, and what makes sure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The effect leaves with the call: the entry is durable before the call goes on to its implementation. The gate passes
    /// it only together with what has to be waited for.
    AtOnce,
    /// The effect is kept aside until the tool's call has ended well: one entry names all of them, before they are kept.
    AtCommit,
    /// The effect goes through a handle that was announced when it was opened for writing, belongs to a request that is
    /// announced when it is sent, or leads nowhere. The gate passes no other.
    Handle,
    /// Nothing happens yet: it opens a stream, on a descriptor whose opening for writing was announced and on no other.
    Opens,
    /// It cannot happen: nobody has the right. The gate passes it never.
    Never,
}

impl Way {
    /// The words of the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "before the call",
            Self::AtCommit => "before the commit",
            Self::Handle => "with its handle",
            Self::Opens => "with its descriptor",
            Self::Never => "never happens",
        }
    }
}
