//! What the rest of the host needs of a book: a place to append entries, and to wait until they cannot be lost.
//!
//! Takes: entries. Gives: [`Journal`] and [`Pending`]. May name: powers, reason.

use super::Entry;
use crate::powers::BoxFuture;
use crate::reason::Reason;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The book cannot be written. Whoever meets this stops: nothing runs that is not written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written ({0}); calls are refused until it can")]
pub struct AuditUnavailable(Arc<str>);

impl AuditUnavailable {
    /// With the cause in words.
    #[must_use]
    pub fn new(cause: impl fmt::Display) -> Self {
        Self(cause.to_string().into())
    }

    /// How a call that meets this error ends.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::AuditUnavailable
    }
}

/// An append-only log of entries.
pub trait Journal: Send + Sync + fmt::Debug + 'static {
    /// Takes an entry, in order, without waiting for the disk. The entry is safe once [`Pending::durable`] says so; the
    /// journal makes it so within some milliseconds even when nobody waits (`buffered` mode: drop the [`Pending`]).
    ///
    /// # Errors
    /// [`AuditUnavailable`] when the log cannot be written at present. The entry is not in it.
    fn append(&self, entry: Entry) -> Result<Pending, AuditUnavailable>;

    /// Whether an append would be taken now. A call asks before it runs.
    ///
    /// # Errors
    /// [`AuditUnavailable`] when it would not.
    fn ready(&self) -> Result<(), AuditUnavailable>;

    /// Has a function called after each sync: with how many entries shared it, and how long writing them took. A journal
    /// that has no syncs never calls it.
    fn on_syncs(&self, _: Synced) {}
}

/// Hears of each sync of a journal.
pub type Synced = Box<dyn Fn(usize, Duration) + Send + Sync>;

/// Where a journal's entries become durable, in the order of their tickets.
pub trait SyncPoint: Send + Sync + fmt::Debug + 'static {
    /// Waits until the entry with this ticket is durable.
    fn reached(&self, ticket: u64, haste: Haste) -> BoxFuture<'_, Result<(), AuditUnavailable>>;
}

/// Whether somebody who waits is worth a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// The disk is asked at once.
    Now,
    /// The entry goes along with others that are in haste, or some milliseconds later with those that came meanwhile.
    WithOthers,
}

/// An entry that was taken and may not be durable yet. It becomes so also when this is dropped.
#[derive(Debug)]
#[must_use = "wait for it, or drop it on purpose"]
pub struct Pending(Option<(Arc<dyn SyncPoint>, u64)>);

impl Pending {
    /// For a journal whose entries are as safe as they get at once.
    pub fn safe() -> Self {
        Self(None)
    }

    /// For the entry with this ticket.
    pub fn until(point: Arc<dyn SyncPoint>, ticket: u64) -> Self {
        Self(Some((point, ticket)))
    }

    /// Waits until the entry cannot be lost.
    ///
    /// # Errors
    /// [`AuditUnavailable`] when the write failed. An intent is then not in the log and never will be; any other entry
    /// is kept and written when the log can be written again.
    pub async fn durable(self) -> Result<(), AuditUnavailable> {
        match self.0 {
            None => Ok(()),
            Some((point, ticket)) => point.reached(ticket, Haste::Now).await,
        }
    }

    /// Waits as [`Self::durable`] does, and does not hurry the disk: at most some milliseconds longer. Who floods the host
    /// with what is refused takes no sync from others by it.
    ///
    /// # Errors
    /// As [`Self::durable`].
    pub async fn durable_with_others(self) -> Result<(), AuditUnavailable> {
        match self.0 {
            None => Ok(()),
            Some((point, ticket)) => point.reached(ticket, Haste::WithOthers).await,
        }
    }
}
