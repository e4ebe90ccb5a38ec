//! A tree of its own for each tenant, over the tenant's entries in the order of the book.
//!
//! Takes: the book's entries one after the other, with their hashes. Gives: [`Trees`]: the head of each tenant's tree,
//! and which heads the book has not told yet. May name: id.
//!
//! The leaves are those of the host's tree. Entries of phase `head` tell the heads and belong to no tree; each one speaks of
//! all the tenant's entries before it, so that whoever reads the book from its beginning can check it.

use super::edge::Edge;
use super::view::View;
use super::{Entry, Head, Phase};
use crate::id::{Digest, TenantId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tlog_tiles::Hash;

/// Why an entry does not fit the trees: whoever signed the book has not kept to it.
pub(super) type Wrong = &'static str;

const INCOMPLETE: Wrong = "tells the head of a tree and does not say whose, or which";
const STRAY: Wrong = "tells the head of a tree and is an entry of another phase";
const LIE: Wrong = "tells another head than the tenant's entries before it make";

/// What of an entry the trees need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    phase: Phase,
    tenant: Option<&'a str>,
    head: Option<Head>,
}

impl<'a> From<&'a Entry> for Facts<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self { phase: entry.phase, tenant: entry.tenant_id.as_ref().map(TenantId::as_str), head: entry.head }
    }
}

impl<'a> From<&View<'a>> for Facts<'a> {
    fn from(view: &View<'a>) -> Self {
        Self { phase: view.phase, tenant: view.tenant_id, head: view.head }
    }
}

impl<'a> Facts<'a> {
    /// Whether it tells a head.
    pub(super) fn is_head(self) -> bool {
        self.phase == Phase::Head
    }

    /// The tenant of the entry.
    pub(super) fn tenant(self) -> Option<&'a str> {
        self.tenant
    }

    /// Whose tree the entry is about; `None` when it is nobody's.
    fn owner(self) -> Result<Option<&'a str>, Wrong> {
        match (self.is_head(), self.head.is_some(), self.tenant) {
            (true, true, Some(tenant)) => Ok(Some(tenant)),
            (true, _, _) => Err(INCOMPLETE),
            (false, true, _) => Err(STRAY),
            (false, false, tenant) => Ok(tenant),
        }
    }
}

/// One tenant's tree, as far as it can still change.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) edge: Edge,
    /// At which size the book has told its head last.
    pub(super) told: u64,
}

impl Tree {
    fn is_told(&self) -> bool {
        self.told == self.edge.size()
    }

    pub(super) fn head(&self) -> Option<Head> {
        let root = self.edge.root().ok()?;
        Some(Head { size: self.edge.size(), root: Digest::from_bytes(root.0) })
    }

    fn take(&mut self, head: Option<Head>, hash: Hash) -> Result<(), Wrong> {
        match head {
            None => self.edge.push(hash).map(drop).map_err(|_| "is one more than a tree can hold"),
            Some(head) if Some(head) == self.head() => {
                self.told = head.size;
                Ok(())
            }
            Some(_) => Err(LIE),
        }
    }
}

/// A tenant that an entry names; its form was checked when the entry was read.
fn named(tenant: &str) -> Result<TenantId, Wrong> {
    TenantId::new(tenant).map_err(|_| INCOMPLETE)
}

/// The trees of all tenants at one place of the book.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Trees {
    of: HashMap<TenantId, Tree>,
    /// Whose heads the book has not told since they changed.
    untold: BTreeSet<TenantId>,
    /// Whether entries are gone of which nobody can say whose they were: then no head is known.
    blind: bool,
}

impl Trees {
    /// Takes the next entry of the book.
    ///
    /// # Errors
    /// When the entry tells a head that is not the one here. Nothing has changed then.
    pub(super) fn take(&mut self, entry: Facts<'_>, hash: Hash) -> Result<(), Wrong> {
        let Some(tenant) = entry.owner()? else { return Ok(()) };
        if self.blind {
            return Ok(());
        }
        if entry.head.is_none() && !self.of.contains_key(tenant) {
            self.of.insert(named(tenant)?, Tree::default());
        }
        let tree = self.of.get_mut(tenant).ok_or(LIE)?;
        let was = tree.is_told();
        tree.take(entry.head, hash)?;
        match (was, tree.is_told()) {
            (true, false) => drop(self.untold.insert(named(tenant)?)),
            (false, true) => drop(self.untold.remove(tenant)),
            _ => {}
        }
        Ok(())
    }

    /// Takes an entry whose body is gone, by its hash and the tenant that it belonged to; nobody's, or one of phase `head`,
    /// belongs to none.
    pub(super) fn take_hash(&mut self, tenant: &TenantId, hash: Hash) {
        if self.blind {
            return;
        }
        let tree = self.of.entry(tenant.clone()).or_default();
        if tree.edge.push(hash).is_err() {
            return self.go_blind();
        }
        self.untold.insert(tenant.clone());
    }

    /// Entries are gone of which nobody can say whose they were.
    pub(super) fn go_blind(&mut self) {
        *self = Self { blind: true, ..Self::default() };
    }

    /// Whether no head is known, see [`Trees::go_blind`].
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Whether heads have changed since the book has told them.
    pub(super) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// The heads that have changed since the book has told them, with what a batch adds, in the order of the tenants.
    pub(super) fn untold(&self, draft: &Draft) -> Vec<(TenantId, Head)> {
        if self.blind {
            return Vec::new();
        }
        let tenants: BTreeSet<&TenantId> = self.untold.iter().chain(draft.0.keys()).collect();
        let head = |tenant: &TenantId| {
            let tree = draft.0.get(tenant).or_else(|| self.of.get(tenant)).filter(|tree| !tree.is_told())?;
            Some((tenant.clone(), tree.head()?))
        };
        tenants.into_iter().filter_map(head).collect()
    }

    /// Takes over what a batch has made of the trees, now that it stands in the book.
    pub(super) fn adopt(&mut self, draft: Draft) {
        for (tenant, tree) in draft.0 {
            if tree.is_told() {
                self.untold.remove(&tenant);
            } else {
                self.untold.insert(tenant.clone());
            }
            self.of.insert(tenant, tree);
        }
    }

    /// All trees, in the order of the tenants.
    pub(super) fn all(&self) -> BTreeMap<&TenantId, &Tree> {
        self.of.iter().collect()
    }

    /// Trees that were kept.
    pub(super) fn of(trees: HashMap<TenantId, Tree>) -> Self {
        let untold = trees.iter().filter(|(_, tree)| !tree.is_told()).map(|(tenant, _)| tenant.clone());
        Self { untold: untold.collect(), of: trees, blind: false }
    }
}

/// What a batch makes of the trees, apart from them until it stands in the book.
#[derive(Debug, Default)]
pub(super) struct Draft(BTreeMap<TenantId, Tree>);

impl Draft {
    /// Takes the next entry of the batch, on top of what the trees are.
    ///
    /// # Errors
    /// As [`Trees::take`].
    pub(super) fn take(&mut self, trees: &Trees, entry: Facts<'_>, hash: Hash) -> Result<(), Wrong> {
        let Some(tenant) = entry.owner()?.filter(|_| !trees.blind) else { return Ok(()) };
        if let Some(tree) = self.0.get_mut(tenant) {
            return tree.take(entry.head, hash);
        }
        let mut tree = trees.of.get(tenant).cloned().unwrap_or_default();
        tree.take(entry.head, hash)?;
        self.0.insert(named(tenant)?, tree);
        Ok(())
    }
}
