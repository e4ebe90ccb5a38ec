//! Whether the book is what was signed: every entry, every tile, every signed head, read once in constant memory.
//!
//! Takes: the log's folder and the log's public keys, nothing else. Gives: what was verified, or the first bad place.
//! May name: nothing.
//!
//! What cannot be known from the folder alone is that it was rolled back as a whole to an earlier state: for that a head
//! that was kept elsewhere is compared.

use super::cbor::View;
use super::edge::Edge;
use super::filling::Filling;
use super::frame::{self, Frame};
use super::heads::Heads;
use super::key::{Known, Signed};
use super::log_file::{self, JOURNAL};
use super::open::{self, Open};
use super::owners::{self, Order};
use super::shelf::{self, CHECKPOINT, HEIGHT, Shelf, WIDTH};
use super::verdict::{Bad, Verified};
use super::{Entry, Phase, cbor, trees_file};
use cap_std::fs::Dir;
use tlog_tiles::{Hash, Tile, record_hash};

/// A log that is being verified.
pub(super) struct Verifier<'a> {
    dir: &'a Dir,
    known: &'a Known,
    shelf: Shelf,
    edge: Edge,
    tiles: Filling,
    dropped: Dropped,
    open: Open,
    heads: Heads,
    /// Roots at sizes that a head kept elsewhere names.
    witness: Option<&'a Signed>,
    /// Whether that head has another root; told last, because what was changed is a better answer.
    differs: bool,
}

/// Bundles whose bodies are gone, and up to where the book itself says that they were dropped.
#[derive(Default)]
struct Dropped {
    entries: u64,
    last: Option<(u64, String)>,
    told: u64,
    orders: Vec<Order>,
}

/// Verifies the log in a folder. `witness` is a head that was kept elsewhere; `progress` hears how many entries are done,
/// and of how many.
///
/// # Errors
/// [`Bad`]: the first place that is not what was signed.
pub fn verify(
    dir: &Dir,
    known: &Known,
    witness: Option<&Signed>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, Bad> {
    let mut verifier = Verifier::new(dir, known, witness, Heads::default())?;
    let published = verifier.published_tree(&mut progress)?;
    verifier.open_intents(published)?;
    verifier.journal(published)?;
    verifier.end(published)
}

impl<'a> Verifier<'a> {
    pub(super) fn new(
        dir: &'a Dir,
        known: &'a Known,
        witness: Option<&'a Signed>,
        heads: Heads,
    ) -> Result<Self, Bad> {
        let shelf = Shelf::new(dir).map_err(|cause| Bad::File { file: ".".into(), cause })?;
        let (edge, tiles, dropped, open) =
            (Edge::default(), Filling::default(), Dropped::default(), Open::default());
        Ok(Self { dir, known, shelf, edge, tiles, dropped, open, heads, witness, differs: false })
    }

    /// The tree that the signed head stands for, and its size.
    pub(super) fn published_tree(&mut self, progress: &mut impl FnMut(u64, u64)) -> Result<u64, Bad> {
        let head = self.head()?;
        let size = head.as_ref().map_or(0, |head| head.size);
        self.published(size, progress)?;
        if let Some(head) = head.filter(|head| head.size > 0)
            && self.edge.root().ok() != Some(head.root)
        {
            return Err(Bad::Root(head.size));
        }
        Ok(size)
    }

    /// What only the whole log shows: that nothing is left over, that what is gone was dropped, and that it continues the
    /// head that was kept elsewhere.
    pub(super) fn end(mut self, published: u64) -> Result<Verified, Bad> {
        self.nothing_beyond()?;
        if let Some((end, file)) = self.dropped.last.take_if(|(end, _)| *end > self.dropped.told) {
            tracing::debug!(end, "a bundle is gone and no entry says that it was dropped");
            return Err(Bad::Missing(file));
        }
        owners::check(&self.shelf, &self.dropped.orders)?;
        self.heads.are_right()?;
        if let (Some(witness), true) = (self.witness, self.differs) {
            let what = "entries are not the ones that were there before";
            return Err(Bad::Witness(format!("the first {} {what}", witness.size)));
        }
        if let Some(witness) = self.witness.filter(|witness| witness.size > self.edge.size()) {
            let (has, had) = (self.edge.size(), witness.size);
            return Err(Bad::Witness(format!("the log was rolled back: it has {has} entries and had {had}")));
        }
        let root = self.edge.root().map(|root| root.to_string()).unwrap_or_default();
        let heads = self.heads.checked();
        let Dropped { entries: dropped, told: dropped_below, .. } = self.dropped;
        let entries = self.edge.size();
        Ok(Verified { entries, published, dropped, dropped_below, heads, root })
    }
}

impl Verifier<'_> {
    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, Bad> {
        read(&self.shelf, file)
    }

    fn head(&self) -> Result<Option<Signed>, Bad> {
        let Some(bytes) = self.read(CHECKPOINT)? else {
            // Without a head, nothing may be published.
            return if self.dir.exists("tile") { Err(Bad::NoHead) } else { Ok(None) };
        };
        let head = self.known.verify(&bytes);
        head.map(Some).map_err(|cause| Bad::Head { file: CHECKPOINT.into(), cause })
    }

    fn published(&mut self, size: u64, progress: &mut impl FnMut(u64, u64)) -> Result<(), Bad> {
        while self.edge.size() < size {
            let n = self.edge.size() / WIDTH;
            let Some(tile) = shelf::bundle(n, size) else { break };
            let file = shelf::path(&tile);
            match self.read(&file)? {
                Some(bytes) => self.bundle(&file, &bytes, u64::from(tile.width()))?,
                None if u64::from(tile.width()) == WIDTH => self.dropped(n, &file)?,
                None => return Err(Bad::Missing(file)),
            }
            progress(self.edge.size(), size);
        }
        self.tiles.unfinished().try_for_each(|(tile, made)| compare(&self.shelf, &tile, made))
    }

    /// The list of open intents is made from the entries, and can be made again: what is dropped was not open.
    fn open_intents(&self, size: u64) -> Result<(), Bad> {
        let Some(bytes) = self.read(open::FILE)? else { return Ok(()) };
        let is_of = |n: u64| bytes.starts_with(&n.to_be_bytes());
        let same = self.open.bytes(size).is_ok_and(|made| made == bytes);
        // A crash between the list and the signed head leaves one for another size, which is not used.
        if same || !is_of(size) { Ok(()) } else { Err(Bad::OpenIntents) }
    }

    fn bundle(&mut self, file: &str, bytes: &[u8], width: u64) -> Result<(), Bad> {
        let first = self.edge.size();
        let bad = |seq, what| Bad::Entry { seq, file: file.to_owned(), what };
        let mut rest = bytes;
        for seq in first..first + width {
            let Some((Frame::Entry(entry), length)) = frame::next(rest) else {
                return Err(bad(seq, "is cut off"));
            };
            let Some(view) = cbor::view(entry) else {
                return Err(bad(seq, "is not an entry in its one encoding"));
            };
            self.told(&view);
            self.opens(seq, &view);
            let hash = record_hash(entry);
            self.heads.take(file, seq, (&view).into(), hash);
            rest = rest.get(length..).unwrap_or_default();
            self.push(hash)?;
        }
        if rest.is_empty() { Ok(()) } else { Err(bad(first + width, "is more than the bundle should hold")) }
    }

    fn told(&mut self, view: &View<'_>) {
        // Only the host's own entries tell of it, so that no other one is made.
        let own = view.call_id.is_none().then(|| view.entry()).flatten();
        if let Some(order) = own.as_ref().and_then(Order::of) {
            self.dropped.told = self.dropped.told.max(order.below);
            self.dropped.orders.push(order);
        }
    }

    fn opens(&mut self, seq: u64, view: &View<'_>) {
        match (view.phase, view.call_id) {
            (Phase::Intent, _) => {
                if let Some(entry) = view.entry() {
                    self.open.take(Entry { seq, ..entry });
                }
            }
            (Phase::Outcome | Phase::Recovery, Some(call)) => self.open.end(call),
            _ => {}
        }
    }

    /// Retention drops the bodies of full bundles and leaves their hashes, which still have to make the tree.
    fn dropped(&mut self, n: u64, bundle: &str) -> Result<(), Bad> {
        let file = shelf::path(&Tile::new(HEIGHT, 0, n, 1 << HEIGHT, false));
        let left = trees_file::dropped(&self.shelf, n);
        let left = left.map_err(|cause| Bad::File { file: file.clone(), cause })?;
        if left.hashes.is_empty() {
            return Err(Bad::Missing(bundle.to_owned()));
        }
        if u64::try_from(left.hashes.len()) != Ok(WIDTH) {
            return Err(Bad::Tile { file });
        }
        self.heads.pass(&left);
        for hash in left.hashes {
            self.push(hash)?;
        }
        self.dropped.entries += WIDTH;
        self.dropped.last = Some((self.edge.size(), bundle.to_owned()));
        Ok(())
    }

    fn push(&mut self, record: Hash) -> Result<(), Bad> {
        let stored = self.edge.push(record).map_err(|_| Bad::Root(self.edge.size()))?;
        self.agrees();
        self.tiles.push(&stored, |tile, made| compare(&self.shelf, tile, made))
    }

    /// A head that was kept elsewhere is compared when its size is reached.
    fn agrees(&mut self) {
        if let Some(witness) = self.witness.filter(|witness| witness.size == self.edge.size()) {
            self.differs |= self.edge.root().ok() != Some(witness.root);
        }
    }

    /// The journal's files, also as far as the published tree has their entries: nothing in the folder goes unread.
    fn journal(&mut self, published: u64) -> Result<(), Bad> {
        let folder = |cause| Bad::File { file: JOURNAL.into(), cause };
        let files = log_file::files(self.dir).map_err(folder)?;
        let mut next = files.first().copied().unwrap_or(published);
        if next > published {
            return Err(Bad::Missing(format!("{JOURNAL}/{}", log_file::name(published))));
        }
        for (at, first) in files.iter().enumerate() {
            let file = format!("{JOURNAL}/{}", log_file::name(*first));
            if *first != next {
                return Err(Bad::Missing(format!("{JOURNAL}/{}", log_file::name(next))));
            }
            let bytes = self.read(&file)?.unwrap_or_default();
            next = self.batches(&file, &bytes, *first, published, at + 1 == files.len())?;
        }
        Ok(())
    }

    fn batches(
        &mut self,
        file: &str,
        bytes: &[u8],
        first: u64,
        published: u64,
        last: bool,
    ) -> Result<u64, Bad> {
        let (mut at, mut good, mut seq, mut committed) = (0, 0, first, first);
        let mut batch = self.edge.clone();
        let mut bundle = (u64::MAX, Vec::new());
        let mut moved = false;
        while let (Some((frame, length)), false) = (frame::next(bytes.get(at..).unwrap_or_default()), moved) {
            let bad = |what| Bad::Entry { seq, file: file.to_owned(), what };
            match frame {
                Frame::Entry(entry) if seq < published => {
                    if bundle.0 != seq / WIDTH {
                        bundle = (seq / WIDTH, self.bodies(seq / WIDTH, published)?);
                    }
                    let same = usize::try_from(seq % WIDTH).ok().and_then(|n| bundle.1.get(n));
                    if same.is_some_and(|same| same != entry) {
                        return Err(bad("is another one in the journal than in the published tree"));
                    }
                    seq += 1;
                }
                Frame::Entry(entry) => {
                    // What is no entry may be a batch that a crash cut off: its end will be missing too.
                    let Some(view) = cbor::view(entry) else { break };
                    self.told(&view);
                    let hash = record_hash(entry);
                    self.heads.take(file, seq, (&view).into(), hash);
                    batch.push(hash).map_err(|_| Bad::Root(seq))?;
                    seq += 1;
                }
                Frame::Commit(note) => {
                    let head = self.known.verify(note);
                    let Ok(head) = head else { break };
                    if head.size != seq || (seq >= published && batch.root().ok() != Some(head.root)) {
                        return Err(Bad::Root(head.size));
                    }
                    self.edge = batch.clone();
                    self.agrees();
                    (good, committed) = (at + length, seq);
                }
                Frame::Moved => moved = true,
            }
            at += length;
        }
        // A rotation that a crash cut off leaves a file without its last word. When all of it was published before the next
        // start, the log goes on in the new file.
        let left = bytes.get(good..).unwrap_or_default();
        if !last && !moved && committed <= published && frame::moved().starts_with(left) {
            return Ok(committed);
        }
        if moved {
            good = at;
        }
        if good < bytes.len() || (!last && !moved) {
            let (file, bytes) = (file.to_owned(), bytes.len().saturating_sub(good));
            return Err(Bad::Unfinished { file, seq: committed, bytes });
        }
        Ok(committed)
    }

    /// The published entries of one bundle; none when retention has dropped them.
    fn bodies(&self, n: u64, published: u64) -> Result<Vec<Vec<u8>>, Bad> {
        let Some(tile) = shelf::bundle(n, published) else { return Ok(Vec::new()) };
        let bytes = self.read(&shelf::path(&tile))?.unwrap_or_default();
        Ok(frame::bundle(&bytes).unwrap_or_default().into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Tiles and bundles that reach further than everything that was signed.
    fn nothing_beyond(&self) -> Result<(), Bad> {
        let size = self.edge.size();
        let mut n = size / WIDTH;
        loop {
            let from = if n == size / WIDTH { size % WIDTH + 1 } else { 1 };
            for width in (from..=WIDTH).filter_map(|w| u32::try_from(w).ok()) {
                for data in [true, false] {
                    let file = shelf::path(&Tile::new(HEIGHT, 0, n, width, data));
                    if self.dir.exists(&file) {
                        return Err(Bad::Beyond(file));
                    }
                }
            }
            if n > size / WIDTH {
                return Ok(());
            }
            n += 1;
        }
    }
}

fn read(shelf: &Shelf, file: &str) -> Result<Option<Vec<u8>>, Bad> {
    shelf.read(file).map_err(|cause| Bad::File { file: file.to_owned(), cause })
}

/// The tile as it stands against the one that the entries make.
fn compare(shelf: &Shelf, tile: &Tile, made: &[u8]) -> Result<(), Bad> {
    let file = shelf::path(tile);
    match read(shelf, &file)? {
        Some(there) if there == made => Ok(()),
        Some(there) if tile.level() == 0 && there.len() == made.len() => {
            let first = tile.level_index() << HEIGHT;
            let pairs = there.chunks_exact(32).zip(made.chunks_exact(32));
            let seq = (first..).zip(pairs).find(|(_, (there, made))| there != made);
            let seq = seq.map_or(first, |(seq, _)| seq);
            Err(Bad::Entry { seq, file, what: "has another hash than is written there" })
        }
        Some(_) => Err(Bad::Tile { file }),
        None => Err(Bad::Missing(file)),
    }
}
