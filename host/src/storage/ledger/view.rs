//! The ledger for those who only look: keys, switches and budgets as the file has them.
//!
//! Takes: the state folder. Gives: [`LedgerView`]. May name: id.
//!
//! Nobody enters, nothing is recovered and nothing is written, so that a look leaves no trace and a host that runs is
//! not disturbed. What a running host has spent of its leases is in its memory alone: here all of a lease counts as
//! reserved. The leases of a process that has died count as spent, as they will once a host starts.

use super::budget::{Budget, Count, Usage};
use super::key_table::KeyTable;
use super::owner::{Locks, OwnerId};
use super::{Kill, Raise, StoredKey, lease, raise, restore, schema, switches};
use crate::id::TenantId;
use crate::storage::sqlite::{self, counted};
use crate::storage::{Folder, StorageError};
use parking_lot::Mutex;
use rusqlite::{Connection, params};
use std::fmt;
use std::sync::Arc;

/// A ledger that is only read.
pub struct LedgerView {
    connection: Mutex<Connection>,
    locks: Locks,
}

impl fmt::Debug for LedgerView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerView")
    }
}

impl LedgerView {
    /// Opens `ledger.db` in the folder for reading; `None` when no host has written one yet.
    ///
    /// # Errors
    /// [`StorageError`] when the file is damaged, from another version, or cannot be read.
    pub fn open(folder: &Folder) -> Result<Option<Self>, StorageError> {
        restore::refuse_half(folder)?;
        if !folder.dir().exists(schema::FILE) {
            return Ok(None);
        }
        let opened = sqlite::open_to_look(folder, schema::FILE, &schema::SCHEMA)?;
        let locks = Locks::of(folder);
        Ok(opened.map(|connection| Self { connection: Mutex::new(connection), locks }))
    }

    /// Every key, ended ones too, oldest first.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn keys(&self) -> Result<Vec<Arc<StoredKey>>, StorageError> {
        Ok(KeyTable::load(&self.connection.lock())?.sorted())
    }

    /// Every kill switch that is on, in the order host, tenants, actors, tools, components.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn kills(&self) -> Result<Vec<Kill>, StorageError> {
        Ok(switches::load(&self.connection.lock())?.all())
    }

    /// How far each budget is used in the window of this time (milliseconds since 1970).
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn usage(
        &self,
        tenant: &TenantId,
        budgets: &[Budget],
        now_ms: u64,
    ) -> Result<Vec<Usage>, StorageError> {
        let connection = self.connection.lock();
        let mut raises = raise::load(&connection)?;
        raises.retain(|raise| raise.tenant == *tenant);
        let budgets = raise::over(&raises, budgets, now_ms);
        budgets.iter().map(|budget| self.usage_of(&connection, tenant, budget, now_ms)).collect()
    }

    /// The raises that hold at this time (milliseconds since 1970), by tenant and budget.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn raises(&self, now_ms: u64) -> Result<Vec<Raise>, StorageError> {
        let mut all = raise::load(&self.connection.lock())?;
        all.retain(|raise| raise.until_ms > now_ms);
        Ok(all)
    }

    /// What is counted for a tenant and not forgotten; of more than 10,000 counts the latest.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub fn counts(&self, tenant: &TenantId) -> Result<Vec<Count>, StorageError> {
        lease::counts(&self.connection.lock(), tenant)
    }

    fn usage_of(
        &self,
        c: &Connection,
        tenant: &TenantId,
        budget: &Budget,
        now_ms: u64,
    ) -> Result<Usage, StorageError> {
        let Count { of, per, who } = &budget.count;
        let file = lease::window(c, tenant.as_str(), &budget.count)?;
        let start = per.window_start(now_ms).max(file.map_or(0, |(start, _)| start));
        let (mut spent, mut reserved) = (0_u64, 0_u64);
        if let Some((_, before)) = file.filter(|(began, _)| *began == start) {
            spent = before;
            let mut leases = c.prepare(
                "SELECT owner, granted FROM leases WHERE tenant = ?1 AND of = ?2 AND per = ?3 AND who = ?4",
            )?;
            let key = params![tenant.as_str(), of.as_str(), per.as_str(), who.as_str()];
            let mut rows = leases.query(key)?;
            while let Some(row) = rows.next()? {
                let (owner, granted) = (OwnerId(row.get(0)?), counted(row.get(1)?));
                match self.locks.is_alive(owner)? {
                    true => reserved = reserved.saturating_add(granted),
                    false => spent = spent.saturating_add(granted),
                }
            }
        }
        let (budget, window_ends) = (budget.clone(), per.window_end(start));
        Ok(Usage { budget, spent, reserved, window_start: start, window_ends })
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Of, Per};
    use super::super::fixture::{NOON, acme, on_disk};
    use super::super::{Amounts, KillMode, KillScope, SqliteLedger};
    use super::*;
    use crate::storage::folder::tests::temporary;

    fn owners(folder: &Folder) -> i64 {
        let c = Connection::open(folder.path().join(schema::FILE)).unwrap();
        c.query_row("SELECT count(*) + (SELECT seq FROM sqlite_sequence) FROM owners", [], |r| r.get(0))
            .unwrap()
    }

    #[tokio::test]
    async fn a_look_sees_what_is_there_and_enters_nothing() {
        let (_guard, folder, _clock, ledger) = on_disk();
        ledger.kill(KillScope::Host, KillMode::Freeze, "kim", "drill").await.unwrap();
        let budgets = [Budget::new(Of::Calls, Per::Day, 5)];
        let before = owners(&folder);
        let view = LedgerView::open(&folder).unwrap().unwrap();
        assert_eq!(view.kills().unwrap(), ledger.kills());
        let call = ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.unwrap();
        call.commit().settle(Amounts::call(0));
        let lent = view.usage(&acme(), &budgets, NOON).unwrap().remove(0);
        assert_eq!(
            (lent.spent, lent.spent + lent.reserved >= 1),
            (0, true),
            "the host lives, its lease is lent"
        );
        ledger.close().await.unwrap();
        let ended = view.usage(&acme(), &budgets, NOON).unwrap().remove(0);
        assert_eq!((ended.spent, ended.reserved, ended.left()), (1, 0, 4));
        assert_eq!(view.usage(&acme(), &budgets, NOON + 86_400_000).unwrap()[0].left(), 5);
        drop(view);
        assert!(owners(&folder) <= before, "a look is nobody's presence");
    }

    #[tokio::test]
    async fn the_lease_of_a_dead_process_is_spent_before_anyone_recovers_it() {
        let (_guard, folder, clock, ledger) = on_disk();
        let budgets = [Budget::new(Of::Calls, Per::Day, 5)];
        drop(ledger.reserve(&acme(), &budgets, Amounts::call(0)).await.unwrap());
        let view = LedgerView::open(&folder).unwrap().unwrap();
        let lent = view.usage(&acme(), &budgets, NOON).unwrap().remove(0).reserved;
        drop(ledger);
        let seen = loop {
            let seen = view.usage(&acme(), &budgets, NOON).unwrap().remove(0);
            // The writer's thread lets go of the lock a moment after the last handle is gone.
            if seen.reserved == 0 {
                break seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        };
        assert_eq!(seen.spent, lent);
        let recovered = SqliteLedger::open(&folder, clock).unwrap();
        assert_eq!(recovered.usage(&acme(), &budgets).await.unwrap()[0].spent, seen.spent);
    }

    #[test]
    fn a_folder_without_a_ledger_has_nothing_to_look_at_and_gets_none() {
        let (_guard, folder) = temporary();
        assert!(LedgerView::open(&folder).unwrap().is_none());
        assert!(!folder.dir().exists(schema::FILE));
        folder.dir().write(schema::FILE, "not a database, but longer than a header".repeat(50)).unwrap();
        assert!(matches!(LedgerView::open(&folder), Err(StorageError::Damaged { .. })));
    }
}
