#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! Takes: the host's imports. Gives: wrappers of them, the macro [`tool!`], and [`fake`] in native builds.
//! Nothing here holds authority: each wrapper reaches only what the manifest asks for *and* the tenant granted.

pub mod ask;
#[cfg(target_arch = "wasm32")]
mod bindings;
pub mod cache;
pub mod call;
pub mod config;
pub mod dir;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
pub mod http;
pub mod kv;
pub mod log;
pub mod memory;
mod tool;

#[cfg(not(target_arch = "wasm32"))]
use fake::host;
#[cfg(target_arch = "wasm32")]
mod host;

pub use serde_json;
#[doc(hidden)]
pub use wit_bindgen;
