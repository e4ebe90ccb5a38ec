//! What answers are made of: files, tools, keys, switches and what was spent, from a home folder or from a host that runs.
//!
//! Takes: nothing. Gives: [`Facts`], [`Spent`]. May name: config, id, storage, tools.

use crate::config::{Settings, line_of};
use crate::id::{ActorId, TenantId};
use crate::storage::StorageError;
use crate::storage::ledger::{Budget, Kill, StoredKey, Usage};
use crate::tools::Described;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of a host.
pub struct Facts<'a> {
    /// The operator's files.
    pub settings: &'a Settings,
    /// The texts of tenants' files, so that lines can be named; may be empty.
    pub sources: &'a BTreeMap<TenantId, String>,
    /// The installed tools, by name.
    pub tools: &'a [Described],
    /// The API keys, ended ones too.
    pub keys: &'a [Arc<StoredKey>],
    /// Who acts when nobody is asked for a key.
    pub local_actor: &'a ActorId,
    /// The kill switches that are on, in the order host, tenants, actors, tools, components.
    pub kills: &'a [Kill],
    /// Where relative directories of grants begin: the real path of the home folder.
    pub home: &'a Path,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
    /// The real path of something that is there, links followed; `None` when it is not there.
    pub real: &'a dyn Fn(&Path) -> Option<PathBuf>,
    /// What was spent of budgets.
    pub usage: &'a dyn Spent,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("home", &self.home).finish_non_exhaustive()
    }
}

/// What was spent of budgets.
pub trait Spent {
    /// How far each budget is used in the window of this time (milliseconds since 1970).
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn usage(&self, tenant: &TenantId, budgets: &[Budget], now_ms: u64) -> Result<Vec<Usage>, StorageError>;

    /// Whether what counts as reserved may be free all the same, because a process that serves calls holds it and only
    /// that process knows.
    fn lent_may_be_free(&self) -> bool;
}

impl Facts<'_> {
    /// A place in a tenant's file: `tenants/acme.toml:12`, or without the line when the text is not known.
    pub(super) fn place(&self, tenant: &TenantId, path: &[&str]) -> String {
        let file = self.settings.tenants.get(tenant).map_or_else(String::new, |tenant| tenant.file());
        match self.sources.get(tenant).and_then(|text| line_of(text, path)) {
            Some(line) => format!("{file}:{line}"),
            None => file,
        }
    }
}
