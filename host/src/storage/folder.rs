//! A folder that SQLite may use: a handle for our own file access, and the path that SQLite needs.
//!
//! Takes: an opened directory and its path, from `main`. Gives: [`Folder`]. May name: nothing.

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder with its path. SQLite opens files by path and puts `-wal` and `-shm` beside them, so the handle
/// alone is not enough; the two must name the same folder, on a local disk (SQLite's and our own locks do not
/// hold on network file systems).
#[derive(Debug, Clone)]
pub struct Folder {
    dir: Arc<Dir>,
    path: PathBuf,
}

impl Folder {
    /// Joins a directory's handle with the path it was opened from.
    #[must_use]
    pub fn new(dir: Dir, path: impl Into<PathBuf>) -> Self {
        Self { dir: Arc::new(dir), path: path.into() }
    }

    /// The folder's path, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's handle.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens a folder inside this one, and makes it first (for this user only, mode 0700) when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or opened, or leads out of this folder.
    pub fn child(&self, name: &str) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match self.dir.create_dir_with(name, &builder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        Ok(Self { dir: Arc::new(self.dir.open_dir(name)?), path: self.path.join(name) })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder that goes when the guard goes.
    #[expect(clippy::disallowed_methods, reason = "a test is its own main")]
    pub(crate) fn temporary() -> (tempfile::TempDir, Folder) {
        let guard = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(guard.path(), cap_std::ambient_authority()).unwrap();
        let folder = Folder::new(dir, guard.path());
        (guard, folder)
    }

    #[test]
    fn a_child_is_private_and_stays_inside() {
        use cap_std::fs::PermissionsExt;
        let (_guard, folder) = temporary();
        folder.child("acme").unwrap();
        folder.child("acme").unwrap();
        assert_eq!(folder.dir().metadata("acme").unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.child("../other").is_err());
    }
}
