//! A call's view of its tenant's keyvalue and memory: it reads its own writes, and nobody else does before they are committed.
//!
//! Takes: a store and the call's reads and writes. Gives: the call's view, and [`Writes`] to commit. May name: nothing.

use super::size::Room;
use super::{KeyPage, KvError, Quotas, TenantStore, Writes, kv};
use crate::storage::StorageError;
use std::sync::Arc;

/// One call's keyvalue and memory. Dropping it forgets the writes.
#[derive(Debug)]
pub struct KvTransaction {
    pub(super) store: Arc<TenantStore>,
    pub(super) writes: Writes,
    pub(super) quotas: Quotas,
}

impl KvTransaction {
    /// Begins with nothing written. Reads are of what is committed at their moment, not of a snapshot.
    #[must_use]
    pub fn new(store: Arc<TenantStore>) -> Self {
        Self { store, writes: Writes::default(), quotas: Quotas::default() }
    }

    /// Sets what the tenant may keep, in place of [`Quotas::default`].
    #[must_use]
    pub fn within(self, quotas: Quotas) -> Self {
        Self { quotas, ..self }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`KvError`] when a name is too long or the store cannot be read.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        match self.writes.get(bucket, key) {
            Some(written) => Ok(written.map(<[u8]>::to_vec)),
            None => self.store.get(bucket, key),
        }
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// [`KvError`] when a name is too long or the store cannot be read.
    pub fn exists(&self, bucket: &str, key: &str) -> Result<bool, KvError> {
        match self.writes.get(bucket, key) {
            Some(written) => Ok(written.is_some()),
            None => self.store.exists(bucket, key),
        }
    }

    /// Sets a key when the call commits.
    ///
    /// # Errors
    /// [`KvError`] when a name or the value is too long, the call has written too much, or the tenant would have more
    /// than its quota; nothing changes then.
    pub fn set(&mut self, bucket: &str, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        self.put(bucket, key, Some(value))
    }

    /// Deletes a key when the call commits; it need not be there.
    ///
    /// # Errors
    /// [`KvError`] when a name is too long or the call has written too much; nothing changes then.
    pub fn delete(&mut self, bucket: &str, key: &str) -> Result<(), KvError> {
        self.put(bucket, key, None)
    }

    fn put(&mut self, bucket: &str, key: &str, value: Option<Vec<u8>>) -> Result<(), KvError> {
        let (was, total) = self.store.kv_sizes(bucket, key)?;
        self.writes.put(bucket, key, value, Room { was, total, quota: self.quotas.keyvalue })
    }

    /// The keys of a bucket in the order of their bytes, after `after` or from the first: at most `limit`, and never
    /// more than [`MAX_PAGE`](super::MAX_PAGE).
    ///
    /// # Errors
    /// [`KvError`] when the bucket's name is too long or the store cannot be read.
    pub fn list_keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, KvError> {
        self.writes.list(bucket, after, limit, |after, limit| self.store.stored_keys(bucket, after, limit))
    }

    /// Adds to a number kept as decimal text and gives the sum. It takes effect durably at once, whatever becomes of
    /// the call; only when the call itself has set or deleted the key before, it is one more of its pending writes.
    ///
    /// # Errors
    /// [`KvError`]; the number is as it was.
    pub async fn increment(&mut self, bucket: &str, key: &str, delta: u64) -> Result<u64, KvError> {
        match self.writes.get(bucket, key) {
            None => self.store.increment(bucket, key, delta, self.quotas.keyvalue).await,
            Some(written) => {
                let sum = kv::add(written, delta)?;
                self.put(bucket, key, Some(sum.to_string().into_bytes()))?;
                Ok(sum)
            }
        }
    }

    /// What the call has written.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Commits the writes durably, all or none; waits for no disk when there are none.
    ///
    /// # Errors
    /// [`StorageError`]; nothing was written. [`StorageError::Quota`] when other calls have used up the room meanwhile.
    pub async fn commit(self) -> Result<(), StorageError> {
        self.store.commit(self.writes, self.quotas).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::TenantStores;
    use super::*;
    use crate::id::TenantId;
    use crate::storage::folder::tests::temporary;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone)]
    enum Op {
        Set(usize, u8, Vec<u8>),
        Delete(usize, u8),
        Increment(usize, u8, u64),
        List(usize, u8, usize),
        Commit,
        Drop,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let value =
            prop_oneof![Just(b"7".to_vec()), Just(b"x".to_vec()), Just(u64::MAX.to_string().into_bytes())];
        let op = prop_oneof![
            4 => (0usize..2, 0u8..12, value).prop_map(|(b, k, v)| Op::Set(b, k, v)),
            2 => (0usize..2, 0u8..12).prop_map(|(b, k)| Op::Delete(b, k)),
            2 => (0usize..2, 0u8..12, 0u64..3).prop_map(|(b, k, n)| Op::Increment(b, k, n)),
            2 => (0usize..2, 0u8..12, 0usize..6).prop_map(|(b, k, n)| Op::List(b, k, n)),
            1 => Just(Op::Commit),
            1 => Just(Op::Drop),
        ];
        prop::collection::vec(op, 1..60)
    }

    type Map = BTreeMap<(usize, String), Vec<u8>>;

    const BUCKETS: [&str; 2] = ["cart", "cart/2"];

    fn add(map: &mut Map, at: (usize, String), delta: u64) -> Option<u64> {
        let text = map.get(&at).map_or(Some("0".to_owned()), |v| String::from_utf8(v.clone()).ok())?;
        let sum = text.parse::<u64>().ok()?.checked_add(delta)?;
        map.insert(at, sum.to_string().into_bytes());
        Some(sum)
    }

    async fn play(store: Arc<TenantStore>, ops: Vec<Op>) -> Result<(), TestCaseError> {
        let (mut committed, mut seen) = (Map::new(), Map::new());
        let mut pending = std::collections::BTreeSet::new();
        let mut call = KvTransaction::new(store.clone());
        for op in ops {
            let name = |k: u8| format!("k{k:02}");
            match op {
                Op::Set(b, k, value) => {
                    call.set(BUCKETS[b], &name(k), value.clone()).unwrap();
                    seen.insert((b, name(k)), value);
                    pending.insert((b, name(k)));
                }
                Op::Delete(b, k) => {
                    call.delete(BUCKETS[b], &name(k)).unwrap();
                    seen.remove(&(b, name(k)));
                    pending.insert((b, name(k)));
                }
                Op::Increment(b, k, delta) => {
                    let at = (b, name(k));
                    let sum = call.increment(BUCKETS[b], &name(k), delta).await.ok();
                    if !pending.contains(&at) {
                        add(&mut committed, at.clone(), delta);
                    }
                    prop_assert_eq!(sum, add(&mut seen, at, delta));
                }
                Op::List(b, k, limit) => {
                    let after = (k > 0).then(|| name(k));
                    let page = call.list_keys(BUCKETS[b], after.as_deref(), limit).unwrap();
                    let all: Vec<_> =
                        seen.keys().filter(|(bucket, _)| *bucket == b).map(|(_, k)| k.clone()).collect();
                    let rest: Vec<_> =
                        all.into_iter().filter(|k| after.as_ref().is_none_or(|a| k > a)).collect();
                    let limit = limit.max(1);
                    let more = rest.len() > limit;
                    let keys: Vec<_> = rest.into_iter().take(limit).collect();
                    let after = keys.last().filter(|_| more).cloned();
                    prop_assert_eq!(page, KeyPage { keys, after });
                }
                Op::Commit => {
                    std::mem::replace(&mut call, KvTransaction::new(store.clone())).commit().await.unwrap();
                    committed = seen.clone();
                    pending.clear();
                }
                Op::Drop => {
                    call = KvTransaction::new(store.clone());
                    seen = committed.clone();
                    pending.clear();
                }
            }
            for (b, bucket) in BUCKETS.into_iter().enumerate() {
                for k in 0..12 {
                    let at = (b, name(k));
                    let (own, others) = (seen.get(&at).cloned(), committed.get(&at).cloned());
                    prop_assert_eq!(call.exists(bucket, &name(k)), Ok(own.is_some()));
                    prop_assert_eq!(call.get(bucket, &name(k)), Ok(own));
                    prop_assert_eq!(store.get(bucket, &name(k)), Ok(others));
                }
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_call_sees_its_own_writes_and_others_what_is_committed(ops in ops()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let store = TenantStores::in_memory().open(&TenantId::default_tenant()).await.unwrap();
                play(store, ops).await
            })?;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn racing_increments_all_count_and_share_commits() {
        let (_guard, folder) = temporary();
        let store = TenantStores::new(folder, 1).open(&TenantId::default_tenant()).await.unwrap();
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let store = store.clone();
            callers.spawn(async move {
                store.increment("b", "n", 2, crate::storage::tenant::KEYVALUE_QUOTA).await.unwrap()
            });
        }
        let mut sums = callers.join_all().await;
        sums.sort_unstable();
        assert_eq!(sums, (1..=100).map(|n| n * 2).collect::<Vec<u64>>());
        let mut call = KvTransaction::new(store.clone());
        call.set("b", "text", b"abc".to_vec()).unwrap();
        assert_eq!(call.increment("b", "text", 1).await.unwrap_err(), KvError::NotANumber);
        assert_eq!(call.increment("b", "n", u64::MAX).await.unwrap_err(), KvError::Overflow);
        drop(call);
        assert_eq!(store.get("b", "text").unwrap(), None);
    }
}
