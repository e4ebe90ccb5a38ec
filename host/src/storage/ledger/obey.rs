//! Whether the other processes obey a kill switch: each notes in the file which change of the switches it has taken over.
//!
//! Takes: this process's last change. Gives: [`Obeyed`]. May name: nothing.

use super::SqliteLedger;
use super::owner::OwnerId;
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use rusqlite::{Connection, params};
use std::time::Duration;

/// How often it is looked whether they do.
const LOOK: Duration = Duration::from_millis(10);

/// What the other processes on the ledger made of the last change of the kill switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Obeyed {
    /// Processes that obey it.
    pub processes: usize,
    /// Calls that ran there and were told to stop.
    pub calls: u64,
    /// Processes that have not said so yet.
    pub silent: usize,
}

/// Notes that this process obeys this change of the switches, and how many calls it told to stop.
pub(super) fn note(c: &Connection, me: OwnerId, generation: i64, calls: usize) -> Result<(), StorageError> {
    let calls = stored(u64::try_from(calls).unwrap_or(u64::MAX));
    c.execute("UPDATE owners SET obeys = ?2, stopped = ?3 WHERE id = ?1", params![me.0, generation, calls])?;
    Ok(())
}

impl SqliteLedger {
    /// Waits until every other process on this ledger obeys the kill switches as this process has them, at most so long.
    ///
    /// # Errors
    /// [`StorageError`] when the file cannot be read.
    pub async fn others_obey(&self, patience: Duration) -> Result<Obeyed, StorageError> {
        let looks = patience.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            let obeyed = self.obeyed()?;
            if obeyed.silent == 0 {
                return Ok(obeyed);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.obeyed()
    }

    fn obeyed(&self) -> Result<Obeyed, StorageError> {
        let change = self.inner.watched.kills.read().generation;
        let rows = {
            let reader = self.inner.reader.lock();
            let mut statement =
                reader.prepare_cached("SELECT id, obeys, stopped FROM owners WHERE id <> ?1")?;
            let rows = statement
                .query_map([self.inner.presence.id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<Result<Vec<(i64, i64, i64)>, _>>()?
        };
        let mut obeyed = Obeyed::default();
        for (owner, obeys, stopped) in rows {
            match self.inner.presence.lives(OwnerId(owner))? {
                // It has read the switches when it was started, or it has ended.
                _ if obeys >= change => {
                    obeyed.processes += 1;
                    obeyed.calls = obeyed.calls.saturating_add(counted(stopped));
                }
                true => obeyed.silent += 1,
                false => {}
            }
        }
        Ok(obeyed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::on_disk;
    use super::super::{KillMode, KillScope};
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn each_process_says_that_it_obeys_and_how_many_calls_it_stopped() {
        let (_guard, folder, clock, ledger) = on_disk();
        ledger.kill(KillScope::Host, KillMode::Stop, "kim", "test").await.unwrap();
        assert_eq!(ledger.others_obey(LONG).await.unwrap(), Obeyed::default(), "nobody else is there");
        let others = [3, 4].map(|calls| {
            let other = SqliteLedger::open(&folder, clock.clone()).unwrap();
            other.on_switches(move |_| calls);
            other
        });
        let late = SqliteLedger::open(&folder, clock).unwrap();
        for mode in [KillMode::Freeze, KillMode::Stop] {
            ledger.kill(KillScope::Host, mode, "kim", "test").await.unwrap();
            let obeyed = ledger.others_obey(LONG).await.unwrap();
            assert_eq!(obeyed, Obeyed { processes: 3, calls: 7, silent: 0 });
        }
        others[0].close().await.unwrap();
        late.close().await.unwrap();
        ledger.revive(KillScope::Host).await.unwrap();
        assert_eq!(ledger.others_obey(LONG).await.unwrap(), Obeyed { processes: 1, calls: 4, silent: 0 });
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_told_apart() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = SqliteLedger::open(&folder, clock).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let wait = parking_lot::Mutex::new(wait);
        // Its threads stand still.
        other.on_switches(move |_| usize::from(wait.lock().recv().is_ok()));
        ledger.kill(KillScope::Host, KillMode::Stop, "kim", "test").await.unwrap();
        let obeyed = ledger.others_obey(Duration::from_millis(100)).await.unwrap();
        assert_eq!(obeyed, Obeyed { processes: 0, calls: 0, silent: 1 });
        drop(go);
        assert_eq!(ledger.others_obey(LONG).await.unwrap().processes, 1);
    }
}
