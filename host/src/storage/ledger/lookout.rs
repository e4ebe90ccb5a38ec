//! The thread that sees at once when another process has thrown a kill switch.
//!
//! Takes: a connection that only reads. Gives: the switches, to the process's tables. May name: nothing.
//!
//! The writer's thread looks too, but between its syncs, and a disk may take long for one: a stop must not wait for that.

use super::switches;
use super::watched::{Watched, generation};
use crate::storage::StorageError;
use crate::storage::sqlite::number;
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks. A look that finds nothing is a few system calls; where they are slow it took 100 µs, so that an idle
/// host uses a hundredth of one core for it. Twice as often gains nothing, half as often costs the stop 10 ms.
const LOOK: Duration = Duration::from_millis(10);

/// Starts the thread. It ends with the tables.
pub(super) fn start(connection: Connection, watched: &Arc<Watched>) -> Result<(), StorageError> {
    let watched = Arc::downgrade(watched);
    let looking = move || {
        let (mut seen, mut works) = (None, true);
        while let Some(watched) = watched.upgrade() {
            match look(&connection, &watched, &mut seen) {
                Ok(()) => works = true,
                Err(error) if works => {
                    works = false;
                    tracing::warn!(%error, "cannot look for kill switches thrown by other processes");
                }
                Err(_) => {}
            }
            drop(watched);
            std::thread::sleep(LOOK);
        }
    };
    std::thread::Builder::new().name("strongroom-stops".to_owned()).spawn(looking)?;
    Ok(())
}

/// `data_version` moves with every change of the file that another connection made, this process's writer among them.
fn look(c: &Connection, watched: &Watched, seen: &mut Option<i64>) -> Result<(), StorageError> {
    let data = Some(number(c, "data_version")?);
    if *seen == data {
        return Ok(());
    }
    if generation(c, "kills")? > watched.kills.read().generation {
        let whole = c.unchecked_transaction()?;
        let switches = switches::load(&whole)?;
        whole.commit()?;
        watched.switch(switches);
    }
    *seen = data;
    Ok(())
}
