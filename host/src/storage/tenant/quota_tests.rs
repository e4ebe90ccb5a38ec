//! The quota of keyvalue against a model, and its edges.
//!
//! Takes: nothing. Gives: tests. May name: id.

use super::*;
use crate::storage::Kept;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Op {
    Set(usize, u8, usize),
    Delete(usize, u8),
    Increment(usize, u8, u64),
    Commit(usize),
    Drop(usize),
    Quota(usize, Size),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let size = (0u64..8, 0u64..60).prop_map(|(entries, bytes)| Size { entries, bytes });
    let op = prop_oneof![
        6 => (0usize..2, 0u8..8, 0usize..20).prop_map(|(t, k, n)| Op::Set(t, k, n)),
        3 => (0usize..2, 0u8..8).prop_map(|(t, k)| Op::Delete(t, k)),
        3 => (0usize..2, 0u8..8, 0u64..2000).prop_map(|(t, k, n)| Op::Increment(t, k, n)),
        3 => (0usize..2).prop_map(Op::Commit),
        1 => (0usize..2).prop_map(Op::Drop),
        1 => (0usize..2, size).prop_map(|(t, size)| Op::Quota(t, size)),
    ];
    prop::collection::vec(op, 1..120)
}

type Map = BTreeMap<String, Vec<u8>>;

/// One of two calls that run at the same time.
struct Running {
    call: KvTransaction,
    quota: Size,
    /// What it has written, and what was acknowledged of it.
    writes: BTreeMap<String, Option<Vec<u8>>>,
    /// Whether nothing was committed beside it since it began.
    alone: bool,
}

impl Running {
    fn begin(store: &Arc<TenantStore>, quota: Size) -> Self {
        let quotas = Quotas { keyvalue: quota, ..Quotas::default() };
        Self {
            call: KvTransaction::new(store.clone()).within(quotas),
            quota,
            writes: BTreeMap::new(),
            alone: true,
        }
    }
}

fn sum(map: &Map) -> Size {
    let bytes = map.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
    Size { entries: map.len() as u64, bytes }
}

fn within(quota: Size, before: Size, after: Size) -> bool {
    after.entries <= quota.entries.max(before.entries) && after.bytes <= quota.bytes.max(before.bytes)
}

fn full(quota: Size) -> KvError {
    KvError::Quota { entries: quota.entries, bytes: quota.bytes }
}

async fn play(store: Arc<TenantStore>, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let roomy = Size { entries: 6, bytes: 50 };
    let mut committed = Map::new();
    let mut calls = [Running::begin(&store, roomy), Running::begin(&store, roomy)];
    for op in ops {
        // Keys of different lengths, some of several bytes a letter.
        let name = |k: u8| format!("k{}", "\u{e4}".repeat(usize::from(k) % 4)) + &k.to_string();
        match op {
            Op::Set(t, k, len) => {
                let (running, value) = (&mut calls[t], vec![b'x'; len]);
                match running.call.set("b", &name(k), value.clone()) {
                    Ok(()) => drop(running.writes.insert(name(k), Some(value))),
                    Err(error) => prop_assert_eq!(error, full(running.quota)),
                }
            }
            Op::Delete(t, k) => {
                calls[t].call.delete("b", &name(k)).unwrap();
                calls[t].writes.insert(name(k), None);
            }
            Op::Increment(t, k, delta) => {
                let (running, before) = (&mut calls[t], sum(&committed));
                let own = running.writes.get(&name(k)).cloned();
                let result = running.call.increment("b", &name(k), delta).await;
                match (result, own) {
                    (Ok(n), Some(_)) => {
                        running.writes.insert(name(k), Some(n.to_string().into_bytes()));
                    }
                    (Ok(n), None) => {
                        committed.insert(name(k), n.to_string().into_bytes());
                        prop_assert!(within(running.quota, before, sum(&committed)));
                        calls.iter_mut().for_each(|running| running.alone = false);
                    }
                    (Err(KvError::NotANumber), _) => {}
                    (Err(error), own) => {
                        prop_assert_eq!(error, full(running.quota));
                        if own.is_none() {
                            let mut after = committed.clone();
                            let old = committed.get(&name(k)).map_or("0", |v| str::from_utf8(v).unwrap());
                            let n = old.parse::<u64>().unwrap() + delta;
                            after.insert(name(k), n.to_string().into_bytes());
                            prop_assert!(!within(running.quota, before, sum(&after)));
                        }
                    }
                }
            }
            Op::Commit(t) => {
                let quota = calls[t].quota;
                let ended = std::mem::replace(&mut calls[t], Running::begin(&store, quota));
                let mut after = committed.clone();
                for (key, value) in &ended.writes {
                    match value {
                        Some(value) => drop(after.insert(key.clone(), value.clone())),
                        None => drop(after.remove(key)),
                    }
                }
                let fits = within(quota, sum(&committed), sum(&after));
                prop_assert!(
                    fits || !ended.alone,
                    "what was acknowledged is committed when nobody was faster"
                );
                let (entries, bytes) = (quota.entries, quota.bytes);
                let expected = if fits {
                    Ok(())
                } else {
                    Err(StorageError::Quota { of: Kept::Keyvalue, entries, bytes })
                };
                prop_assert_eq!(ended.call.commit().await, expected);
                if fits {
                    committed = after;
                    calls[1 - t].alone = false;
                }
            }
            Op::Drop(t) => calls[t] = Running::begin(&store, calls[t].quota),
            Op::Quota(t, quota) => calls[t] = Running::begin(&store, quota),
        }
        prop_assert_eq!(store.keyvalue_size().unwrap(), sum(&committed));
        for k in 0..8 {
            prop_assert_eq!(store.get("b", &name(k)).unwrap(), committed.get(&name(k)).cloned());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_total_is_exact_and_never_grows_over_the_quota(ops in ops()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = TenantStores::in_memory().open(&TenantId::default_tenant()).await.unwrap();
            play(store, ops).await
        })?;
    }
}

#[tokio::test]
async fn a_refused_write_changes_nothing_and_deleting_makes_room() {
    let store = TenantStores::in_memory().open(&TenantId::default_tenant()).await.unwrap();
    let quota = Size { entries: 2, bytes: 10 };
    let quotas = Quotas { keyvalue: quota, ..Quotas::default() };
    let begin = || KvTransaction::new(store.clone()).within(quotas);
    let mut call = begin();
    call.set("a", "k", b"1234".to_vec()).unwrap();
    call.set("b", "k", b"1234".to_vec()).unwrap();
    assert_eq!(call.set("b", "k", b"12345".to_vec()), Err(full(quota)), "one byte more");
    assert_eq!(call.set("a", "l", Vec::new()), Err(full(quota)), "one entry more");
    call.delete("a", "k").unwrap();
    call.set("c", "k", b"1234".to_vec()).unwrap();
    call.commit().await.unwrap();
    assert_eq!(store.keyvalue_size().unwrap(), Size { entries: 2, bytes: 10 });
    assert_eq!(begin().increment("c", "new", 1).await, Err(full(quota)));
    assert_eq!(store.get("c", "new").unwrap(), None);
    let mut call = begin();
    call.delete("c", "k").unwrap();
    call.commit().await.unwrap();
    assert_eq!(begin().increment("c", "new", 1).await, Ok(1), "3 bytes and a digit fit");
}
