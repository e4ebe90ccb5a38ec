//! Calls on paths exactly as they are given: no library reads them first.

use super::files::{directory, name};
use std::collections::BTreeSet;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags as Mode, DirectoryEntryStream, NewTimestamp, OpenFlags as Open,
    PathFlags as Follow,
};

const NO_FOLLOW: Follow = Follow::empty();
const FOLLOW: Follow = Follow::SYMLINK_FOLLOW;

pub fn at(op: &str, root: &str, path: &str, other: &str) -> Result<String, String> {
    let dir = directory(root)?;
    let open = |follow, open, mode| dir.open_at(follow, path, open, mode).map_err(name);
    let done = match op {
        "read" => return read(&open(FOLLOW, Open::empty(), Mode::READ)?),
        "read-no-follow" => return read(&open(NO_FOLLOW, Open::empty(), Mode::READ)?),
        "stat" => return dir.stat_at(FOLLOW, path).map(|s| format!("{:?}", s.type_)).map_err(name),
        "readlink" => return dir.readlink_at(path).map_err(name),
        "create" => open(NO_FOLLOW, Open::CREATE, Mode::WRITE)?.write(other.as_bytes(), 0).map(drop),
        "write" => open(FOLLOW, Open::empty(), Mode::WRITE)?.write(other.as_bytes(), 0).map(drop),
        "truncate" => open(FOLLOW, Open::TRUNCATE, Mode::WRITE).map(|_| Ok(()))?,
        "open-directory" => open(FOLLOW, Open::DIRECTORY, Mode::READ).map(|_| Ok(()))?,
        "make-directory" => dir.create_directory_at(path),
        "remove-directory" => dir.remove_directory_at(path),
        "unlink" => dir.unlink_file_at(path),
        "rename" => dir.rename_at(path, &dir, other),
        "link" => dir.link_at(NO_FOLLOW, path, &dir, other),
        "symlink" => dir.symlink_at(other, path),
        "set-times" => dir.set_times_at(FOLLOW, path, NewTimestamp::Now, NewTimestamp::Now),
        "set-size" => open(FOLLOW, Open::empty(), Mode::READ)?.set_size(0),
        _ => return Err(format!("no operation {op}")),
    };
    done.map(|()| String::new()).map_err(name)
}

fn read(file: &Descriptor) -> Result<String, String> {
    let (bytes, _) = file.read(1024, 0).map_err(name)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn listing(root: &str, path: &str) -> Result<DirectoryEntryStream, String> {
    let dir = directory(root)?.open_at(FOLLOW, path, Open::DIRECTORY, Mode::READ).map_err(name)?;
    dir.read_directory().map_err(name)
}

pub fn count(root: &str, path: &str) -> Result<u64, String> {
    let listing = listing(root, path)?;
    let mut count = 0;
    while listing.read_directory_entry().map_err(name)?.is_some() {
        count += 1;
    }
    Ok(count)
}

pub fn hold_listings(root: &str, path: &str, times: u32) -> u32 {
    let held: Vec<_> = (0..times).map_while(|_| listing(root, path).ok()).collect();
    held.len() as u32
}

pub fn watch(root: &str, path: &str, times: u32) -> Vec<String> {
    let seen: BTreeSet<String> =
        (0..times).map(|_| at("read", root, path, "").unwrap_or_else(|error| format!("({error})"))).collect();
    seen.into_iter().collect()
}

pub fn fill(root: &str, path: &str, pieces: u32) -> Result<(), String> {
    let file = directory(root)?.open_at(NO_FOLLOW, path, Open::CREATE, Mode::WRITE).map_err(name)?;
    let piece = vec![b'x'; 64 * 1024];
    let mut at = 0;
    for _ in 0..pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let written = file.write(rest, at).map_err(name)?;
            at += written;
            rest = &rest[written as usize..];
        }
    }
    Ok(())
}
