//! Generated host traits for the interfaces that wasmtime's WASI crates do not export: ours, keyvalue, config, logging.
//!
//! Takes: `wit/`. Gives: traits to implement. May name: imports::keyvalue.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "strongroom:host/imports",
    imports: {
        "wasi:keyvalue/store.open": async | tracing | trappable,
        "wasi:keyvalue/atomics.increment": async | tracing | trappable,
        default: tracing | trappable,
    },
    with: {
        "wasi:keyvalue/store.bucket": crate::imports::keyvalue::Bucket,
    },
    trappable_error_type: {
        "wasi:keyvalue/store.error" => crate::imports::keyvalue::KvError,
    },
    require_store_data_send: true,
});
