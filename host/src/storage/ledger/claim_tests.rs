//! Claims under repeats, races, broken calls and crashes.
//!
//! Takes: nothing. Gives: tests. May name: id, powers, reason.

use super::fixture::{NOON, Still, acme, call, on_disk};
use super::*;
use crate::id::{FunctionName, TenantId};
use crate::powers::Clock;
use crate::reason::Reason;
use crate::storage::folder::tests::temporary;
use std::time::Duration;

const FINGERPRINT: [u8; 32] = [7; 32];
/// What a call has to run.
const RUNS: Duration = Duration::from_secs(5);

/// Stands for the host's keyed digest.
fn mac(bytes: &[u8]) -> Digest {
    Digest::of(&[b"mac", bytes].concat())
}

fn scope(key: &str) -> ClaimScope {
    let function = FunctionName::new("orders.update-status").unwrap();
    ClaimScope { tenant: acme(), function, key: mac(key.as_bytes()) }
}

fn answer() -> StoredAnswer {
    StoredAnswer { reason: Reason::Ok, body: b"{\"ok\":\0true}".to_vec(), fuel: 42, at_unix_ms: NOON }
}

async fn charge(ledger: &SqliteLedger) -> Charge {
    let budgets = [Budget::new(Of::Fuel, Per::Day, 1000)];
    ledger.reserve(&acme(), &budgets, Amounts::call(100)).await.unwrap().commit()
}

async fn fresh(ledger: &SqliteLedger, key: &str) -> Claim {
    match ledger.claim(scope(key), FINGERPRINT, call(1)).await.unwrap() {
        Claimed::Fresh(claim) => claim,
        other => panic!("{other:?}"),
    }
}

/// What a second call with the same key and arguments is told.
async fn told(ledger: &SqliteLedger, key: &str) -> &'static str {
    match ledger.claim(scope(key), FINGERPRINT, call(2)).await.unwrap() {
        Claimed::Fresh(_) => "fresh",
        Claimed::Replay { answer: stored, call_id } => {
            assert_eq!((stored, call_id), (answer(), call(1)));
            "replay"
        }
        Claimed::InProgress { call_id } => {
            assert_eq!(call_id, call(1));
            "in progress"
        }
        Claimed::Mismatch => "mismatch",
        Claimed::Unknown { .. } => "unknown",
        Claimed::Lost { .. } => "lost",
    }
}

#[tokio::test]
async fn a_write_happens_once_and_its_answer_is_given_again() {
    let (_guard, folder, clock, ledger) = on_disk();
    let claim = fresh(&ledger, "k").await;
    assert_eq!(told(&ledger, "k").await, "in progress");
    let started = claim.start(RUNS).await.unwrap();
    assert_eq!(told(&ledger, "k").await, "in progress");
    let charged = started.complete(answer(), charge(&ledger).await, Amounts::call(42)).await.unwrap();
    assert_eq!(charged, Amounts::call(42));
    assert_eq!(told(&ledger, "k").await, "replay");
    assert!(matches!(ledger.claim(scope("k"), [8; 32], call(3)).await.unwrap(), Claimed::Mismatch));
    let other = ClaimScope { tenant: TenantId::new("globex").unwrap(), ..scope("k") };
    assert!(matches!(ledger.claim(other, FINGERPRINT, call(3)).await.unwrap(), Claimed::Fresh(_)));
    drop(ledger);
    let reopened = SqliteLedger::open(&folder, clock.clone()).unwrap();
    assert_eq!(told(&reopened, "k").await, "replay");
    clock.pass(claims::KEPT_MS);
    assert_eq!(told(&reopened, "k").await, "replay");
    clock.pass(1);
    assert_eq!(told(&reopened, "k").await, "fresh");
    let now = clock.unix_ms();
    reopened.inner.writer().unwrap().run(move |c| claims::clean(c, now)).await.unwrap();
    let count =
        |c: &Connection| Ok(c.query_row("SELECT count(*) FROM claims", [], |row| row.get::<_, i64>(0))?);
    assert_eq!(reopened.inner.writer().unwrap().run(count).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_with_one_key_one_runs() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let ledger = ledger.clone();
        callers.spawn(async move {
            match ledger.claim(scope("one"), FINGERPRINT, call(1)).await.unwrap() {
                Claimed::Fresh(claim) => {
                    let started = claim.start(RUNS).await.unwrap();
                    tokio::task::yield_now().await;
                    started.complete(answer(), charge(&ledger).await, Amounts::call(1)).await.unwrap();
                    1
                }
                Claimed::Replay { .. } | Claimed::InProgress { .. } => 0,
                other => panic!("{other:?}"),
            }
        });
    }
    assert_eq!(callers.join_all().await.into_iter().sum::<u32>(), 1);
}

#[tokio::test]
async fn before_the_start_a_claim_leaves_no_trace_and_after_it_the_key_is_unknown() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    drop(fresh(&ledger, "a").await);
    assert_eq!(told(&ledger, "a").await, "fresh");
    drop(fresh(&ledger, "b").await.start(RUNS).await.unwrap());
    while told(&ledger, "b").await == "in progress" {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(&ledger, "b").await, "unknown");
    fresh(&ledger, "c").await.start(RUNS).await.unwrap().release().await.unwrap();
    assert_eq!(told(&ledger, "c").await, "fresh");
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_is_undone() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let mut start = Box::pin(fresh(&ledger, "k").await.start(RUNS));
    assert!(futures::poll!(&mut start).is_pending());
    drop(start);
    while told(&ledger, "k").await != "fresh" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_crash_leaves_started_writes_unknown_and_claims_free() {
    let (_guard, folder, clock, ledger) = on_disk();
    let (claimed, started) =
        (fresh(&ledger, "a").await, fresh(&ledger, "b").await.start(RUNS).await.unwrap());
    let charge = charge(&ledger).await;
    // A handle that lives on while its process is taken for dead: what a crash looks like from outside.
    folder.dir().remove_file(format!("owner-{}.lock", ledger.inner.presence.id.0)).unwrap();
    let reopened = SqliteLedger::open(&folder, clock).unwrap();
    assert_eq!((told(&reopened, "a").await, told(&reopened, "b").await), ("fresh", "unknown"));
    assert!(started.complete(answer(), charge, Amounts::default()).await.is_err());
    assert_eq!(told(&reopened, "b").await, "unknown");
    drop(claimed);
}

#[tokio::test]
async fn two_processes_run_a_key_once_and_notice_when_the_other_dies() {
    let (_guard, folder) = temporary();
    let open = || SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
    let (a, b) = (open(), open());
    let (mine, theirs) = (fresh(&a, "k").await, fresh(&b, "k").await);
    let started = mine.start(RUNS).await.unwrap();
    assert_eq!(theirs.start(RUNS).await.unwrap_err(), StartError::Taken);
    assert_eq!(told(&b, "k").await, "in progress");
    started.complete(answer(), charge(&a).await, Amounts::default()).await.unwrap();
    assert_eq!(told(&b, "k").await, "replay");
    std::mem::forget(fresh(&a, "dies").await.start(RUNS).await.unwrap());
    folder.dir().remove_file(format!("owner-{}.lock", a.inner.presence.id.0)).unwrap();
    assert_eq!(told(&b, "dies").await, "unknown");
}

#[tokio::test]
async fn a_full_disk_leaves_a_started_write_unknown_and_charges_it_in_full() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let budgets = [Budget::new(Of::Fuel, Per::Day, 1000)];
    let (started, charge) = (fresh(&ledger, "k").await.start(RUNS).await.unwrap(), charge(&ledger).await);
    let pages = |n: u32| move |c: &Connection| Ok(c.pragma_update(None, "max_page_count", n)?);
    ledger.inner.writer().unwrap().run(pages(1)).await.unwrap();
    let large = StoredAnswer { body: vec![b'x'; answers::IN_ROW], ..answer() };
    assert_eq!(started.complete(large, charge, Amounts::call(1)).await, Err(StorageError::Full));
    assert_eq!(ledger.usage(&acme(), &budgets).await.unwrap()[0].spent, 100);
    while told(&ledger, "k").await == "in progress" {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(&ledger, "k").await, "unknown");
    ledger.inner.writer().unwrap().run(pages(1_000_000)).await.unwrap();
    drop(fresh(&ledger, "other").await.start(RUNS).await.unwrap());
}

#[tokio::test]
async fn keys_of_an_earlier_version_are_sealed_and_found_again() {
    let (_guard, folder) = temporary();
    let old = sqlite::open(&folder, schema::FILE, &schema::BEFORE).unwrap();
    let insert = "INSERT INTO claims (tenant, function, key, fingerprint, call_id, owner, state, at_ms, reason, fuel, body)
                  VALUES ('acme', 'orders.update-status', ?1, ?2, ?3, 0, ?4, ?5, ?6, 42, ?7)";
    for (key, state, answer) in [("done-key", "done", Some(answer().body)), ("lost-key", "unknown", None)] {
        let reason = answer.as_ref().map(|_| "ok");
        let (call, at) = (call(1), stored(NOON));
        old.execute(insert, rusqlite::params![key, FINGERPRINT, call.as_bytes(), state, at, reason, answer])
            .unwrap();
    }
    drop(old);
    let ledger = SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
    for _ in 0..2 {
        ledger.seal(mac).await.unwrap();
    }
    let sealed = *mac(&FINGERPRINT).as_bytes();
    let found = ledger.claim(scope("done-key"), sealed, call(2)).await.unwrap();
    assert!(matches!(&found, Claimed::Replay { answer: kept, .. } if *kept == answer()), "{found:?}");
    let found = ledger.claim(scope("lost-key"), sealed, call(2)).await.unwrap();
    assert!(matches!(found, Claimed::Unknown { .. }), "{found:?}");
    let found = ledger.claim(scope("done-key"), FINGERPRINT, call(2)).await.unwrap();
    assert!(matches!(found, Claimed::Mismatch), "{found:?}");
    ledger.close().await.unwrap();
    drop(ledger);
    let bytes = folder.dir().read(schema::FILE).unwrap();
    assert!(
        !bytes.windows(8).any(|w| w == b"done-key" || w == b"lost-key"),
        "no client's key is left in the file"
    );
}

#[tokio::test]
async fn a_call_that_is_long_gone_blocks_its_key_no_longer_and_cannot_end_anothers() {
    let (_guard, folder) = temporary();
    let clock = Still::at(NOON);
    let open = || SqliteLedger::open(&folder, clock.clone()).unwrap();
    let (a, b) = (open(), open());
    let started = fresh(&a, "k").await.start(RUNS).await.unwrap();
    clock.pass(65_000);
    assert_eq!((told(&a, "k").await, told(&b, "k").await), ("in progress", "in progress"));
    assert_eq!(b.unknown_writes(None).unwrap(), []);
    assert_eq!(b.settle_unknown(call(1), Settlement::Failed).await, Ok(None), "it may still run");
    clock.pass(1);
    // Its process lives, and it is late.
    assert_eq!((told(&a, "k").await, told(&b, "k").await), ("unknown", "unknown"));
    let unknown = b.unknown_writes(Some(&acme())).unwrap();
    let told_of: Vec<_> = unknown.iter().map(|w| (w.call_id, w.key, w.at_unix_ms)).collect();
    assert_eq!(told_of, [(call(1), scope("k").key, NOON)]);
    assert_eq!(b.unknown_writes(Some(&TenantId::new("globex").unwrap())).unwrap(), []);
    let settled = b.settle_unknown(call(1), Settlement::Failed).await.unwrap();
    assert_eq!(settled.as_ref(), unknown.first());
    assert_eq!(b.settle_unknown(call(1), Settlement::Failed).await, Ok(None), "once");
    let Claimed::Fresh(claim) = a.claim(scope("k"), FINGERPRINT, call(9)).await.unwrap() else {
        panic!("the key is free")
    };
    let next = claim.start(RUNS).await.unwrap();
    let charge_of_late = charge(&a).await;
    assert!(started.complete(answer(), charge_of_late, Amounts::call(1)).await.is_err(), "it is not its own");
    let busy = b.claim(scope("k"), FINGERPRINT, call(2)).await.unwrap();
    assert!(matches!(busy, Claimed::InProgress { call_id } if call_id == call(9)), "{busy:?}");
    let busy = a.claim(scope("k"), FINGERPRINT, call(2)).await.unwrap();
    assert!(matches!(busy, Claimed::InProgress { call_id } if call_id == call(9)), "{busy:?}");
    next.complete(answer(), charge(&a).await, Amounts::call(1)).await.unwrap();
    let replay = b.claim(scope("k"), FINGERPRINT, call(2)).await.unwrap();
    assert!(matches!(&replay, Claimed::Replay { call_id, .. } if *call_id == call(9)), "{replay:?}");
}

#[tokio::test]
async fn a_late_call_that_nobody_has_settled_still_gives_its_answer() {
    let (_guard, _folder, clock, ledger) = on_disk();
    let started = fresh(&ledger, "k").await.start(RUNS).await.unwrap();
    clock.pass(65_001);
    assert_eq!(told(&ledger, "k").await, "unknown");
    started.complete(answer(), charge(&ledger).await, Amounts::call(1)).await.unwrap();
    assert_eq!(told(&ledger, "k").await, "replay");
    assert_eq!(ledger.unknown_writes(None).unwrap(), []);
}

#[tokio::test]
async fn what_an_operator_says_was_done_is_not_done_again() {
    let (_guard, _folder, clock, ledger) = on_disk();
    for (key, n) in [("with", 1), ("without", 3)] {
        let Claimed::Fresh(claim) = ledger.claim(scope(key), FINGERPRINT, call(n)).await.unwrap() else {
            panic!("{key}")
        };
        claim.start(RUNS).await.unwrap().lose().await.unwrap();
    }
    let kept = StoredAnswer { fuel: 0, ..answer() };
    ledger.settle_unknown(call(1), Settlement::Done(Some(kept.clone()))).await.unwrap().unwrap();
    ledger.settle_unknown(call(3), Settlement::Done(None)).await.unwrap().unwrap();
    let again = ledger.claim(scope("with"), FINGERPRINT, call(2)).await.unwrap();
    assert!(matches!(&again, Claimed::Replay { answer, .. } if *answer == kept), "{again:?}");
    assert_eq!(told(&ledger, "without").await, "lost");
    clock.pass(claims::KEPT_MS + 1);
    assert_eq!((told(&ledger, "with").await, told(&ledger, "without").await), ("fresh", "fresh"));
}

#[tokio::test]
async fn a_claim_may_be_kept_for_less_than_a_day() {
    let (_guard, _folder, clock, ledger) = on_disk();
    let started = fresh(&ledger, "k").await.kept_for(1_000).start(RUNS).await.unwrap();
    started.complete(answer(), charge(&ledger).await, Amounts::call(1)).await.unwrap();
    clock.pass(1_000);
    assert_eq!(told(&ledger, "k").await, "replay");
    clock.pass(1);
    assert_eq!(told(&ledger, "k").await, "fresh");
    // What nobody knows stays unknown until it is settled, and is then known for as long.
    fresh(&ledger, "u").await.kept_for(1_000).start(RUNS).await.unwrap().lose().await.unwrap();
    clock.pass(1_001);
    assert_eq!(told(&ledger, "u").await, "unknown");
    ledger.settle_unknown(call(1), Settlement::Done(None)).await.unwrap().unwrap();
    assert_eq!(told(&ledger, "u").await, "lost");
    clock.pass(1_001);
    assert_eq!(told(&ledger, "u").await, "fresh");
}
