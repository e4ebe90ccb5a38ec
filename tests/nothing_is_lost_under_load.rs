//! Many clients of many tenants call the real program, reads and writes mixed, over both of its APIs: every answer has a reason code,
//! its memory stays as it is, and when it is told to stop in the middle of it, nothing that somebody saw answered is missing in
//! the audit log, nothing that began is without its end, and the log verifies.
//!
//! 5 seconds, 20 tenants and 64 connections; `STRONGROOM_LOAD=60,100,64` is what `cargo xtask load` does. `STRONGROOM_SEED`
//! repeats the choices of an earlier run.

mod client;

use client::{Client, Seen};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strongroom::audit::{Entry, Phase};
use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{Chance, House, Serving, book, command, house};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

/// How much of the memory after warming up the program may have at the end, in hundredths.
const MOST_GROWTH: u64 = 150;

/// How often the program's memory is looked at, and after which of these looks it is warm: every tenant has called by then.
const PARTS: u32 = 12;
const WARM: usize = 3;

/// How much load, and how long.
struct Load {
    seconds: u64,
    tenants: usize,
    connections: u64,
}

impl Load {
    fn read() -> Self {
        let text = std::env::var("STRONGROOM_LOAD").unwrap_or_else(|_| "5,20,64".into());
        let numbers: Vec<u64> =
            text.split(',').map(|n| n.parse().expect("seconds,tenants,connections")).collect();
        let [seconds, tenants, connections] = numbers.try_into().expect("seconds,tenants,connections");
        Self { seconds, tenants: usize::try_from(tenants).unwrap(), connections }
    }
}

fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

/// What the program keeps in memory, in KiB, as Linux counts it.
fn memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

async fn built(load: &Load) -> (House, Vec<String>) {
    let mut plan = house().tool("echo").tool("prober");
    for number in 0..load.tenants {
        let rules = "[tools]\nallow = [\"echo\", \"prober\"]\nblock = [\"prober.env\"]\n[grants.prober.keyvalue.cart]\nmode = \"rw\"\n";
        plan = plan.tenant(&tenant(number), rules);
    }
    let house = plan.build().await;
    let mut keys = Vec::new();
    for number in 0..load.tenants {
        keys.push(house.key(&tenant(number)).await);
    }
    (house, keys)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loaded_program_answers_stays_small_and_stops_without_a_loss() {
    let (load, seed) = (Load::read(), Chance::seed());
    println!("STRONGROOM_SEED={seed} STRONGROOM_LOAD={},{},{}", load.seconds, load.tenants, load.connections);
    let (house, keys) = built(&load).await;
    let folder = house.leave().await;
    let mut serving = Serving::start(folder.path());
    let (keys, stopping) = (Arc::new(keys), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for number in 0..load.connections {
        let client = Client::new(&serving.address, number, Chance::new(seed + number), keys.clone());
        clients.spawn(client.work(stopping.clone()));
    }
    let began = Instant::now();
    let mut held = Vec::new();
    for _ in 0..PARTS {
        sleep(Duration::from_secs(load.seconds) / PARTS).await;
        held.push(memory(serving.id()));
    }
    let (warm, end) = (held[WARM], held[held.len() - 1]);
    // Told before the program is, so that no client takes its end for a fault.
    stopping.store(true, Ordering::SeqCst);
    serving.terminate();
    let mut all = Vec::new();
    while let Some(seen) = clients.join_next().await {
        all.extend(seen.unwrap());
    }
    let (serving, status) = spawn_blocking(move || {
        let status = serving.ended();
        (serving, status)
    })
    .await
    .unwrap();
    assert!(status.success(), "{status}: {}", serving.said.lock().unwrap());
    let growth = end * 100 / warm.max(1);
    report(&all, began.elapsed(), &held);
    assert!(growth <= MOST_GROWTH, "{warm} KiB became {end} KiB");
    assert!(all.len() > 100, "{} calls are no load", all.len());
    let entries = book(folder.path());
    is_whole(&all, &entries);
    verifies(folder.path());
    counts_are_kept(folder.path(), &load, &all, &entries).await;
}

fn report(all: &[Seen], took: Duration, held: &[u64]) {
    let mut reasons: BTreeMap<_, u64> = BTreeMap::new();
    for seen in all {
        *reasons.entry((seen.protocol, seen.reason.code())).or_default() += 1;
    }
    let rate = all.len() as f64 / took.as_secs_f64();
    println!("{} calls answered in {:.1} s, {rate:.0} a second", all.len(), took.as_secs_f64());
    for ((protocol, reason), count) in reasons {
        println!("  {:8} {reason:24} {count}", if protocol { "/mcp" } else { "/v1" });
    }
    let late = all.iter().filter(|seen| seen.late).count();
    println!("{late} of them after it was told to stop");
    let (warm, end) = (held[WARM], held[held.len() - 1]);
    let ratio = end as f64 / warm.max(1) as f64;
    println!("memory: {warm} KiB when warm, {end} KiB at the end, ratio {ratio:.2}; all along {held:?}");
}

/// Everything that a client saw is in the book as it saw it, and everything that began has an end.
fn is_whole(all: &[Seen], entries: &[Entry]) {
    let mut ends: HashMap<String, &Entry> = HashMap::new();
    let mut begun = HashSet::new();
    for entry in entries {
        let Some(call) = entry.call_id.map(|id| id.to_string()) else { continue };
        if entry.phase == Phase::Intent {
            begun.insert(call);
        } else {
            assert!(ends.insert(call, entry).is_none(), "a call ended twice: {entry:?}");
        }
    }
    let open: Vec<_> = begun.iter().filter(|call| !ends.contains_key(*call)).collect();
    assert!(open.is_empty(), "without an end: {open:?}");
    for seen in all {
        let entry = ends.get(&seen.call).unwrap_or_else(|| panic!("answered, and not in the log: {seen:?}"));
        assert_eq!(entry.reason_code, seen.reason, "{seen:?} {entry:?}");
        assert_eq!(entry.outcome == Outcome::Replayed, seen.replayed, "{seen:?} {entry:?}");
        assert_eq!(entry.action, format!("call {}", seen.function), "{seen:?}");
        assert_eq!(entry.tenant_id.as_ref().unwrap().as_str(), tenant(seen.tenant), "{seen:?}");
    }
    let calls: HashSet<_> = all.iter().map(|seen| &seen.call).collect();
    assert_eq!(calls.len(), all.len(), "each answer is of a call of its own");
}

fn verifies(home: &Path) {
    let output = command(home).args(["audit", "verify"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Each tenant's counter stands where the log says: every increment took effect once, also those that nobody saw answered.
async fn counts_are_kept(home: &Path, load: &Load, all: &[Seen], entries: &[Entry]) {
    let executed = |of: &str| {
        let mine = entries.iter().filter(|e| e.tenant_id.as_ref().is_some_and(|t| t.as_str() == of));
        let mine = mine.filter(|e| e.phase == Phase::Outcome && e.action == "call prober.kv-increment");
        mine.filter(|e| e.outcome == Outcome::Executed && e.reason_code == Reason::Ok).count()
    };
    let answered = |number: usize| {
        let mine = all.iter().filter(|s| s.tenant == number && s.function == "prober.kv-increment");
        mine.filter(|s| s.reason == Reason::Ok && !s.replayed).count()
    };
    let room =
        strongroom::Strongroom::builder(strongroom::powers::Home::open(home).unwrap()).build().await.unwrap();
    for number in 0..load.tenants {
        let name = tenant(number);
        let key = strongroom::NewKey {
            tenant: strongroom::id::TenantId::new(name.as_str()).unwrap(),
            actor: strongroom::id::ActorId::new("auditor").unwrap(),
            role: None,
            scopes: Vec::new(),
            expires_ms: None,
        };
        let key = room.create_key(key).await.unwrap().text;
        let ask =
            strongroom_tests::request("prober.kv-increment", r#"{"bucket":"cart","key":"n","delta":0}"#);
        let told = room.call(strongroom::identify::Credential::ApiKey(&key), ask).await;
        let stands: usize = told.value.as_ref().unwrap_or_else(|| panic!("{told:?}")).parse().unwrap();
        assert_eq!(stands, executed(&name), "{name}");
        assert!(stands >= answered(number), "{name}: an increment that was answered is lost");
    }
    room.close().await.unwrap();
}
