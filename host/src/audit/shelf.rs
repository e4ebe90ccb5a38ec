//! The published part of the book: tiles, entry bundles and the signed head, laid out as C2SP tlog-tiles says.
//!
//! Takes: a directory. Gives: reading and durable writing of its files. May name: nothing.

use super::disk;
use super::key::{BadCheckpoint, Known, Signed};
use super::log_file::sync_dir;
use cap_std::fs::Dir;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use tlog_tiles::{Error, Hash, HashReader, Tile, TileReader};

/// Two to this power is how many hashes a full tile has, and how many entries a full bundle.
pub(super) const HEIGHT: u8 = 8;
/// Entries of a full bundle.
pub(super) const WIDTH: u64 = 1 << HEIGHT;
/// The newest signed head.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The folder of a published tree.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: Dir,
    touched: BTreeSet<String>,
}

/// Where a tile stands in a C2SP log: without the height, and bundles under `entries`.
pub(super) fn path(tile: &Tile) -> String {
    let path = tile.path();
    let rest = path.strip_prefix("tile/8/").unwrap_or(&path);
    match rest.strip_prefix("data/") {
        Some(rest) => format!("tile/entries/{rest}"),
        None => format!("tile/{rest}"),
    }
}

/// The bundle with this number in a tree of this size; `None` when the tree does not reach it.
pub(super) fn bundle(n: u64, size: u64) -> Option<Tile> {
    let left = size.checked_sub(n.checked_mul(WIDTH)?)?.min(WIDTH);
    u32::try_from(left).ok().filter(|w| *w > 0).map(|w| Tile::new(HEIGHT, 0, n, w, true))
}

/// The file of a full bundle.
pub(super) fn full_bundle(n: u64) -> String {
    path(&Tile::new(HEIGHT, 0, n, 1 << HEIGHT, true))
}

impl Shelf {
    pub(super) fn new(dir: &Dir) -> io::Result<Self> {
        Ok(Self { dir: dir.try_clone()?, touched: BTreeSet::new() })
    }

    /// The published head; `None` when nothing was published yet.
    pub(super) fn head(&self, known: &Known) -> io::Result<Option<Signed>> {
        let Some(bytes) = self.read(CHECKPOINT)? else { return Ok(None) };
        known.verify(&bytes).map(Some).map_err(|bad: BadCheckpoint| {
            io::Error::new(
                ErrorKind::InvalidData,
                format!("the audit log's checkpoint cannot be trusted: {bad}"),
            )
        })
    }

    /// A file's bytes; `None` when it is not there.
    pub(super) fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.dir.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts a file there whole; durable after [`Shelf::settle`].
    pub(super) fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !folder.is_empty() && !self.touched.contains(folder) {
            disk::make_folders(&self.dir, folder)?;
        }
        let temporary = format!("{path}.new");
        let mut file = disk::anew(&self.dir, &temporary)?;
        disk::append(&mut file, bytes)?;
        disk::sync(&file)?;
        drop(file);
        disk::rename(&self.dir, &temporary, path)?;
        // A new folder's own name is durable when the folder above it is.
        let mut above = folder;
        while self.touched.insert(above.to_owned()) && !above.is_empty() {
            above = above.rsplit_once('/').map_or("", |(folder, _)| folder);
        }
        Ok(())
    }

    /// Makes the names of everything that was put there durable.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        for folder in &self.touched {
            if folder.is_empty() {
                sync_dir(&self.dir)?;
            } else {
                sync_dir(&self.dir.open_dir(folder)?)?;
            }
        }
        self.touched.clear();
        Ok(())
    }

    /// Takes a file away for good; durable after [`Shelf::settle`].
    pub(super) fn take_away(&mut self, path: &str) -> io::Result<()> {
        self.remove(path)?;
        self.touched.insert(path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned());
        Ok(())
    }

    /// Takes a file away that is needed no more; one that is not there is fine.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        match disk::remove(&self.dir, path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // The folder of a tile's partial forms goes with the last of them.
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| folder.ends_with(".p")) {
            match disk::remove_folder(&self.dir, folder) {
                Err(e) if !matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => {
                    return Err(e);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Hashes of a published tree, read from its tiles as they stand; whoever needs proof compares with the root.
pub(super) struct Tiles<'a> {
    pub(super) shelf: &'a Shelf,
    pub(super) size: u64,
    seen: RefCell<HashMap<String, Vec<u8>>>,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(shelf: &'a Shelf, size: u64) -> Self {
        Self { shelf, size, seen: RefCell::default() }
    }

    fn tile(&self, tile: &Tile) -> Result<Vec<u8>, Error> {
        let path = path(tile);
        if let Some(bytes) = self.seen.borrow().get(&path) {
            return Ok(bytes.clone());
        }
        let bytes = self.shelf.read(&path).ok().flatten().ok_or(Error::InvalidTile)?;
        self.seen.borrow_mut().insert(path, bytes.clone());
        Ok(bytes)
    }
}

impl HashReader for Tiles<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let one = |index: &u64| {
            let tile =
                Tile::from_index(HEIGHT, *index).parent(0, self.size).ok_or(Error::IndexesNotInTree)?;
            tile.hash_at_index(&self.tile(&tile)?, *index)
        };
        indexes.iter().map(one).collect()
    }
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        tiles.iter().map(|tile| self.tile(tile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_where_the_specification_puts_them() {
        for (tile, expected) in [
            (Tile::new(8, 0, 0, 256, false), "tile/0/000"),
            (Tile::new(8, 1, 1_234_067, 3, false), "tile/1/x001/x234/067.p/3"),
            (Tile::new(8, 0, 273, 256, true), "tile/entries/273"),
            (Tile::new(8, 0, 273, 112, true), "tile/entries/273.p/112"),
        ] {
            assert_eq!(path(&tile), expected);
        }
        assert_eq!(bundle(0, 0), None);
        assert_eq!(bundle(1, 256), None);
        assert_eq!(bundle(1, 300).map(|t| path(&t)).as_deref(), Some("tile/entries/001.p/44"));
    }
}
