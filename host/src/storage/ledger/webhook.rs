//! How far the webhook has come, in the file, so that whoever delivers next goes on there.
//!
//! Takes: numbers of delivered alerts. Gives: [`Cursor`]. May name: nothing.

use super::SqliteLedger;
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use rusqlite::Connection;

/// Where the webhook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number of the last alert that was delivered.
    pub(crate) delivered: u64,
    /// How many alerts went before they were delivered, since this was last asked.
    pub(crate) lost: u64,
}

impl SqliteLedger {
    /// Where the webhook goes on. Asked for the first time, it begins with the alerts that come from then on.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read or written.
    pub(crate) async fn webhook(&self) -> Result<Cursor, StorageError> {
        self.inner.writer()?.run(|c| advance(c, None)).await
    }

    /// This alert, and with it all before it, is delivered. Never goes back.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be written; then the alert counts as not delivered.
    pub(crate) async fn webhook_delivered(&self, id: u64) -> Result<Cursor, StorageError> {
        self.inner.writer()?.run(move |c| advance(c, Some(id))).await
    }

    /// Waits until this ledger is closed.
    pub(crate) async fn closed(&self) {
        let mut closed = self.inner.watched.alerts.closes();
        // That nobody can close it any more is the same.
        let _ = closed.wait_for(|closed| *closed).await;
    }
}

fn advance(c: &Connection, delivered: Option<u64>) -> Result<Cursor, StorageError> {
    c.execute("INSERT OR IGNORE INTO webhook SELECT 1, coalesce(max(id), 0), 0 FROM alerts", [])?;
    let read = "SELECT delivered, lost FROM webhook";
    let (before, lost) = c.query_row(read, [], |row| Ok((counted(row.get(0)?), counted(row.get(1)?))))?;
    let delivered = delivered.map_or(before, |id| id.max(before));
    if delivered != before || lost > 0 {
        c.execute("UPDATE webhook SET delivered = ?1, lost = 0", [stored(delivered)])?;
    }
    Ok(Cursor { delivered, lost })
}

/// Counts the alerts from before a time that are about to go and were not delivered, where there is a webhook.
pub(super) fn lose(c: &Connection, before_ms: i64) -> Result<(), StorageError> {
    c.execute(
        "UPDATE webhook SET lost = lost + (SELECT count(*) FROM alerts WHERE at_ms < ?1 AND id > delivered)
         WHERE EXISTS (SELECT 1 FROM alerts WHERE at_ms < ?1 AND id > delivered)",
        [before_ms],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, acme, on_disk};
    use super::super::{Amounts, Budget, BudgetMode, Of, Per, alerts};
    use super::*;

    #[tokio::test]
    async fn the_cursor_begins_now_stays_where_it_was_and_counts_what_went_undelivered() {
        let (_guard, folder, clock, ledger) = on_disk();
        let mut heard = ledger.alerts(None, None);
        let mut raise = async |limit| {
            let warn = Budget { mode: BudgetMode::Warn, ..Budget::new(Of::Calls, Per::Total, limit) };
            let spent = ledger.reserve(&acme(), &[warn], Amounts::call(0)).await.unwrap();
            spent.commit().settle(Amounts::call(0));
            heard.next().await.unwrap().unwrap().id
        };
        let first = raise(1).await;
        assert_eq!(ledger.webhook().await.unwrap(), Cursor { delivered: first, lost: 0 });
        let (second, third) = (raise(2).await, raise(3).await);
        assert_eq!(ledger.webhook_delivered(second).await.unwrap().delivered, second);
        assert_eq!(ledger.webhook_delivered(first).await.unwrap().delivered, second);
        let week = 8 * 86_400_000;
        clock.pass(week);
        let clean = move |c: &Connection| alerts::clean(c, NOON + week);
        assert_eq!(ledger.inner.writer().unwrap().run(clean).await.unwrap(), 3);
        ledger.close().await.unwrap();
        assert!(third > second);
        let again = SqliteLedger::open(&folder, clock).unwrap();
        assert_eq!(again.webhook().await.unwrap(), Cursor { delivered: second, lost: 1 });
        assert_eq!(again.webhook().await.unwrap(), Cursor { delivered: second, lost: 0 });
    }
}
