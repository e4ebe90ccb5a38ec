//! Kept results are their owner's alone, as they were, for an hour, and no tenant fills the disk with them.
//!
//! Takes: nothing. Gives: tests. May name: id.

use super::answers::IN_ROW;
use super::fixture::{Still, acme, call, on_disk};
use super::results::{LEAST, RESULTS_EACH, RESULTS_IN_ALL, make_room};
use super::*;
use crate::id::{ActorId, FunctionName, TenantId};
use std::collections::BTreeMap;

fn owned(tenant: &str, actor: &str) -> Owned {
    Owned { tenant: TenantId::new(tenant).unwrap(), actor: ActorId::new(actor).unwrap() }
}

fn given(n: u8) -> Given {
    let function = FunctionName::new("orders.export").unwrap();
    Given { function, call_id: call(n), form: "json".into() }
}

fn id(n: u8) -> ResultId {
    ResultId::of(&Digest::of(&[n]))
}

async fn keep(ledger: &SqliteLedger, whose: &Owned, n: u8, bytes: usize) {
    ledger.keep_result(id(n), whose, given(n), vec![n; bytes]).await.unwrap();
}

async fn read(ledger: &SqliteLedger, whose: &Owned, n: u8) -> Option<Vec<u8>> {
    let kept = ledger.find_result(id(n), whose).unwrap()?;
    assert_eq!(kept.given, given(n));
    ledger.read_result(kept, whose).await.unwrap()
}

fn files(folder: &Folder, tenant: &str) -> usize {
    folder.dir().read_dir(format!("answers/{tenant}")).map_or(0, Iterator::count)
}

async fn clean(ledger: &SqliteLedger, now_ms: u64) {
    ledger.inner.writer().unwrap().post(writer::cleaning(now_ms, ledger.inner.answers.clone()));
    ledger.inner.writer().unwrap().run(|_| Ok(())).await.unwrap();
}

#[tokio::test]
async fn only_its_owner_finds_a_result_and_as_it_was() {
    let (_guard, folder, clock, ledger) = on_disk();
    let kim = owned("acme", "kim");
    keep(&ledger, &kim, 1, IN_ROW).await;
    keep(&ledger, &kim, 2, IN_ROW + 1).await;
    assert_eq!(files(&folder, "acme"), 1, "a short one is in its row");
    let other = SqliteLedger::open(&folder, clock.clone()).unwrap();
    for ledger in [&ledger, &other] {
        assert_eq!(read(ledger, &kim, 1).await, Some(vec![1; IN_ROW]));
        assert_eq!(read(ledger, &kim, 2).await, Some(vec![2; IN_ROW + 1]));
        for stranger in [owned("acme", "lee"), owned("globex", "kim")] {
            assert_eq!((read(ledger, &stranger, 1).await, read(ledger, &stranger, 2).await), (None, None));
        }
        assert_eq!(read(ledger, &kim, 3).await, None);
    }
    drop((ledger, other));
    // What no row names is swept away by the first that opens the ledger, and what a row of results names is not.
    folder.dir().write(format!("answers/acme/{}-1-9", call(9)), "left").unwrap();
    let ledger = SqliteLedger::open(&folder, clock).unwrap();
    assert_eq!((read(&ledger, &kim, 2).await, files(&folder, "acme")), (Some(vec![2; IN_ROW + 1]), 1));
    let in_memory = SqliteLedger::in_memory(Still::at(1000)).unwrap();
    keep(&in_memory, &kim, 2, IN_ROW + 1).await;
    assert_eq!(read(&in_memory, &kim, 2).await, Some(vec![2; IN_ROW + 1]));
}

#[tokio::test]
async fn a_result_is_kept_an_hour_from_when_it_was_given_last_and_then_goes() {
    let (_guard, folder, clock, ledger) = on_disk();
    let kim = owned("acme", "kim");
    keep(&ledger, &kim, 1, IN_ROW + 1).await;
    keep(&ledger, &kim, 2, IN_ROW + 1).await;
    clock.pass(RESULT_KEPT_MS / 2);
    keep(&ledger, &kim, 2, IN_ROW + 1).await;
    assert_eq!(files(&folder, "acme"), 2, "nothing is kept twice");
    clock.pass(RESULT_KEPT_MS / 2 - 1);
    assert!(read(&ledger, &kim, 1).await.is_some());
    clean(&ledger, clock.unix_ms()).await;
    assert_eq!(files(&folder, "acme"), 2);
    clock.pass(1);
    assert!(read(&ledger, &kim, 1).await.is_none() && read(&ledger, &kim, 2).await.is_some());
    assert_eq!(files(&folder, "acme"), 2, "it is not given any more, and goes with the next cleaning");
    clean(&ledger, clock.unix_ms()).await;
    assert_eq!(files(&folder, "acme"), 1);
    // A clock that was set back makes nothing last longer.
    clock.set_back(RESULT_KEPT_MS);
    assert!(read(&ledger, &kim, 2).await.is_none());
    keep(&ledger, &kim, 2, IN_ROW + 1).await;
    assert!(read(&ledger, &kim, 2).await.is_some());
    assert_eq!(files(&folder, "acme"), 1, "the old file went with its row");
}

#[tokio::test]
async fn a_tenants_oldest_give_way_and_others_lose_nothing() {
    let (_guard, folder, clock, ledger) = on_disk();
    let (kim, other) = (owned("acme", "kim"), owned("globex", "kim"));
    let eighth = usize::try_from(RESULTS_EACH / 8).unwrap();
    keep(&ledger, &other, 100, IN_ROW + 1).await;
    for n in 0..9 {
        clock.pass(1);
        keep(&ledger, &kim, n, eighth).await;
    }
    assert!(read(&ledger, &kim, 0).await.is_none(), "the oldest gave way");
    assert!(read(&ledger, &kim, 1).await.is_some() && read(&ledger, &kim, 8).await.is_some());
    assert_eq!((files(&folder, "acme"), files(&folder, "globex")), (8, 1), "its file too");
    clock.pass(1);
    // One that was given again is not the oldest any more.
    keep(&ledger, &kim, 1, eighth).await;
    clock.pass(1);
    keep(&ledger, &kim, 9, 1).await;
    assert!(read(&ledger, &kim, 1).await.is_some() && read(&ledger, &kim, 2).await.is_none());
    assert!(read(&ledger, &other, 100).await.is_some());
}

#[tokio::test]
async fn when_all_have_too_much_the_one_with_most_gives_way() {
    let (_guard, _folder, _clock, ledger) = on_disk();
    let tenants = RESULTS_IN_ALL / RESULTS_EACH;
    let rows = move |c: &Connection| {
        let mut n = 0_u64;
        // All but the last have as much as they may, in pieces of a quarter; the first a little less.
        for tenant in 0..tenants {
            for part in 0..4 {
                n += 1;
                let counts =
                    if (tenant, part) == (0, 0) { RESULTS_EACH / 4 - LEAST } else { RESULTS_EACH / 4 };
                c.execute(
                    "INSERT INTO results (id, tenant, actor, function, call_id, form, at_ms, until_ms, bytes, counts, body)
                     VALUES (randomblob(16), ?1, 'kim', 'orders.export', x'00', 'json', ?2, ?2, 1, ?3, x'00')",
                    rusqlite::params![format!("t{tenant}"), stored(n), stored(counts)],
                )?;
            }
        }
        let fits = make_room(c, &TenantId::new("late").unwrap(), LEAST)?;
        let before = sums(c)?;
        let gone = make_room(c, &TenantId::new("late").unwrap(), LEAST + 1)?;
        Ok((fits, before, gone, sums(c)?))
    };
    let (fits, before, gone, after) = ledger.inner.writer().unwrap().run(rows).await.unwrap();
    assert_eq!((fits, gone), (vec![], vec![]), "none of them had a file");
    let lost: Vec<_> = before.keys().filter(|tenant| before[*tenant] != after[*tenant]).collect();
    assert_eq!(lost, ["t1"], "one of those that have most");
    assert_eq!(before["t1"] - after["t1"], RESULTS_EACH / 4);
}

fn sums(c: &Connection) -> Result<BTreeMap<String, u64>, StorageError> {
    let mut sums = c.prepare("SELECT tenant, sum(counts) FROM results GROUP BY tenant")?;
    let rows = sums.query_map([], |row| Ok((row.get(0)?, sqlite::counted(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn a_deleted_tenant_keeps_nothing_and_nothing_is_kept_for_it_meanwhile() {
    let (_guard, folder, _clock, ledger) = on_disk();
    let (kim, other) = (owned("acme", "kim"), owned("globex", "kim"));
    for (whose, n) in [(&kim, 1), (&other, 2)] {
        keep(&ledger, whose, n, IN_ROW + 1).await;
    }
    assert_eq!((ledger.traces(&acme()).unwrap().results, ledger.known_tenants().unwrap().len()), (1, 2));
    ledger.begin_deletion(&acme()).await.unwrap();
    let refused = ledger.keep_result(id(3), &kim, given(3), vec![3; IN_ROW + 1]).await;
    assert_eq!(refused, Err(StorageError::Closed));
    // One that is there is not kept longer either.
    assert_eq!(ledger.keep_result(id(1), &kim, given(1), vec![1; 5]).await, Err(StorageError::Closed));
    let traces = ledger.end_deletion(&acme()).await.unwrap();
    assert_eq!((traces.results, files(&folder, "acme")), (1, 0));
    assert!(read(&ledger, &kim, 1).await.is_none() && ledger.traces(&acme()).unwrap().is_empty());
    assert!(read(&ledger, &other, 2).await.is_some());
}
