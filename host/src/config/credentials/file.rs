//! `credentials.toml` on the disk: one change at a time, whole or not at all, readable by its owner alone.
//!
//! Takes: the home folder. Gives: `CredentialsFile`, `Staged`. May name: nothing.

use super::super::error::{ConfigError, FileKind};
use super::super::load;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use std::io::{self, Write as _};
use zeroize::Zeroizing;

/// The file's name in the home folder.
pub(crate) const FILE: &str = "credentials.toml";
/// Where a new text is written before it takes the file's place.
const NEW: &str = "credentials.toml.new";

/// The file while it is being changed. Nobody else changes it meanwhile.
#[derive(Debug)]
pub(crate) struct CredentialsFile {
    home: Dir,
    /// Held on the folder, because the file itself is replaced; the system lets it go with the handle.
    _lock: std::fs::File,
    text: Zeroizing<String>,
    owner: Option<(u32, u32)>,
}

impl CredentialsFile {
    /// Waits until nobody else changes the file, and reads it; an absent one is empty.
    pub(crate) fn open(home: &Dir) -> Result<Self, ConfigError> {
        let fault = |what: String, fix: &str| ConfigError::of_file(FileKind::Credentials, FILE, what, fix);
        let unusable = |error: io::Error| {
            fault(format!("cannot be used: {error}"), "make the home folder one that the host may change")
        };
        let lock = home.open(".").map_err(unusable)?.into_std();
        lock.lock().map_err(unusable)?;
        let owner = match home.symlink_metadata(FILE) {
            Ok(metadata) if metadata.is_symlink() => {
                return Err(fault("is a link".to_owned(), "change the file that it leads to"));
            }
            Ok(metadata) => Some((metadata.uid(), metadata.gid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(error)),
        };
        let text = load::read(home, FileKind::Credentials, FILE)?.unwrap_or_default();
        Ok(Self { home: home.try_clone().map_err(unusable)?, _lock: lock, text, owner })
    }

    /// What is in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Writes a new text beside the file, for its owner alone, and waits until the disk has it.
    pub(crate) fn stage(self, text: &str) -> io::Result<Staged> {
        match self.home.remove_file(NEW) {
            // Left behind by a change that broke off.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut options = OpenOptions::new();
        let file = self.home.open_with(NEW, options.write(true).create_new(true).mode(0o600))?;
        let staged = Staged { file: self, done: false };
        let mut file = file.into_std();
        if let Some((user, group)) = staged.file.owner {
            let made = std::os::unix::fs::MetadataExt::uid(&file.metadata()?);
            if made != user {
                // An operator with more rights changes it for the host, which must still be able to read it.
                std::os::unix::fs::fchown(&file, Some(user), Some(group))?;
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(staged)
    }
}

/// A new text that is on the disk and not yet in force. Goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Staged {
    file: CredentialsFile,
    done: bool,
}

impl Staged {
    /// Puts it in the file's place.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        let home = &self.file.home;
        home.rename(NEW, home, FILE)?;
        self.done = true;
        self.file.home.open(".")?.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = self.file.home.remove_file(NEW)
        {
            tracing::warn!(%error, "{NEW} stays behind; remove it");
        }
    }
}
