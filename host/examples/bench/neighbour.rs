//! What a quiet tenant notices of a noisy one, in one process and one run.
//!
//! The noisy tenant floods: endless loops, guests that take all the memory they get, and more than ten times the calls
//! that its rate lets through. The quiet one calls now and then, from a thread of its own, as a client would, so that
//! what it waits until a worker takes its call up counts too. Alone and flooded take turns, so that a machine that gets
//! slower or faster meanwhile changes both alike.

use crate::component;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use strongroom::admit::CallRequest;
use strongroom::id::{ActorId, TenantId};
use strongroom::identify::Credential;
use strongroom::powers::Home;
use strongroom::reason::Reason;
use strongroom::{NewKey, Strongroom};

const QUIET: &str = "[tools]\nallow = ['*']\n";
const NOISY: &str = r#"
[tools]
allow = ["*"]
[limits]
deadline_ms = 500
[rate]
per_second = 200
"#;
/// Callers of the noisy tenant: endless loops, memory, and many small calls.
const LOOPS: usize = 32;
const GROWING: usize = 16;
const HURRIED: usize = 40;
/// Alone and flooded, so often.
const ROUNDS: u32 = 10;
/// How long the hurried ones wait between two calls, and everybody after a refusal: ten times the rate together.
const INSIST: Duration = Duration::from_millis(20);
/// How long the quiet one thinks between two calls.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn run(window: Duration) {
    for (name, buffered) in [("audit buffered", true), ("audit synced", false)] {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let measured = measure(&runtime, buffered, window);
        report(name, measured);
        runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

struct Measured {
    alone: Vec<Duration>,
    flooded: Vec<Duration>,
    asked: u64,
    refused: u64,
    flood: Duration,
}

fn report(name: &str, mut measured: Measured) {
    let line = |what: &str, times: &mut Vec<Duration>| {
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
        let name = format!("quiet tenant {what}, {name}");
        println!("{name:<40} {:>8.1} µs median   {:>8.1} µs p99   {} calls", at(50), at(99), times.len());
        (at(50), at(99))
    };
    let alone = line("alone", &mut measured.alone);
    let flooded = line("flooded", &mut measured.flooded);
    let seconds = measured.flood.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    let (asked, refused) = (measured.asked as f64 / seconds, measured.refused as f64 / seconds);
    println!("  the flood asks {asked:.0}/s at a rate of 200/s, {refused:.0}/s are refused");
    println!(
        "{:<40} {:>8.2}× p99 (goal ≤ 2×)   {:.2}× median",
        format!("  flooded / alone, {name}"),
        flooded.1 / alone.1,
        flooded.0 / alone.0
    );
}

/// What the flood does and is told.
#[derive(Default)]
struct Flood {
    on: AtomicBool,
    over: AtomicBool,
    in_calls: AtomicUsize,
    asked: AtomicU64,
    refused: AtomicU64,
}

fn measure(runtime: &tokio::runtime::Runtime, buffered: bool, window: Duration) -> Measured {
    let (room, quiet, noisy) = runtime.block_on(house(buffered));
    let flood = Arc::new(Flood::default());
    let callers = (0..LOOPS + GROWING + HURRIED).map(|caller| {
        let (room, key, flood) = (room.clone(), noisy.clone(), flood.clone());
        runtime.spawn(async move {
            let (function, arguments, hurried) = match caller {
                0..LOOPS => ("spin.spin", "{}", false),
                n if n < LOOPS + GROWING => ("hog.grow", r#"{"piece":1000000}"#, false),
                _ => ("echo.echo", crate::ARGUMENTS, true),
            };
            while !flood.over.load(Ordering::Relaxed) {
                if flood.on.load(Ordering::Relaxed) {
                    flood.in_calls.fetch_add(1, Ordering::Relaxed);
                    let reason = call(&room, &key, function, arguments).await;
                    flood.in_calls.fetch_sub(1, Ordering::Relaxed);
                    flood.asked.fetch_add(1, Ordering::Relaxed);
                    let refused = matches!(reason, Reason::RateLimited | Reason::Overloaded);
                    flood.refused.fetch_add(u64::from(refused), Ordering::Relaxed);
                    if !refused && !hurried {
                        continue;
                    }
                }
                tokio::time::sleep(INSIST).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut measured =
        Measured { alone: vec![], flooded: vec![], asked: 0, refused: 0, flood: Duration::ZERO };
    call_for(window / 5, runtime, &room, &quiet);
    for _ in 0..ROUNDS {
        measured.alone.extend(call_for(window / ROUNDS, runtime, &room, &quiet));
        let began = Instant::now();
        flood.on.store(true, Ordering::Relaxed);
        while flood.in_calls.load(Ordering::Relaxed) < LOOPS {
            std::thread::sleep(Duration::from_millis(1));
        }
        measured.flooded.extend(call_for(window / ROUNDS, runtime, &room, &quiet));
        measured.flood += began.elapsed();
        flood.on.store(false, Ordering::Relaxed);
        while flood.in_calls.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    flood.over.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for caller in callers {
            caller.await.unwrap();
        }
        room.close().await.unwrap();
    });
    measured.asked = flood.asked.load(Ordering::Relaxed);
    measured.refused = flood.refused.load(Ordering::Relaxed);
    measured
}

/// The quiet tenant's calls for so long, each from this thread to a worker and back.
fn call_for(
    window: Duration,
    runtime: &tokio::runtime::Runtime,
    room: &Strongroom,
    key: &str,
) -> Vec<Duration> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < window {
        std::thread::sleep(PAUSE);
        let (room, key) = (room.clone(), key.to_owned());
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let asked = Instant::now();
        runtime.spawn(async move {
            let reason = call(&room, &key, "echo.echo", crate::ARGUMENTS).await;
            tell.send(reason).unwrap();
        });
        assert_eq!(told.recv().unwrap(), Reason::Ok);
        times.push(asked.elapsed());
    }
    times
}

async fn call(room: &Strongroom, key: &str, function: &str, arguments: &str) -> Reason {
    let request =
        CallRequest { function: function.into(), arguments: arguments.into(), ..Default::default() };
    room.call(Credential::ApiKey(key), request).await.reason
}

/// A host with the two tenants, and a key for each.
async fn house(buffered: bool) -> (Strongroom, String, String) {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::create_dir_all(folder.join("tenants")).unwrap();
    for (tenant, text) in [("quiet", QUIET), ("noisy", NOISY)] {
        std::fs::write(folder.join(format!("tenants/{tenant}.toml")), text).unwrap();
    }
    let builder = Strongroom::builder(Home::open(&folder).unwrap()).buffered(buffered);
    let room = builder.build().await.unwrap();
    room.install(component("echo"), "echo", Some(crate::ECHO)).await.unwrap();
    for tool in ["spin", "hog"] {
        room.install(component(tool), tool, None).await.unwrap();
    }
    let mut keys = Vec::new();
    for tenant in ["quiet", "noisy"] {
        let key = NewKey {
            tenant: TenantId::new(tenant).unwrap(),
            actor: ActorId::new("bench").unwrap(),
            role: None,
            scopes: Vec::new(),
            expires_ms: None,
        };
        keys.push(room.create_key(key).await.unwrap().text.to_string());
    }
    (room, keys[0].clone(), keys[1].clone())
}
