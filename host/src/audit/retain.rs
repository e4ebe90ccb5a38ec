//! Dropping the bodies of old entries, so that their hashes go on proving the log.
//!
//! Takes: the log's folder, its public keys, a time. Gives: [`Dropping`], in steps. May name: id.
//!
//! The order makes a crash harmless: first the files are durable that say whose the entries were and what lasts of them,
//! then the order is in the log, then the bodies go. An order that was given is ended by the next run; files without an
//! order are made anew.

use super::key::{Known, Signed};
use super::load::Rest;
use super::owners::{self, Order};
use super::publish::Hold;
use super::read::bundle_at;
use super::shelf::{self, Shelf, Tiles, WIDTH};
use super::{Entry, cbor, frame, log_file, open};
use crate::id::Digest;
use cap_std::fs::Dir;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::time::Duration;
use tlog_tiles::{HashReader, TileHashReader, record_hash, stored_hash_index};

/// The file whose lock lets one run at a time drop bodies.
const LOCK: &str = "drop.lock";
/// How often it is looked whether the journal has let go of what is dropped.
const LOOK: Duration = Duration::from_millis(20);
/// How often at most.
const LOOKS: u32 = 1500;

/// Why bodies were not dropped.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// A file could not be read, written or removed.
    #[error("the audit log's files cannot be used: {0}")]
    File(#[from] io::Error),
    /// The log is not what was signed; nothing is dropped that may be evidence.
    #[error("{0}; nothing more is dropped: run `strongroom audit verify`")]
    Damaged(String),
    /// Another run is at it.
    #[error("another run drops bodies at the moment; try again when it has ended")]
    Busy,
    /// The journal still holds what was to be dropped.
    #[error(
        "the entries are not all published yet, because somebody verifies the log; the next drop goes on with it"
    )]
    Held,
}

/// What there is to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Entries whose bodies go, or went.
    pub entries: u64,
    /// All bodies below this number are gone then.
    pub below: u64,
    /// The entry of an open intent that everything from its bundle on was kept for, although it is old enough.
    pub kept_for: Option<u64>,
}

/// A run that drops bodies: [`Dropping::begin`], [`Dropping::take`], [`Dropping::order`], [`Dropping::finish`].
#[derive(Debug)]
pub struct Dropping {
    _lock: File,
    dir: Dir,
    shelf: Shelf,
    head: Option<Signed>,
    before_us: u64,
    /// Bodies below this number were dropped by earlier orders, or go by one that was not ended.
    from: u64,
    below: u64,
    /// Bodies that an earlier order has left.
    unfinished: u64,
    /// The oldest intent that is open.
    open: Option<u64>,
    kept_for: Option<u64>,
    chain: Digest,
    carried: Option<Vec<u8>>,
}

impl Dropping {
    /// Finds where to go on: behind everything that was dropped before.
    ///
    /// # Errors
    /// [`DropError`]; nothing was changed.
    pub fn begin(dir: &Dir, known: &Known, before_us: u64) -> Result<Self, DropError> {
        let lock = log_file::private(dir, LOCK)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DropError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Nothing is published meanwhile, so that head, journal and open intents are of one moment.
        let _hold = Hold::on(dir)?;
        let shelf = Shelf::new(dir)?;
        let head = shelf.head(known)?;
        let open = open::load(&shelf, head.as_ref().map_or(0, |head| head.size))?;
        let open = open.into_entries().first().map(|entry| entry.seq);
        let mut run = Self {
            _lock: lock,
            dir: dir.try_clone()?,
            shelf,
            head,
            before_us,
            from: 0,
            below: 0,
            unfinished: 0,
            open,
            kept_for: None,
            chain: owners::BEGIN,
            carried: None,
        };
        // The newest order covers all before it. A file without its order is of a run that broke off early.
        for below in orders(dir)?.into_iter().rev() {
            let file = owners::carried(below);
            let bytes = run.shelf.read(&file)?.unwrap_or_default();
            let Some(order) = run.given(below)? else { continue };
            // What is signed anew has to be what was signed before.
            if order.carried != Digest::of(&bytes) {
                return Err(DropError::Damaged(format!("{file} is not what the log's order says")));
            }
            run.carried = bytes.get(32..).map(<[u8]>::to_vec);
            (run.from, run.chain) = (below, order.owners);
            let left = (0..below / WIDTH).filter(|n| run.dir.exists(shelf::full_bundle(*n))).count();
            run.unfinished = u64::try_from(left).unwrap_or(u64::MAX).saturating_mul(WIDTH);
            break;
        }
        run.below = run.from;
        Ok(run)
    }

    /// The order that the log has for everything below a number, looked for from the log's end on.
    fn given(&self, below: u64) -> Result<Option<Order>, DropError> {
        let is_it = |body: &[u8]| {
            let order = cbor::decode(body).ok().as_ref().and_then(Order::of);
            order.filter(|order| order.below == below)
        };
        let size = self.head.as_ref().map_or(0, |head| head.size);
        let rest = Rest::read(&self.dir, size)?.entries;
        if let Some(order) = rest.iter().rev().find_map(|body| is_it(body)) {
            return Ok(Some(order));
        }
        for n in (below / WIDTH..size.div_ceil(WIDTH)).rev() {
            let (_, bodies) = bundle_at(&self.shelf, n * WIDTH, size)?;
            if let Some(order) = bodies.iter().rev().find_map(|body| is_it(body)) {
                return Ok(Some(order));
            }
        }
        Ok(None)
    }

    /// What lasts of the entries that were dropped before, as the order before had it.
    #[must_use]
    pub fn carried(&self) -> Option<&[u8]> {
        self.carried.as_deref()
    }

    /// Goes through the entries that can be dropped, oldest first: those of full bundles in the published tree that lie
    /// wholly before the time, up to the first that does not or that holds an open intent. With `keep`, the files with their owners are
    /// written. Each entry is compared with the hash that proves it.
    ///
    /// # Errors
    /// [`DropError`]; nothing was dropped.
    pub fn take(
        &mut self,
        keep: bool,
        mut each: impl FnMut(&Entry),
        mut progress: impl FnMut(u64),
    ) -> Result<Dropped, DropError> {
        let Some(head) = self.head.clone() else { return Ok(self.found()) };
        while self.below + WIDTH <= head.size {
            let n = self.below / WIDTH;
            let entries = self.bundle(n, &head)?;
            if entries.iter().any(|entry| entry.time_us >= self.before_us) {
                break;
            }
            if self.open.is_some_and(|open| open / WIDTH <= n) {
                self.kept_for = self.open;
                break;
            }
            let mut file = Vec::new();
            for entry in &entries {
                owners::put(&mut file, entry);
                each(entry);
            }
            if keep {
                self.shelf.put(&owners::path(n), &file)?;
            }
            self.chain = owners::link(self.chain, &file);
            self.below += WIDTH;
            progress(self.below - self.from);
        }
        Ok(self.found())
    }

    fn found(&self) -> Dropped {
        let entries = self.below - self.from + self.unfinished;
        Dropped { entries, below: self.below, kept_for: self.kept_for }
    }

    /// The entries of a bundle, which must be those that the signed tree has.
    fn bundle(&self, n: u64, head: &Signed) -> Result<Vec<Entry>, DropError> {
        let file = shelf::full_bundle(n);
        let bad = |what: &str| DropError::Damaged(format!("{file} {what}"));
        let bytes = self.shelf.read(&file)?.ok_or_else(|| bad("is missing"))?;
        let bodies = frame::bundle(&bytes).ok_or_else(|| bad("holds no entries"))?;
        let tiles = Tiles::new(&self.shelf, head.size);
        let proven = TileHashReader::new(head.size, head.root, &tiles);
        let indexes: Vec<u64> = (n * WIDTH..(n + 1) * WIDTH).map(|seq| stored_hash_index(0, seq)).collect();
        let hashes = proven.read_hashes(&indexes).map_err(|_| bad("has a tile that proves nothing"))?;
        if !bodies.iter().map(|body| record_hash(body)).eq(hashes) {
            return Err(bad("holds other entries than were signed"));
        }
        let numbered = (n * WIDTH..).zip(bodies);
        let entry = |(seq, body): (u64, &[u8])| Some(Entry { seq, ..cbor::decode(body).ok()? });
        numbered.map(entry).collect::<Option<_>>().ok_or_else(|| bad("holds what is no entry"))
    }

    /// Makes everything durable that lasts of the entries, and gives the entry that orders their dropping; `carried` is what
    /// lasts of them and of all before. `None` when there is nothing to order. It has to be durable in the log before
    /// [`Dropping::finish`].
    ///
    /// # Errors
    /// [`DropError`]; nothing was dropped.
    pub fn order(&mut self, time_us: u64, carried: &[u8]) -> Result<Option<Entry>, DropError> {
        if self.below == self.from {
            return Ok(None);
        }
        let file = [self.chain.as_bytes().as_slice(), carried].concat();
        for below in orders(&self.dir)? {
            // Files of runs that gave no order. The newest order's file is needed until this one is given.
            if below != self.from {
                self.shelf.take_away(&owners::carried(below))?;
            }
        }
        self.shelf.put(&owners::carried(self.below), &file)?;
        self.shelf.settle()?;
        let order = Order { below: self.below, owners: self.chain, carried: Digest::of(&file) };
        let note = Some(order.note());
        Ok(Some(Entry { note, ..Entry::drops(time_us, self.below) }))
    }

    /// Removes the bodies, when the journal has let go of them too. Blocks.
    ///
    /// # Errors
    /// [`DropError`]; the next run ends what this one has begun.
    pub fn finish(mut self) -> Result<Dropped, DropError> {
        for _ in 0..LOOKS {
            // The order begins a new file of the journal; those before it go when they are published.
            if log_file::files(&self.dir)?.first().is_none_or(|first| *first >= self.below) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        // Whoever reads the log from one end to the other is not disturbed, and the journal's files do not change.
        let _alone = Hold::alone(&self.dir)?;
        if log_file::files(&self.dir)?.first().is_some_and(|first| *first < self.below) {
            return Err(DropError::Held);
        }
        for n in 0..self.below / WIDTH {
            let bundle = shelf::full_bundle(n);
            if self.dir.exists(&bundle) {
                self.shelf.take_away(&bundle)?;
            }
        }
        self.shelf.settle()?;
        for below in orders(&self.dir)? {
            if below != self.below {
                self.shelf.take_away(&owners::carried(below))?;
            }
        }
        self.shelf.settle()?;
        Ok(self.found())
    }
}

/// What lasts of entries whose bodies were dropped, and below which number they were: as the newest order in the log has
/// it, which [`verify`](super::verify()) has compared.
///
/// # Errors
/// When the file cannot be read.
pub fn carried(dir: &Dir, below: u64) -> io::Result<Vec<u8>> {
    let file = owners::carried(below);
    let bytes = Shelf::new(dir)?.read(&file)?.unwrap_or_default();
    let carried = bytes.get(32..).map(<[u8]>::to_vec);
    carried
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("the audit log's {file} is damaged")))
}

/// The numbers of all orders whose files are there.
fn orders(dir: &Dir) -> io::Result<Vec<u64>> {
    let mut found = log_file::numbered(dir, owners::CARRIED)?;
    found.retain(|below| below % WIDTH == 0);
    Ok(found)
}
