//! The host's imports that WASI's own crate does not bind, generated from `wit/`.
//!
//! Takes: world `strongroom:host/imports`. Gives: raw bindings for `host`. May name: nothing.

wit_bindgen::generate!({ path: "../wit", world: "strongroom:host/imports", generate_all });
