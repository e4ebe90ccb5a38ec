//! Moves what the journal holds into the published tree: tiles, entry bundles, and last the signed head.
//!
//! Takes: the log's folder. Gives: a C2SP tlog-tiles log that anybody can verify. May name: nothing.
//!
//! The order makes a crash harmless: everything that a head stands for is durable before the head is, and the journal's
//! files go only when the head covers them.

use super::cbor;
use super::disk;
use super::edge::{Edge, Row};
use super::frame;
use super::key::{BookKey, Signed};
use super::load::Rest;
use super::log_file::{self, JOURNAL};
use super::open;
use super::shelf::{CHECKPOINT, HEIGHT, Shelf, Tiles, WIDTH, bundle, path};
use super::trees_file;
use crate::step::{Step, reached};
use cap_std::fs::Dir;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use tlog_tiles::{Error, Hash, HashReader, Tile, TileHashReader, record_hash, stored_hash_index};

/// The file whose lock lets one process publish at a time.
const LOCK: &str = "publish.lock";
/// By how many entries the kept trees of the tenants may be behind the published tree: a start reads as many.
const TREES_BEHIND: u64 = 65_536;
/// The same when the log is closed.
const TREES_BEHIND_AT_CLOSE: u64 = 1024;
/// The file in the home folder that remembers the newest head, so that a log that was rolled back is noticed.
pub const SEEN: &str = "book.seen";

/// Keeps hosts from publishing a log while somebody reads it from one end to the other; they go on writing to its journal,
/// and publish when this is gone.
#[derive(Debug)]
pub struct Hold {
    _lock: Option<File>,
}

impl Hold {
    /// Waits until nobody publishes. A copy of a log without the lock's file needs no holding.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn on(dir: &Dir) -> io::Result<Self> {
        let lock = match dir.open(LOCK) {
            Ok(lock) => lock.into_std(),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self { _lock: None }),
            Err(e) => return Err(e),
        };
        lock.lock_shared()?;
        Ok(Self { _lock: Some(lock) })
    }

    /// Waits until nobody publishes and nobody else holds the log, and keeps all of them out.
    pub(super) fn alone(dir: &Dir) -> io::Result<Self> {
        let lock = log_file::private(dir, LOCK)?;
        lock.lock()?;
        Ok(Self { _lock: Some(lock) })
    }
}

/// The journal's newest file, its length and when it was changed: a batch that failed and was cut off may make room for
/// another of the same length.
type JournalEnd = (u64, u64, std::time::SystemTime);

/// Publishes one log.
#[derive(Debug)]
pub(super) struct Publisher {
    dir: Dir,
    home: Option<Shelf>,
    key: BookKey,
    lock: File,
    shelf: Shelf,
    /// Where the journal ended when there was nothing left to publish of it.
    done: Option<JournalEnd>,
    /// Up to which size the tenants' trees were kept when this was last looked at.
    trees: u64,
}

impl Publisher {
    /// For the log in a folder; `home` is where the newest head is remembered.
    pub(super) fn new(dir: &Dir, home: Option<&Dir>, key: BookKey) -> io::Result<Self> {
        let lock = log_file::private(dir, LOCK)?;
        let home = home.map(Shelf::new).transpose()?;
        Ok(Self { dir: dir.try_clone()?, home, key, lock, shelf: Shelf::new(dir)?, done: None, trees: 0 })
    }

    /// The newest head that this host remembers.
    pub(super) fn seen(&self) -> io::Result<Option<Signed>> {
        let Some(bytes) = self.home.as_ref().map(|home| home.read(SEEN)).transpose()?.flatten() else {
            return Ok(None);
        };
        let bad =
            |bad| io::Error::new(ErrorKind::InvalidData, format!("{SEEN}: {bad}; restore it from a copy"));
        self.key.known().verify(&bytes).map(Some).map_err(bad)
    }

    /// Publishes everything that the journal holds and has signed. `None` when there is nothing new, or another process
    /// is at it. `last`: the log is closed after this.
    pub(super) fn publish(&mut self, last: bool) -> io::Result<Option<Signed>> {
        match self.lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let done = self.publish_locked();
        if done.as_ref().is_ok_and(|head| head.is_some() || last)
            && let Err(error) = self.keep_trees(if last { TREES_BEHIND_AT_CLOSE } else { TREES_BEHIND })
        {
            tracing::warn!(%error, "the tenants' trees cannot be kept; a start makes them from the entries");
        }
        self.lock.unlock()?;
        done
    }

    /// Keeps the tenants' trees when they are so many entries behind what is published.
    fn keep_trees(&mut self, behind: u64) -> io::Result<()> {
        let Some(head) = self.shelf.head(self.key.known())?.filter(|head| head.size >= self.trees + behind)
        else {
            return Ok(());
        };
        let (trees, from) = trees_file::kept(&self.shelf, self.key.known(), &head)?;
        self.trees = from;
        if head.size < from + behind {
            return Ok(());
        }
        // Also when it fails: it is not tried every second.
        self.trees = head.size;
        let trees = trees_file::go_on(&self.shelf, &head, trees, from)?;
        trees_file::put(&mut self.shelf, &self.key, &head, &trees)?;
        self.shelf.settle()
    }

    fn publish_locked(&mut self) -> io::Result<Option<Signed>> {
        // Looked at before the journal is read: what is written meanwhile makes it longer than this.
        let end = self.journal_end()?;
        if end.is_some() && end == self.done {
            return Ok(None);
        }
        let head = self.publish_all()?;
        self.done = end;
        Ok(head)
    }

    /// Where the journal ends, without reading it.
    fn journal_end(&self) -> io::Result<Option<JournalEnd>> {
        let Some(newest) = log_file::files(&self.dir)?.pop() else { return Ok(None) };
        match self.dir.metadata(format!("{JOURNAL}/{}", log_file::name(newest))) {
            Ok(file) => Ok(Some((newest, file.len(), file.modified()?.into_std()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn publish_all(&mut self) -> io::Result<Option<Signed>> {
        let before = self.shelf.head(self.key.known())?;
        let published = before.as_ref().map_or(0, |head| head.size);
        let rest = Rest::read(&self.dir, published)?;
        let (Some(note), false) = (rest.note, rest.entries.is_empty()) else {
            self.drop_files(published)?;
            return Ok(None);
        };
        let head = self.key.known().verify(&note).map_err(|bad| {
            io::Error::new(ErrorKind::InvalidData, format!("the journal's last batch: {bad}"))
        })?;
        self.sync_journal()?;
        let grown = self.grow(before.as_ref(), &head, &rest.entries)?;
        reached(Step::PublishBegun);
        self.put(published, &head, &rest.entries, &grown)?;
        reached(Step::PublishHead);
        self.remember(&head)?;
        reached(Step::PublishSeen);
        self.clear(published, head.size)?;
        self.drop_files(head.size)?;
        reached(Step::PublishCleared);
        Ok(Some(head))
    }

    /// Makes durable what was read of the journal: its writer may not have done so yet, and tiles of entries that a power
    /// cut takes back would stand behind the end of what is signed. Files before the newest are durable.
    fn sync_journal(&self) -> io::Result<()> {
        let Some(newest) = log_file::files(&self.dir)?.pop() else { return Ok(()) };
        disk::sync(&self.dir.open(format!("{JOURNAL}/{}", log_file::name(newest)))?.into_std())
    }

    /// The hashes that the entries add to the tree, which must be the signed one.
    fn grow(&self, before: Option<&Signed>, head: &Signed, entries: &[Vec<u8>]) -> io::Result<Row> {
        let mut edge = match before.filter(|head| head.size > 0) {
            None => Edge::default(),
            Some(before) => {
                let tiles = Tiles::new(&self.shelf, before.size);
                Edge::load(before.size, &TileHashReader::new(before.size, before.root, &tiles))
                    .map_err(tree)?
            }
        };
        let mut row = Row { first: stored_hash_index(0, edge.size()), hashes: Vec::new() };
        for entry in entries {
            row.hashes.extend(edge.push(record_hash(entry)).map_err(tree)?);
        }
        if edge.size() != head.size || edge.root().map_err(tree)? != head.root {
            let what = "the journal's entries are not the ones that were signed; keep the folder and restore it from a copy";
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        Ok(row)
    }

    fn put(&mut self, published: u64, head: &Signed, entries: &[Vec<u8>], grown: &Row) -> io::Result<()> {
        let mut files = Vec::new();
        let hashes = Both { new: grown, old: Tiles::new(&self.shelf, published) };
        for tile in Tile::new_tiles(HEIGHT, published, head.size) {
            files.push((path(&tile), tile.read_data(&hashes).map_err(tree)?));
        }
        let mut left = entries.iter();
        let mut at = published;
        while at < head.size {
            let n = at / WIDTH;
            let Some(tile) = bundle(n, head.size) else { break };
            let mut bytes = match bundle(n, published) {
                Some(old) => self.shelf.read(&path(&old))?.ok_or_else(|| missing(&path(&old)))?,
                None => Vec::new(),
            };
            let end = n * WIDTH + u64::from(tile.width());
            for entry in left.by_ref().take(usize::try_from(end - at).unwrap_or(usize::MAX)) {
                frame::put_entry(&mut bytes, entry);
            }
            files.push((path(&tile), bytes));
            at = end;
        }
        for (path, bytes) in &files {
            self.shelf.put(path, bytes)?;
        }
        let mut open = open::load(&self.shelf, published)?;
        for (n, bytes) in (published..).zip(entries) {
            let mut entry =
                cbor::decode(bytes).map_err(|e| io::Error::new(ErrorKind::InvalidData, e.to_string()))?;
            entry.seq = n;
            open.take(entry);
        }
        self.shelf.settle()?;
        reached(Step::PublishTiles);
        // Between the two, a crash leaves a list for a tree that is not published: it is then made again.
        open.put(&mut self.shelf, head.size)?;
        reached(Step::PublishOpen);
        self.shelf.put(CHECKPOINT, &head.note)?;
        self.shelf.settle()
    }

    fn remember(&mut self, head: &Signed) -> io::Result<()> {
        let Some(home) = &mut self.home else { return Ok(()) };
        home.put(SEEN, &head.note)?;
        home.settle()
    }

    /// Takes away the partial tiles and bundles that wider ones replace.
    fn clear(&self, before: u64, now: u64) -> io::Result<()> {
        let mut tiles = Vec::new();
        let mut size = before;
        for level in 0..8 {
            let width = u32::try_from(size % WIDTH).unwrap_or(0);
            if width > 0 && width_of(now, level, size >> HEIGHT) > u64::from(width) {
                tiles.push(Tile::new(HEIGHT, level, size >> HEIGHT, width, false));
                if level == 0 {
                    tiles.push(Tile::new(HEIGHT, 0, size >> HEIGHT, width, true));
                }
            }
            size >>= HEIGHT;
        }
        tiles.iter().try_for_each(|tile| self.shelf.remove(&path(tile)))
    }

    /// Takes away the journal's files that the published tree covers wholly. The newest stays: it is written to.
    fn drop_files(&self, published: u64) -> io::Result<()> {
        let files = log_file::files(&self.dir)?;
        for (first, next) in files.iter().zip(files.iter().skip(1)) {
            if *next <= published {
                disk::remove(&self.dir, &format!("{JOURNAL}/{}", log_file::name(*first)))?;
            }
        }
        Ok(())
    }
}

/// How many hashes the tile with this number has at this level of a tree.
fn width_of(size: u64, level: u8, n: u64) -> u64 {
    let hashes = size >> (u32::from(HEIGHT) * u32::from(level));
    hashes.saturating_sub(n << HEIGHT).min(WIDTH)
}

/// Hashes that are new, and those that were there.
struct Both<'a> {
    new: &'a Row,
    old: Tiles<'a>,
}

impl HashReader for Both<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let one = |index: &u64| match self.new.get(*index) {
            Some(hash) => Ok(hash),
            None => self.old.read_hashes(&[*index])?.first().copied().ok_or(Error::IndexesNotInTree),
        };
        indexes.iter().map(one).collect()
    }
}

fn tree(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the audit log's tree cannot be continued: {error}"))
}

fn missing(path: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the audit log's {path} is missing; restore it from a copy"),
    )
}
