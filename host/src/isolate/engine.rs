//! The engine: which WebAssembly runs here, and the clock that makes what runs pause.
//!
//! Takes: the operator's limits. Gives: [`Engine`]. May name: config.

use std::time::Duration;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

/// How often a running guest pauses at least, however little fuel it uses.
const TICK: Duration = Duration::from_millis(5);

/// Largest memory that a guest can have, whatever the limits say: the size of a slot in the pool.
pub const MAX_MEMORY: u64 = 64 * 1024 * 1024;

/// Fuel between two points at which a running guest lets others run: about 50 µs of work. A pause costs about a
/// microsecond, so shorter ones would cost a busy guest more than they give its neighbours.
pub(crate) const YIELD_EVERY: u64 = 100_000;

/// How many calls can run at once, whatever the limits say: the number of slots in the pool.
pub const MAX_CALLS: u32 = 1_000;

/// Off, whatever the engine's defaults become: each is a larger surface than a tool needs.
const REFUSED: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::MULTI_MEMORY, "multi-memory"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::FUNCTION_REFERENCES, "function references"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::CM_ASYNC, "async components"),
    (WasmFeatures::CM_ASYNC_STACKFUL, "async components"),
    (WasmFeatures::CM_ERROR_CONTEXT, "error contexts"),
];

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allocation {
    /// From a pool that is laid out once: quick, for as many calls at a time as the host takes on.
    #[default]
    Pool,
    /// From the system, for each call anew: slower, without a fixed number of slots.
    OnDemand,
}

/// A wasmtime engine with this host's settings. Cheap to clone.
#[derive(Clone)]
pub struct Engine(wasmtime::Engine);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Builds the engine for this many calls at a time and starts its clock; the clock ends with the last clone. The
    /// pool reserves 8 GiB of addresses (not of memory) for each call.
    ///
    /// # Errors
    /// When the machine cannot run compiled WebAssembly, or has no room for the pool.
    pub fn new(allocation: Allocation, calls: u32) -> wasmtime::Result<Self> {
        Self::ticking(allocation, calls, || {})
    }

    /// The same, and something is done at each [`TICK`].
    pub(crate) fn ticking(
        allocation: Allocation,
        calls: u32,
        mut each: impl FnMut() + Send + 'static,
    ) -> wasmtime::Result<Self> {
        let engine = wasmtime::Engine::new(&config(allocation, calls))?;
        let weak = engine.weak();
        std::thread::Builder::new().name("strongroom-tick".into()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                each();
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self(engine))
    }

    /// An engine that only compiles: no pool, no clock.
    ///
    /// # Errors
    /// When the settings do not fit this machine.
    pub fn compiler() -> wasmtime::Result<Self> {
        // On demand: the layout of the pool is not part of compiled code, the feature settings are.
        Ok(Self(wasmtime::Engine::new(&config(Allocation::OnDemand, 0))?))
    }

    /// The engine underneath, for embedders that compare or combine.
    #[must_use]
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.0
    }

    /// Compiles a component to what [`strongroom_precompiled::Sealer`] seals.
    ///
    /// # Errors
    /// When the component is not valid under this engine's settings.
    pub fn compile(&self, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
        self.0.precompile_component(component)
    }
}

/// Bytes of each table that are wiped in place; most tables have less.
const TABLE_RESIDENT: usize = 4096;

fn config(allocation: Allocation, calls: u32) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config.wasm_component_model(true);
    // Data is copied in, not mapped: a memory that is one mapping is given back under that mapping's lock alone. With a
    // mapped image in it the whole process' mappings are locked meanwhile, and everybody's calls need those.
    config.memory_init_cow(false);
    for (feature, _) in REFUSED {
        config.wasm_features(*feature, false);
    }
    if allocation == Allocation::Pool {
        let mut pool = PoolingAllocationConfig::new();
        // One more than calls, for the question whether the host is ready.
        let slots = calls.clamp(1, MAX_CALLS).saturating_add(1);
        // A component is a handful of core instances: the tool, its adapters, its shims.
        let cores = slots.saturating_mul(4);
        // No memory stays resident, and no page-map scan says what to wipe: it passes over a dirty page that the system has
        // swapped out, and the next tenant in that slot would read it. The first page of a table does: it is filled with zeros
        // where it is, which costs less than to give it back and to have another one.
        pool.total_component_instances(slots)
            .total_core_instances(cores)
            .total_memories(slots.saturating_mul(2))
            .total_tables(cores)
            .total_stacks(slots)
            .max_memory_size(usize::try_from(MAX_MEMORY).unwrap_or(usize::MAX))
            .linear_memory_keep_resident(0)
            .table_keep_resident(TABLE_RESIDENT)
            .pagemap_scan(Enabled::No);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
