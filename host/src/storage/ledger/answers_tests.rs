//! Long answers are in files: durable before their rows, gone after them, and given as they were or not at all.
//!
//! Takes: nothing. Gives: tests. May name: id, reason.

use super::answers::{Answers, IN_ROW};
use super::fixture::{NOON, Still, acme, call, on_disk};
use super::*;
use crate::id::{CallId, FunctionName, TenantId};
use crate::reason::Reason;
use std::time::Duration;

const RUNS: Duration = Duration::from_secs(5);

fn scope(tenant: &TenantId, key: &str) -> ClaimScope {
    let function = FunctionName::new("orders.pay").unwrap();
    ClaimScope { tenant: tenant.clone(), function, key: Digest::of(key.as_bytes()) }
}

fn globex() -> TenantId {
    TenantId::new("globex").unwrap()
}

fn long(fill: u8) -> StoredAnswer {
    StoredAnswer { reason: Reason::Ok, body: vec![fill; IN_ROW + 1], fuel: 7, at_unix_ms: NOON }
}

async fn claim(ledger: &SqliteLedger, tenant: &TenantId, key: &str, call: CallId) -> Claimed {
    ledger.claim(scope(tenant, key), [7; 32], call).await.unwrap()
}

async fn start(ledger: &SqliteLedger, tenant: &TenantId, key: &str, n: u8) -> Started {
    match claim(ledger, tenant, key, call(n)).await {
        Claimed::Fresh(claim) => claim.start(RUNS).await.unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn charge(ledger: &SqliteLedger) -> Charge {
    ledger.reserve(&acme(), &[], Amounts::call(1)).await.unwrap().commit()
}

async fn write(ledger: &SqliteLedger, tenant: &TenantId, key: &str, n: u8, answer: StoredAnswer) {
    let (started, charge) = (start(ledger, tenant, key, n).await, charge(ledger).await);
    started.complete(answer, charge, Amounts::call(1)).await.unwrap();
}

/// The answer that a repeat gets; `None` when it is lost.
async fn again(ledger: &SqliteLedger, tenant: &TenantId, key: &str) -> Option<StoredAnswer> {
    match claim(ledger, tenant, key, call(99)).await {
        Claimed::Replay { answer, .. } => Some(answer),
        Claimed::Lost { reason: Reason::Ok, .. } => None,
        other => panic!("{other:?}"),
    }
}

/// The files of a tenant's answers, as paths in the home folder.
fn files(folder: &Folder, tenant: &TenantId) -> Vec<String> {
    let Ok(dir) = folder.dir().read_dir(format!("answers/{tenant}")) else { return Vec::new() };
    dir.map(|entry| format!("answers/{tenant}/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
}

async fn clean(ledger: &SqliteLedger, now_ms: u64) {
    ledger.inner.writer().unwrap().post(writer::cleaning(now_ms, ledger.inner.answers.clone()));
    // Jobs are run in their order, so this one comes after it.
    ledger.inner.writer().unwrap().run(|_| Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_long_answer_is_in_a_file_of_its_users_and_a_short_one_is_not() {
    use cap_std::fs::PermissionsExt as _;
    let (_guard, folder, clock, ledger) = on_disk();
    let short = StoredAnswer { body: vec![b's'; IN_ROW], ..long(0) };
    write(&ledger, &acme(), "short", 1, short.clone()).await;
    assert_eq!(files(&folder, &acme()), [""; 0]);
    write(&ledger, &acme(), "long", 2, long(b'l')).await;
    let [file] = files(&folder, &acme()).try_into().unwrap();
    for (path, mode) in [("answers", 0o700), ("answers/acme", 0o700), (&file, 0o600)] {
        assert_eq!(folder.dir().metadata(path).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    let other = SqliteLedger::open(&folder, clock.clone()).unwrap();
    for ledger in [&ledger, &other] {
        assert_eq!(again(ledger, &acme(), "short").await, Some(short.clone()));
        assert_eq!(again(ledger, &acme(), "long").await, Some(long(b'l')));
        assert!(matches!(claim(ledger, &globex(), "long", call(3)).await, Claimed::Fresh(_)));
    }
    let mismatch = ledger.claim(scope(&acme(), "long"), [8; 32], call(4)).await.unwrap();
    assert!(matches!(mismatch, Claimed::Mismatch), "{mismatch:?}");
    drop((ledger, other));
    let reopened = SqliteLedger::open(&folder, clock).unwrap();
    assert_eq!(again(&reopened, &acme(), "long").await, Some(long(b'l')));
}

#[tokio::test]
async fn a_damaged_file_gives_no_answer_and_another_tenants_does_not_either() {
    let (_guard, folder, _clock, ledger) = on_disk();
    for (n, key) in [(1, "changed"), (2, "cut"), (3, "longer"), (4, "gone"), (5, "swapped")] {
        write(&ledger, &acme(), key, n, long(n)).await;
    }
    write(&ledger, &globex(), "theirs", 6, long(6)).await;
    let of = |tenant: &TenantId, n: u8| {
        let mut all = files(&folder, tenant).into_iter();
        all.find(|path| path.contains(&call(n).to_string())).unwrap()
    };
    let theirs = folder.dir().read(of(&globex(), 6)).unwrap();
    let mut changed = long(1).body;
    changed[IN_ROW] ^= 1;
    for (n, bytes) in [(1, changed), (2, vec![2; 5]), (3, vec![3; IN_ROW + 2]), (5, theirs)] {
        folder.dir().write(of(&acme(), n), bytes).unwrap();
    }
    folder.dir().remove_file(of(&acme(), 4)).unwrap();
    for key in ["changed", "cut", "longer", "gone", "swapped"] {
        assert_eq!(again(&ledger, &acme(), key).await, None, "{key}");
    }
    assert_eq!(again(&ledger, &globex(), "theirs").await, Some(long(6)));
    folder.dir().write(of(&acme(), 1), long(1).body).unwrap();
    assert_eq!(again(&ledger, &acme(), "changed").await, Some(long(1)), "and it was not forgotten");
}

#[tokio::test]
async fn a_file_goes_with_its_row() {
    let (_guard, folder, clock, ledger) = on_disk();
    write(&ledger, &acme(), "cleaned", 1, long(1)).await;
    write(&ledger, &acme(), "used again", 2, long(2)).await;
    clean(&ledger, clock.unix_ms() + KEPT_MS).await;
    assert_eq!(files(&folder, &acme()).len(), 2, "both are kept for 24 hours");
    clock.set_forward(KEPT_MS + 1);
    let started = start(&ledger, &acme(), "used again", 3).await;
    let [left] = files(&folder, &acme()).try_into().unwrap();
    assert!(left.contains(&call(1).to_string()), "the key's new row names no file: {left}");
    clean(&ledger, clock.unix_ms()).await;
    assert_eq!(files(&folder, &acme()), [""; 0]);
    drop(started);
}

#[tokio::test]
async fn a_file_that_no_row_came_to_name_goes() {
    let (_guard, folder, clock, ledger) = on_disk();
    let (started, charge) = (start(&ledger, &acme(), "k", 1).await, charge(&ledger).await);
    clock.set_forward(65_001);
    // The operator was sooner: his answer is the key's.
    let said = Settlement::Done(Some(long(b'o')));
    ledger.settle_unknown(call(1), said.clone()).await.unwrap().unwrap();
    assert!(started.complete(long(b'l'), charge, Amounts::call(1)).await.is_err());
    assert_eq!(files(&folder, &acme()).len(), 1);
    let kept = again(&ledger, &acme(), "k").await.unwrap();
    assert_eq!(kept.body, long(b'o').body);
    assert_eq!(ledger.settle_unknown(call(1), said.clone()).await, Ok(None));
    assert_eq!(ledger.settle_unknown(call(2), said).await, Ok(None));
    assert_eq!(files(&folder, &acme()).len(), 1);
}

#[tokio::test]
async fn an_answer_whose_file_cannot_be_written_leaves_the_key_unknown() {
    let (_guard, folder, _clock, ledger) = on_disk();
    let (started, charge) = (start(&ledger, &acme(), "k", 1).await, charge(&ledger).await);
    folder.dir().write("answers/acme", "in the way").unwrap();
    assert!(started.complete(long(1), charge, Amounts::call(1)).await.is_err());
    let told = loop {
        match claim(&ledger, &acme(), "k", call(2)).await {
            Claimed::InProgress { .. } => tokio::task::yield_now().await,
            told => break told,
        }
    };
    assert!(matches!(told, Claimed::Unknown { .. }), "{told:?}");
}

#[tokio::test]
async fn an_answer_is_stored_also_when_nobody_waits_for_it() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let (started, charge) = (start(&ledger, &acme(), "k", 1).await, charge(&ledger).await);
    let mut complete = Box::pin(started.complete(long(1), charge, Amounts::call(1)));
    assert!(futures::poll!(&mut complete).is_pending());
    drop(complete);
    loop {
        match claim(&ledger, &acme(), "k", call(2)).await {
            Claimed::InProgress { .. } => tokio::task::yield_now().await,
            Claimed::Replay { answer, .. } => break assert_eq!(answer, long(1)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_crash_leaves_goes_with_the_first_start() {
    let (_guard, folder, clock, ledger) = on_disk();
    write(&ledger, &acme(), "kept", 1, long(1)).await;
    // Between file and row, and in the middle of a file.
    let answers = Answers::open(&folder, ledger.inner.presence.id).unwrap();
    let (_, unnamed) = answers.put(&globex(), call(8), b"half").unwrap();
    std::mem::forget(unnamed);
    folder.dir().write(format!("answers/acme/{}-1-0", call(9)), "").unwrap();
    folder.dir().write("answers/acme/notes.txt", "the operator's").unwrap();
    let other = SqliteLedger::open(&folder, clock.clone()).unwrap();
    assert_eq!(
        (files(&folder, &acme()).len(), files(&folder, &globex()).len()),
        (3, 1),
        "others may be writing"
    );
    drop((ledger, other));
    let reopened = SqliteLedger::open(&folder, clock).unwrap();
    assert_eq!(files(&folder, &acme()).len(), 2);
    assert!(folder.dir().exists("answers/acme/notes.txt") && !folder.dir().exists("answers/globex"));
    assert_eq!(again(&reopened, &acme(), "kept").await, Some(long(1)));
}

#[tokio::test]
async fn of_a_deleted_tenant_no_file_is_left() {
    let (_guard, folder, _clock, ledger) = on_disk();
    write(&ledger, &acme(), "theirs", 1, long(1)).await;
    write(&ledger, &globex(), "others", 2, long(2)).await;
    folder.dir().write(format!("answers/acme/{}-1-9", call(9)), "half").unwrap();
    let (late, charge) = (start(&ledger, &acme(), "late", 3).await, charge(&ledger).await);
    ledger.begin_deletion(&acme()).await.unwrap();
    ledger.end_deletion(&acme()).await.unwrap();
    assert!(!folder.dir().exists("answers/acme"));
    assert!(late.complete(long(3), charge, Amounts::call(1)).await.is_err());
    assert!(!folder.dir().exists("answers/acme"), "an answer that comes late leaves nothing");
    assert_eq!(again(&ledger, &globex(), "others").await, Some(long(2)));
}

#[tokio::test]
async fn a_ledger_in_memory_keeps_long_answers_there() {
    let ledger = SqliteLedger::in_memory(Still::at(NOON)).unwrap();
    write(&ledger, &acme(), "k", 1, long(1)).await;
    assert_eq!(again(&ledger, &acme(), "k").await, Some(long(1)));
}
