//! The tenants as a whole: who they are, and what there is of each.
//!
//! Takes: a tenant's id. Gives: [`TenantSummary`], [`TenantReport`]. May name: config, id, storage.

use super::{OperateError, Room, Strongroom};
use crate::config::{Mode, Tenant, leaving};
use crate::id::{TenantId, ToolName};
use crate::storage::StorageError;
use crate::storage::ledger::{KillMode, KillScope, Traces, Usage};
use crate::storage::tenant::{Quotas, Size};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStanding {
    /// Its calls run.
    Active,
    /// Its file says `suspended = true`.
    Suspended,
    /// A kill switch stops it.
    Killed,
    /// Its writes are frozen.
    Frozen,
    /// Its deletion was begun and has not ended.
    Deleting,
    /// It has no file, and something of it is still there.
    Remains,
}

impl TenantStanding {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Killed => "killed",
            Self::Frozen => "frozen",
            Self::Deleting => "deleting",
            Self::Remains => "remains",
        }
    }
}

/// A tenant in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSummary {
    /// Its id.
    pub id: TenantId,
    /// How it stands.
    pub standing: TenantStanding,
    /// What the ledger has of it.
    pub traces: Traces,
}

/// A directory that was granted to a tenant's tools. It is the operator's own, and stays when the tenant goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedDirectory {
    /// The tool.
    pub tool: ToolName,
    /// Its need.
    pub need: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether the tool may write there.
    pub mode: Mode,
}

/// What there is of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantReport {
    /// Its id.
    pub id: TenantId,
    /// How it stands.
    pub standing: TenantStanding,
    /// Its file, if it has one.
    pub file: Option<String>,
    /// Its policies, if it has some.
    pub policies: Option<String>,
    /// What the ledger has of it.
    pub traces: Traces,
    /// What its tools keep: keyvalue and memory; `None` when there is no store, or when it cannot be read.
    pub stored: Option<(Size, Size)>,
    /// Whether there is a store.
    pub has_store: bool,
    /// What they may keep; `None` for a tenant without a file.
    pub quotas: Option<Quotas>,
    /// How far its budgets are used.
    pub budgets: Vec<Usage>,
    /// The handles of its entries in `credentials.toml`.
    pub credentials: Vec<String>,
    /// The directories that are granted to its tools.
    pub directories: Vec<GrantedDirectory>,
}

impl Strongroom {
    /// Every tenant that has a file, and every one of which something is there without one, by id.
    ///
    /// # Errors
    /// When the ledger or the folder of stores cannot be read.
    pub fn tenants(&self) -> Result<Vec<TenantSummary>, OperateError> {
        let room = &self.room;
        let mut ids: BTreeSet<TenantId> = room.settings().tenants.keys().cloned().collect();
        ids.extend(room.ledger.known_tenants()?);
        ids.extend(room.stores.known_tenants().map_err(OperateError::Files)?);
        let summary = |id: TenantId| {
            let traces = room.ledger.traces(&id)?;
            Ok(TenantSummary { standing: room.standing(&id, traces), traces, id })
        };
        ids.into_iter().map(summary).collect()
    }

    /// Whether there is anything of a tenant: a file, something in the ledger, or a store.
    pub(crate) fn has_anything_of(&self, id: &TenantId) -> Result<bool, OperateError> {
        let room = &self.room;
        Ok(room.settings().tenants.contains_key(id)
            || !room.ledger.traces(id)?.is_empty()
            || room.stores.has(id).map_err(OperateError::Files)?)
    }

    /// What there is of a tenant, whether or not it has a file.
    ///
    /// # Errors
    /// [`OperateError::NothingOf`] when there is nothing; otherwise when something cannot be read.
    pub async fn tenant(&self, id: &TenantId) -> Result<TenantReport, OperateError> {
        let room = &self.room;
        let traces = room.ledger.traces(id)?;
        let there = |path: String| match room.home.try_exists(&path) {
            Ok(there) => Ok(there.then_some(path)),
            Err(error) => Err(OperateError::Files(error)),
        };
        let has_store = room.stores.has(id).map_err(OperateError::Files)?;
        let stored = match has_store && !traces.deleting {
            true => room.sizes(id).await,
            false => None,
        };
        let state = room.tenants().get(id);
        let report = TenantReport {
            id: id.clone(),
            standing: room.standing(id, traces),
            file: there(format!("tenants/{id}.toml"))?,
            policies: there(format!("policies/{id}.cedar"))?,
            traces,
            stored,
            has_store,
            quotas: state.as_ref().map(|state| state.quotas()),
            budgets: match &state {
                Some(state) => room.ledger.usage(id, &state.all_budgets(&room.ledger.counts(id)?)).await?,
                None => Vec::new(),
            },
            credentials: leaving::handles_of(&room.home, id).map_err(|e| OperateError::Config(e.into()))?,
            directories: state.as_ref().map_or_else(Vec::new, |state| room.directories(&state.config)),
        };
        match report.is_nothing() && state.is_none() {
            true => Err(OperateError::NothingOf(id.clone())),
            false => Ok(report),
        }
    }
}

impl TenantReport {
    fn is_nothing(&self) -> bool {
        self.traces.is_empty()
            && !self.has_store
            && self.file.is_none()
            && self.policies.is_none()
            && self.credentials.is_empty()
    }
}

impl Room {
    /// What is in a tenant's store; `None`, with a warning, when it is damaged: it can be deleted all the same.
    async fn sizes(&self, id: &TenantId) -> Option<(Size, Size)> {
        let sizes = async {
            let store = self.stores.open(id).await?;
            Ok::<_, StorageError>((store.keyvalue_size()?, store.memory_size()?))
        };
        sizes.await.inspect_err(|error| tracing::warn!(tenant = %id, %error, "its store cannot be read")).ok()
    }

    fn standing(&self, id: &TenantId, traces: Traces) -> TenantStanding {
        let tenant = self.tenants().get(id);
        let scope = KillScope::Tenant(id.clone());
        let kills = self.ledger.kills();
        let mode = kills.iter().find(|kill| kill.scope == scope).map(|kill| kill.mode);
        match tenant {
            _ if traces.deleting => TenantStanding::Deleting,
            None => TenantStanding::Remains,
            Some(_) if mode == Some(KillMode::Stop) => TenantStanding::Killed,
            Some(tenant) if tenant.config.suspended => TenantStanding::Suspended,
            Some(_) if mode == Some(KillMode::Freeze) => TenantStanding::Frozen,
            Some(_) => TenantStanding::Active,
        }
    }

    fn directories(&self, tenant: &Tenant) -> Vec<GrantedDirectory> {
        let mut found = Vec::new();
        for (tool, grant) in &tenant.grants {
            found.extend(grant.dir.iter().map(|(need, dir)| GrantedDirectory {
                tool: tool.clone(),
                need: need.to_string(),
                path: self.home_path.join(dir.path.as_str()),
                mode: dir.mode,
            }));
        }
        found
    }
}
