//! `wasi:clocks`, gated.
//!
//! Takes: the call's clocks. Gives: the gated view. May name: imports::gate.

use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Duration, Instant};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};

gated! { impl wall_clock::Host as WasiClocksCtxView<'_> {
    sync fn now() -> Result<Datetime> = WALL_NOW;
    sync fn resolution() -> Result<Datetime> = WALL_RESOLUTION;
}}

gated! { impl monotonic_clock::Host as WasiClocksCtxView<'_> {
    sync fn now() -> Result<Instant> = MONO_NOW;
    sync fn resolution() -> Result<Instant> = MONO_RESOLUTION;
    sync fn subscribe_instant(when: Instant) -> Result<Resource<DynPollable>> = MONO_INSTANT;
    sync fn subscribe_duration(when: Duration) -> Result<Resource<DynPollable>> = MONO_DURATION;
}}
