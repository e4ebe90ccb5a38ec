//! One tenant's store: quick reads, and writes that share commits when several calls end together.
//!
//! Takes: a tenant's folder. Gives: reads at once, and durable commits. May name: nothing.

use super::query::Query;
use super::size::{Quotas, Size};
use super::{Found, KeyPage, KvError, MAX_TOP_K, MemoryError, Writes, kv, memory};
use crate::storage::batch::{self, BATCH, Job};
use crate::storage::{Folder, StorageError, sqlite};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// One tenant's store, open.
pub struct TenantStore {
    reader: Arc<Shared>,
    writer: Arc<Shared>,
    /// For searches of the memory: they can take long, and quick reads do not wait for a connection that is busy with one.
    searcher: Arc<Shared>,
    queue: Mutex<Queue>,
}

/// A connection, until the store is closed.
type Shared = Mutex<Option<Connection>>;

/// Writes that wait. Whoever finds nobody at work takes the work on itself, so that an idle store has no thread.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    at_work: bool,
}

/// Reads on a connection, unless the store is closed.
fn on<T, E: From<StorageError>>(
    connection: &Shared,
    read: impl FnOnce(&Connection) -> Result<T, StorageError>,
) -> Result<T, E> {
    let connection = connection.lock();
    Ok(read(connection.as_ref().ok_or(StorageError::Closed)?)?)
}

impl TenantStore {
    pub(super) fn on_disk(folder: &Folder) -> Result<Self, StorageError> {
        let writer = Arc::new(Mutex::new(Some(sqlite::open(folder, kv::FILE, &kv::SCHEMA)?)));
        let reader = Arc::new(Mutex::new(Some(sqlite::open_reader(folder, kv::FILE, &kv::SCHEMA)?)));
        let searcher = Arc::new(Mutex::new(Some(sqlite::open_reader(folder, kv::FILE, &kv::SCHEMA)?)));
        Ok(Self { reader, writer, searcher, queue: Mutex::default() })
    }

    pub(super) fn in_memory() -> Result<Self, StorageError> {
        let writer = Arc::new(Mutex::new(Some(sqlite::open_in_memory(&kv::SCHEMA)?)));
        Ok(Self { reader: writer.clone(), searcher: writer.clone(), writer, queue: Mutex::default() })
    }

    /// Ends what is under way, then refuses everything. The files are closed here and not when the last handle goes:
    /// by then they may be another store's, and SQLite removes its log by name.
    pub(super) fn close(&self) {
        drop(self.writer.lock().take());
        drop(self.reader.lock().take());
        drop(self.searcher.lock().take());
    }

    fn read<T, E: From<StorageError>>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StorageError>,
    ) -> Result<T, E> {
        on(&self.reader, read)
    }

    /// The committed entries of the memory that fit a question best, by BM25: at most `top_k`, and never more than
    /// [`MAX_TOP_K`]. The question is plain words; an entry holds at least one of them. Runs on a thread that may block.
    ///
    /// # Errors
    /// [`MemoryError`] when the question is too long or the store cannot be read.
    pub async fn retrieve(self: &Arc<Self>, query: &str, top_k: u32) -> Result<Vec<Found>, MemoryError> {
        let limit = usize::try_from(top_k.min(MAX_TOP_K)).unwrap_or(usize::MAX);
        Ok(self.search(Query::parse(query)?, limit, BTreeSet::new()).await?)
    }

    /// The best entries without the hidden ones.
    pub(super) async fn search(
        self: &Arc<Self>,
        query: Query,
        limit: usize,
        hidden: BTreeSet<String>,
    ) -> Result<Vec<Found>, StorageError> {
        let store = self.clone();
        let search = move || on(&store.searcher, |c| memory::search(c, &query, limit, &hidden));
        tokio::task::spawn_blocking(search).await.unwrap_or(Err(StorageError::Closed))
    }

    /// How much keyvalue holds, committed.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot be read.
    pub fn keyvalue_size(&self) -> Result<Size, StorageError> {
        self.read(kv::size)
    }

    /// The sizes of a key's committed entry and of all of them.
    pub(super) fn kv_sizes(&self, bucket: &str, key: &str) -> Result<(Option<u64>, Size), KvError> {
        kv::check(bucket, key)?;
        self.read(|c| kv::sizes(c, bucket, key))
    }

    /// How much the memory holds, committed.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot be read.
    pub fn memory_size(&self) -> Result<Size, StorageError> {
        self.read(memory::size)
    }

    /// The size of a committed entry of the memory.
    pub(super) fn entry_size(&self, id: &str) -> Result<Option<u64>, StorageError> {
        self.read(|c| memory::size_of(c, id))
    }

    /// The committed value of a key.
    ///
    /// # Errors
    /// [`KvError`] when a name is too long or the store cannot be read.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        kv::check(bucket, key)?;
        self.read(|c| kv::get(c, bucket, key))
    }

    /// Whether a key has a committed value.
    ///
    /// # Errors
    /// [`KvError`] when a name is too long or the store cannot be read.
    pub fn exists(&self, bucket: &str, key: &str) -> Result<bool, KvError> {
        kv::check(bucket, key)?;
        self.read(|c| kv::exists(c, bucket, key))
    }

    /// The committed keys of a bucket after `after`, or from the first: at most `limit`, and never more than
    /// [`MAX_PAGE`](super::MAX_PAGE).
    ///
    /// # Errors
    /// [`KvError`] when the bucket's name is too long or the store cannot be read.
    pub fn list_keys(&self, bucket: &str, after: Option<&str>, limit: usize) -> Result<KeyPage, KvError> {
        Writes::default().list(bucket, after, limit, |after, limit| self.stored_keys(bucket, after, limit))
    }

    pub(super) fn stored_keys(
        &self,
        bucket: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        kv::check_bucket(bucket)?;
        self.read(|c| kv::list(c, bucket, after, limit))
    }

    /// Adds to a number kept as decimal text, durably and at once; a key that is not there counts as 0. Gives the sum.
    ///
    /// # Errors
    /// [`KvError`]; the number is as it was.
    pub async fn increment(
        self: &Arc<Self>,
        bucket: &str,
        key: &str,
        delta: u64,
        quota: Size,
    ) -> Result<u64, KvError> {
        kv::check(bucket, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        // A value that is no number is the guest's mistake and not the store's, so it is no failed job; it and a full
        // quota are found before anything is written.
        self.write(move |c| match kv::increment(c, &bucket, &key, delta, quota) {
            Err(KvError::Storage(e)) => Err(e),
            result => Ok(result),
        })
        .await?
    }

    /// Commits a call's writes: all of them, durably, or none. Of two calls that wrote the same key, the later commit
    /// stays. When the future is dropped while it waits, the commit may still happen.
    ///
    /// # Errors
    /// [`StorageError`]; nothing was written. [`StorageError::Quota`] when other calls have used up the room meanwhile.
    pub async fn commit(self: &Arc<Self>, writes: Writes, quotas: Quotas) -> Result<(), StorageError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.write(move |c| {
            kv::apply(c, &writes, quotas.keyvalue)?;
            memory::apply(c, &writes.memory, quotas.memory)
        })
        .await
    }

    async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (job, answer) = batch::awaited(work);
        let idle = {
            let mut queue = self.queue.lock();
            queue.jobs.push_back(job);
            !std::mem::replace(&mut queue.at_work, true)
        };
        if idle {
            let store = self.clone();
            drop(tokio::task::spawn_blocking(move || store.work()));
        }
        answer.await.unwrap_or(Err(StorageError::Closed))
    }

    fn work(&self) {
        let _at_work = AtWork(&self.queue);
        loop {
            let jobs: Vec<_> = {
                let mut queue = self.queue.lock();
                let some = queue.jobs.len().min(BATCH);
                queue.at_work = some > 0;
                queue.jobs.drain(..some).collect()
            };
            if jobs.is_empty() {
                return;
            }
            match &*self.writer.lock() {
                Some(connection) => batch::run(connection, jobs),
                None => jobs.into_iter().for_each(|job| job.finish(Err(StorageError::Closed))),
            }
        }
    }
}

/// Frees the queue when its worker panics: what waits fails, and what comes later finds a new worker.
struct AtWork<'a>(&'a Mutex<Queue>);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.lock() = Queue::default();
        }
    }
}

impl fmt::Debug for TenantStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantStore").field("waiting", &self.queue.lock().jobs.len()).finish_non_exhaustive()
    }
}
