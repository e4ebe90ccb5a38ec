//! Every call on a directory and on a file in it. Where a right is missing there is no file, and the same is tried on the
//! directory: the refusal must come before the host looks at what it is.

use super::{Trail, http, streams};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Advice, Descriptor, DescriptorFlags as Mode, ErrorCode, NewTimestamp, OpenFlags as Open,
    PathFlags as Follow,
};
use wasip2::io::streams::StreamError;

/// A directory of the call, by the path at which it stands.
pub fn directory(root: &str) -> Result<Descriptor, String> {
    let found = get_directories().into_iter().find(|(_, at)| at == root);
    found.map(|(descriptor, _)| descriptor).ok_or_else(|| format!("no directory {root}"))
}

/// What a directory that is granted for reading is enough for. `/data` holds `a.txt`, a link `l` and a directory `d`.
pub fn read(trail: &mut Trail) {
    let Some(dir) = trail.note("preopen", directory("/data")) else { return };
    let open = |path: &str| dir.open_at(Follow::empty(), path, Open::empty(), Mode::READ);
    let opened = trail.note("open-at", open("a.txt"));
    let file = opened.as_ref().unwrap_or(&dir);
    trail.note("advise", file.advise(0, 1, Advice::Normal));
    trail.note("get-flags", file.get_flags());
    trail.note("get-type", file.get_type());
    trail.note("read", file.read(10, 0));
    trail.note("stat", file.stat());
    trail.note("stat-at", dir.stat_at(Follow::empty(), "a.txt"));
    trail.note("readlink-at", dir.readlink_at("l"));
    trail.note("metadata-hash", file.metadata_hash());
    trail.note("metadata-hash-at", dir.metadata_hash_at(Follow::empty(), "a.txt"));
    let listing = trail.note("read-directory", dir.read_directory());
    if let Some(listing) = listing {
        while trail.note("read-directory-entry", listing.read_directory_entry()).flatten().is_some() {}
    }
    if let Some(stream) = trail.note("read-via-stream", file.read_via_stream(0)) {
        streams::read(trail, &stream);
    }
    failing(trail, file);
    // It gives no error but traps, so it comes last.
    file.is_same_object(&dir);
}

/// A read that the operating system refuses, so that there is an error to be asked about.
fn failing(trail: &mut Trail, file: &Descriptor) {
    let Some(stream) = trail.note("read-via-stream", file.read_via_stream(u64::MAX)) else { return };
    match stream.blocking_read(1) {
        Err(StreamError::LastOperationFailed(error)) => http::errors(&error),
        other => drop(trail.note("a read that fails", Err::<(), _>(other))),
    }
}

/// What needs the directory for writing.
pub fn write(trail: &mut Trail) {
    let Some(dir) = trail.note("preopen", directory("/data")) else { return };
    let open = |path: &str, open, mode| dir.open_at(Follow::empty(), path, open, mode);
    let new = trail.note("open-at (write)", open("new.txt", Open::CREATE, Mode::READ | Mode::WRITE));
    // A file that may only be read, so that each call is refused by itself.
    let old = open("a.txt", Open::empty(), Mode::READ).ok();
    let file = new.as_ref().or(old.as_ref()).unwrap_or(&dir);
    trail.note("set-size", file.set_size(10));
    trail.note("set-times", file.set_times(NewTimestamp::NoChange, NewTimestamp::Now));
    trail.note("write", file.write(b"hello", 0));
    trail.note("sync-data", file.sync_data());
    trail.note("sync", file.sync());
    if let Some(stream) = trail.note("write-via-stream", file.write_via_stream(0)) {
        streams::write(trail, &stream);
        match file.read_via_stream(0) {
            Ok(from) => streams::splice(trail, &stream, &from),
            Err(error) => drop(trail.note("read-via-stream", Err::<(), _>(error))),
        }
    }
    trail.note("append-via-stream", file.append_via_stream());
    let now = (NewTimestamp::Now, NewTimestamp::NoChange);
    trail.note("set-times-at", dir.set_times_at(Follow::empty(), "a.txt", now.0, now.1));
    trail.note("create-directory-at", dir.create_directory_at("made"));
    trail.note("remove-directory-at", dir.remove_directory_at("made"));
    trail.note("link-at", dir.link_at(Follow::empty(), "a.txt", &dir, "linked"));
    trail.note("rename-at", dir.rename_at("linked", &dir, "renamed"));
    trail.note("symlink-at", dir.symlink_at("a.txt", "symlinked"));
    for path in ["new.txt", "renamed", "symlinked"] {
        trail.note("unlink-file-at", dir.unlink_file_at(path));
    }
}

/// The short name of an error.
pub fn name(error: ErrorCode) -> String {
    error.name().to_owned()
}
