//! WASI's own context: made when a guest first asks for any of it, since its generators are seeded then, and most calls ask for none.
//!
//! Takes: the directories of a call. Gives: [`Wasi`]. May name: nothing.

use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

/// Random bytes in one call.
const RANDOM_BYTES: u64 = 64 * 1024;

/// Built from nothing, with no authority but the directories that it was made with.
pub(crate) struct Wasi(Option<WasiCtx>);

impl Wasi {
    /// Without any directory.
    pub(crate) fn bare() -> Self {
        Self(None)
    }

    /// With what a builder of [`Wasi::builder`] was given.
    pub(crate) fn with(mut builder: WasiCtxBuilder) -> Self {
        Self(Some(builder.build()))
    }

    pub(crate) fn builder() -> WasiCtxBuilder {
        let mut builder = WasiCtx::builder();
        builder.max_random_size(RANDOM_BYTES);
        builder
    }

    pub(super) fn ctx(&mut self) -> &mut WasiCtx {
        self.0.get_or_insert_with(|| Self::builder().build())
    }
}
