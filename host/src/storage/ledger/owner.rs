//! Which processes have the ledger open: each holds a lock on a file of its own, which the system lets go when the
//! process ends, however it ends.
//!
//! Takes: the state folder. Gives: an id for this process, whether another one lives, and the recovery of dead ones.
//! May name: nothing.

use super::lease;
use crate::storage::{Folder, StorageError};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use rusqlite::{Connection, TransactionBehavior, params};
use std::fs::{File, TryLockError};
use std::io;

/// One opening of the ledger by one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnerId(pub(super) i64);

/// This process's presence. The lock goes with it.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) id: OwnerId,
    /// Whether no other process had the ledger open when this one opened it.
    pub(super) alone: bool,
    locks: Option<Locks>,
    _lock: Option<File>,
}

/// The folder of the lock files; none for a ledger in memory, which no other process can open.
#[derive(Debug, Clone)]
pub(super) struct Locks(Folder);

impl Locks {
    pub(super) fn of(folder: &Folder) -> Self {
        Self(folder.clone())
    }

    fn name(id: OwnerId) -> String {
        format!("owner-{}.lock", id.0)
    }

    fn take(&self, id: OwnerId) -> Result<File, StorageError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(0o600);
        let file = self.0.dir().open_with(Self::name(id), &options)?.into_std();
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(StorageError::Busy),
            Err(TryLockError::Error(e)) => Err(e.into()),
        }
    }

    /// Whether the process lives. Its row is there only once its lock is held, so no lock means that it is dead.
    pub(super) fn is_alive(&self, id: OwnerId) -> Result<bool, StorageError> {
        let file = match self.0.dir().open(Self::name(id)) {
            Ok(file) => file.into_std(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        // Shared, so that two who ask at the same time do not take each other for the owner.
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(e)) => Err(e.into()),
        }
    }

    /// Whether any process has the ledger open, also when its file is gone.
    pub(super) fn any_alive(&self) -> Result<bool, StorageError> {
        for entry in self.0.dir().entries()? {
            let name = entry?.file_name();
            let id =
                name.to_str().and_then(|n| n.strip_prefix("owner-")?.strip_suffix(".lock")?.parse().ok());
            if let Some(id) = id
                && self.is_alive(OwnerId(id))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn remove(&self, id: OwnerId) {
        match self.0.dir().remove_file(Self::name(id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(owner = id.0, error = %e, "the lock file of an ended process stays behind");
            }
            _ => {}
        }
    }
}

impl Presence {
    /// Enters this process, and recovers those that died since.
    pub(super) fn enter(
        connection: &mut Connection,
        folder: Option<&Folder>,
        now_ms: i64,
    ) -> Result<Self, StorageError> {
        let locks = folder.map(Locks::of);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute("INSERT INTO owners (opened_ms) VALUES (?1)", [now_ms])?;
        let id = OwnerId(change.last_insert_rowid());
        let lock = locks.as_ref().map(|l| l.take(id)).transpose()?;
        let mut presence = Self { id, alone: true, locks, _lock: lock };
        let others = change
            .prepare("SELECT id FROM owners WHERE id <> ?1")?
            .query_map([id.0], |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        let mut dead = Vec::new();
        for other in others.into_iter().map(OwnerId) {
            if presence.lives(other)? {
                presence.alone = false;
            } else {
                recover(&change, other)?;
                dead.push(other);
            }
        }
        change.commit()?;
        dead.into_iter().for_each(|other| presence.remove_lock(other));
        Ok(presence)
    }

    /// Whether this owner's process is still there.
    pub(super) fn lives(&self, id: OwnerId) -> Result<bool, StorageError> {
        match &self.locks {
            _ if id == self.id => Ok(true),
            Some(locks) => locks.is_alive(id),
            None => Ok(false),
        }
    }

    /// Removes the lock file of a process that has ended.
    pub(super) fn remove_lock(&self, id: OwnerId) {
        if let Some(locks) = &self.locks {
            locks.remove(id);
        }
    }
}

/// Closes the accounts of a dead process: its leases count as spent, and what it had started may have happened.
pub(super) fn recover(c: &Connection, owner: OwnerId) -> Result<(), StorageError> {
    lease::count_as_spent(c, owner)?;
    c.execute("UPDATE claims SET state = 'unknown' WHERE owner = ?1 AND state = 'started'", [owner.0])?;
    c.execute("DELETE FROM owners WHERE id = ?1", [owner.0])?;
    Ok(())
}

/// Takes this process out of the ledger at a clean end.
pub(super) fn leave(c: &Connection, owner: OwnerId) -> Result<(), StorageError> {
    c.execute(
        "UPDATE claims SET state = 'unknown' WHERE owner = ?1 AND state = 'started'",
        params![owner.0],
    )?;
    c.execute("DELETE FROM owners WHERE id = ?1", params![owner.0])?;
    Ok(())
}
