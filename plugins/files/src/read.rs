//! Pieces of text files.
//!
//! Takes: a place, an offset and a size. Gives: text that ends between two characters. May name: paths, the contract's types.

use crate::paths::failed;
use crate::{Content, Error};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The fewest bytes that hold any one character.
const LEAST: u32 = 4;
const MOST: u32 = 262_144;

/// Reads at most `max_bytes` from `offset`.
pub(crate) fn piece(place: &Path, offset: u64, max_bytes: u32) -> Result<Content, Error> {
    if !fs::metadata(place).map_err(failed)?.is_file() {
        return Err(Error::NotAFile);
    }
    let mut file = File::open(place).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(u64::from(max_bytes.clamp(LEAST, MOST))).read_to_end(&mut bytes).map_err(failed)?;

    let at_end = offset.saturating_add(bytes.len() as u64) >= size;
    let text = whole_characters(bytes, at_end)?;
    let next = offset.saturating_add(text.len() as u64);
    Ok(Content { text, size, next_offset: (next < size).then_some(next) })
}

/// The text without a character that the piece's end cuts in two; at the file's end nothing may be cut.
fn whole_characters(bytes: Vec<u8>, at_end: bool) -> Result<String, Error> {
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let cut = error.utf8_error();
    if at_end || cut.error_len().is_some() {
        return Err(Error::NotText);
    }
    let mut bytes = error.into_bytes();
    bytes.truncate(cut.valid_up_to());
    String::from_utf8(bytes).map_err(|_| Error::NotText)
}
