//! The memory's side of a call's transaction.
//!
//! Takes: what the call remembers, asks and forgets. Gives: the call's view of its tenant's memory. May name: nothing.

use super::query::Query;
use super::remembered::Entry;
use super::size::Room;
use super::{Found, KvTransaction, MAX_TOP_K, MemoryError, memory};

impl KvTransaction {
    /// Keeps a text under an identifier, in place of what was there, when the call commits.
    ///
    /// # Errors
    /// [`MemoryError`] when a part is too long or a quota is reached; nothing changes then.
    pub fn remember(&mut self, id: &str, text: String, tags: Vec<String>) -> Result<(), MemoryError> {
        let entry = Entry { text, tags };
        memory::check(id, &entry)?;
        self.change(id, Some(entry))
    }

    /// Removes an entry when the call commits; says whether there was one, as the call sees it.
    ///
    /// # Errors
    /// [`MemoryError`] when the identifier is too long or the call has written too much; nothing changes then.
    pub fn forget(&mut self, id: &str) -> Result<bool, MemoryError> {
        memory::check_id(id)?;
        let there = match self.writes.memory.has(id) {
            Some(there) => there,
            None => self.store.entry_size(id)?.is_some(),
        };
        if there {
            self.change(id, None)?;
        }
        Ok(there)
    }

    /// The entries that fit a question best, at most `top_k` and never more than [`MAX_TOP_K`]: first those of this call that
    /// hold one of its words, most words first; then the committed ones by BM25, without those that the call has
    /// changed or forgotten.
    ///
    /// # Errors
    /// [`MemoryError`] when the question is too long or the store cannot be read.
    pub async fn retrieve(&self, query: &str, top_k: u32) -> Result<Vec<Found>, MemoryError> {
        let query = Query::parse(query)?;
        let limit = usize::try_from(top_k.min(MAX_TOP_K)).unwrap_or(usize::MAX);
        let mut found = self.writes.memory.matching(&query, limit);
        let left = limit.saturating_sub(found.len());
        found.extend(self.store.search(query, left, self.writes.memory.ids()).await?);
        Ok(found)
    }

    fn change(&mut self, id: &str, now: Option<Entry>) -> Result<(), MemoryError> {
        let (was, total) = (self.store.entry_size(id)?, self.store.memory_size()?);
        self.writes.memory.put(id, now, Room { was, total, quota: self.quotas.memory })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_TEXT, Quotas, Size, TenantStore, TenantStores};
    use super::*;
    use crate::id::TenantId;
    use crate::storage::folder::tests::temporary;
    use crate::storage::{Kept, StorageError};
    use std::sync::Arc;

    async fn store() -> Arc<TenantStore> {
        TenantStores::in_memory().open(&TenantId::default_tenant()).await.unwrap()
    }

    fn call(store: &Arc<TenantStore>, memory: Size) -> KvTransaction {
        KvTransaction::new(store.clone()).within(Quotas { memory, ..Quotas::default() })
    }

    async fn keep(store: &Arc<TenantStore>, entries: &[(&str, &str)]) {
        let mut call = KvTransaction::new(store.clone());
        for (id, text) in entries {
            call.remember(id, (*text).into(), vec![]).unwrap();
        }
        call.commit().await.unwrap();
    }

    fn ids(found: &[Found]) -> Vec<&str> {
        found.iter().map(|f| f.id.as_str()).collect()
    }

    #[tokio::test]
    async fn the_best_come_first_and_tags_and_accents_count() {
        let store = store().await;
        keep(
            &store,
            &[
                ("both", "green tea and a cup"),
                ("tea", "tea is made of leaves, many of them, and of water"),
                ("other", "a bicycle"),
                ("accent", "un caf\u{e9} noir"),
            ],
        )
        .await;
        assert_eq!(ids(&store.retrieve("TEA, cup!", 10).await.unwrap()), ["both", "tea"]);
        assert_eq!(ids(&store.retrieve("tea cup", 1).await.unwrap()), ["both"]);
        assert_eq!(ids(&store.retrieve("cafe", 9).await.unwrap()), ["accent"]);
        assert!(store.retrieve("tea", 0).await.unwrap().is_empty());
        let mut call = KvTransaction::new(store.clone());
        call.remember("tagged", "x".into(), vec!["invoice".into(), "two words".into()]).unwrap();
        call.commit().await.unwrap();
        let found = store.retrieve("invoice", 1).await.unwrap();
        assert_eq!(found[0].tags, ["invoice", "two words"]);
        assert!(found[0].score > 0.0 && !found[0].pending);
    }

    #[tokio::test]
    async fn a_call_sees_its_own_changes_and_others_only_the_committed() {
        let store = store().await;
        keep(&store, &[("a", "tea one"), ("b", "tea two"), ("c", "tea three")]).await;
        let mut call = KvTransaction::new(store.clone());
        call.remember("b", "only coffee now".into(), vec![]).unwrap();
        call.remember("d", "tea four".into(), vec![]).unwrap();
        assert!(call.forget("c").unwrap() && !call.forget("c").unwrap() && !call.forget("never").unwrap());
        let found = call.retrieve("tea", 10).await.unwrap();
        assert_eq!(ids(&found), ["d", "a"]);
        assert_eq!((found[0].pending, found[1].pending), (true, false));
        assert_eq!(ids(&call.retrieve("coffee tea four", 10).await.unwrap()), ["d", "b", "a"]);
        assert_eq!(ids(&call.retrieve("tea", 1).await.unwrap()), ["d"]);
        assert_eq!(store.retrieve("tea", 10).await.unwrap().len(), 3);
        call.commit().await.unwrap();
        let mut after = store.retrieve("tea", 10).await.unwrap();
        after.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(ids(&after), ["a", "d"]);
        assert!(store.retrieve("two three", 10).await.unwrap().is_empty(), "old words lead nowhere");
    }

    #[tokio::test]
    async fn keyvalue_and_memory_are_committed_or_lost_together() {
        let (store, quota) = (store().await, Size { entries: 1, bytes: 1000 });
        let (mut first, mut second) = (call(&store, quota), call(&store, quota));
        for (call, id) in [(&mut first, "a"), (&mut second, "b")] {
            call.set("bucket", id, b"x".to_vec()).unwrap();
            call.remember(id, "tea".into(), vec![]).unwrap();
        }
        first.commit().await.unwrap();
        let full = StorageError::Quota { of: Kept::Memory, entries: 1, bytes: 1000 };
        assert_eq!(second.commit().await.unwrap_err(), full);
        assert_eq!(store.get("bucket", "b").unwrap(), None, "the quota takes the other writes along");
        assert_eq!(ids(&store.retrieve("tea", 9).await.unwrap()), ["a"]);
        assert_eq!(store.memory_size().unwrap(), Size { entries: 1, bytes: 4 });
    }

    #[tokio::test]
    async fn quotas_hold_and_forgetting_makes_room() {
        let store = store().await;
        keep(&store, &[("a", "0123456789"), ("b", "0123456789")]).await;
        let mut call = call(&store, Size { entries: 3, bytes: 40 });
        let full = MemoryError::Quota { entries: 3, bytes: 40 };
        assert_eq!(call.remember("c", "x".repeat(18), vec![]).unwrap_err(), full);
        call.remember("c", "x".repeat(17), vec![]).unwrap();
        assert_eq!(call.remember("d", "y".into(), vec![]).unwrap_err(), full);
        assert_eq!(call.remember("c", "x".repeat(18), vec![]).unwrap_err(), full);
        assert!(call.forget("a").unwrap());
        call.remember("d", "y".into(), vec![]).unwrap();
        call.remember("c", "x".repeat(20), vec![]).unwrap();
        call.commit().await.unwrap();
        assert_eq!(store.memory_size().unwrap(), Size { entries: 3, bytes: 11 + 21 + 2 });
        keep(&store, &[("b", "short")]).await;
        assert_eq!(store.memory_size().unwrap().bytes, 6 + 21 + 2);
    }

    #[tokio::test]
    async fn parts_that_are_too_long_change_nothing() {
        let mut call = KvTransaction::new(store().await);
        let mut refused = |id: &str, text: &str, tags: &[&str]| {
            call.remember(id, text.into(), tags.iter().map(|t| (*t).into()).collect()).unwrap_err()
        };
        assert_eq!(refused("", "t", &[]), MemoryError::Id(0));
        assert_eq!(refused("a\nb", "t", &[]), MemoryError::Id(3));
        assert_eq!(refused("a", "", &[]), MemoryError::Text(0));
        assert_eq!(refused("a", &"t".repeat(MAX_TEXT + 1), &[]), MemoryError::Text(MAX_TEXT + 1));
        assert_eq!(refused("a", "t", &["x"; 17]), MemoryError::Tags);
        assert_eq!(refused("a", "t", &["a\nb"]), MemoryError::Tags);
        assert!(call.writes().is_empty());
    }

    #[tokio::test]
    async fn it_outlives_the_process_and_goes_with_the_tenant() {
        let (_guard, folder) = temporary();
        let tenant = TenantId::default_tenant();
        let stores = TenantStores::new(folder.clone(), 2);
        keep(&stores.open(&tenant).await.unwrap(), &[("a", "tea")]).await;
        drop(stores);
        let stores = TenantStores::new(folder.clone(), 2);
        assert_eq!(stores.open(&tenant).await.unwrap().retrieve("tea", 1).await.unwrap().len(), 1);
        stores.delete(&tenant).await.unwrap();
        assert!(!folder.dir().exists(tenant.as_str()));
        assert!(stores.open(&tenant).await.unwrap().retrieve("tea", 1).await.unwrap().is_empty());
    }
}
