//! Whether the ledger can be written, found out by writing it.
//!
//! Takes: nothing. Gives: an answer. May name: nothing.

use super::SqliteLedger;
use crate::storage::StorageError;

impl SqliteLedger {
    /// Writes something that changes nothing, through the same thread and with the same sync as every change, so that a
    /// full disk, a file that became read-only and a thread that hangs are found. Costs a sync.
    ///
    /// # Errors
    /// [`StorageError`] when it cannot be written.
    pub(crate) async fn probe(&self) -> Result<(), StorageError> {
        self.inner
            .writer()?
            .run(|c| {
                let version: i64 = c.pragma_query_value(None, "user_version", |row| row.get(0))?;
                // The same number: its page is written all the same.
                Ok(c.pragma_update(None, "user_version", version)?)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::on_disk;

    #[tokio::test]
    async fn a_probe_writes_and_changes_nothing() {
        let (_guard, folder, _, ledger) = on_disk();
        let wal = || folder.dir().metadata("ledger.db-wal").unwrap().len();
        ledger.probe().await.unwrap();
        let before = wal();
        ledger.probe().await.unwrap();
        assert!(wal() > before, "nothing was written");
        ledger.close().await.unwrap();
        assert!(ledger.probe().await.is_err());
    }
}
