//! `strongroom:host/memory`, gated, on the tenant's own store.
//!
//! Takes: the call's rights and its transaction. Gives: the gated view. May name: authorize, id, storage.

use super::bindings::strongroom::host::memory;
use super::gate::{Audited, FromStop, Stop};
use super::stored::Stored;
use super::table::{self, Class, Import};
use super::yields::{Count, Yields};
use crate::authorize::rights::Rights;
use crate::id::CallId;
use crate::storage::StorageError;
use crate::storage::tenant::{self, Found};
use wasmtime::Result;

/// How the log names it.
const TARGET: &str = "memory";

/// An error of the interface, or a trap.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated module names it publicly")]
pub enum MemoryError {
    /// What the guest is told.
    Told(memory::Error),
    /// The call ends.
    Trap(wasmtime::Error),
}

impl FromStop for MemoryError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => Self::Told(memory::Error::AccessDenied),
            stop => Self::Trap(wasmtime::Error::new(stop)),
        }
    }
}

impl From<StorageError> for MemoryError {
    fn from(error: StorageError) -> Self {
        Self::Told(memory::Error::Other(error.to_string()))
    }
}

/// What the interface needs: rights, the transaction, and the call's name for entries without one.
pub(crate) struct MemoryView<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) stored: &'a mut Stored,
    pub(crate) call: CallId,
    /// Entries that the host has named so far.
    pub(crate) named: &'a mut u64,
}

impl Audited<'_, MemoryView<'_>> {
    /// Passes a call: an effect needs the right to write.
    fn pass(&mut self, row: &'static Import, bytes: u64) -> Result<(), MemoryError> {
        let passed = match self.inner.rights.memory(row.class == Class::Effect) {
            Ok(()) => self.gate.enter(row, None, Some(TARGET.into()), bytes),
            Err(refusal) => Err(self.gate.deny(row, Some(TARGET.into()), &refusal.to_string())),
        };
        passed.map_err(MemoryError::from_stop)
    }

    fn failed(&mut self, error: tenant::MemoryError) -> MemoryError {
        use tenant::MemoryError as E;
        let text = error.to_string();
        MemoryError::Told(match error {
            E::Id(_) | E::Text(_) | E::Tags | E::Query(_) => memory::Error::Invalid(text),
            E::TooMuch | E::Quota { .. } => {
                self.inner.stored.is_full(&text);
                memory::Error::QuotaExceeded(text)
            }
            E::Storage(_) => memory::Error::Other(text),
        })
    }

    fn give<T>(&mut self, value: T, bytes: &impl Yields) -> Result<T, MemoryError> {
        self.gate.leave(None, bytes).map_err(MemoryError::from_stop)?;
        Ok(value)
    }
}

impl memory::Host for Audited<'_, MemoryView<'_>> {
    async fn remember(
        &mut self,
        id: Option<String>,
        text: String,
        tags: Vec<String>,
    ) -> Result<String, MemoryError> {
        let bytes = id.bytes().saturating_add(text.bytes()).saturating_add(tags.bytes());
        self.pass(&table::MEMORY_REMEMBER, bytes)?;
        let id = id.unwrap_or_else(|| {
            *self.inner.named = self.inner.named.saturating_add(1);
            format!("{}_{}", self.inner.call, self.inner.named)
        });
        let kept = self.inner.stored.begin().await?.remember(&id, text, tags);
        match kept {
            Ok(()) => {
                let bytes = Count(id.bytes());
                self.give(id, &bytes)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn retrieve(&mut self, query: String, top_k: u32) -> Result<Vec<memory::Found>, MemoryError> {
        self.pass(&table::MEMORY_RETRIEVE, query.bytes())?;
        let found = self.inner.stored.begin().await?.retrieve(&query, top_k).await;
        match found {
            Ok(found) => {
                let bytes = found.iter().map(size).fold(0, u64::saturating_add);
                self.give(found.into_iter().map(told).collect(), &Count(bytes))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn forget(&mut self, id: String) -> Result<bool, MemoryError> {
        self.pass(&table::MEMORY_FORGET, id.bytes())?;
        let forgotten = self.inner.stored.begin().await?.forget(&id);
        forgotten.map_err(|error| self.failed(error))
    }

    fn convert_error(&mut self, error: MemoryError) -> Result<memory::Error> {
        match error {
            MemoryError::Told(error) => Ok(error),
            MemoryError::Trap(error) => Err(error),
        }
    }
}

/// Bytes of an entry as it goes to the guest, with its host-side bookkeeping.
fn size(found: &Found) -> u64 {
    found.id.bytes().saturating_add(found.text.bytes()).saturating_add(found.tags.bytes()).saturating_add(16)
}

fn told(found: Found) -> memory::Found {
    let Found { id, text, tags, score, pending } = found;
    memory::Found { id, text, tags, score, pending }
}
