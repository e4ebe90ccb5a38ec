//! Whether the heads of tenants' trees that the book tells are those of the tenants' entries.
//!
//! Takes: entries in the order of a log. Gives: [`Heads`]: how many heads were compared, or the first entry at fault. May
//! name: id.

use super::Bad;
use super::trees::{Facts, Trees, Wrong};
use super::trees_file::Left;
use crate::id::TenantId;
use tlog_tiles::Hash;

const STRANGE: Wrong = "is none of this tenant's";

/// Compares as the entries come.
#[derive(Debug, Default)]
pub(super) struct Heads {
    trees: Trees,
    /// In the log of one tenant alone, the tenant.
    only: Option<TenantId>,
    checked: u64,
    wrong: Option<(u64, String, Wrong)>,
}

impl Heads {
    /// For the log of one tenant alone, which holds the tenant's entries and tells no heads.
    pub(super) fn none_in(tenant: TenantId) -> Self {
        Self { only: Some(tenant), ..Self::default() }
    }

    /// Takes the next entry, which stands in a file.
    pub(super) fn take(&mut self, file: &str, seq: u64, entry: Facts<'_>, hash: Hash) {
        let taken = match &self.only {
            Some(only) if entry.tenant() == Some(only.as_str()) && !entry.is_head() => Ok(()),
            Some(_) => Err(STRANGE),
            None => self.trees.take(entry, hash),
        };
        match taken {
            Ok(()) if !entry.is_head() => {}
            Ok(()) => self.checked += 1,
            Err(wrong) => drop(self.wrong.get_or_insert_with(|| (seq, file.to_owned(), wrong))),
        }
    }

    /// Takes a bundle whose bodies are dropped.
    pub(super) fn pass(&mut self, left: &Left) {
        left.pass(&mut self.trees, 0);
    }

    /// Asked where the entries are known to be the ones that were signed: before that, what was changed since is the better
    /// answer.
    pub(super) fn are_right(&mut self) -> Result<(), Bad> {
        self.wrong.take().map_or(Ok(()), |(seq, file, what)| Err(Bad::Entry { seq, file, what }))
    }

    /// How many heads were compared.
    pub(super) fn checked(&self) -> u64 {
        self.checked
    }
}
