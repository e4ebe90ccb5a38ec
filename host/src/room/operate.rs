//! What an operator does: install, keys, the end. Every act is in the book.
//!
//! Takes: orders of whoever holds the home folder. Gives: their effect. May name: audit, config, id, identify, reason,
//! storage, tools.

use super::Strongroom;
use super::credentials::CredentialError;
use crate::audit::{AuditUnavailable, DropError, Entry, ReadError};
use crate::config::{ConfigErrors, RoleName, Settings, ToolPattern};
use crate::id::{ActorId, CallId, Digest, KeyId, TenantId, ToolName};
use crate::identify::key::ApiKey;
use crate::reason::{Outcome, Reason};
use crate::storage::StorageError;
use crate::storage::ledger::{KillScope, StoredKey};
use crate::tools::{Act, Catalogue, Held, InstallError, Terms, Tool};
use std::io;
use std::sync::Arc;

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
    /// Bodies of entries were not dropped.
    #[error(transparent)]
    Drop(#[from] DropError),
    /// There is no such tenant.
    #[error("there is no tenant {0}; make `tenants/{0}.toml` first")]
    Tenant(TenantId),
    /// The tenant has no such role.
    #[error("the tenant {0} has no role {1:?}; its file names: {2}")]
    Role(TenantId, String, String),
    /// There is nothing of such a tenant.
    #[error("there is nothing of a tenant {0} here")]
    NothingOf(TenantId),
    /// A file or folder could not be read or removed.
    #[error(
        "a file could not be read or removed: {0}; look at the home folder's permissions, and order it again"
    )]
    Files(#[source] io::Error),
    /// There is no such budget, or it cannot be raised so.
    #[error("{0}")]
    Budget(String),
    /// There is nothing of this name, or not any more.
    #[error("{0}")]
    NotThere(String),
    /// The switch was turned on by somebody whose word counts for more.
    #[error("an operator has stopped or frozen {0}; an operator alone can change that")]
    OfOthers(KillScope),
    /// There is no such key.
    #[error("there is no key {0} that could be revoked")]
    Key(KeyId),
    /// There is no write of this call that could be settled.
    #[error("no write of {0} waits to be settled: there is none, it still runs, or it was settled before")]
    NotUnknown(CallId),
    /// The answer for a write is none that its function gives.
    #[error("{0}")]
    Answer(String),
    /// The write cannot be run again so; it is as it was.
    #[error("{0}; nothing ran, and nothing was changed")]
    Rerun(String),
    /// The log is being verified.
    #[error("the log is being verified already; ask again when that has ended")]
    Busy,
    /// An idempotency key stands for another order.
    #[error("this idempotency key was used before for another order")]
    OnceMore,
    /// A word names no place in the log.
    #[error("this is no place in the log that an earlier answer gave; leave it out to begin with the oldest")]
    Place,
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadError),
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
            Self::Storage(_) | Self::Entropy(_) | Self::Files(_) => Reason::StorageUnavailable,
            Self::Audit(_) | Self::Drop(_) | Self::Log(_) => Reason::AuditUnavailable,
            Self::Answer(_) | Self::NotUnknown(_) | Self::Rerun(_) | Self::Place => Reason::ArgumentsInvalid,
            Self::Busy => Reason::Overloaded,
            Self::OnceMore => Reason::IdempotencyMismatch,
            Self::NotThere(_) => Reason::NotFound,
            Self::OfOthers(_) => Reason::RoleDenied,
            Self::Tenant(_) | Self::NothingOf(_) | Self::Role(..) | Self::Budget(_) | Self::Key(_) => {
                Reason::TenantUnknown
            }
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

/// What an order for a key came to.
#[derive(Debug)]
pub(crate) enum Made {
    /// It was made now.
    Now(ApiKey),
    /// The order was carried out before; the key's text was shown then, and nobody has it now.
    Before(KeyId),
}

impl Strongroom {
    /// The installed tools.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.room.catalogue
    }

    /// The settings in force, for a look at them.
    pub(crate) fn in_force<T>(&self, look: impl FnOnce(&Settings) -> T) -> T {
        look(&self.room.current().settings)
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.room.settings()
    }

    /// Installs a component for good. `name` serves one without a manifest; `beside` is the text of a manifest that
    /// stands beside a foreign component. The first version of a tool is taken as it is; a later one may not ask for more
    /// than what was accepted.
    ///
    /// # Errors
    /// [`OperateError`] with its reason code; nothing is kept then. But one that asks for more
    /// ([`InstallError::Held`]) is put aside until [`Strongroom::accept`] or [`Strongroom::reject`], and what was there
    /// goes on serving.
    pub async fn install(
        &self,
        component: Vec<u8>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<Arc<Tool>, OperateError> {
        self.take(component, name, beside, Terms::AsBefore).await
    }

    /// Installs a component as [`Strongroom::install`] does, and accepts whatever it asks for.
    ///
    /// # Errors
    /// [`OperateError`] with its reason code; nothing is kept then.
    pub async fn install_accepted(
        &self,
        component: Vec<u8>,
        name: &str,
        beside: Option<&str>,
    ) -> Result<Arc<Tool>, OperateError> {
        self.take(component, name, beside, Terms::Accepted).await
    }

    async fn take(
        &self,
        component: Vec<u8>,
        name: &str,
        beside: Option<&str>,
        terms: Terms,
    ) -> Result<Arc<Tool>, OperateError> {
        self.room.journal.ready()?;
        let digest = Digest::of(&component);
        let done = self.room.catalogue.install(component, name, beside, terms).await;
        self.answers_are_old(&done);
        let reason = done.as_ref().map_or_else(InstallError::reason, |_| Reason::Ok);
        let tool = match &done {
            Ok(tool) => tool.name.to_string(),
            Err(InstallError::Held(held)) => held.tool.to_string(),
            Err(_) => name.to_owned(),
        };
        let accepted = if terms == Terms::Accepted { " --accept" } else { "" };
        self.enter(&format!("install{accepted} {tool}"), None, reason, Some(digest)).await?;
        Ok(done?)
    }

    /// The versions that ask for more than was accepted of their tools, and wait for a decision.
    ///
    /// # Errors
    /// When the tools folder cannot be read.
    pub fn held(&self) -> Result<Vec<Held>, OperateError> {
        Ok(self.room.catalogue.held()?)
    }

    /// Takes a version that is held, with what it asks for. `edition` is [`Held::edition`] of the one that was reviewed.
    ///
    /// # Errors
    /// [`OperateError`] with its reason code, also when another version is held by now, or its files were changed since.
    pub async fn accept(&self, tool: &ToolName, edition: Digest) -> Result<Arc<Tool>, OperateError> {
        self.room.journal.ready()?;
        let done = self.room.catalogue.accept(tool, edition).await;
        self.answers_are_old(&done);
        let reason = done.as_ref().map_or_else(InstallError::reason, |_| Reason::Ok);
        let component = done.as_ref().ok().map(|tool| tool.digest);
        self.enter(&format!("accept {tool}@{edition}"), None, reason, component).await?;
        Ok(done?)
    }

    /// Forgets a version that is held. A file of it that was copied into the tools folder is removed.
    ///
    /// # Errors
    /// [`OperateError`] with its reason code, also when none is held.
    pub async fn reject(&self, tool: &ToolName) -> Result<(), OperateError> {
        self.room.journal.ready()?;
        let edition = self.room.catalogue.reject(tool)?;
        let edition = edition.map_or_else(String::new, |edition| format!("@{edition}"));
        self.enter(&format!("reject {tool}{edition}"), None, Reason::Ok, None).await
    }

    /// Writes down what the host did by itself when it looked at the tools folder.
    pub(super) async fn enter_acts(&self) -> Result<(), OperateError> {
        for act in self.room.catalogue.acts() {
            let (action, reason, component) = match act {
                Act::Held(held) => (format!("hold {held}"), Reason::UpgradeHeld, held.component),
                Act::Found(tool, component) => {
                    (format!("accept {tool}: found in the tools folder"), Reason::Ok, component)
                }
            };
            self.enter(&action, None, reason, Some(component)).await?;
        }
        Ok(())
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
        let done = self.room.catalogue.borrow(component, name, beside).await;
        self.answers_are_old(&done);
        Ok(done?)
    }

    /// What another edition of a tool has answered is not given again.
    fn answers_are_old(&self, taken: &Result<Arc<Tool>, InstallError>) {
        if let Ok(tool) = taken {
            self.room.answers.forget_tool(&tool.name);
        }
    }

    /// Makes an API key. Its text is in the answer and nowhere else, ever.
    ///
    /// # Errors
    /// [`OperateError::Tenant`] and [`OperateError::Role`] for names that do not exist; otherwise when the ledger or
    /// the book cannot be written.
    pub async fn create_key(&self, key: NewKey) -> Result<ApiKey, OperateError> {
        match self.make_key(key, None).await? {
            Made::Now(made) => Ok(made),
            Made::Before(id) => Err(OperateError::Key(id)),
        }
    }

    /// The same for a key whose id was chosen, so that an order that is repeated makes no second one.
    pub(crate) async fn make_key(&self, key: NewKey, id: Option<KeyId>) -> Result<Made, OperateError> {
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
            let made = crate::identify::new_key(&self.room, id.clone()).map_err(OperateError::Entropy)?;
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
                return Ok(Made::Now(made));
            }
            if let Some(id) = id {
                return Ok(Made::Before(id));
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

    /// Opens what an earlier process has left in the tenants' cache, and drops it with a warning if it is damaged. Without this
    /// it is opened when a tool first asks for it. Whoever has it open keeps other processes out: they cache in memory.
    pub async fn open_cache(&self) {
        self.room.caches.open().await;
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
        self.enter_acts().await?;
        // The last entries are safe when an entry after them is.
        self.room.caches.close().await;
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
        self.sign(&mut entry);
        entry.component = component;
        self.room.journal.append(entry)?.durable().await?;
        Ok(())
    }
}
