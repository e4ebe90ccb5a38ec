//! What stands in the tools folder, and what of it is new.
//!
//! Takes: the tools folder. Gives: [`Change`]s of the [`Catalogue`]. May name: id.
//!
//! `<file>.wasm` is a tool, `<file>.tool.toml` beside it is its manifest; both together are its edition. A file that
//! cannot be taken in leaves what it was before in use, and is told once for each of its editions.

use super::Catalogue;
use super::catalogue::Compile;
use super::install::{InstallError, examine};
use super::shelf::Files;
use super::tool::Tool;
use crate::id::{Digest, ToolName};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// What a look at the tools folder changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// A tool serves the calls that begin from now on: a new one, or another edition of one.
    Loaded(Arc<Tool>),
    /// A tool's file is gone; calls that begin from now on do not find it.
    Gone(ToolName),
}

/// What one file of the folder came to.
#[derive(Debug, Default)]
pub(super) struct Seen {
    serves: Option<(ToolName, Digest)>,
    refused: Option<Digest>,
    /// Was told to be held. It may be accepted any time, so it is looked at again.
    held: Option<Digest>,
}

impl Seen {
    pub(super) fn of(tool: &Tool) -> Self {
        Self { serves: Some((tool.name.clone(), tool.edition)), refused: None, held: None }
    }

    /// Whether this edition was looked at before, to whatever end.
    fn knows(&self, edition: Digest) -> bool {
        self.refused == Some(edition) || self.serves.as_ref().is_some_and(|(_, serves)| *serves == edition)
    }
}

impl Catalogue {
    /// Reads the tools folder. A tool that cannot be loaded stays as it was, with a warning.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) async fn load(&self) -> io::Result<Vec<Change>> {
        let (mut changes, mut there) = (Vec::new(), BTreeSet::new());
        for entry in self.tools_dir.entries()? {
            let file = entry?.file_name();
            let Some(name) = file.to_str().and_then(|f| f.strip_suffix(".wasm")) else { continue };
            match self.load_one(name, Compile::IfNeeded).await {
                Ok(tool) => changes.extend(tool.map(Change::Loaded)),
                // It went away since the folder was listed.
                Err(InstallError::Storage(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => warn(name, &error),
            }
            there.insert(name.to_owned());
        }
        let gone: Vec<_> = {
            let mut files = self.files.lock();
            let names: Vec<_> = files.keys().filter(|name| !there.contains(*name)).cloned().collect();
            names.iter().filter_map(|name| files.remove(name)?.serves).collect()
        };
        changes.extend(gone.into_iter().filter_map(|(name, edition)| self.forget(&name, edition)));
        Ok(changes)
    }

    /// Takes a tool in if its files are others than before.
    async fn load_one(&self, name: &str, compile: Compile) -> Result<Option<Arc<Tool>>, InstallError> {
        let (candidate, bytes) = {
            let _lock = self.lock()?;
            if let Ok(tool) = ToolName::new(name) {
                self.finish(&tool)?;
            }
            let files = Files::read(&self.tools_dir, name).map_err(InstallError::Storage)?;
            let edition = files.edition();
            if self.files.lock().get(name).is_some_and(|seen| seen.knows(edition)) {
                return Ok(None);
            }
            let candidate = examine(&files.component, name, files.beside.as_deref(), &self.limits)
                .inspect_err(|_| {
                    self.files.lock().entry(name.to_owned()).or_default().refused = Some(edition);
                })?;
            match self.look(&candidate, &files) {
                Err(InstallError::Held(_)) if self.told_held(name, edition) => return Ok(None),
                looked => looked?,
            }
            (candidate, files.component)
        };
        let tool = Arc::new(self.build(candidate, bytes, compile).await?);
        let before = self.files.lock().insert(name.to_owned(), Seen::of(&tool)).and_then(|seen| seen.serves);
        if let Some((other, edition)) = before.filter(|(before, _)| *before != tool.name) {
            self.forget(&other, edition);
        }
        self.write().insert(tool.name.clone(), tool.clone());
        Ok(Some(tool))
    }

    /// Whether it was told before that this edition is held.
    fn told_held(&self, name: &str, edition: Digest) -> bool {
        let mut files = self.files.lock();
        files.entry(name.to_owned()).or_default().held.replace(edition) == Some(edition)
    }

    /// Takes a tool out, unless something else goes by its name by now.
    fn forget(&self, name: &ToolName, edition: Digest) -> Option<Change> {
        let mut tools = self.write();
        tools.get(name).filter(|tool| tool.edition == edition)?;
        tools.remove(name);
        Some(Change::Gone(name.clone()))
    }

    /// Looks for one tool on disk that another process may have installed meanwhile. That process has compiled it, and
    /// a call is waiting here, so nothing is compiled now.
    pub(crate) async fn look_again(&self, tool: &ToolName) -> Option<Arc<Tool>> {
        match self.load_one(tool.as_str(), Compile::Never).await {
            Ok(_) => self.tool(tool),
            Err(InstallError::Storage(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn(tool.as_str(), &error);
                None
            }
        }
    }
}

fn warn(name: &str, error: &InstallError) {
    tracing::warn!(tool = name, reason_code = error.reason().code(), "the tool was not loaded: {error}");
}
