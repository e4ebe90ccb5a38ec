//! Answers that are too long for a row: each is a file of its own, in a folder of its tenant's.
//!
//! Takes: a tenant, a call, an answer's bytes. Gives: what names the file, and later the same bytes or none. May name: id, step.
//!
//! A file is durable before the row that names it is committed, and goes after the row. What a crash leaves in between has
//! no row that names it: the first process that opens the ledger removes it. Nobody finds a file but by its row, whose
//! length and digest it must have.

use super::owner::OwnerId;
use crate::id::{CallId, Digest, TenantId};
use crate::step::{Step, reached};
use crate::storage::{Folder, StorageError};
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The folder in the home folder.
const FOLDER: &str = "answers";
/// The longest answer, in bytes, that stands in its row. Longer ones would make every look at the ledger's file slower.
pub(super) const IN_ROW: usize = 64 << 10;
/// How often a tenant's folder is made again that somebody removes, because it was empty, before a file is in it.
const TRIES: usize = 8;

/// What a row has of an answer that is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InFile {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

/// A file whose row is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) tenant: TenantId,
    pub(super) name: String,
}

/// The files of one ledger. Clones are handles to the same ones.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    folder: Folder,
    owner: OwnerId,
    next: Arc<AtomicU64>,
}

/// A durable file that no row names yet: it goes when this is dropped.
#[derive(Debug)]
#[must_use = "a file that no row names is removed"]
pub(super) struct Unnamed {
    answers: Answers,
    file: Gone,
    named: bool,
}

impl Unnamed {
    /// The file's row is committed.
    pub(super) fn keep(mut self) {
        self.named = true;
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.named {
            self.answers.remove([&self.file]);
            // Of a tenant that was deleted meanwhile nothing stays. A folder with files in it is not removed.
            drop(self.answers.folder.dir().remove_dir(self.file.tenant.as_str()));
        }
    }
}

/// Why a file gives no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not there, or is not what was written: the answer is lost.
    Lost(String),
    /// It could not be read this time.
    Failed(StorageError),
}

impl Answers {
    pub(super) fn open(home: &Folder, owner: OwnerId) -> Result<Self, StorageError> {
        Ok(Self { folder: home.child(FOLDER)?, owner, next: Arc::default() })
    }

    /// Writes an answer to a file that nobody else has, and waits until it is durable.
    pub(super) fn put(
        &self,
        tenant: &TenantId,
        call: CallId,
        body: &[u8],
    ) -> Result<(InFile, Unnamed), StorageError> {
        // A call and the operator who settles it may both write an answer: each has its own file, and one row names one.
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{call}-{}-{n}", self.owner.0);
        let (dir, mut file) = self.create(tenant, &name)?;
        // From here on it goes again if anything fails.
        let gone = Gone { tenant: tenant.clone(), name: name.clone() };
        let unnamed = Unnamed { answers: self.clone(), file: gone, named: false };
        file.write_all(body)?;
        file.sync_all()?;
        sync(&dir)?;
        sync(self.folder.dir())?;
        reached(Step::AnswerFiled);
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Ok((InFile { name, digest: Digest::of(body), bytes }, unnamed))
    }

    fn create(&self, tenant: &TenantId, name: &str) -> Result<(Dir, File), StorageError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut tries = 0;
        loop {
            let made = self.folder.child(tenant.as_str()).and_then(|of| {
                let dir = of.dir().try_clone()?;
                let file = dir.open_with(name, &options)?;
                Ok((dir, file))
            });
            tries += 1;
            match made {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                made => return Ok(made?),
            }
        }
    }

    /// Reads an answer, which is as it was written or is not given.
    pub(super) fn read(&self, tenant: &TenantId, file: &InFile) -> Result<Vec<u8>, Unread> {
        let lost = |what: &str| Unread::Lost(format!("{FOLDER}/{tenant}/{} {what}", file.name));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => lost("is not there"),
            _ => Unread::Failed(error.into()),
        };
        // Opened by way of the tenant's folder, so that no name leads into another's.
        let dir = self.folder.dir().open_dir(tenant.as_str()).map_err(failed)?;
        let opened = dir.open(&file.name).map_err(failed)?;
        let there = opened.metadata().map_err(failed)?;
        if !there.is_file() || there.len() != file.bytes {
            return Err(lost("has not the length that was written"));
        }
        let mut body = Vec::with_capacity(usize::try_from(file.bytes).unwrap_or(0));
        opened.take(file.bytes).read_to_end(&mut body).map_err(failed)?;
        if Digest::of(&body) == file.digest { Ok(body) } else { Err(lost("is not what was written")) }
    }

    /// Whether a file is there, and as long as it was written.
    pub(super) fn has(&self, tenant: &TenantId, file: &InFile) -> bool {
        let there = self.folder.dir().open_dir(tenant.as_str()).and_then(|dir| dir.metadata(&file.name));
        there.is_ok_and(|there| there.is_file() && there.len() == file.bytes)
    }

    /// Removes files whose rows are gone. What cannot be removed now goes at a later start.
    pub(super) fn remove<'a>(&self, gone: impl IntoIterator<Item = &'a Gone>) {
        for Gone { tenant, name } in gone {
            let removed = self.folder.dir().open_dir(tenant.as_str()).and_then(|dir| dir.remove_file(name));
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, %tenant, file = name, "an old answer's file stays until the next start");
            }
        }
    }

    /// Removes every answer of a tenant, also those that no row names. A power failure does not bring them back.
    pub(super) fn remove_tenant(&self, tenant: &TenantId) -> Result<(), StorageError> {
        match self.folder.dir().remove_dir_all(tenant.as_str()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        sync(self.folder.dir())
    }

    /// Removes what crashes have left: files that no row names. Only for the process that has the ledger alone.
    pub(super) fn sweep(&self, connection: &mut Connection) -> Result<(), StorageError> {
        // No other process enters before the end of this: it would write files whose rows are not there yet.
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if change.prepare("SELECT 1 FROM owners WHERE id <> ?1")?.exists([self.owner.0])? {
            return Ok(());
        }
        let named = change
            .prepare(
                "SELECT tenant, file FROM claims WHERE file IS NOT NULL
                 UNION SELECT tenant, file FROM results WHERE file IS NOT NULL",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<BTreeSet<(String, String)>, _>>()?;
        for entry in self.folder.dir().entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(tenant) = name.to_str().filter(|name| TenantId::new(*name).is_ok()) else { continue };
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let (dir, mut left) = (entry.open_dir()?, 0);
            for file in dir.entries()? {
                let name = file?.file_name();
                match name.to_str() {
                    // What has no name of ours is not ours to remove.
                    Some(name) if is_ours(name) && !named.contains(&(tenant.to_owned(), name.to_owned())) => {
                        dir.remove_file(name)?;
                    }
                    _ => left += 1,
                }
            }
            if left == 0 {
                self.folder.dir().remove_dir(tenant)?;
            }
        }
        Ok(change.commit()?)
    }
}

fn is_ours(name: &str) -> bool {
    let call = name.split_once('-').map(|(call, _)| call);
    call.is_some_and(|call| CallId::parse(call).is_some())
}

fn sync(dir: &Dir) -> Result<(), StorageError> {
    Ok(dir.open(".")?.sync_all()?)
}
