//! `wasi:keyvalue`, gated, on the tenant's own store.
//!
//! Takes: the call's rights and its transaction. Gives: the gated view. May name: authorize, config, storage.
//!
//! What a call writes is kept aside: its own reads see it, it is committed once when the call has ended well, and it is
//! gone when the call fails. `increment` alone takes effect at once.

use super::bindings::wasi::keyvalue::{atomics, batch, store};
use super::gate::{Audited, FromStop, Handle, Stop, rep};
use super::stored::Stored;
use super::table::{self, Import};
use super::yields::Yields;
use crate::authorize::rights::Rights;
use crate::config::Mode;
use crate::storage::tenant::{self, KvTransaction};
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};

/// Most keys in one batch call.
const BATCH: usize = 1_000;

/// A bucket that a guest has opened.
#[expect(unreachable_pub, reason = "the generated module names it publicly")]
pub struct Bucket {
    name: Arc<str>,
    writable: bool,
    /// Where the pages after the first begin; a cursor is a place in it.
    pages: Vec<String>,
}

/// An error of the interface, or a trap.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated module names it publicly")]
pub enum KvError {
    /// The tool has no right to the bucket.
    Denied,
    /// Anything else, in words.
    Other(String),
    /// The call ends.
    Trap(wasmtime::Error),
}

impl FromStop for KvError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => Self::Denied,
            stop => Self::Trap(wasmtime::Error::new(stop)),
        }
    }
}

impl From<ResourceTableError> for KvError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

/// What the interfaces need: rights, the store, the handles.
pub(crate) struct KvView<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) stored: &'a mut Stored,
    pub(crate) table: &'a mut ResourceTable,
}

type Handle_ = Resource<Bucket>;
type Pairs = Vec<(String, Vec<u8>)>;

impl Audited<'_, KvView<'_>> {
    /// Passes a call on a bucket: an effect needs a bucket that was granted for writing.
    fn pass(&mut self, row: &'static Import, handle: &Handle_, bytes: u64) -> Result<Arc<str>, KvError> {
        let name = self.bucket(row, handle)?;
        self.gate.enter(row, Some(rep(handle)), Some(name.clone()), bytes).map_err(KvError::from_stop)?;
        Ok(name)
    }

    fn bucket(&mut self, row: &'static Import, handle: &Handle_) -> Result<Arc<str>, KvError> {
        let bucket = self.inner.table.get(handle)?;
        let (name, writable) = (bucket.name.clone(), bucket.writable);
        if row.class == table::Class::Effect && !writable {
            let why = "the bucket is granted for reading only, or the function is declared to read";
            return Err(KvError::from_stop(self.gate.deny(row, Some(name), why)));
        }
        Ok(name)
    }

    fn transaction(&mut self) -> Result<&mut KvTransaction, KvError> {
        self.inner.stored.begun().ok_or_else(|| KvError::Other("the bucket is closed".into()))
    }

    /// Does something with the transaction. A quota that it meets is noted: a call that fails after it failed for it.
    fn stored<T>(
        &mut self,
        act: impl FnOnce(&mut KvTransaction) -> Result<T, tenant::KvError>,
    ) -> Result<T, KvError> {
        let done = act(self.transaction()?);
        done.map_err(|error| self.failed(&error))
    }

    fn failed(&mut self, error: &tenant::KvError) -> KvError {
        let text = error.to_string();
        if matches!(error, tenant::KvError::TooMuch | tenant::KvError::Quota { .. }) {
            self.inner.stored.is_full(&text);
        }
        KvError::Other(text)
    }

    fn give<T: Yields>(&mut self, value: T) -> Result<T, KvError> {
        self.gate.leave(None, &value).map_err(KvError::from_stop)?;
        Ok(value)
    }
}

impl store::Host for Audited<'_, KvView<'_>> {
    async fn open(&mut self, identifier: String) -> Result<Handle_, KvError> {
        let shown: Arc<str> = identifier.chars().take(128).collect::<String>().into();
        let (name, writable) = match self.inner.rights.bucket(&identifier, false) {
            Ok(right) => (Arc::from(right.bucket.as_str()), right.mode == Mode::ReadWrite),
            Err(refusal) => {
                let stop = self.gate.deny(&table::KV_OPEN, Some(shown), &refusal.to_string());
                return Err(KvError::from_stop(stop));
            }
        };
        self.gate
            .enter(&table::KV_OPEN, None, Some(Arc::clone(&name)), identifier.bytes())
            .map_err(KvError::from_stop)?;
        self.inner.stored.begin().await.map_err(|e| KvError::Other(e.to_string()))?;
        let target = Some(Arc::clone(&name));
        let bucket = self.inner.table.push(Bucket { name, writable, pages: Vec::new() })?;
        self.gate.hold(rep(&bucket), Handle { target, ..Handle::default() });
        Ok(bucket)
    }

    fn convert_error(&mut self, error: KvError) -> Result<store::Error> {
        match error {
            KvError::Denied => Ok(store::Error::AccessDenied),
            KvError::Other(text) => Ok(store::Error::Other(text)),
            KvError::Trap(error) => Err(error),
        }
    }
}

impl store::HostBucket for Audited<'_, KvView<'_>> {
    fn get(&mut self, bucket: Handle_, key: String) -> Result<Option<Vec<u8>>, KvError> {
        let name = self.pass(&table::KV_GET, &bucket, key.bytes())?;
        let value = self.stored(|t| t.get(&name, &key))?;
        self.give(value)
    }

    fn set(&mut self, bucket: Handle_, key: String, value: Vec<u8>) -> Result<(), KvError> {
        let name = self.pass(&table::KV_SET, &bucket, key.bytes().saturating_add(value.bytes()))?;
        self.stored(|t| t.set(&name, &key, value))
    }

    fn delete(&mut self, bucket: Handle_, key: String) -> Result<(), KvError> {
        let name = self.pass(&table::KV_DELETE, &bucket, key.bytes())?;
        self.stored(|t| t.delete(&name, &key))
    }

    fn exists(&mut self, bucket: Handle_, key: String) -> Result<bool, KvError> {
        let name = self.pass(&table::KV_EXISTS, &bucket, key.bytes())?;
        self.stored(|t| t.exists(&name, &key))
    }

    fn list_keys(&mut self, bucket: Handle_, cursor: Option<u64>) -> Result<store::KeyResponse, KvError> {
        let name = self.pass(&table::KV_LIST_KEYS, &bucket, 0)?;
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let place = usize::try_from(cursor).ok();
                let after = place.and_then(|p| self.inner.table.get(&bucket).ok()?.pages.get(p).cloned());
                Some(after.ok_or_else(|| KvError::Other("this cursor was not given by this bucket".into()))?)
            }
        };
        let page = self.stored(|t| t.list_keys(&name, after.as_deref(), tenant::MAX_PAGE))?;
        let keys = self.give(page.keys)?;
        let cursor = match page.after {
            None => None,
            Some(after) => {
                let pages = &mut self.inner.table.get_mut(&bucket)?.pages;
                pages.push(after);
                u64::try_from(pages.len().saturating_sub(1)).ok()
            }
        };
        Ok(store::KeyResponse { keys, cursor })
    }

    fn drop(&mut self, bucket: Handle_) -> Result<()> {
        let number = rep(&bucket);
        self.gate.enter(&table::KV_DROP, Some(number), None, 0).map_err(wasmtime::Error::from_stop)?;
        self.gate.release(number);
        self.inner.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Audited<'_, KvView<'_>> {
    async fn increment(&mut self, bucket: Handle_, key: String, delta: u64) -> Result<u64, KvError> {
        let name = self.bucket(&table::KV_INCREMENT, &bucket)?;
        let end = (Some(rep(&bucket)), Some(name.clone()), key.bytes());
        let notice = self.gate.effect(&table::KV_INCREMENT, [end]).map_err(KvError::from_stop)?;
        notice.durable().await.map_err(KvError::from_stop)?;
        let sum = self.transaction()?.increment(&name, &key, delta).await;
        sum.map_err(|error| self.failed(&error))
    }
}

impl batch::Host for Audited<'_, KvView<'_>> {
    fn get_many(
        &mut self,
        bucket: Handle_,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, KvError> {
        let name = self.pass(&table::KV_GET_MANY, &bucket, keys.bytes())?;
        few(keys.len())?;
        let found = self.stored(|t| {
            let pair = |key: String| Ok(t.get(&name, &key)?.map(|value| (key, value)));
            keys.into_iter().map(pair).collect::<Result<Vec<_>, _>>()
        })?;
        self.give(found)
    }

    fn set_many(&mut self, bucket: Handle_, pairs: Pairs) -> Result<(), KvError> {
        let name = self.pass(&table::KV_SET_MANY, &bucket, pairs.bytes())?;
        few(pairs.len())?;
        self.stored(|t| pairs.into_iter().try_for_each(|(key, value)| t.set(&name, &key, value)))
    }

    fn delete_many(&mut self, bucket: Handle_, keys: Vec<String>) -> Result<(), KvError> {
        let name = self.pass(&table::KV_DELETE_MANY, &bucket, keys.bytes())?;
        few(keys.len())?;
        self.stored(|t| keys.iter().try_for_each(|key| t.delete(&name, key)))
    }
}

fn few(count: usize) -> Result<(), KvError> {
    match count <= BATCH {
        true => Ok(()),
        false => Err(KvError::Other(format!("at most {BATCH} keys in one call"))),
    }
}
