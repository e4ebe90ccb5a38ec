//! The end of a tenant: everything of it goes, and another process of this host lets go of it too.
//!
//! Takes: a tenant's id. Gives: [`Deleted`]. May name: config, id, reason, storage.
//!
//! The order is such that whatever breaks off can be ordered again, and ends: the tenant is frozen, then stopped, and stays so;
//! what others need in order to read the files goes last (a grant names a credential, policies name a tenant); the row
//! that says that it is being deleted goes when nothing else is there.

use super::tenants::{GrantedDirectory, TenantReport};
use super::{OperateError, Strongroom};
use crate::config::leaving;
use crate::id::TenantId;
use crate::reason::Reason;
use crate::storage::ledger::{KillMode, KillScope, Traces};
use cap_std::fs::Dir;
use std::io;
use std::time::Duration;

/// How long writes that run may go on before the tenant's store is closed under them.
const LET_END: Duration = Duration::from_secs(10);
/// How often it is looked whether they have ended.
const LOOK: Duration = Duration::from_millis(20);

/// What there was of a tenant, and what is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The tenant.
    pub id: TenantId,
    /// What the ledger had of it.
    pub traces: Traces,
    /// Whether it had a store: keyvalue and memory.
    pub store: bool,
    /// Files that it had: its own, its policies.
    pub files: Vec<String>,
    /// The handles of the entries that went out of `credentials.toml`.
    pub credentials: Vec<String>,
    /// Directories that were granted to its tools, as far as its file still said so. They are the operator's own and are
    /// left as they are.
    pub directories: Vec<GrantedDirectory>,
}

impl Strongroom {
    /// Deletes a tenant, with or without a file: its API keys, budgets, idempotency keys with their answers and kill
    /// switches, its keyvalue, memory and cache, its file and policies, its entries in `credentials.toml`. Nothing of it is
    /// left in the home folder but its entries in the audit log, which hold ids, digests and targets, and no values; and
    /// the directories that its tools were granted stay, because they are the operator's own.
    ///
    /// The tenant's writes are frozen first. Those that run may end within ten seconds; then the tenant is stopped, and what
    /// still runs is broken off. Its keys stop working in this process at once, in other processes on this home folder within half a second.
    /// A tenant that is made by the same id afterwards starts from nothing. A host with settings made in code is told by
    /// [`Strongroom::apply`] that the tenant is gone.
    ///
    /// # Errors
    /// [`OperateError::NothingOf`] when there is nothing to delete. Whatever else breaks off, also a crash, leaves the
    /// tenant frozen or stopped: order it again, and it ends.
    pub async fn delete_tenant(&self, tenant: &TenantId) -> Result<Deleted, OperateError> {
        let room = &self.room;
        let there = match self.tenant(tenant).await {
            // What broke off after the last row was gone has left its name in the ledger's log.
            Err(OperateError::NothingOf(tenant)) => {
                room.ledger.remove_answers(&tenant).await?;
                room.ledger.scrub().await?;
                return Err(OperateError::NothingOf(tenant));
            }
            there => there?,
        };
        self.enter(&begins(&there), Some(tenant), Reason::Ok, None).await?;
        let scope = KillScope::Tenant(tenant.clone());
        let why = "the tenant is being deleted";
        // A tenant that is stopped already does not go on for this.
        if !room.ledger.kills().iter().any(|kill| kill.scope == scope && kill.mode == KillMode::Stop) {
            self.switch_on(&scope, KillMode::Freeze, why, None).await?;
        }
        for _ in 0..LET_END.as_millis() / LOOK.as_millis() {
            if room.ledger.running_writes(tenant)? == 0 {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.switch_on(&scope, KillMode::Stop, why, None).await?;
        room.ledger.begin_deletion(tenant).await?;
        room.stores.delete(tenant).await?;
        room.caches.delete_tenant(tenant).await?;
        room.answers.forget_tenants([tenant]);
        let home = room.home.try_clone().map_err(OperateError::Files)?;
        let id = tenant.clone();
        let removed = tokio::task::spawn_blocking(move || remove_files(&home, &id));
        let (files, credentials) = removed.await.map_err(|e| OperateError::Files(io::Error::other(e)))??;
        if room.follows_disk {
            match self.read_settings() {
                Ok(settings) => self.apply(settings).await?,
                // Without keys nobody comes in for it, whatever the settings in memory say.
                Err(errors) => {
                    tracing::warn!(%errors, "the settings could not be read again; the old ones stay")
                }
            }
        }
        let traces = room.ledger.end_deletion(tenant).await?;
        self.enter(&format!("tenant.delete {tenant} ends"), Some(tenant), Reason::Ok, None).await?;
        let (store, directories) = (there.has_store, there.directories);
        Ok(Deleted { id: tenant.clone(), traces, store, files, credentials, directories })
    }
}

/// The directories are in the book before the file that names them is gone.
fn begins(there: &TenantReport) -> String {
    let paths: Vec<_> = there.directories.iter().map(|d| d.path.display().to_string()).collect();
    let stays = if paths.is_empty() { String::new() } else { format!(", leaving {}", paths.join(", ")) };
    format!("tenant.delete {} begins{stays}", there.id)
}

/// Policies without their tenant are a fault, and so is a grant without its credential: so they go in this order.
fn remove_files(home: &Dir, tenant: &TenantId) -> Result<(Vec<String>, Vec<String>), OperateError> {
    let mut files = Vec::new();
    for (folder, name) in [("policies", format!("{tenant}.cedar")), ("tenants", format!("{tenant}.toml"))] {
        if remove(home, folder, &name).map_err(OperateError::Files)? {
            files.push(format!("{folder}/{name}"));
        }
    }
    let credentials = leaving::take_out(home, tenant).map_err(|e| OperateError::Config(e.into()))?;
    Ok((files, credentials))
}

/// Removes a file, so that a power failure does not bring it back. `false` when it is not there.
fn remove(home: &Dir, folder: &str, name: &str) -> io::Result<bool> {
    let found = |done: io::Result<()>| match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    let removed = found(home.remove_file(format!("{folder}/{name}")))?;
    if removed {
        home.open(folder)?.into_std().sync_all()?;
    }
    Ok(removed)
}
