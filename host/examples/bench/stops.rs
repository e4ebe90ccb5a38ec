//! How long a kill switch takes: fifty calls run, half of them loops and half of them asleep, and their tenant is stopped.
//!
//! *Own process*: from the order to its answer, with the switch on the disk, in the book, and none of the calls there any
//! more. *Another process*: the switch is thrown in the ledger by another opening of it, as a process of its own has; from
//! its commit until the last call is gone here, and until the last caller has its answer, which waits for the book.

use super::show;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom::Strongroom;
use strongroom::admit::CallRequest;
use strongroom::id::TenantId;
use strongroom::identify::Credential;
use strongroom::powers::{Home, SystemClock};
use strongroom::reason::Reason;
use strongroom::storage::Folder;
use strongroom::storage::ledger::{KillMode, KillScope, SqliteLedger};

const CALLS: usize = 50;
const ROUNDS: usize = 100;
const LIMITS: &str = "[limits]\nfuel = 1_000_000_000_000\ndeadline_ms = 600_000\n";

/// Measures and prints.
pub(crate) async fn run() {
    let mut home = None;
    let before = async |folder: &Path| {
        std::fs::write(folder.join("strongroom.toml"), LIMITS).unwrap();
        home = Some(folder.to_owned());
    };
    let (room, key) = super::house("spin", None, LIMITS, |builder| builder, before).await;
    room.install(super::component("sleeper"), "sleeper", None).await.unwrap();
    let home = Home::open(home.unwrap()).unwrap();
    let folder = Folder::new(home.dir().try_clone().unwrap(), home.path());
    let other = SqliteLedger::open(&folder, Arc::new(SystemClock)).unwrap();
    let scope = KillScope::Tenant(TenantId::new("acme").unwrap());
    println!("\n{CALLS} calls run, half of them loops, and their tenant is stopped; {ROUNDS} times");

    let mut order = Vec::new();
    for _ in 0..ROUNDS {
        let calls = start(&room, &key).await;
        let began = Instant::now();
        let stopped = room.kill(scope.clone(), "bench").await.unwrap();
        order.push(began.elapsed());
        assert_eq!((stopped.calls, stopped.gone), (CALLS, true));
        ended(calls).await;
        room.revive(scope.clone()).await.unwrap();
    }
    show("own process, order to answer, two syncs", &mut order);

    let (mut gone, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let calls = start(&room, &key).await;
        let watched = room.clone();
        let watching = std::thread::spawn(move || {
            while !watched.running().is_empty() {
                std::thread::sleep(Duration::from_micros(200));
            }
            Instant::now()
        });
        other.kill(scope.clone(), KillMode::Stop, "bench", "bench").await.unwrap();
        let committed = Instant::now();
        let last = ended(calls).await;
        answered.push(last.saturating_duration_since(committed));
        let empty = tokio::task::spawn_blocking(|| watching.join().unwrap()).await.unwrap();
        gone.push(empty.saturating_duration_since(committed));
        other.revive(scope.clone()).await.unwrap();
        while !room.kills().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    show("another process, commit to last gone", &mut gone);
    let p99 = gone[(gone.len() - 1) * 99 / 100].as_secs_f64() * 1e3;
    println!("{:<40} {p99:>8.1} ms p99   (goal ≤ 50 ms)", "");
    show("another process, commit to last answer", &mut answered);
    other.close().await.unwrap();
    room.close().await.unwrap();
}

/// Starts the calls, and waits until all of them run.
async fn start(room: &Strongroom, key: &str) -> Vec<tokio::task::JoinHandle<Instant>> {
    let calls = (0..CALLS).map(|n| {
        let (room, key) = (room.clone(), key.to_owned());
        let (function, arguments) =
            if n % 2 == 0 { ("spin.spin", "{}") } else { ("sleeper.doze", r#"{"ms":60000}"#) };
        tokio::spawn(async move {
            let request =
                CallRequest { function: function.into(), arguments: arguments.into(), ..Default::default() };
            let receipt = room.call(Credential::ApiKey(&key), request).await;
            assert_eq!(receipt.reason, Reason::Killed, "{receipt:?}");
            Instant::now()
        })
    });
    let calls = calls.collect();
    while room.running().len() < CALLS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    calls
}

/// When the last of them had its answer.
async fn ended(calls: Vec<tokio::task::JoinHandle<Instant>>) -> Instant {
    let mut last = None;
    for call in calls {
        last = last.max(Some(call.await.unwrap()));
    }
    last.unwrap()
}
