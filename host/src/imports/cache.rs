//! `strongroom:host/cache`, gated, on the tenants' caches.
//!
//! Takes: the call's rights and whose call it is. Gives: the gated view. May name: authorize, storage.

use super::bindings::strongroom::host::cache;
use super::gate::{Audited, FromStop, Stop};
use super::table::{self, Import};
use super::yields::Yields;
use crate::authorize::rights::Rights;
use crate::storage::cache::{self as storage, CacheOf, TenantCaches};
use wasmtime::Result;

/// How the log names it.
const TARGET: &str = "cache";

/// An error of the interface, or a trap.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated module names it publicly")]
pub enum CacheError {
    /// What the guest is told.
    Told(cache::Error),
    /// The call ends.
    Trap(wasmtime::Error),
}

impl FromStop for CacheError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => Self::Told(cache::Error::AccessDenied),
            stop => Self::Trap(wasmtime::Error::new(stop)),
        }
    }
}

impl From<storage::CacheError> for CacheError {
    fn from(error: storage::CacheError) -> Self {
        use storage::CacheError as E;
        let text = error.to_string();
        Self::Told(match error {
            E::Key(_) | E::Ttl(_) => cache::Error::Invalid(text),
            E::Value(_) | E::TooLarge { .. } => cache::Error::TooLarge(text),
        })
    }
}

/// What the interface needs: rights, the caches, and whose call it is.
pub(crate) struct CacheView<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) caches: &'a TenantCaches,
    pub(crate) of: &'a CacheOf,
}

impl Audited<'_, CacheView<'_>> {
    fn pass(&mut self, row: &'static Import, bytes: u64) -> Result<(), CacheError> {
        let passed = match self.inner.rights.cache() {
            Ok(_) => self.gate.enter(row, None, Some(TARGET.into()), bytes),
            Err(refusal) => Err(self.gate.deny(row, Some(TARGET.into()), &refusal.to_string())),
        };
        passed.map_err(CacheError::from_stop)
    }
}

impl cache::Host for Audited<'_, CacheView<'_>> {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, CacheError> {
        self.pass(&table::CACHE_GET, key.bytes())?;
        let found = self.inner.caches.get(self.inner.of, &key).await?;
        self.gate.leave(None, &found).map_err(CacheError::from_stop)?;
        Ok(found)
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_seconds: u32) -> Result<(), CacheError> {
        self.pass(&table::CACHE_SET, key.bytes().saturating_add(Yields::bytes(&value)))?;
        Ok(self.inner.caches.set(self.inner.of, &key, value, ttl_seconds).await?)
    }

    async fn delete(&mut self, key: String) -> Result<(), CacheError> {
        self.pass(&table::CACHE_DELETE, key.bytes())?;
        Ok(self.inner.caches.delete(self.inner.of, &key).await?)
    }

    fn convert_error(&mut self, error: CacheError) -> Result<cache::Error> {
        match error {
            CacheError::Told(error) => Ok(error),
            CacheError::Trap(error) => Err(error),
        }
    }
}
