//! One tenant floods, and the others do not notice: it waits, it is refused, and every place comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strongroom::admit::{Admission, CallRequest};
use strongroom::explain::Question;
use strongroom::id::KeyId;
use strongroom::identify::Credential;
use strongroom::reason::Reason;
use strongroom::settle::Receipt;
use strongroom_tests::{House, house, request};

const NOISY: &str =
    "[tools]\nallow = [\"*\"]\n[limits]\nfuel = 50_000_000\nmemory = \"16MiB\"\ndeadline_ms = 300\n";
const QUIET: &str = "[tools]\nallow = [\"*\"]\n";

fn host(places: u32, length: u32, longest_wait_ms: u32) -> String {
    format!(
        "[engine]\nmax_concurrent_calls = {places}\n[queue]\nlength = {length}\nlongest_wait_ms = {longest_wait_ms}\n"
    )
}

/// A call that was admitted and goes no further: it holds its place.
async fn admit(house: &House, key: &str, function: &str) -> Result<Admission, Box<Receipt>> {
    let caller = house.room.identify(Credential::ApiKey(key)).await.unwrap();
    house.room.admit(caller, request(function, "{}")).await
}

/// Holds so many places at once; there must be so many.
async fn hold(house: &House, key: &str, function: &str, places: usize) -> Vec<Admission> {
    let mut held = Vec::new();
    for place in 0..places {
        let admitted = admit(house, key, function).await;
        held.push(admitted.unwrap_or_else(|receipt| panic!("place {place}: {receipt:?}")));
    }
    held
}

async fn refused(house: &House, key: &str, function: &str) -> Receipt {
    let receipt = *admit(house, key, function).await.expect_err("there is no place");
    assert_eq!(receipt.reason, Reason::Overloaded, "{receipt:?}");
    assert!(receipt.retry_after_ms.is_some_and(|ms| (1..=10_000).contains(&ms)), "{receipt:?}");
    receipt
}

/// A call that waits in a task of its own. Gives when it has been taken up.
async fn waits(house: &House, key: &str, function: &str) -> tokio::task::JoinHandle<Receipt> {
    let (room, key, request) = (house.room.clone(), key.to_owned(), request(function, "{}"));
    let task = tokio::spawn(async move { room.call(Credential::ApiKey(&key), request).await });
    // The tests that use this run on one thread: the task goes on until it waits.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_quiet_tenant_is_answered_while_others_flood() {
    let house = house()
        .file("strongroom.toml", &host(8, 8, 20_000))
        .tenant("noisy", NOISY)
        .tenant("noisier", NOISY)
        .tenant("quiet", QUIET)
        .tool("spin")
        .tool("hog")
        .tool("sleeper")
        .tool("panicker")
        .tool("echo");
    let house = house.build().await;
    let quiet = house.key("quiet").await;
    let noisy = [house.key("noisy").await, house.key("noisier").await];
    let over = Arc::new(AtomicBool::new(false));
    let flood = (0..40).map(|caller: usize| {
        let (room, key, over) = (house.room.clone(), noisy[caller % 2].clone(), over.clone());
        tokio::spawn(async move {
            let (function, arguments) = match caller % 5 {
                0 => ("hog.grow", r#"{"piece":1000000}"#),
                1 => ("sleeper.doze", r#"{"ms":5}"#),
                2 => ("panicker.trap", "{}"),
                _ => ("spin.spin", "{}"),
            };
            let mut reasons = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let call = room.call(Credential::ApiKey(&key), request(function, arguments));
                // Some lose their patience, in the queue or in the middle of the call.
                let patience = Duration::from_millis(if caller.is_multiple_of(3) { 40 } else { 60_000 });
                match tokio::time::timeout(patience, call).await {
                    Ok(receipt) => reasons.push(receipt.reason),
                    Err(_) => continue,
                }
                if reasons.last() == Some(&Reason::Overloaded) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            reasons
        })
    });
    let flood: Vec<_> = flood.collect();
    for value in 0..30_u8 {
        let receipt = house.call_as(&quiet, "echo.echo-u8", &format!("{{\"value\":{value}}}")).await;
        assert_eq!(receipt.value, Some(value.to_string()), "{receipt:?}");
    }
    over.store(true, Ordering::Relaxed);
    let mut shed = 0;
    for caller in flood {
        for reason in caller.await.unwrap() {
            shed += usize::from(reason == Reason::Overloaded);
            assert!(
                matches!(
                    reason,
                    Reason::Ok
                        | Reason::Overloaded
                        | Reason::Trapped
                        | Reason::MemoryExceeded
                        | Reason::FuelExhausted
                        | Reason::DeadlineExceeded
                ),
                "{reason}"
            );
        }
    }
    assert!(shed > 0, "40 callers do not fit into 8 places and 8 that wait");
    // Every place is free again, after errors, traps and calls that were broken off.
    let _held =
        (hold(&house, &noisy[0], "echo.echo-u8", 6).await, hold(&house, &quiet, "echo.echo-u8", 2).await);
}

#[tokio::test]
async fn no_tenant_takes_all_places_by_default() {
    let house = house().file("strongroom.toml", &host(8, 4, 1)).tenant("noisy", NOISY).tenant("quiet", QUIET);
    let house = house.tool("echo").build().await;
    let (noisy, quiet) = (house.key("noisy").await, house.key("quiet").await);
    let held = hold(&house, &noisy, "echo.echo-u8", 6).await;
    let receipt = refused(&house, &noisy, "echo.echo-u8").await;
    assert_eq!(receipt.message.as_deref(), Some("the tenant runs as many calls at once as it may (6)"));
    let also = hold(&house, &quiet, "echo.echo-u8", 2).await;
    let receipt = refused(&house, &quiet, "echo.echo-u8").await;
    assert_eq!(
        receipt.message.as_deref(),
        Some("the host runs as many calls as it can; try again shortly"),
        "and nothing of who takes them"
    );
    drop((held, also));
    hold(&house, &noisy, "echo.echo-u8", 6).await;
}

#[tokio::test]
async fn a_host_of_one_tenant_gives_it_all_places() {
    let alone = house().file("strongroom.toml", &host(4, 4, 1)).tenant("acme", QUIET).tool("echo");
    let alone = alone.build().await;
    let key = alone.key("acme").await;
    let _held = hold(&alone, &key, "echo.echo-u8", 4).await;
    refused(&alone, &key, "echo.echo-u8").await;

    let nobody = house().file("strongroom.toml", &host(4, 4, 1)).tool("echo").build().await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let caller = nobody.room.identify(Credential::None).await.unwrap();
        held.push(nobody.room.admit(caller, CallRequest::default()).await.unwrap());
    }
}

#[tokio::test]
async fn limits_of_a_tenant_and_of_a_tool_hold_and_change_with_its_file() {
    let rules =
        |calls: u32| format!("{QUIET}[concurrency]\ncalls = {calls}\n[concurrency.tools]\nsleeper = 1\n");
    let house =
        house().file("strongroom.toml", &host(8, 4, 1)).tenant("acme", &rules(2)).tenant("other", QUIET);
    let house = house.tool("echo").tool("sleeper").build().await;
    let (key, other) = (house.key("acme").await, house.key("other").await);
    let asleep = hold(&house, &key, "sleeper.sleep", 1).await;
    let receipt = refused(&house, &key, "sleeper.doze").await;
    let text = "the tenant runs as many calls of this tool at once as it may (1)";
    assert_eq!(receipt.message.as_deref(), Some(text));
    let _another = hold(&house, &other, "sleeper.sleep", 2).await;
    let _held = hold(&house, &key, "echo.echo-u8", 1).await;
    let receipt = refused(&house, &key, "echo.echo-u8").await;
    assert_eq!(receipt.message.as_deref(), Some("the tenant runs as many calls at once as it may (2)"));

    let id = KeyId::new(key.strip_prefix("sr_live_").unwrap().split_once('_').unwrap().0).unwrap();
    let question = Question { key: Some(&id), function: "sleeper.sleep", idempotency_key: false };
    let steps = house.room.forecast(&question).unwrap().steps;
    let told = steps.iter().filter(|step| step.reason_code == Some(Reason::Overloaded));
    let told: Vec<_> = told.map(|step| step.says.as_str()).collect();
    assert!(told[0].ends_with("concurrency: 2 calls at once; the host that runs counts"), "{told:?}");
    assert!(told[1].ends_with("1 calls of sleeper at once; the host that runs counts"), "{told:?}");

    std::fs::write(house.path().join("tenants/acme.toml"), rules(3)).unwrap();
    house.room.apply(house.read_settings()).await.unwrap();
    let _one_more = hold(&house, &key, "echo.echo-u8", 1).await;
    refused(&house, &key, "echo.echo-u8").await;
    drop(asleep);
    hold(&house, &key, "sleeper.sleep", 1).await;
}

#[tokio::test]
async fn a_refusal_that_costs_nothing_comes_before_a_wait() {
    let house = house().file("strongroom.toml", &host(1, 4, 20_000)).tenant("acme", QUIET).tool("files");
    let house = house.build().await;
    let key = house.key("acme").await;
    let _held = hold(&house, &key, "files.read", 1).await;
    let caller = house.room.identify(Credential::ApiKey(&key)).await.unwrap();
    let keyless = CallRequest { idempotency_key: None, ..request("files.write", "{}") };
    let receipt = house.room.admit(caller, keyless).await.expect_err("a write needs a key");
    assert_eq!(receipt.reason, Reason::IdempotencyKeyRequired);
}

#[tokio::test]
async fn the_queue_sheds_who_waits_with_most_for_its_class_and_then_serves_the_others() {
    let of = |class: &str| format!("priority = \"{class}\"\n{QUIET}");
    let house = house().file("strongroom.toml", &host(1, 4, 20_000));
    let house = house.tenant("holder", QUIET).tenant("high", &of("high")).tenant("low", &of("low"));
    let house = house.tenant("normal", QUIET).tool("sleeper").build().await;
    let (high, low) = (house.key("high").await, house.key("low").await);
    let (holder, normal) = (house.key("holder").await, house.key("normal").await);
    let held = hold(&house, &holder, "sleeper.sleep", 1).await;
    // Calls of no tool: they are refused in the step after, which is where they come to when they have a place.
    let mut waiting = Vec::new();
    for key in [&high, &high, &low, &low] {
        waiting.push(waits(&house, key, "nothing.at-all").await);
    }
    let newcomer = waits(&house, &normal, "nothing.at-all").await;
    let newest_low = waiting.pop().unwrap().await.unwrap();
    assert_eq!(newest_low.reason, Reason::Overloaded, "{newest_low:?}");
    // Another low one would be the heaviest itself.
    refused(&house, &low, "nothing.at-all").await;
    waiting.push(newcomer);
    assert!(waiting.iter().all(|call| !call.is_finished()));
    drop(held);
    for call in waiting {
        assert_eq!(call.await.unwrap().reason, Reason::ToolUnknown);
    }
}

#[tokio::test]
async fn who_goes_away_while_waiting_makes_room() {
    let house = house().file("strongroom.toml", &host(1, 1, 20_000)).tenant("a", QUIET).tenant("b", QUIET);
    let house = house.tool("echo").build().await;
    let (a, b) = (house.key("a").await, house.key("b").await);
    let held = hold(&house, &a, "echo.echo-u8", 1).await;
    let gone = waits(&house, &a, "nothing.at-all").await;
    refused(&house, &b, "echo.echo-u8").await;
    gone.abort();
    assert!(gone.await.is_err());
    let next = waits(&house, &b, "nothing.at-all").await;
    drop(held);
    assert_eq!(next.await.unwrap().reason, Reason::ToolUnknown);
    hold(&house, &a, "echo.echo-u8", 1).await;
    // The book has the one that went away.
    let book = house.book();
    let gone =
        book.lines().filter(|entry| entry.contains("nothing.at-all") && entry.contains("\"cancelled\""));
    assert_eq!(gone.count(), 1, "{book}");
}
