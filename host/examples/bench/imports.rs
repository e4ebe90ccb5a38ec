//! What the gate costs: one import, called again and again, through the gate and without it.
//!
//! Both sides run the same component with the same engine settings and end in the same implementation: WASI's own clocks
//! and randomness, and [`KvTransaction`] over a tenant's store on disk. What is left is the gate: the right, the price, the
//! record. The cost of one call is what a call of the tool with 1,000 imports takes longer than one with none.

use super::{governed, median, show};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom::audit::MemoryJournal;
use strongroom::id::TenantId;
use strongroom::isolate::engine::{Allocation, Engine};
use strongroom::storage::Folder;
use strongroom::storage::tenant::{KvTransaction, TenantStore, TenantStores};
use strongroom::{Strongroom, typed};
use wasmtime::component::{
    Component, ComponentExportIndex, HasSelf, InstancePre, Linker, Resource, ResourceTable, Val,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Imports in a call.
const IMPORTS: u32 = 1_000;
/// Bytes of the value that is read.
const VALUE: usize = 100;
const BUCKET: &str = "busy/cart";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "strongroom:host/imports",
        imports: { default: tracing | trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
    });
}
use bindings::wasi::keyvalue::store;

/// Measures and prints; `calls` of each kind.
pub(crate) async fn run(calls: u64) {
    let memory = Arc::new(MemoryJournal::keeping(1_000));
    let rules = "[grants.busy.keyvalue.cart]\nmode = \"ro\"\n";
    let change = |builder: strongroom::Builder| builder.journal(memory.clone()).buffered(true);
    let (room, key) = super::house("busy", None, rules, change, fill).await;
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path()).await;
    let bare = Bare::new(&room, opened(folder.path()).await);
    println!("\ncomponent busy.wasm; {IMPORTS} imports in a call; {calls} calls of each kind in turn");
    for (function, name) in [
        ("clock", "monotonic-clock now"),
        ("random", "random get-random-u64"),
        ("get", "keyvalue get, 100 bytes"),
    ] {
        let mut times: [Vec<Duration>; 4] = Default::default();
        for turn in 0..=calls {
            // All four in turn, so that a machine that gets slower or faster meanwhile changes all alike.
            for (kind, times) in times.iter_mut().enumerate() {
                let imports = if kind < 2 { 0 } else { IMPORTS };
                let began = Instant::now();
                match kind % 2 {
                    0 => bare.call(function, imports).await,
                    _ => {
                        governed(
                            &room,
                            &key,
                            &format!("busy.{function}"),
                            &format!("{{\"times\":{imports}}}"),
                        )
                        .await
                    }
                }
                if turn > 0 {
                    times.push(began.elapsed());
                }
            }
        }
        let [bare_none, governed_none, bare_all, governed_all] = &mut times;
        let (a, b) = (median(bare_none), median(governed_none));
        let bare_call = show(&format!("{name}, bare engine"), bare_all);
        let governed_call = show(&format!("{name}, governed"), governed_all);
        let each = |whole: f64, none: f64| (whole - none) / f64::from(IMPORTS);
        let (bare_each, governed_each) = (each(bare_call, a), each(governed_call, b));
        println!(
            "{:<40} {:>8.3} µs bare     {:>8.3} µs governed   {:>7.3} µs more   (goal ≤ 1 µs)",
            "  one import",
            bare_each,
            governed_each,
            governed_each - bare_each
        );
        let goal = if function == "get" { "   (goal ≤ 2×)" } else { "" };
        println!(
            "{:<40} {:>8.2}×{goal}",
            "  whole call, governed / bare, medians",
            governed_call / bare_call
        );
    }
}

/// A tenant's store on disk, opened.
async fn opened(home: &Path) -> Arc<TenantStore> {
    let dir = cap_std::fs::Dir::open_ambient_dir(home, cap_std::ambient_authority()).unwrap();
    let stores = Folder::new(dir, home).child("stores").unwrap();
    TenantStores::new(stores, 1).open(&TenantId::new("acme").unwrap()).await.unwrap()
}

/// Writes the one key that is read. The store is closed again, so that both sides open the same file.
async fn fill(home: &Path) {
    let mut writes = KvTransaction::new(opened(home).await);
    writes.set(BUCKET, "key", vec![b'x'; VALUE]).unwrap();
    writes.commit().await.unwrap();
}

/// The engine by itself, with the same implementations behind the imports.
struct Bare {
    engine: wasmtime::Engine,
    pre: InstancePre<State>,
    functions: Vec<(&'static str, ComponentExportIndex, Arc<strongroom::tools::ToolFunction>)>,
    store: Arc<TenantStore>,
}

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    kv: KvTransaction,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// An open bucket; there is only one.
#[expect(unreachable_pub, reason = "the generated module names it publicly")]
pub struct Bucket;

impl store::Host for State {
    fn open(&mut self, _: String) -> wasmtime::Result<Result<Resource<Bucket>, store::Error>> {
        Ok(Ok(self.table.push(Bucket)?))
    }
}

impl store::HostBucket for State {
    fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        self.table.get(&bucket)?;
        Ok(self.kv.get(BUCKET, &key).map_err(|e| store::Error::Other(e.to_string())))
    }
    fn set(
        &mut self,
        _: Resource<Bucket>,
        _: String,
        _: Vec<u8>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        Ok(Err(store::Error::AccessDenied))
    }
    fn delete(&mut self, _: Resource<Bucket>, _: String) -> wasmtime::Result<Result<(), store::Error>> {
        Ok(Err(store::Error::AccessDenied))
    }
    fn exists(&mut self, _: Resource<Bucket>, _: String) -> wasmtime::Result<Result<bool, store::Error>> {
        Ok(Err(store::Error::AccessDenied))
    }
    fn list_keys(
        &mut self,
        _: Resource<Bucket>,
        _: Option<u64>,
    ) -> wasmtime::Result<Result<store::KeyResponse, store::Error>> {
        Ok(Err(store::Error::AccessDenied))
    }
    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl Bare {
    fn new(room: &Strongroom, store: Arc<TenantStore>) -> Self {
        let engine = Engine::new(Allocation::Pool, 64).unwrap().wasmtime().clone();
        let component = Component::new(&engine, super::component("busy")).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        store::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).unwrap();
        let interface = component.get_export_index(None, "strongroom-test:busy/busy@0.1.0").unwrap();
        let functions = ["clock", "random", "get"].map(|name| {
            let index = component.get_export_index(Some(&interface), name).unwrap();
            let (_, function) = room.catalogue().function(&format!("busy.{name}").parse().unwrap()).unwrap();
            (name, index, function)
        });
        Self { pre: linker.instantiate_pre(&component).unwrap(), engine, functions: functions.into(), store }
    }

    async fn call(&self, function: &str, imports: u32) {
        let (_, index, function) = self.functions.iter().find(|(name, ..)| *name == function).unwrap();
        let limits = typed::Limits::default();
        let arguments = format!("{{\"times\":{imports}}}");
        let arguments = function.signature.decode_arguments(&arguments, &limits).unwrap();
        let state = State {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().build(),
            kv: KvTransaction::new(self.store.clone()),
        };
        let mut store = wasmtime::Store::new(&self.engine, state);
        store.set_fuel(1_000_000_000).unwrap();
        store.set_epoch_deadline(1_000_000);
        let instance = self.pre.instantiate_async(&mut store).await.unwrap();
        let callee = instance.get_func(&mut store, *index).unwrap();
        let mut results = [Val::Bool(false)];
        callee.call_async(&mut store, &arguments, &mut results).await.unwrap();
        black_box(function.signature.encode_result(&results, &limits).unwrap());
    }
}
