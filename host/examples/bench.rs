//! The governed call against the bare engine, in one process, on the same component with the same JSON in and out.
//!
//! `cargo xtask bench [--calls N] [--seconds S] [call|imports|stops|book|ledger|neighbour|gateway]`
//!
//! *Bare* is wasmtime with the same engine settings and WASI linked directly: a fresh store, instantiate, decode JSON,
//! call, encode JSON. *Governed* is the whole pipeline: API key, kill switch, rate, budget lease, policy, rights, gate,
//! settlement and the audit entry. Then `imports`: the gate by itself; `stops`: how long a kill switch takes; `book`: the
//! audit log by itself; `ledger`: what it costs, with few tenants and with many; `neighbour`: what a quiet tenant notices of a noisy one;
//! and `gateway`: the server as clients see it.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measuring program: it reads the clock and the disk, and an error ends it"
)]

#[path = "bench/book.rs"]
mod book;
#[path = "bench/gateway.rs"]
mod gateway;
#[path = "bench/imports.rs"]
mod imports;
#[path = "bench/ledger.rs"]
mod ledger;
#[path = "bench/neighbour.rs"]
mod neighbour;
#[path = "bench/stops.rs"]
mod stops;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::admit::CallRequest;
use strongroom::audit::MemoryJournal;
use strongroom::id::{ActorId, TenantId};
use strongroom::identify::Credential;
use strongroom::isolate::engine::{Allocation, Engine};
use strongroom::powers::Home;
use strongroom::reason::Reason;
use strongroom::{NewKey, Strongroom, typed};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FUNCTION: &str = "echo.echo";
const ARGUMENTS: &str = r#"{"message":{"from":"acme","number":918,"text":"update order #918 and send a confirmation","urgency":"high","tags":["order","confirmation"],"place":{"latitude":52.5,"longitude":13.4}}}"#;
const TENANT: &str = r#"
[tools]
allow = ["*"]
[rate]
per_second = 1000000
burst = 1000000
[[budgets]]
of = "calls"
per = "day"
limit = 1000000000
[[budgets]]
of = "fuel"
per = "day"
limit = 1000000000000000
"#;

/// What is measured, in this order; one word alone measures that part.
const PARTS: [&str; 7] = ["call", "imports", "stops", "book", "ledger", "neighbour", "gateway"];

fn main() {
    let (mut calls, mut seconds, mut only) = (20_000_u64, 3_u64, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if PARTS.contains(&argument.as_str()) {
            only = Some(argument);
            continue;
        }
        let value = arguments.next().unwrap_or_default();
        match (argument.as_str(), value.parse()) {
            ("--calls", Ok(n)) => calls = n,
            ("--seconds", Ok(n)) => seconds = n,
            ("--only", _) if PARTS.contains(&value.as_str()) => only = Some(value),
            _ => {
                eprintln!("usage: cargo xtask bench [--calls N] [--seconds S] [{}]", PARTS.join("|"));
                std::process::exit(2);
            }
        }
    }
    let window = Duration::from_secs(seconds);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if wanted("call") {
            run(calls, window).await;
        }
        if wanted("imports") {
            imports::run(calls / 20).await;
        }
        if wanted("stops") {
            stops::run().await;
        }
        if wanted("book") {
            book::run(calls, window).await;
        }
        if wanted("ledger") {
            ledger::run(calls).await;
        }
    });
    drop(runtime);
    if wanted("neighbour") {
        neighbour::run(2 * window);
    }
    if wanted("gateway") {
        gateway::run(window);
    }
}

async fn run(calls: u64, window: Duration) {
    let bytes = component("echo");
    println!(
        "component echo.wasm, {} bytes; {} bytes of JSON in and out; {calls} calls in turn",
        bytes.len(),
        ARGUMENTS.len()
    );

    let memory = Arc::new(MemoryJournal::keeping(1_000));
    let (buffered, key) =
        house("echo", Some(ECHO), "", |builder| builder.journal(memory.clone()).buffered(true), nothing)
            .await;
    let bare = Bare::new(&buffered, &bytes);
    // Both in small turns, so that a machine that gets slower or faster meanwhile changes both alike.
    let turns = 40;
    let (mut bare_times, mut governed_times) = (Vec::new(), Vec::new());
    for turn in 0..=turns {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..calls / turns {
            let began = Instant::now();
            bare.call().await;
            a.push(began.elapsed());
        }
        for _ in 0..calls / turns {
            let began = Instant::now();
            governed(&buffered, &key, FUNCTION, ARGUMENTS).await;
            b.push(began.elapsed());
        }
        if turn > 0 {
            // The first turn warms caches and the pool.
            bare_times.extend(a);
            governed_times.extend(b);
        }
    }
    let (bare_us, governed_us) =
        (show("bare engine", &mut bare_times), show("governed, audit in memory", &mut governed_times));
    println!("{:<40} {:>8.2}×   (goal ≤ 1.50×)", "governed / bare, medians", governed_us / bare_us);

    let (synced, key) = house("echo", Some(ECHO), "", |builder| builder.buffered(false), nothing).await;
    for callers in [1, 16, 64] {
        let rate = throughput(&synced, &key, callers, window).await;
        let goal = if callers == 64 { "   (goal ≥ 5,000/s)" } else { "" };
        println!("{:<40} {:>8.0}/s{goal}", format!("governed, audit synced, {callers} callers"), rate);
    }
    let (on_disk, key) = house("echo", Some(ECHO), "", |builder| builder.buffered(true), nothing).await;
    println!(
        "{:<40} {:>8.0}/s",
        "governed, audit buffered on disk, 64 callers",
        throughput(&on_disk, &key, 64, window).await
    );
}

const ECHO: &str = "name = 'echo'\nversion = '1.0.0'\n[functions]\necho.effect = 'read'\n";

/// A host with one tenant that has a rate, two budgets, an allowlist and these grants; `before` fills its folder.
async fn house(
    tool: &str,
    manifest: Option<&str>,
    grants: &str,
    change: impl FnOnce(strongroom::Builder) -> strongroom::Builder,
    before: impl AsyncFnOnce(&Path),
) -> (Strongroom, String) {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::create_dir_all(folder.join("tenants")).unwrap();
    std::fs::write(folder.join("tenants/acme.toml"), format!("{TENANT}{grants}")).unwrap();
    before(&folder).await;
    let room = change(Strongroom::builder(Home::open(&folder).unwrap())).build().await.unwrap();
    room.install(component(tool), tool, manifest).await.unwrap();
    let key = NewKey {
        tenant: TenantId::new("acme").unwrap(),
        actor: ActorId::new("bench").unwrap(),
        role: None,
        scopes: Vec::new(),
        expires_ms: None,
    };
    let key = room.create_key(key).await.unwrap().text.to_string();
    (room, key)
}

async fn nothing(_: &Path) {}

async fn governed(room: &Strongroom, key: &str, function: &str, arguments: &str) {
    let request =
        CallRequest { function: function.into(), arguments: arguments.into(), ..Default::default() };
    let receipt = room.call(Credential::ApiKey(key), request).await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    black_box(receipt);
}

async fn throughput(room: &Strongroom, key: &str, callers: u64, window: Duration) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (room, key, done) = (room.clone(), key.to_owned(), done.clone());
            tokio::spawn(async move {
                while began.elapsed() < window {
                    governed(&room, &key, FUNCTION, ARGUMENTS).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    rate
}

/// The engine by itself.
struct Bare {
    engine: wasmtime::Engine,
    pre: wasmtime::component::InstancePre<BareState>,
    index: wasmtime::component::ComponentExportIndex,
    function: Arc<strongroom::tools::ToolFunction>,
}

struct BareState {
    table: wasmtime::component::ResourceTable,
    wasi: wasmtime_wasi::WasiCtx,
}

impl wasmtime_wasi::WasiView for BareState {
    fn ctx(&mut self) -> wasmtime_wasi::WasiCtxView<'_> {
        wasmtime_wasi::WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Bare {
    fn new(room: &Strongroom, bytes: &[u8]) -> Self {
        let engine = Engine::new(Allocation::Pool, 64).unwrap().wasmtime().clone();
        let component = wasmtime::component::Component::new(&engine, bytes).unwrap();
        let mut linker = wasmtime::component::Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        let (_, function) = room.catalogue().function(&FUNCTION.parse().unwrap()).unwrap();
        let interface = component.get_export_index(None, "strongroom-test:echo/echo@0.1.0").unwrap();
        let index = component.get_export_index(Some(&interface), "echo").unwrap();
        Self { pre: linker.instantiate_pre(&component).unwrap(), engine, index, function }
    }

    async fn call(&self) {
        let limits = typed::Limits::default();
        let arguments = self.function.signature.decode_arguments(ARGUMENTS, &limits).unwrap();
        let state = BareState {
            table: wasmtime::component::ResourceTable::new(),
            wasi: wasmtime_wasi::WasiCtx::builder().build(),
        };
        let mut store = wasmtime::Store::new(&self.engine, state);
        store.set_fuel(1_000_000_000).unwrap();
        store.set_epoch_deadline(1_000_000);
        let instance = self.pre.instantiate_async(&mut store).await.unwrap();
        let callee = instance.get_func(&mut store, self.index).unwrap();
        let mut results = [wasmtime::component::Val::Bool(false)];
        callee.call_async(&mut store, &arguments, &mut results).await.unwrap();
        black_box(self.function.signature.encode_result(&results, &limits).unwrap());
    }
}

/// In microseconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Prints the distribution and gives the median in microseconds.
fn show(name: &str, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    println!("{name:<40} {:>8.1} µs median   {:>8.1} µs p10   {:>8.1} µs p99", at(50), at(10), at(99));
    at(50)
}

fn component(tool: &str) -> Vec<u8> {
    let folder = std::env::var_os("STRONGROOM_COMPONENTS").map_or_else(
        || std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("components"),
        PathBuf::from,
    );
    std::fs::read(folder.join(format!("{tool}.wasm")))
        .unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask guests`", folder.display()))
}
