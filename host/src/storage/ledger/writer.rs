//! The one thread that writes the ledger: it collects what callers want changed, commits it together, and looks
//! between batches whether another process has changed something.
//!
//! Takes: jobs. Gives: their results once they are durable. May name: powers.

use super::answers::{Answers, Gone};
use super::watched::Watched;
use super::{alerts, claims, lease, raise, results};
use crate::powers::Clock;
use crate::storage::StorageError;
use crate::storage::batch::{self, BATCH, Job};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often an idle ledger looks for changes by other processes.
const LOOK: Duration = Duration::from_millis(250);
/// How often answers that were kept long enough are removed.
const CLEAN: Duration = Duration::from_secs(60);

/// The way to the thread. It ends when the last sender is gone. The queue has no bound of its own: every job but the
/// few that end a call has a caller who waits for it, and admission bounds the callers.
pub(super) struct Writer {
    queue: Sender<Box<dyn Job>>,
    told: Arc<OnceLock<Told>>,
}

/// Hears of each transaction: how many changes, and how long they took with their sync.
type Told = Box<dyn Fn(usize, Duration) + Send + Sync>;

impl Writer {
    /// Starts the thread on a connection that nobody else writes with.
    pub(super) fn start(
        connection: Arc<Mutex<Connection>>,
        watched: Arc<Watched>,
        clock: Arc<dyn Clock>,
        answers: Option<Answers>,
    ) -> Result<Self, StorageError> {
        let (queue, jobs) = channel();
        let told = Arc::new(OnceLock::<Told>::new());
        let tell = told.clone();
        std::thread::Builder::new()
            .name("strongroom-ledger".to_owned())
            .spawn(move || work(&connection, &jobs, &watched, &*clock, answers.as_ref(), &tell))?;
        Ok(Self { queue, told })
    }

    /// From now on this hears of each transaction. The first word counts.
    pub(super) fn tell(&self, told: impl Fn(usize, Duration) + Send + Sync + 'static) {
        drop(self.told.set(Box::new(told)));
    }

    /// Makes a change and waits until it is durable. When the future is dropped the change is made all the same and
    /// its result dropped on the writer's thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (job, answer) = batch::awaited(work);
        self.post(job);
        answer.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Queues a job. When the thread has ended the job is dropped, and with it whatever it would have answered.
    pub(super) fn post(&self, job: Box<dyn Job>) {
        drop(self.queue.send(job));
    }
}

fn work(
    connection: &Mutex<Connection>,
    jobs: &Receiver<Box<dyn Job>>,
    watched: &Watched,
    clock: &dyn Clock,
    answers: Option<&Answers>,
    told: &OnceLock<Told>,
) {
    let mut cleaned = clock.monotonic();
    loop {
        let mut batch = match jobs.recv_timeout(LOOK) {
            Ok(first) => vec![first],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        batch.extend(jobs.try_iter().take(BATCH - batch.len()));
        if clock.monotonic().saturating_duration_since(cleaned) >= CLEAN {
            cleaned = clock.monotonic();
            batch.push(cleaning(clock.unix_ms(), answers.cloned()));
        }
        let connection = connection.lock();
        if !batch.is_empty() {
            let (changes, began) = (batch.len(), clock.monotonic());
            batch::run(&connection, batch);
            if let Some(told) = told.get() {
                told(changes, clock.monotonic().saturating_duration_since(began));
            }
        }
        if let Err(error) = watched.look(&connection) {
            tracing::warn!(%error, "cannot look for keys and kill switches changed by other processes");
        }
    }
}

pub(super) fn cleaning(now_ms: u64, answers: Option<Answers>) -> Box<dyn Job> {
    let cleaned = |result: Result<Vec<Gone>, StorageError>| match result {
        Ok(gone) => {
            if let Some(answers) = answers {
                answers.remove(&gone);
            }
        }
        Err(error) => {
            tracing::warn!(%error, "old answers and runs stay in the ledger until the next cleaning")
        }
    };
    let clean = move |c: &Connection| {
        let mut gone = claims::clean(c, now_ms)?;
        gone.extend(results::clean(c, now_ms)?);
        lease::forget_runs(c, now_ms)?;
        raise::clean(c, now_ms)?;
        alerts::clean(c, now_ms)?;
        Ok(gone)
    };
    batch::job(clean, cleaned)
}
