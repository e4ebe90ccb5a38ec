//! `wasi:random`, gated. At most 64 KiB a call (the context's own limit traps above that).
//!
//! Takes: the call's randomness. Gives: the gated view. May name: imports::gate.

use wasmtime::Result;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::random::WasiRandomCtx;

gated! { impl random::Host as &mut WasiRandomCtx {
    sync fn get_random_bytes(len: u64) -> Result<Vec<u8>> = RANDOM_BYTES;
    sync fn get_random_u64() -> Result<u64> = RANDOM_U64;
}}

gated! { impl insecure::Host as &mut WasiRandomCtx {
    sync fn get_insecure_random_bytes(len: u64) -> Result<Vec<u8>> = INSECURE_BYTES;
    sync fn get_insecure_random_u64() -> Result<u64> = INSECURE_U64;
}}

gated! { impl insecure_seed::Host as &mut WasiRandomCtx {
    sync fn insecure_seed() -> Result<(u64, u64)> = INSECURE_SEED;
}}
