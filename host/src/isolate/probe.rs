//! Whether a store and an instance with a memory can be made, found out by making them.
//!
//! Takes: an engine. Gives: an answer. May name: nothing.

use super::engine::Engine;
use std::sync::OnceLock;
use wasmtime::Store;
use wasmtime::component::{Component, Linker};

/// A component with one core instance that has one memory of one page, and does nothing:
/// `(component (core module $m (memory 1)) (core instance (instantiate $m)))`.
const NOTHING: &[u8] = &[
    0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00, // a component
    0x01, 0x0d, // a core module of 13 bytes
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // the module
    0x05, 0x03, 0x01, 0x00, 0x01, // its memory
    0x02, 0x04, 0x01, 0x00, 0x00, 0x00, // an instance of it
];

/// What is instantiated; compiled once, when it is first asked for.
#[derive(Default)]
pub(crate) struct Probe(OnceLock<Component>);

impl Probe {
    /// Makes an instance and lets it go. The pool has one slot more than calls may run, so that a busy host is no sick one.
    pub(crate) async fn instantiate(&self, engine: &Engine) -> wasmtime::Result<()> {
        let component = match self.0.get() {
            Some(component) => component,
            None => {
                let compiled = Component::from_binary(engine.inner(), NOTHING)?;
                self.0.get_or_init(|| compiled)
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this store holds nothing and runs nothing of anybody's"
        )]
        let mut store = Store::new(engine.inner(), ());
        Linker::new(engine.inner()).instantiate_async(&mut store, component).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolate::engine::Allocation;

    #[tokio::test]
    async fn a_full_pool_has_one_slot_for_it_and_one_that_is_overfull_has_none() {
        let engine = Engine::new(Allocation::Pool, 1).unwrap();
        let probe = Probe::default();
        probe.instantiate(&engine).await.unwrap();
        let component = probe.0.get().unwrap();
        let mut held = Vec::new();
        let mut hold = async || {
            #[expect(clippy::disallowed_methods, reason = "a test's own store")]
            let mut store = Store::new(engine.inner(), ());
            let made = Linker::new(engine.inner()).instantiate_async(&mut store, component).await.map(drop);
            held.push(store);
            made
        };
        hold().await.unwrap();
        probe.instantiate(&engine).await.unwrap();
        hold().await.unwrap();
        probe.instantiate(&engine).await.unwrap_err();
    }
}
