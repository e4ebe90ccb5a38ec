//! Generated host traits for the interfaces that wasmtime's WASI crates do not export: ours,
//! keyvalue, config, logging.
//!
//! Takes: `wit/`. Gives: traits to implement. May name: imports::ask, imports::cache, imports::keyvalue, imports::memory.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "strongroom:host/imports",
    imports: {
        "strongroom:host/ask.elicit": async | tracing | trappable,
        "strongroom:host/ask.sample": async | tracing | trappable,
        "strongroom:host/ask.roots": async | tracing | trappable,
        "strongroom:host/ask.all": async | tracing | trappable,
        "strongroom:host/cache.get": async | tracing | trappable,
        "strongroom:host/cache.set": async | tracing | trappable,
        "strongroom:host/cache.delete": async | tracing | trappable,
        "strongroom:host/memory.remember": async | tracing | trappable,
        "strongroom:host/memory.retrieve": async | tracing | trappable,
        "strongroom:host/memory.forget": async | tracing | trappable,
        "wasi:keyvalue/store.open": async | tracing | trappable,
        "wasi:keyvalue/atomics.increment": async | tracing | trappable,
        default: tracing | trappable,
    },
    with: {
        "wasi:keyvalue/store.bucket": crate::imports::keyvalue::Bucket,
    },
    trappable_error_type: {
        "strongroom:host/ask.error" => crate::imports::ask::AskError,
        "strongroom:host/cache.error" => crate::imports::cache::CacheError,
        "strongroom:host/memory.error" => crate::imports::memory::MemoryError,
        "wasi:keyvalue/store.error" => crate::imports::keyvalue::KvError,
    },
    require_store_data_send: true,
});
