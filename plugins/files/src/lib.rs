//! Text files in a granted directory.
//!
//! Takes: need `dir.workspace`. Gives: the interface `strongroom:files/files`. May name: paths, read, search.

mod paths;
mod read;
mod search;
#[cfg(test)]
mod tests;

use exports::strongroom::files::files::{
    Content, Entry, Error, Findings, Guest, Kind, Listing, Match, WriteMode,
};
use paths::{failed, inside};
use std::fs::{self, OpenOptions};
use std::io::Write;

strongroom_sdk::tool!(Files, additional_derives: [PartialEq]);

/// The most entries of a listing.
const MOST_ENTRIES: usize = 1000;
/// The most bytes that are written at once.
const MOST_WRITTEN: usize = 1 << 20;

struct Files;

impl Guest for Files {
    fn list(path: Option<String>) -> Result<Listing, Error> {
        let mut entries = paths::entries(&inside(path.as_deref().unwrap_or(""))?)?;
        let truncated = entries.len() > MOST_ENTRIES;
        entries.truncate(MOST_ENTRIES);
        let entries = entries.into_iter().map(|(name, place)| paths::describe(name, &place)).collect();
        Ok(Listing { entries, truncated })
    }

    fn read(path: String, offset: Option<u64>, max_bytes: Option<u32>) -> Result<Content, Error> {
        read::piece(&inside(&path)?, offset.unwrap_or(0), max_bytes.unwrap_or(65_536))
    }

    fn search(pattern: String, path: Option<String>) -> Result<Findings, Error> {
        search::run(&pattern, path.as_deref().unwrap_or(""))
    }

    fn write(path: String, text: String, mode: WriteMode) -> Result<u64, Error> {
        if text.len() > MOST_WRITTEN {
            return Err(Error::TooLarge);
        }
        let place = inside(&path)?;
        // Looking first costs a read; making what is there already would be a refused write.
        if let Some(parent) = place.parent().filter(|parent| !parent.is_dir()) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let options = match mode {
            WriteMode::Create => options.write(true).create_new(true),
            WriteMode::Replace => options.write(true).create(true).truncate(true),
            WriteMode::Append => options.append(true).create(true),
        };
        let mut file = options.open(&place).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.metadata().map(|metadata| metadata.len()).map_err(failed)
    }
}
