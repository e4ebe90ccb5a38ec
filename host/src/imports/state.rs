//! What a store holds: one call's gate, rights, handles and contexts, and nothing of any other call.
//!
//! Takes: what the cell was made with. Gives: the views that the linker hands to each interface.
//! May name: authorize, isolate, storage.

use super::asking::Talk;
use super::call::CallFacts;
use super::gate::Gate;
use super::hooks::Hooks;
use super::stored::Stored;
use super::wasi::Wasi;
use crate::authorize::rights::Rights;
use crate::isolate::memory::Memory;
use crate::storage::cache::{CacheOf, TenantCaches};
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpCtx;

/// The data of a store. Each import sees only the view it needs, never this.
pub(crate) struct State {
    pub(crate) gate: Gate,
    pub(crate) memory: Memory,
    pub(crate) rights: Arc<Rights>,
    pub(crate) table: ResourceTable,
    pub(crate) wasi: Wasi,
    pub(crate) http: WasiHttpCtx,
    pub(crate) hooks: Hooks,
    pub(crate) stored: Stored,
    /// Entries of the memory that the host has named.
    pub(crate) named: u64,
    pub(crate) caches: TenantCaches,
    pub(crate) cache_of: CacheOf,
    pub(crate) facts: CallFacts,
    pub(crate) talk: Talk,
}
