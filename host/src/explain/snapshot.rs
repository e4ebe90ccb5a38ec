//! A host's home folder, read without opening the host: nothing is made, entered or written, and a host that runs on it
//! is not disturbed.
//!
//! Takes: the opened folder and its path. Gives: [`Snapshot`]. May name: component, config, id, identify, powers,
//! reason, storage, tools.

use super::Facts;
use super::facts::Spent as _;
use crate::component;
use crate::config::{ConfigErrors, Settings, Tenant};
use crate::id::{ActorId, TenantId};
use crate::identify::Tenants;
use crate::powers::Environment;
use crate::reason::Reason;
use crate::storage::ledger::{Budget, Kill, LedgerView, StoredKey, Usage};
use crate::storage::tenant::Quotas;
use crate::storage::{Folder, StorageError};
use crate::tools::Described;
use cap_std::fs::Dir;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a home folder could not be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SnapshotError {
    /// A file of the operator is not valid.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigErrors),
    /// The ledger could not be read.
    #[error("the ledger cannot be read: {0}")]
    Storage(#[from] StorageError),
    /// A folder could not be read.
    #[error("the home folder cannot be read: {0}")]
    Home(#[from] io::Error),
}

impl SnapshotError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Config(errors) => errors.reason(),
            Self::Storage(_) | Self::Home(_) => Reason::StorageUnavailable,
        }
    }
}

/// What the files of a home folder say at one time.
#[derive(Debug)]
pub struct Snapshot {
    settings: Settings,
    sources: BTreeMap<TenantId, String>,
    tools: Vec<Described>,
    keys: Vec<Arc<StoredKey>>,
    local_actor: ActorId,
    kills: Vec<Kill>,
    ledger: Option<LedgerView>,
    home: PathBuf,
}

impl Snapshot {
    /// Reads the folder. `path` is where it is, for the ledger and for relative directories of grants; the environment is for
    /// credentials that stand there, or need the operator's key.
    ///
    /// # Errors
    /// [`SnapshotError`] when a file is not valid or cannot be read. A folder in which no host was yet is an empty one.
    pub fn read(home: &Dir, path: &Path, environment: &dyn Environment) -> Result<Self, SnapshotError> {
        let settings = Settings::load_with(home, environment)?;
        let mut sources = BTreeMap::new();
        for (id, tenant) in &settings.tenants {
            let text = home.read_to_string(tenant.file()).ok();
            // A file that changed in between has other lines than those that the settings were read from.
            if let Some(text) = text.filter(|text| is_of(tenant, text)) {
                sources.insert(id.clone(), text);
            }
        }
        let limits = component::Limits {
            component: usize::try_from(settings.host.engine.max_component).unwrap_or(usize::MAX),
            ..Default::default()
        };
        let tools = match home.open_dir("tools") {
            Ok(folder) => Described::all(&folder, &limits)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let ledger = LedgerView::open(&Folder::new(home.try_clone()?, path))?;
        let keys = ledger.as_ref().map(LedgerView::keys).transpose()?.unwrap_or_default();
        let kills = ledger.as_ref().map(LedgerView::kills).transpose()?.unwrap_or_default();
        let (local_actor, home) = (ActorId::local(), path.to_owned());
        Ok(Self { settings, sources, tools, keys, local_actor, kills, ledger, home })
    }

    /// The same as facts for questions at this time (milliseconds since 1970). `real` gives the real path of something
    /// that is there, links followed.
    #[must_use]
    pub fn facts<'a>(&'a self, now_ms: u64, real: &'a dyn Fn(&Path) -> Option<PathBuf>) -> Facts<'a> {
        Facts {
            settings: &self.settings,
            sources: &self.sources,
            tools: &self.tools,
            keys: &self.keys,
            local_actor: &self.local_actor,
            kills: &self.kills,
            home: &self.home,
            now_ms,
            real,
            usage: self,
        }
    }

    /// How far each budget of a tenant is used at this time (milliseconds since 1970), also those of single actors and runs, as
    /// far as these were counted; `None` for a tenant without a file. What a running host holds back counts as reserved.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn budgets(&self, tenant: &TenantId, now_ms: u64) -> Result<Option<Vec<Usage>>, SnapshotError> {
        let counts =
            self.ledger.as_ref().map(|ledger| ledger.counts(tenant)).transpose()?.unwrap_or_default();
        let tenants = Tenants::new(&self.settings, Quotas::default(), None);
        let budgets = tenants.get(tenant).map(|tenant| tenant.all_budgets(&counts));
        Ok(budgets.map(|budgets| self.usage(tenant, &budgets, now_ms)).transpose()?)
    }

    /// The operator's files.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The texts of the tenants' files.
    #[must_use]
    pub fn sources(&self) -> &BTreeMap<TenantId, String> {
        &self.sources
    }

    /// The installed tools, by name.
    #[must_use]
    pub fn tools(&self) -> &[Described] {
        &self.tools
    }
}

/// Whether a tenant's rules were read from this text; its policies stand in another file.
fn is_of(tenant: &Tenant, text: &str) -> bool {
    Tenant::parse(tenant.id.clone(), &tenant.file(), text)
        .is_ok_and(|read| read == Tenant { policies: None, digest: read.digest, ..tenant.clone() })
}

impl super::facts::Spent for Snapshot {
    fn usage(&self, tenant: &TenantId, budgets: &[Budget], now_ms: u64) -> Result<Vec<Usage>, StorageError> {
        match &self.ledger {
            Some(ledger) => ledger.usage(tenant, budgets, now_ms),
            None => Ok(budgets.iter().map(|budget| Usage::none(budget.clone(), now_ms)).collect()),
        }
    }

    fn lent_may_be_free(&self) -> bool {
        true
    }
}
