//! What an operator does: install, keys, kill switches, reload, recovery, the end. Every act is in the book.
//!
//! Takes: orders of whoever holds the home folder. Gives: their effect. May name: audit, config, id, identify, reason,
//! storage, tools.

use super::credentials::CredentialError;
use super::{Current, Strongroom};
use crate::audit::{AuditUnavailable, Entry};
use crate::config::{ConfigErrors, RoleName, Settings, ToolPattern};
use crate::id::{ActorId, Digest, KeyId, TenantId};
use crate::identify::key::ApiKey;
use crate::reason::{Outcome, Reason};
use crate::storage::StorageError;
use crate::storage::ledger::{Kill, KillScope, StoredKey};
use crate::tools::{Catalogue, InstallError, Tool};
use std::io;
use std::sync::{Arc, PoisonError};

/// Why an order of the operator was not carried out.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OperateError {
    /// The component was not taken in.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Install(#[from] InstallError),
    /// The files are not valid; the old settings stay in force.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigErrors),
    /// The ledger could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The book could not be written, so nothing was done.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// There is no such tenant.
    #[error("there is no tenant {0}; make `tenants/{0}.toml` first")]
    Tenant(TenantId),
    /// The tenant has no such role.
    #[error("the tenant {0} has no role {1:?}; its file names: {2}")]
    Role(TenantId, String, String),
    /// There is no such key.
    #[error("there is no key {0} that could be revoked")]
    Key(KeyId),
    /// The credentials could not be changed; they are as they were.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Credential(#[from] CredentialError),
    /// The system gave no randomness.
    #[error("the system has no randomness to give: {0}")]
    Entropy(#[source] io::Error),
}

impl OperateError {
    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Install(error) => error.reason(),
            Self::Config(errors) => errors.reason(),
            Self::Credential(error) => error.reason(),
            Self::Storage(_) | Self::Entropy(_) => Reason::StorageUnavailable,
            Self::Audit(_) => Reason::AuditUnavailable,
            Self::Tenant(_) | Self::Role(..) | Self::Key(_) => Reason::TenantUnknown,
        }
    }
}

/// What a new API key is for.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The tenant that it speaks for.
    pub tenant: TenantId,
    /// Who uses it.
    pub actor: ActorId,
    /// A role of the tenant's file.
    pub role: Option<RoleName>,
    /// Tools and functions that it is narrowed to; empty for no narrowing.
    pub scopes: Vec<ToolPattern>,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl Strongroom {
    /// The installed tools.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.room.catalogue
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.room.settings()
    }

    /// Installs a component for good. `name` serves one without a manifest; `beside` is the text of a manifest that
    /// stands beside a foreign component.
    ///
    /// # Errors
    /// [`OperateError`] with its reason code; nothing is kept then.
    pub async fn install(
        &self,
        component: Vec<u8>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<Arc<Tool>, OperateError> {
        self.room.journal.ready()?;
        let digest = Digest::of(&component);
        let done = self.room.catalogue.install(component, name, beside).await;
        let reason = done.as_ref().map_or_else(InstallError::reason, |_| Reason::Ok);
        let tool = done.as_ref().map_or_else(|_| name.to_owned(), |tool| tool.name.to_string());
        self.enter(&format!("install {tool}"), None, reason, Some(digest)).await?;
        Ok(done?)
    }

    /// Takes a component in for this process alone; the tools folder stays as it is.
    ///
    /// # Errors
    /// [`OperateError`] with its reason code.
    pub async fn borrow(
        &self,
        component: Vec<u8>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<Arc<Tool>, OperateError> {
        Ok(self.room.catalogue.borrow(component, name, beside).await?)
    }

    /// Makes an API key. Its text is in the answer and nowhere else, ever.
    ///
    /// # Errors
    /// [`OperateError::Tenant`] and [`OperateError::Role`] for names that do not exist; otherwise when the ledger or
    /// the book cannot be written.
    pub async fn create_key(&self, key: NewKey) -> Result<ApiKey, OperateError> {
        let NewKey { tenant, actor, role, scopes, expires_ms } = key;
        let settings = self.room.settings();
        let config = settings.tenants.get(&tenant).ok_or_else(|| OperateError::Tenant(tenant.clone()))?;
        if let Some(role) = &role {
            let roles = config.roles.as_ref();
            if !roles.is_some_and(|roles| roles.contains_key(role)) {
                let known: Vec<_> = roles.iter().flat_map(|r| r.keys()).map(ToString::to_string).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(OperateError::Role(tenant, role.to_string(), known));
            }
        }
        self.room.journal.ready()?;
        loop {
            let made = crate::identify::new_key(&self.room).map_err(OperateError::Entropy)?;
            let stored = StoredKey {
                id: made.id.clone(),
                tenant: tenant.clone(),
                actor: actor.clone(),
                role: role.as_ref().map(ToString::to_string),
                scopes: scopes.iter().map(ToString::to_string).collect(),
                mac: made.mac,
                created_ms: self.room.clock.unix_ms(),
                expires_ms,
                revoked_ms: None,
            };
            if self.room.ledger.create_key(stored).await? {
                self.enter(&format!("key.create {}", made.id), Some(&tenant), Reason::Ok, None).await?;
                return Ok(made);
            }
        }
    }

    /// Ends an API key.
    ///
    /// # Errors
    /// [`OperateError::Key`] when there is none that could be ended.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<(), OperateError> {
        let tenant = self.room.ledger.key(id).map(|key| key.tenant.clone());
        if !self.room.ledger.revoke_key(id).await? {
            return Err(OperateError::Key(id.clone()));
        }
        self.enter(&format!("key.revoke {id}"), tenant.as_ref(), Reason::Ok, None).await
    }

    /// The API keys, of all tenants or of one; without their secrets, which nobody has.
    #[must_use]
    pub fn keys(&self, tenant: Option<&TenantId>) -> Vec<Arc<StoredKey>> {
        self.room.ledger.keys(tenant)
    }

    /// Stops a host, a tenant or a tool, until [`Strongroom::revive`].
    ///
    /// # Errors
    /// When the ledger or the book cannot be written. A switch that is on stays on all the same.
    pub async fn kill(&self, scope: KillScope, why: &str) -> Result<(), OperateError> {
        let who = self.room.local_actor();
        self.room.ledger.kill(scope.clone(), who.as_str(), why).await?;
        self.enter(&format!("kill {scope}: {why}"), tenant_of(&scope), Reason::Ok, None).await
    }

    /// Lets a host, a tenant or a tool go on. `false` when it was not stopped.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written.
    pub async fn revive(&self, scope: KillScope) -> Result<bool, OperateError> {
        let tenant = tenant_of(&scope).cloned();
        let name = scope.to_string();
        let was = self.room.ledger.revive(scope).await?;
        if was {
            self.enter(&format!("revive {name}"), tenant.as_ref(), Reason::Ok, None).await?;
        }
        Ok(was)
    }

    /// Deletes what a tenant's tools have stored for it: its keyvalue and its memory. Calls that still run fail when they
    /// reach for it. Its file, keys, budgets and entries of the book stay.
    ///
    /// # Errors
    /// When the book cannot be written, and nothing was done; or when the folder cannot be removed: order it again then.
    pub async fn erase(&self, tenant: &TenantId) -> Result<(), OperateError> {
        self.enter(&format!("tenant.erase {tenant}"), Some(tenant), Reason::Ok, None).await?;
        Ok(self.room.stores.delete(tenant).await?)
    }

    /// The kill switches that are on.
    #[must_use]
    pub fn kills(&self) -> Vec<Kill> {
        self.room.ledger.kills()
    }

    /// Replaces the settings. Calls that run go on with the ones they began with.
    ///
    /// # Errors
    /// When the book cannot be written; the old settings stay in force then.
    pub async fn apply(&self, settings: Settings) -> Result<(), OperateError> {
        self.enter("reload", None, Reason::Ok, None).await?;
        *self.room.current.write().unwrap_or_else(PoisonError::into_inner) = Current::new(settings);
        Ok(())
    }

    /// Looks at the tools folder again, so that what another process has installed meanwhile, also a newer version of a
    /// tool, serves the calls that begin from now on. Tools that cannot be loaded are left as they were, with a warning.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn refresh_tools(&self) -> io::Result<()> {
        self.room.catalogue.load().await
    }

    /// Whether calls can run at the moment: the book can be written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn ready(&self) -> Result<(), AuditUnavailable> {
        self.room.journal.ready()
    }

    /// Ends the host: leases go back, the book is written out. Calls that still run are charged in full, so let them
    /// end first.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written; nothing that was acknowledged is lost then.
    pub async fn close(&self) -> Result<(), OperateError> {
        self.room.ledger.close().await?;
        // The last entries are safe when an entry after them is.
        self.enter("close", None, Reason::Ok, None).await?;
        Ok(())
    }

    pub(super) async fn enter(
        &self,
        action: &str,
        tenant: Option<&TenantId>,
        reason: Reason,
        component: Option<Digest>,
    ) -> Result<(), OperateError> {
        let action: String = action.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        let outcome = if reason == Reason::Ok { Outcome::Executed } else { Outcome::Denied };
        let mut entry = Entry::outcome(self.room.clock.unix_us(), action, reason, outcome);
        entry.tenant_id = tenant.cloned();
        entry.actor_id = Some(self.room.local_actor());
        entry.component = component;
        self.room.journal.append(entry)?.durable().await?;
        Ok(())
    }
}

fn tenant_of(scope: &KillScope) -> Option<&TenantId> {
    match scope {
        KillScope::Tenant(tenant) => Some(tenant),
        KillScope::Host | KillScope::Tool(_) => None,
    }
}
