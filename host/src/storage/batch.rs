//! Group commit: many callers' changes in one transaction, so that they share one sync of the disk.
//!
//! Takes: jobs, each a change and what to do once it is durable. Gives: their results. May name: nothing.

use super::StorageError;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// Changes that go into one transaction at most; more wait for the next.
pub(super) const BATCH: usize = 512;

/// A change that waits for its transaction.
pub(super) trait Job: Send {
    /// Makes the change inside the open transaction. A change that fails is undone alone and is no error here:
    /// an error says that the whole transaction cannot go on.
    fn run(&mut self, connection: &Connection) -> Result<(), StorageError>;
    /// Hears whether the transaction was committed, and gives the result away.
    fn finish(self: Box<Self>, committed: Result<(), StorageError>);
}

struct Task<T, W, F> {
    work: Option<W>,
    result: Result<T, StorageError>,
    finish: F,
}

impl<T, W, F> Job for Task<T, W, F>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, StorageError> + Send,
    F: FnOnce(Result<T, StorageError>) + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StorageError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        self.result = work(connection);
        if let Err(error) = &self.result {
            // A full disk or a failed read ends the whole transaction at once, and every job with it.
            if connection.is_autocommit() {
                return Err(error.clone());
            }
            connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        connection.prepare_cached("RELEASE job")?.execute([])?;
        Ok(())
    }

    fn finish(self: Box<Self>, committed: Result<(), StorageError>) {
        let Self { result, finish, .. } = *self;
        finish(match (result, committed) {
            (Ok(_), Err(lost)) => Err(lost),
            (result, _) => result,
        });
    }
}

/// A job whose result goes to a function, called once the change is durable or has failed.
pub(super) fn job<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    finish: impl FnOnce(Result<T, StorageError>) + Send + 'static,
) -> Box<dyn Job> {
    Box::new(Task { work: Some(work), result: Err(StorageError::Closed), finish })
}

/// A job whose result somebody waits for. When nobody waits any more, the result is dropped where it is.
pub(super) fn awaited<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StorageError>>) {
    let (reply, answer) = oneshot::channel();
    let send = move |result| drop(reply.send(result));
    (job(work, send), answer)
}

/// Runs the jobs in one transaction and tells each how it ended.
pub(super) fn run(connection: &Connection, mut jobs: Vec<Box<dyn Job>>) {
    let committed = transact(connection, &mut jobs);
    if committed.is_err() && !connection.is_autocommit() {
        // When even this fails, the next BEGIN fails too, and with it every job: nothing is lost silently.
        drop(connection.execute_batch("ROLLBACK"));
    }
    for job in jobs {
        job.finish(committed.clone());
    }
}

fn transact(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), StorageError> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    for job in jobs {
        job.run(connection)?;
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY) STRICT").unwrap();
        connection
    }

    fn rows(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn one_failed_job_takes_no_other_with_it() {
        let connection = table();
        let insert = |x: i64| {
            awaited(move |c: &Connection| {
                c.execute("INSERT INTO t VALUES (?1 + 100)", [x])?;
                Ok(c.execute("INSERT INTO t VALUES (?1)", [x])?)
            })
        };
        let (first, mut a) = insert(1);
        let (second, mut b) = awaited(|c: &Connection| {
            c.execute("INSERT INTO t VALUES (50)", [])?;
            Ok(c.execute("INSERT INTO t VALUES (1)", [])?)
        });
        let (third, mut c) = insert(3);
        run(&connection, vec![first, second, third]);
        assert_eq!((a.try_recv().unwrap(), c.try_recv().unwrap()), (Ok(1), Ok(1)));
        assert!(b.try_recv().unwrap().is_err());
        assert_eq!(rows(&connection), 4);
    }

    #[test]
    fn a_full_disk_fails_every_job_of_the_batch_and_leaves_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
        connection.execute_batch("PRAGMA max_page_count = 20").unwrap();
        let (small, mut a) = awaited(|c: &Connection| Ok(c.execute("INSERT INTO t VALUES (1)", [])?));
        let (large, mut b) =
            awaited(|c: &Connection| Ok(c.execute("INSERT INTO t VALUES (zeroblob(900000))", [])?));
        run(&connection, vec![small, large]);
        let (a, b) = (a.try_recv().unwrap(), b.try_recv().unwrap());
        assert_eq!(b, Err(StorageError::Full));
        assert_eq!(rows(&connection), i64::from(a.is_ok()));
    }
}
