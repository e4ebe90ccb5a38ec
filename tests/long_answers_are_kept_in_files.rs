//! An answer that is too long for the ledger is given again byte for byte, or not at all, and is nobody else's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::identify::Credential;
use strongroom::powers::{Clock, SystemClock};
use strongroom::reason::{Outcome, Reason};
use strongroom::settle::Receipt;
use strongroom_tests::{House, house, request_with_key};

const TENANT: &str = "[tools]\nallow = [\"*\"]\n";

/// A clock that is put forward when it is told to.
#[derive(Debug)]
struct Ahead {
    ms: AtomicU64,
    start: (u64, Instant),
}

impl Ahead {
    fn new() -> Arc<Self> {
        Arc::new(Self { ms: AtomicU64::new(0), start: (SystemClock.unix_us(), SystemClock.monotonic()) })
    }

    fn pass(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn unix_us(&self) -> u64 {
        self.start.0 + self.ms.load(Ordering::SeqCst) * 1000
    }
    fn monotonic(&self) -> Instant {
        self.start.1 + Duration::from_millis(self.ms.load(Ordering::SeqCst))
    }
}

async fn a_house(clock: &Arc<Ahead>) -> House {
    let plan = house().tenant("acme", TENANT).tenant("globex", TENANT).tool("echo");
    plan.build_with(|builder| builder.clock(clock.clone())).await
}

/// Fails, as a write, with so long a reason. Nothing that JSON could write in another way stands in it.
async fn fail(house: &House, key: &str, name: &str, length: usize) -> Receipt {
    let why: String = format!("{name} says so; ").chars().cycle().take(length).collect();
    let arguments = format!(r#"{{"problem":{{"tag":"because","val":"{why}"}}}}"#);
    house.room.call(Credential::ApiKey(key), request_with_key("echo.fail", &arguments, name)).await
}

/// The files of a tenant's answers.
fn files(house: &House, tenant: &str) -> Vec<PathBuf> {
    match std::fs::read_dir(house.path().join("answers").join(tenant)) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_long_answer_is_replayed_byte_for_byte_by_every_process_and_after_a_restart() {
    let house = a_house(&Ahead::new()).await;
    let key = house.key("acme").await;
    for (name, length, in_file) in [("short", 60_000, 0), ("long", 70_000, 1), ("longest", 900_000, 2)] {
        let first = fail(&house, &key, name, length).await;
        assert_eq!((first.reason, first.outcome), (Reason::ToolError, Outcome::Failed), "{name}");
        assert!(first.value.as_ref().is_some_and(|value| value.len() > length), "{name}");
        assert_eq!(files(&house, "acme").len(), in_file, "{name}");
        let beside = House::beside(&house).await;
        for house in [&house, &beside] {
            let again = fail(house, &key, name, length).await;
            assert_eq!((again.reason, again.outcome), (Reason::ToolError, Outcome::Replayed), "{name}");
            assert!(again.value == first.value && again.message == first.message, "{name}");
        }
        beside.room.close().await.unwrap();
    }
    let long = fail(&house, &key, "long", 70_000).await;
    let house = house.restart().await;
    let later = fail(&house, &key, "long", 70_000).await;
    assert!(later.outcome == Outcome::Replayed && later.value == long.value);
    assert_eq!(fail(&house, &key, "long", 70_001).await.reason, Reason::IdempotencyMismatch);
    let globex = house.key("globex").await;
    assert_eq!(
        fail(&house, &globex, "long", 70_000).await.outcome,
        Outcome::Failed,
        "theirs is a first call"
    );
    assert_eq!((files(&house, "acme").len(), files(&house, "globex").len()), (2, 1));
}

#[tokio::test]
async fn a_damaged_or_missing_file_is_an_unknown_outcome_and_nothing_runs() {
    let house = a_house(&Ahead::new()).await;
    let (key, globex) = (house.key("acme").await, house.key("globex").await);
    assert_eq!(fail(&house, &globex, "k", 70_000).await.outcome, Outcome::Failed);
    let first = fail(&house, &key, "k", 70_000).await;
    let [file] = files(&house, "acme").try_into().unwrap();
    let [theirs] = files(&house, "globex").try_into().unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[35_000] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    assert_eq!(whole.len(), std::fs::read(&theirs).unwrap().len());
    let other = whole.iter().map(u8::to_ascii_uppercase).collect();
    for damaged in [changed, cut, other, Vec::new()] {
        match damaged.is_empty() {
            true => std::fs::remove_file(&file).unwrap(),
            false => std::fs::write(&file, damaged).unwrap(),
        }
        let told = fail(&house, &key, "k", 70_000).await;
        assert_eq!(
            (told.reason, told.outcome, &told.value),
            (Reason::OutcomeUnknown, Outcome::Denied, &None)
        );
        let message = told.message.unwrap();
        assert!(
            message.contains("has been made") && message.contains(&first.call_id.to_string()),
            "{message}"
        );
    }
    assert_eq!(fail(&house, &globex, "k", 70_000).await.outcome, Outcome::Replayed, "theirs is as it was");
}

#[tokio::test]
async fn a_file_goes_when_its_answer_was_kept_long_enough_or_was_never_entered() {
    let clock = Ahead::new();
    let house = a_house(&clock).await;
    let key = house.key("acme").await;
    fail(&house, &key, "early", 70_000).await;
    clock.pass(80_000_000);
    fail(&house, &key, "late", 70_000).await;
    assert_eq!(fail(&house, &key, "early", 70_000).await.outcome, Outcome::Replayed);
    assert_eq!(files(&house, "acme").len(), 2);
    clock.pass(10_000_000);
    while files(&house, "acme").len() > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fail(&house, &key, "late", 70_000).await.outcome, Outcome::Replayed);
    let [late] = files(&house, "acme").try_into().unwrap();
    // As a process that was killed between file and row leaves it.
    let left = late.with_file_name(format!("call_{}-1-7", "0".repeat(32)));
    std::fs::write(&left, "half an answ").unwrap();
    let change = |builder: strongroom::Builder| builder.clock(clock.clone());
    let house = house.between(async |_| (), change).await;
    assert!(!left.exists() && late.exists());
    assert_eq!(fail(&house, &key, "late", 70_000).await.outcome, Outcome::Replayed);
    assert_eq!(fail(&house, &key, "early", 70_000).await.outcome, Outcome::Failed, "a first call again");
}
