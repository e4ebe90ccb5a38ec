//! Paths that callers name, and what lies there.
//!
//! Takes: a caller's path. Gives: a place inside the granted directory, or the contract's error. May name: the contract's
//! types. The host keeps the tool inside the directory by itself; the check here gives the clearer error.

use crate::{Entry, Error, Kind};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use strongroom_sdk::dir;

const NEED: &str = "workspace";
const LONGEST: usize = 1024;

/// Where a path leads.
pub(crate) fn inside(path: &str) -> Result<PathBuf, Error> {
    if path.len() > LONGEST || path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(Error::InvalidPath);
    }
    let mut place = dir::path(NEED);
    for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
        if name == ".." {
            return Err(Error::InvalidPath);
        }
        place.push(name);
    }
    Ok(place)
}

/// The entries of a directory, sorted by name, each with its place.
pub(crate) fn entries(place: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort_unstable();
    Ok(found)
}

/// What an entry is. One that is gone or cannot be looked at is `other`.
pub(crate) fn describe(name: String, place: &Path) -> Entry {
    let (kind, size) = match fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_file() => (Kind::File, metadata.len()),
        Ok(metadata) if metadata.is_dir() => (Kind::Directory, 0),
        _ => (Kind::Other, 0),
    };
    Entry { name, kind, size }
}

/// What an error of the file system means to the caller.
pub(crate) fn failed(error: io::Error) -> Error {
    // Without a grant there is no root, and the system's own errors then say all sorts of things.
    if fs::metadata(dir::path(NEED)).is_err() {
        return Error::NotPermitted;
    }
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound,
        ErrorKind::AlreadyExists => Error::AlreadyExists,
        ErrorKind::IsADirectory => Error::NotAFile,
        ErrorKind::NotADirectory => Error::NotADirectory,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::NotPermitted,
        _ => Error::Failed(error.to_string()),
    }
}
