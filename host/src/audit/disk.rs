//! Everything that the book does to its files, each change told as a trace event of target `strongroom::disk` once it is done.
//!
//! Takes: open folders and files. Gives: changes of them, durable after the syncs that the callers order. May name: nothing.
//!
//! A file's bytes are durable when the file is synced, a name (new, moved or removed) when its folder is. Whoever changes
//! the book's files changes them here: the power loss test listens, and cuts the power between any two changes.

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

/// The events: what was done, in which folder or file, and under which names below the folder.
macro_rules! told {
    ($done:literal, $of:expr) => {
        told!($done, $of, "", "")
    };
    ($done:literal, $of:expr, $name:expr) => {
        told!($done, $of, $name, "")
    };
    ($done:literal, $of:expr, $name:expr, $to:expr) => {
        tracing::trace!(target: "strongroom::disk", done = $done, fd = $of.as_raw_fd(), name = $name, to = $to)
    };
}

/// Opens a file of a folder, and makes it for its owner alone when it is not there. It is read, and written at its end.
pub(super) fn private(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let file = dir.open_with(name, &options)?.into_std();
    told!("open", dir, name);
    Ok(file)
}

/// Opens a file to write it anew, for its owner alone.
pub(super) fn anew(dir: &Dir, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = dir.open_with(name, &options)?.into_std();
    told!("open", dir, name);
    Ok(file)
}

/// Writes at a file's end.
pub(super) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let done = file.write_all(bytes);
    told!("write", file);
    done
}

/// Cuts a file to a length.
pub(super) fn cut(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    told!("write", file);
    Ok(())
}

/// Waits until a file's bytes are on the disk.
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_data()?;
    told!("sync", file);
    Ok(())
}

/// Waits until the names in a folder are on the disk.
pub(super) fn sync_dir(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()?;
    told!("sync", dir);
    Ok(())
}

/// Makes a folder, and those above it.
pub(super) fn make_folders(dir: &Dir, path: &str) -> io::Result<()> {
    dir.create_dir_all(path)?;
    told!("folders", dir, path);
    Ok(())
}

/// Gives a file another name, in the place of what had it.
pub(super) fn rename(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    dir.rename(from, dir, to)?;
    told!("rename", dir, from, to);
    Ok(())
}

/// Takes a file away.
pub(super) fn remove(dir: &Dir, path: &str) -> io::Result<()> {
    dir.remove_file(path)?;
    told!("remove", dir, path);
    Ok(())
}

/// Takes an empty folder away.
pub(super) fn remove_folder(dir: &Dir, path: &str) -> io::Result<()> {
    dir.remove_dir(path)?;
    told!("remove", dir, path);
    Ok(())
}
