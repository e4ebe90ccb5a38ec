//! Loops, recursion, memory and sleep end with their reason code, and the host goes on.

use strongroom::reason::{Outcome, Reason};
use strongroom_tests::{House, house};

const SMALL: &str = r#"
[tools]
allow = ["*"]
[limits]
fuel = 200_000_000
memory = "16MiB"
deadline_ms = 1500
"#;

async fn hostile(tool: &str) -> (House, String) {
    under(SMALL, tool).await
}

async fn under(limits: &str, tool: &str) -> (House, String) {
    let house = house().tenant("acme", limits).tool(tool).tool("echo").build().await;
    let key = house.key("acme").await;
    (house, key)
}

async fn ends(house: &House, key: &str, function: &str, arguments: &str, reason: Reason) {
    let receipt = house.call_as(key, function, arguments).await;
    assert_eq!(receipt.reason, reason, "{receipt:?}");
    assert_eq!(receipt.outcome, Outcome::Failed);
    assert!(receipt.message.is_some());
    let after = house.call_as(key, "echo.echo-u8", r#"{"value":7}"#).await;
    assert_eq!(
        (after.reason, after.value.as_deref()),
        (Reason::Ok, Some("7")),
        "the host goes on: {after:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_runs_out_of_fuel() {
    // However slow the machine is, the fuel ends first.
    let (house, key) = under(&SMALL.replace("deadline_ms = 1500", "deadline_ms = 60_000"), "spin").await;
    ends(&house, &key, "spin.spin", "{}", Reason::FuelExhausted).await;
    let spent = house.call_as(&key, "spin.spin", "{}").await.fuel;
    assert!(spent >= 150_000_000, "the guest's share is used: {spent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copying_without_end_runs_into_fuel_or_deadline() {
    let (house, key) = hostile("spin").await;
    let receipt = house.call_as(&key, "spin.copy", r#"{"bytes":8000000}"#).await;
    assert!(matches!(receipt.reason, Reason::FuelExhausted | Reason::DeadlineExceeded), "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_recursion_traps() {
    let (house, key) = hostile("recurse").await;
    ends(&house, &key, "recurse.recurse", r#"{"depth":100000000}"#, Reason::Trapped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growing_without_end_exceeds_the_memory_limit() {
    let (house, key) = hostile("hog").await;
    ends(&house, &key, "hog.take", r#"{"bytes":200000000}"#, Reason::MemoryExceeded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sleeping_past_the_deadline_ends() {
    let (house, key) = hostile("sleeper").await;
    ends(&house, &key, "sleeper.sleep", r#"{"ms":60000}"#, Reason::DeadlineExceeded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_and_a_trap_are_traps() {
    let (house, key) = hostile("panicker").await;
    ends(&house, &key, "panicker.panic", r#"{"message":"no"}"#, Reason::Trapped).await;
    ends(&house, &key, "panicker.trap", "{}", Reason::Trapped).await;
    ends(&house, &key, "panicker.exit", r#"{"code":3}"#, Reason::Trapped).await;
}
