//! Versions of tools that lie whole on disk: in the tools folder, or put aside in a folder of it.
//!
//! Takes: the tools folder. Gives: [`Files`], [`Shelf`]. May name: id.

use super::install::edition;
use crate::id::{Digest, ToolName};
use cap_std::fs::Dir;
use std::io;

/// The files of a version: a component, and the manifest beside a foreign one.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) component: Vec<u8>,
    pub(super) beside: Option<String>,
}

impl Files {
    /// Reads `<name>.wasm` and `<name>.tool.toml`.
    pub(super) fn read(dir: &Dir, name: &str) -> io::Result<Self> {
        let component = dir.read(format!("{name}.wasm"))?;
        let beside = match dir.read_to_string(format!("{name}.tool.toml")) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Without it the component would stand there with other limits than it came with. Never "not found", which
            // would mean that the tool itself is not there.
            Err(error) => {
                return Err(io::Error::other(format!("{name}.tool.toml cannot be read: {error}")));
            }
        };
        Ok(Self { component, beside })
    }

    /// Writes both, each whole; the manifest first, because a component must never stand there without the limits it
    /// came with.
    pub(super) fn write(&self, dir: &Dir, name: &str) -> io::Result<()> {
        let manifest = format!("{name}.tool.toml");
        match &self.beside {
            Some(text) => replace(dir, &manifest, text.as_bytes())?,
            None => remove(dir, &manifest)?,
        }
        replace(dir, &format!("{name}.wasm"), &self.component)
    }

    /// Takes both away.
    pub(super) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
        remove(dir, &format!("{name}.wasm"))?;
        remove(dir, &format!("{name}.tool.toml"))
    }

    /// What tells this version from others.
    pub(super) fn edition(&self) -> Digest {
        edition(&Digest::of(&self.component), self.beside.as_deref())
    }
}

/// A folder in which at most one version of each tool lies. It is there once its edition was written down, last, and
/// only as long as its files are those that were written.
#[derive(Clone, Copy)]
pub(super) struct Shelf(&'static str);

/// Versions that wait for an operator's decision; nothing here is ever served.
pub(super) const HELD: Shelf = Shelf("held");
/// Versions that are about to stand in the tools folder: whoever finds one here puts it there, so that an install that
/// was broken off is brought to its end.
pub(super) const COMING: Shelf = Shelf("coming");

impl Shelf {
    pub(super) fn put(self, tools: &Dir, name: &ToolName, files: &Files) -> io::Result<()> {
        tools.create_dir_all(self.0)?;
        let dir = tools.open_dir(self.0)?;
        remove(&dir, &mark(name))?;
        files.write(&dir, name.as_str())?;
        replace(&dir, &mark(name), files.edition().to_string().as_bytes())
    }

    /// The version of this tool, if one is there.
    ///
    /// # Errors
    /// `InvalidData` when its files are not the ones that were put there.
    pub(super) fn get(self, tools: &Dir, name: &ToolName) -> io::Result<Option<Files>> {
        let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let dir = match tools.open_dir(self.0) {
            Err(error) if absent(&error) => return Ok(None),
            dir => dir?,
        };
        let edition = match dir.read_to_string(mark(name)) {
            Err(error) if absent(&error) => return Ok(None),
            text => Digest::parse(text?.trim()),
        };
        let changed =
            || io::Error::new(io::ErrorKind::InvalidData, "its files were changed since they were put aside");
        match Files::read(&dir, name.as_str()) {
            Ok(files) if Some(files.edition()) == edition => Ok(Some(files)),
            Ok(_) => Err(changed()),
            Err(error) if absent(&error) => Err(changed()),
            Err(error) => Err(error),
        }
    }

    /// Takes the version of this tool away. `false` when none was there.
    pub(super) fn remove(self, tools: &Dir, name: &ToolName) -> io::Result<bool> {
        let dir = match tools.open_dir(self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            dir => dir?,
        };
        let was = dir.try_exists(mark(name))?;
        // First what makes it count.
        remove(&dir, &mark(name))?;
        Files::remove(&dir, name.as_str())?;
        Ok(was)
    }

    /// The tools of which a version is here, by name.
    pub(super) fn tools(self, tools: &Dir) -> io::Result<Vec<ToolName>> {
        let mut names = Vec::new();
        let entries = match tools.read_dir(self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries?,
        };
        for entry in entries {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".edition"));
            names.extend(name.and_then(|name| ToolName::new(name).ok()));
        }
        names.sort();
        Ok(names)
    }
}

fn mark(name: &ToolName) -> String {
    format!("{name}.edition")
}

/// Writes a file so that it is either the old one or the new one, also after a power loss.
pub(super) fn replace(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}.{}.new", std::process::id());
    let mut file = dir.create(&temporary)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    drop(file);
    dir.rename(&temporary, dir, name)?;
    dir.open(".")?.sync_all()
}

/// Removes a file if it is there, for good.
fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.remove_file(name) {
        Ok(()) => dir.open(".")?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
