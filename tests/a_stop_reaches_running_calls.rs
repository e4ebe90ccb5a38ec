//! A kill switch stops the calls that run too: exactly those that it names, wherever they are, and what they leave is
//! consistent. A freeze refuses writes and lets everything else be.

mod storm;

use std::collections::HashSet;
use std::time::Duration;
use strongroom::NewKey;
use strongroom::admit::CallRequest;
use strongroom::id::{ActorId, CallId, Digest, TenantId, ToolName};
use strongroom::identify::Credential;
use strongroom::isolate::RunningCall;
use strongroom::reason::{Outcome, Reason};
use strongroom::settle::Receipt;
use strongroom::storage::ledger::{KillMode, KillScope, Order};
use strongroom_tests::{Bytes, House, Plan, Then, component, house, request_with_key, wire};
use tokio::task::JoinHandle;

mod writes;

/// Long enough that no call ends by itself while a test looks at it.
const LONG: &str = "[limits]\nfuel = 1_000_000_000_000\ndeadline_ms = 300_000\n";

fn plan(grants: &str) -> Plan {
    let rules = format!(
        "[tools]\nallow = [\"*\"]\n[grants.sleeper.keyvalue.cart]\nmode = \"rw\"\n\
         [grants.prober.keyvalue.cart]\nmode = \"rw\"\n{grants}{LONG}"
    );
    let plan = house().file("strongroom.toml", LONG).tenant("acme", &rules).tenant("globex", &rules);
    plan.tool("spin").tool("sleeper").tool("prober")
}

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

async fn key_of(house: &House, tenant: &str, actor: &str) -> String {
    let key = NewKey {
        tenant: TenantId::new(tenant).unwrap(),
        actor: ActorId::new(actor).unwrap(),
        role: None,
        scopes: Vec::new(),
        expires_ms: None,
    };
    house.room.create_key(key).await.unwrap().text.to_string()
}

/// Starts a call, and says how it ended.
fn start(house: &House, key: &str, request: CallRequest) -> JoinHandle<Receipt> {
    let (room, key) = (house.room.clone(), key.to_owned());
    tokio::spawn(async move { room.call(Credential::ApiKey(&key), request).await })
}

fn read(function: &str, arguments: &str) -> CallRequest {
    CallRequest { function: function.into(), arguments: arguments.into(), ..Default::default() }
}

/// Waits until so many calls run.
async fn all_run(house: &House, count: usize) -> Vec<RunningCall> {
    loop {
        let running = house.room.running();
        if running.len() == count {
            return running;
        }
        assert!(running.len() < count, "{running:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn ids(calls: &[RunningCall]) -> HashSet<CallId> {
    calls.iter().map(|call| call.call_id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_calls_that_are_named_end_and_the_others_go_on() {
    let slow = wire(|_| Bytes::open(b"never ends", Then::Wait)).await;
    let grants = format!("[grants.prober.http.api]\norigin = \"{}\"\nallow_private = true\n", slow.origin());
    let house = plan(&grants).build().await;
    let mut calls = Vec::new();
    for (tenant, actor) in [("acme", "kim"), ("acme", "lee"), ("globex", "kim")] {
        let key = key_of(&house, tenant, actor).await;
        for (function, arguments) in [
            ("spin.spin", "{}"),
            ("spin.copy", r#"{"bytes":8000000}"#),
            ("sleeper.doze", r#"{"ms":60000}"#),
            ("sleeper.doze", r#"{"ms":0}"#),
            ("prober.http-get", r#"{"url":"http://api/slow"}"#),
        ] {
            calls.push(start(&house, &key, read(function, arguments)));
        }
    }
    let mut running = all_run(&house, calls.len()).await;
    while slow.heads().len() < 3 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    let kim = KillScope::Actor(acme(), ActorId::new("kim").unwrap());
    let sleeper = KillScope::Tool(ToolName::new("sleeper").unwrap());
    let spin = KillScope::Component(Digest::of(&component("spin")));
    let mut ended = HashSet::new();
    for (scope, count) in [(kim, 5), (sleeper, 4), (spin, 4), (KillScope::Tenant(acme()), 1)] {
        let stopped = house.room.kill(scope.clone(), "drill").await.unwrap();
        assert_eq!((stopped.calls, stopped.gone), (count, true), "{scope}");
        let left = house.room.running();
        let (named, others): (Vec<_>, Vec<_>) = running.into_iter().partition(|c| scope.names(&c.target()));
        assert_eq!(ids(&left), ids(&others), "{scope}: those that it names are gone, and only those");
        ended.extend(ids(&named));
        running = left;
    }
    assert_eq!(running.len(), 1, "the slow request of globex: {running:?}");
    let last = house.room.kill(KillScope::Host, "drill").await.unwrap();
    assert_eq!((last.calls, last.gone, house.room.running()), (1, true, Vec::new()));
    for call in calls {
        let receipt = call.await.unwrap();
        assert_eq!((receipt.reason, receipt.outcome), (Reason::Killed, Outcome::Failed), "{receipt:?}");
        let message = receipt.message.unwrap();
        assert!(message.starts_with("stopped by an operator (") && !message.contains("drill"), "{message}");
        assert!(receipt.fuel > 0, "what it used is charged");
    }
    let book = house.book();
    let killed = book.lines().filter(|line| line.contains(r#""reason_code":"killed""#)).count();
    assert_eq!(killed, 15, "each of them is in the book");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_works_on_files_is_stopped_in_the_middle() {
    let grant = "[grants.files.dir.workspace]\npath = \"data\"\n";
    let mut plan = plan(grant).tool("files");
    for n in 0..500 {
        plan = plan.file(&format!("data/{n}.txt"), &"nothing to see here\n".repeat(500));
    }
    let house = plan.build().await;
    let key = house.key("acme").await;
    // It ends by itself after a while, so the stop may come late; it is tried until one comes in time.
    loop {
        let call = start(&house, &key, read("files.search", r#"{"pattern":"(x+x+)+y"}"#));
        while house.room.running().is_empty() && !call.is_finished() {
            tokio::task::yield_now().await;
        }
        house.room.kill(KillScope::Tenant(acme()), "drill").await.unwrap();
        assert!(house.room.running().is_empty());
        let receipt = call.await.unwrap();
        house.room.revive(KillScope::Tenant(acme())).await.unwrap();
        match receipt.reason {
            Reason::Killed if receipt.outcome == Outcome::Failed => return,
            Reason::Killed | Reason::Ok => {}
            other => panic!("{other}: {receipt:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_refuses_writes_and_lets_reads_and_running_writes_be() {
    let house = plan("").build().await;
    let key = house.key("acme").await;
    let keep = |ms: u32, name: &str| {
        request_with_key("sleeper.keep", &format!(r#"{{"key":"k","value":"v","ms":{ms}}}"#), name)
    };
    let (write, doze) = (
        start(&house, &key, keep(500, "running")),
        start(&house, &key, read("sleeper.doze", r#"{"ms":60000}"#)),
    );
    all_run(&house, 2).await;
    for scope in [
        KillScope::Host,
        KillScope::Tenant(acme()),
        KillScope::Actor(acme(), ActorId::new("agent").unwrap()),
        KillScope::Tool(ToolName::new("sleeper").unwrap()),
        KillScope::Component(Digest::of(&component("sleeper"))),
    ] {
        house.room.freeze(scope.clone(), "migration").await.unwrap();
        let refused = start(&house, &key, keep(0, "refused")).await.unwrap();
        assert_eq!((refused.reason, refused.outcome), (Reason::WritesFrozen, Outcome::Denied), "{scope}");
        assert!(refused.message.unwrap().contains("reads go on"));
        assert!(house.call_as(&key, "sleeper.sleep", r#"{"ms":0}"#).await.is_ok(), "{scope}");
        assert!(house.room.running().iter().any(|call| !call.writes), "a freeze breaks nothing off");
        assert!(house.room.revive(scope).await.unwrap());
    }
    house.room.freeze(KillScope::Tenant(acme()), "migration").await.unwrap();
    let receipt = write.await.unwrap();
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Ok, Outcome::Executed), "it may end: {receipt:?}");
    // A stop replaces the freeze, and reaches the call that a freeze lets be.
    let stopped = house.room.kill(KillScope::Tenant(acme()), "leak").await.unwrap();
    assert_eq!((stopped.calls, house.room.kills().len()), (1, 1));
    assert_eq!(doze.await.unwrap().reason, Reason::Killed);
    // And a freeze replaces the stop.
    house.room.freeze(KillScope::Tenant(acme()), "migration").await.unwrap();
    assert!(house.call_as(&key, "sleeper.sleep", r#"{"ms":0}"#).await.is_ok());
    house.room.revive(KillScope::Tenant(acme())).await.unwrap();
    let late = start(&house, &key, keep(0, "refused")).await.unwrap();
    assert_eq!(
        (late.reason, late.outcome),
        (Reason::Ok, Outcome::Executed),
        "its key was not used up: {late:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_stops_calls_here_and_the_switch_outlives_a_restart() {
    let house = plan("").build().await;
    let (acme_key, globex_key) = (house.key("acme").await, house.key("globex").await);
    let (doze, spin) = (read("sleeper.doze", r#"{"ms":60000}"#), read("spin.spin", "{}"));
    let (first, second) = (start(&house, &acme_key, doze), start(&house, &globex_key, spin));
    all_run(&house, 2).await;
    let other = House::beside(&house).await;
    let stopped = other.room.kill(KillScope::Tenant(acme()), "leaked key").await.unwrap();
    assert_eq!(stopped.calls, 0, "none of them runs there");
    let receipt = first.await.unwrap();
    assert_eq!((receipt.reason, receipt.outcome), (Reason::Killed, Outcome::Failed), "{receipt:?}");
    assert_eq!(all_run(&house, 1).await[0].tenant.as_str(), "globex");
    other.room.kill(KillScope::Component(Digest::of(&component("spin"))), "bad version").await.unwrap();
    assert_eq!(second.await.unwrap().reason, Reason::Killed);
    other.room.close().await.unwrap();

    let house = house.restart().await;
    let refused = house.call_as(&acme_key, "sleeper.sleep", r#"{"ms":0}"#).await;
    assert_eq!((refused.reason, refused.outcome), (Reason::Killed, Outcome::Denied));
    assert_eq!(house.call_as(&globex_key, "spin.burn", r#"{"rounds":1}"#).await.reason, Reason::Killed);
    let kills = house.room.kills();
    assert_eq!((kills[0].by.as_str(), kills[0].why.as_str()), ("local", "leaked key"));

    // The book has who and why, in words from which the switches can be set again.
    house.room.revive(KillScope::Tenant(acme())).await.unwrap();
    house.room.freeze(KillScope::Tenant(acme()), "until it is clean").await.unwrap();
    let mut on: Vec<(KillScope, KillMode, String)> = Vec::new();
    for line in house.book().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        match entry["action"].as_str().unwrap().parse() {
            Ok(Order::On { scope, mode, why }) => {
                assert_eq!(entry["actor_id"], "local");
                assert_eq!(entry["tenant_id"].as_str(), scope.tenant().map(TenantId::as_str));
                on.retain(|(other, ..)| *other != scope);
                on.push((scope, mode, why));
            }
            Ok(Order::Off { scope }) => on.retain(|(other, ..)| *other != scope),
            Err(_) => {}
        }
    }
    on.sort();
    let kills: Vec<_> = house.room.kills().into_iter().map(|k| (k.scope, k.mode, k.why)).collect();
    assert_eq!((on, kills.len()), (kills, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_is_no_running_call() {
    let house = plan("").build().await;
    let key = house.key("acme").await;
    let call = start(&house, &key, read("sleeper.doze", r#"{"ms":60000}"#));
    all_run(&house, 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert!(house.room.running().is_empty());
    let stopped = house.room.kill(KillScope::Host, "drill").await.unwrap();
    assert_eq!((stopped.calls, stopped.gone), (0, true));
}
