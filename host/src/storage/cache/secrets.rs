//! The tenants' secrets: a file for each, which goes with the tenant.
//!
//! Takes: a folder, if there is a disk. Gives: `Secrets`. May name: id, powers, storage.

use super::secret::{SECRET, Secret};
use crate::id::TenantId;
use crate::powers::Entropy;
use crate::storage::Folder;
use cap_std::fs::{OpenOptions, OpenOptionsExt as _};
use moka::sync::Cache;
use parking_lot::Mutex;
use std::io::{self, Write as _};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The folder of the files, one for each tenant.
pub(super) const FOLDER: &str = "keys";
/// Secrets that stay in memory.
const KNOWN: u64 = 10_000;

/// The secrets of all tenants that have cached something.
pub(super) struct Secrets {
    /// `None` keeps them in memory, where entries are then too.
    folder: Option<Folder>,
    known: Cache<TenantId, Arc<Secret>>,
    /// One at a time makes, reads or removes a file.
    files: Mutex<()>,
}

impl Secrets {
    pub(super) fn new(folder: Option<Folder>) -> Self {
        Self { folder, known: Cache::new(KNOWN), files: Mutex::default() }
    }

    /// A secret that is in memory.
    pub(super) fn known(&self, tenant: &TenantId) -> Option<Arc<Secret>> {
        self.known.get(tenant)
    }

    /// A tenant's secret, if it has one.
    pub(super) fn existing(&self, tenant: &TenantId) -> Option<Arc<Secret>> {
        if let Some(secret) = self.known(tenant) {
            return Some(secret);
        }
        let _one = self.files.lock();
        usable(tenant, self.read(tenant)).flatten()
    }

    /// A tenant's secret, made if it has none. `None` when that cannot be done.
    pub(super) fn or_new(&self, tenant: &TenantId, entropy: &dyn Entropy) -> Option<Arc<Secret>> {
        if let Some(secret) = self.known(tenant) {
            return Some(secret);
        }
        let _one = self.files.lock();
        let secret = match usable(tenant, self.read(tenant))? {
            Some(secret) => secret,
            None => usable(tenant, self.make(tenant, entropy))??,
        };
        self.known.insert(tenant.clone(), secret.clone());
        Some(secret)
    }

    /// Removes a tenant's secret, and gives it for the last time.
    pub(super) fn delete(&self, tenant: &TenantId) -> io::Result<Option<Arc<Secret>>> {
        let _one = self.files.lock();
        // A file that cannot be read is removed all the same.
        let secret = self.known(tenant).or_else(|| self.read(tenant).ok().flatten());
        if let Some(secret) = &secret {
            secret.goes();
        }
        if let Some(folder) = &self.folder {
            remove(folder, tenant)?;
        }
        self.known.invalidate(tenant);
        Ok(secret)
    }

    /// Tenants whose file another process has removed, which is how it deletes a tenant.
    pub(super) fn lost(&self) -> Vec<TenantId> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let _one = self.files.lock();
        let known = self.known.iter().map(|(tenant, _)| tenant.as_ref().clone());
        known.filter(|tenant| !folder.dir().exists(tenant.as_str())).collect()
    }

    fn read(&self, tenant: &TenantId) -> io::Result<Option<Arc<Secret>>> {
        let Some(folder) = &self.folder else { return Ok(self.known(tenant)) };
        if let Some(known) = self.known(tenant) {
            return Ok(Some(known));
        }
        let bytes = match folder.dir().read(tenant.as_str()) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // One that was cut short opens nothing, so it is as if there were none.
        let whole: Option<&[u8; SECRET]> = bytes.as_slice().try_into().ok();
        let secret = whole.and_then(Secret::new).map(Arc::new);
        if let Some(secret) = &secret {
            self.known.insert(tenant.clone(), secret.clone());
        }
        Ok(secret)
    }

    fn make(&self, tenant: &TenantId, entropy: &dyn Entropy) -> io::Result<Option<Arc<Secret>>> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        entropy.fill(&mut *bytes)?;
        if let Some(folder) = &self.folder {
            remove(folder, tenant)?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            folder.dir().open_with(tenant.as_str(), &options)?.write_all(&*bytes)?;
        }
        Ok(Secret::new(&bytes).map(Arc::new))
    }
}

/// Removes a tenant's file, if there is one.
pub(super) fn remove(folder: &Folder, tenant: &TenantId) -> io::Result<()> {
    match folder.dir().remove_file(tenant.as_str()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A cache that cannot be used is an empty one, and somebody should know.
fn usable<T>(tenant: &TenantId, done: io::Result<T>) -> Option<T> {
    done.inspect_err(|error| tracing::warn!("the cache of tenant {tenant} cannot be used: {error}")).ok()
}
