//! Upgrades that ask for more than was accepted: held until an operator decides.
//!
//! Takes: versions that were read. Gives: [`Held`], or the version in its place. May name: id, review.
//!
//! Every change of the tools folder goes through here, under one lock for all processes, and is one step: a version is
//! written whole to a shelf first, and what was broken off is brought to its end by whoever comes next.

use super::accepted::Accepted;
use super::install::{Candidate, InstallError, examine};
use super::shelf::{COMING, Files, HELD};
use super::{Catalogue, Tool};
use crate::id::{Digest, ToolName};
use crate::review::{Difference, Version, Weight, differences};
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A version of a tool that asks for more than was accepted of it. It is kept, and it is not served.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// The tool.
    pub tool: ToolName,
    /// Its version, as its manifest says it.
    pub version: String,
    /// The version that was accepted last, if one was.
    pub accepted: Option<String>,
    /// What tells it from every other: accepting names it.
    pub edition: Digest,
    /// SHA-256 of the component file.
    pub component: Digest,
    /// What it could do that the accepted one could not; and what it breaks, as far as the old version is there to ask.
    pub differences: Vec<Difference>,
}

/// `<tool>@<edition>`, as it is accepted.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.tool, self.edition)
    }
}

/// Something that the host did by itself when it looked at the tools folder; it belongs into the book.
#[derive(Debug)]
pub(crate) enum Act {
    /// A version was put aside.
    Held(Box<Held>),
    /// A version that nobody installed was taken up: the first of its tool, or one that asks for nothing more.
    Found(ToolName, Digest),
}

/// Whether an operator answers for what a version asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terms {
    /// No more than was accepted before.
    AsBefore,
    /// Whatever it asks for.
    Accepted,
}

impl Catalogue {
    /// One process and one thread at a time. What it guards takes milliseconds.
    pub(super) fn lock(&self) -> Result<File, InstallError> {
        let folder = self.tools_dir.open(".").map_err(InstallError::Storage)?.into_std();
        folder.lock().map_err(InstallError::Storage)?;
        Ok(folder)
    }

    /// Puts a version into its place, or aside when it asks for more than the terms allow. The first version of a tool
    /// is accepted by being installed.
    pub(super) fn place(&self, tool: &Tool, files: &Files, terms: Terms) -> Result<(), InstallError> {
        let _lock = self.lock()?;
        self.finish(&tool.name)?;
        let candidate = self.examined(&tool.name, files)?;
        if terms == Terms::AsBefore
            && let Some(held) = self.exceeds(&candidate)?
        {
            HELD.put(&self.tools_dir, &tool.name, files).map_err(InstallError::Storage)?;
            return Err(InstallError::Held(Box::new(held)));
        }
        COMING.put(&self.tools_dir, &tool.name, files).map_err(InstallError::Storage)?;
        self.finish(&tool.name)?;
        let same = |held: &Files| held.edition() == files.edition();
        if HELD.get(&self.tools_dir, &tool.name).is_ok_and(|held| held.as_ref().is_some_and(same)) {
            HELD.remove(&self.tools_dir, &tool.name).map_err(InstallError::Storage)?;
        }
        Ok(())
    }

    /// Brings an install to its end that was begun, here or by a process that is gone. The lock is held.
    pub(super) fn finish(&self, name: &ToolName) -> Result<(), InstallError> {
        let dir = &self.tools_dir;
        let files = match COMING.get(dir, name) {
            Ok(None) => return Ok(()),
            Ok(Some(files)) => files,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(tool = %name, "an install that was broken off is given up: {error}");
                return COMING.remove(dir, name).map(drop).map_err(InstallError::Storage);
            }
            Err(error) => return Err(InstallError::Storage(error)),
        };
        let record = Accepted::of(&self.examined(name, &files)?);
        let steps = || {
            files.write(dir, name.as_str())?;
            record.write(dir, name)?;
            COMING.remove(dir, name)
        };
        steps().map(drop).map_err(InstallError::Storage)
    }

    /// Looks at files that stand in the tools folder without an install: the first of a tool, and those that ask for
    /// nothing more, are accepted, and others are put aside and refused. The lock is held.
    pub(super) fn look(&self, candidate: &Candidate, files: &Files) -> Result<(), InstallError> {
        let (name, dir) = (&candidate.manifest.name, &self.tools_dir);
        if Accepted::read(dir, name)?.is_some_and(|accepted| accepted.edition == candidate.edition) {
            return Ok(());
        }
        if let Some(held) = self.exceeds(candidate)? {
            let known = HELD.get(dir, name).is_ok_and(|known| known.as_ref() == Some(files));
            if !known {
                HELD.put(dir, name, files).map_err(InstallError::Storage)?;
                self.acts.lock().push(Act::Held(Box::new(held.clone())));
            }
            return Err(InstallError::Held(Box::new(held)));
        }
        Accepted::of(candidate).write(dir, name).map_err(InstallError::Storage)?;
        self.acts.lock().push(Act::Found(name.clone(), candidate.info.digest));
        Ok(())
    }

    /// What the host did by itself since this was asked last.
    pub(crate) fn acts(&self) -> Vec<Act> {
        std::mem::take(&mut *self.acts.lock())
    }

    /// What a version asks for beyond what was accepted; `None` when it is nothing, or the tool's first version.
    fn exceeds(&self, candidate: &Candidate) -> Result<Option<Held>, InstallError> {
        let more = |difference: &Difference| difference.weight == Weight::AsksForMore;
        Ok(Some(self.measured(candidate)?).filter(|held| held.differences.iter().any(more)))
    }

    /// A version beside what was accepted of its tool.
    fn measured(&self, candidate: &Candidate) -> Result<Held, InstallError> {
        let Candidate { info, manifest, edition } = candidate;
        let accepted = Accepted::read(&self.tools_dir, &manifest.name)?;
        let mut found = match &accepted {
            Some(accepted) => Accepted::of(candidate).powers.beyond(&accepted.powers),
            None => Vec::new(),
        };
        if let Some(old) = self.tool(&manifest.name) {
            let (old, new) =
                (Version { info: &old.info, manifest: &old.manifest }, Version { info, manifest });
            let breaks = |difference: &Difference| difference.weight == Weight::Breaks;
            found.extend(differences(old, new).into_iter().filter(breaks));
        }
        Ok(Held {
            tool: manifest.name.clone(),
            version: manifest.version.clone(),
            accepted: accepted.map(|accepted| accepted.version),
            edition: *edition,
            component: info.digest,
            differences: found,
        })
    }

    /// The versions that wait for a decision, by tool. One whose files were changed since is left out with a warning.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn held(&self) -> Result<Vec<Held>, InstallError> {
        let _lock = self.lock()?;
        let mut all = Vec::new();
        for name in HELD.tools(&self.tools_dir).map_err(InstallError::Storage)? {
            match self.waiting(&name).and_then(|files| self.examined(&name, &files)) {
                Ok(candidate) => all.push(self.measured(&candidate)?),
                Err(error) => tracing::warn!(tool = %name, "what is held of it cannot be accepted: {error}"),
            }
        }
        Ok(all)
    }

    /// Takes the version that waits, if it is this very one.
    pub(crate) async fn accept(&self, name: &ToolName, edition: Digest) -> Result<Arc<Tool>, InstallError> {
        let files = self.waiting(name)?;
        if files.edition() != edition {
            return Err(InstallError::Other { tool: name.clone(), held: files.edition() });
        }
        let Files { component, beside } = files;
        self.install(component, name.as_str(), beside.as_deref(), Terms::Accepted).await
    }

    /// Forgets the version that waits; and takes it out of the tools folder when it was copied there. Gives its edition,
    /// unless its files were changed.
    pub(crate) fn reject(&self, name: &ToolName) -> Result<Option<Digest>, InstallError> {
        let _lock = self.lock()?;
        let dir = &self.tools_dir;
        let edition = self.waiting(name).map(|files| files.edition());
        if let Err(gone @ InstallError::NotHeld(_)) = edition {
            return Err(gone);
        }
        let edition = edition.ok();
        let standing = Files::read(dir, name.as_str()).ok().map(|files| files.edition());
        let accepted = Accepted::read(dir, name).ok().flatten().map(|accepted| accepted.edition);
        if edition.is_some() && standing == edition && accepted != edition {
            Files::remove(dir, name.as_str()).map_err(InstallError::Storage)?;
        }
        HELD.remove(dir, name).map_err(InstallError::Storage)?;
        Ok(edition)
    }

    fn waiting(&self, name: &ToolName) -> Result<Files, InstallError> {
        match HELD.get(&self.tools_dir, name) {
            Ok(Some(files)) => Ok(files),
            Ok(None) => Err(InstallError::NotHeld(name.clone())),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(InstallError::Changed(name.clone()))
            }
            Err(error) => Err(InstallError::Storage(error)),
        }
    }

    fn examined(&self, name: &ToolName, files: &Files) -> Result<Candidate, InstallError> {
        examine(&files.component, name.as_str(), files.beside.as_deref(), &self.limits)
    }
}
