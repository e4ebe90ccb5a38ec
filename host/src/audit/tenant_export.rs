//! The log of one tenant alone, made from the host's: a folder that shows nothing of others.
//!
//! Takes: the log's folder, its key, an empty folder. Gives: a C2SP tlog-tiles log of the tenant's entries up to the newest head
//! of it that the host's log tells, and the proof of that head. May name: id.

use super::edge::Edge;
use super::filling::Filling;
use super::frame;
use super::key::BookKey;
use super::read::bundle_at;
use super::shelf::{CHECKPOINT, HEIGHT, Shelf, WIDTH, path};
use super::tenant_log::{HEAD_PROOF, TENANT_KEYS, Told, head, part, shown};
use super::{Head, NoProof, Phase, cbor, prove_entry, trees_file};
use crate::id::TenantId;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use std::io::{self, Write};
use tlog_tiles::{Hash, Tile, record_hash};

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// How many entries.
    pub entries: u64,
    /// Where the host's log tells the head of them.
    pub told: Told,
}

/// Why a tenant's log was not exported. What the folder holds then is no log.
#[derive(Debug, thiserror::Error)]
pub enum NoExport {
    /// A file could not be read or written.
    #[error("the tenant's log cannot be exported: {0}")]
    File(#[from] io::Error),
    /// The host's log has no head of the tenant's tree.
    #[error("the audit log tells no head of a log of {0}; a running host tells it within a second or two")]
    NoHead(TenantId),
    /// Bodies of the tenant's entries may be gone.
    #[error(
        "the bodies of entries {first} to {last} were dropped, and entries of {tenant} are among them or may be: the tenant's log \
         cannot be exported whole any more; export it before bodies are dropped"
    )]
    Dropped {
        /// Whose log.
        tenant: TenantId,
        /// The first of the entries.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The head could not be proven.
    #[error(transparent)]
    Proof(#[from] NoProof),
    /// The host's log is not what was signed.
    #[error("{0}")]
    Broken(String),
    /// The caller wanted no more.
    #[error("the export was stopped")]
    Stopped,
}

/// Writes the log of one tenant into a folder, which should be empty, up to the newest head of it that the published log
/// tells. Call it with the log [held](super::Hold). `progress` hears how many entries of the host's log are done, and of how
/// many; it gives `false` to stop.
///
/// # Errors
/// [`NoExport`]
pub fn export_tenant(
    log: &Dir,
    key: &BookKey,
    tenant: &TenantId,
    to: &Dir,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<Exported, NoExport> {
    let shelf = Shelf::new(log)?;
    let size = shelf.head(key.known())?.ok_or(NoProof::Unpublished)?.size;
    let (end, told) = newest(&shelf, size, tenant, &mut progress)?;
    let mut press = Press::new(to);
    let mut seq = 0;
    while seq < end {
        let (skipped, entries) = bundle_at(&shelf, seq, size)?;
        if skipped > 0 {
            spare(&shelf, seq, skipped, tenant)?;
        }
        for bytes in entries.iter().take(usize::try_from(end - seq).unwrap_or(usize::MAX)) {
            let entry = cbor::decode(bytes).map_err(|e| broken(seq, &e.to_string()))?;
            if entry.tenant_id.as_ref() == Some(tenant) && entry.phase != Phase::Head {
                press.push(bytes)?;
            }
            seq += 1;
        }
        seq += skipped;
        if !progress(seq.min(end), end) {
            return Err(NoExport::Stopped);
        }
    }
    let root = press.finish()?;
    let made = head(press.edge.size(), root);
    if made != told {
        return Err(broken(end, "the tenant's entries do not make the tree whose head it tells"));
    }
    let proof = prove_entry(log, key.known(), end)?;
    // The entry as it was read may not be the one that was signed; the one in the proof is.
    let (host, proven) = shown(&proof, key.known(), tenant).map_err(|what| broken(end, &what))?;
    if proven != made {
        return Err(broken(end, "it is not what was signed"));
    }
    let own = key.under(&part(tenant));
    let text = serde_json::to_vec(&proof).map_err(io::Error::other)?;
    let note =
        own.sign(made.size, root).ok_or_else(|| io::Error::other("the log's name cannot be signed"))?.note;
    write(to, HEAD_PROOF, &text)?;
    write(to, TENANT_KEYS, own.known().text().as_bytes())?;
    write(to, CHECKPOINT, &note)?;
    Ok(Exported { entries: made.size, told: host })
}

/// The newest head of the tenant's tree: the number of the entry that tells it, and the head.
fn newest(
    shelf: &Shelf,
    size: u64,
    tenant: &TenantId,
    progress: &mut impl FnMut(u64, u64) -> bool,
) -> Result<(u64, Head), NoExport> {
    let mut gone = None;
    for n in (0..size.div_ceil(WIDTH)).rev() {
        let first = n * WIDTH;
        let (skipped, entries) = bundle_at(shelf, first, size)?;
        for (seq, bytes) in (first..).zip(&entries).collect::<Vec<_>>().into_iter().rev() {
            let entry = cbor::decode(bytes).map_err(|e| broken(seq, &e.to_string()))?;
            let is_theirs = entry.phase == Phase::Head && entry.tenant_id.as_ref() == Some(tenant);
            if let (true, Some(head)) = (is_theirs, entry.head) {
                return Ok((seq, head));
            }
        }
        if skipped > 0 {
            gone.get_or_insert(first + skipped - 1);
        }
        if !progress(0, size) {
            return Err(NoExport::Stopped);
        }
    }
    match gone {
        Some(last) => Err(NoExport::Dropped { tenant: tenant.clone(), first: 0, last }),
        None => Err(NoExport::NoHead(tenant.clone())),
    }
}

/// Goes over entries whose bodies are dropped, if none of them was the tenant's.
fn spare(shelf: &Shelf, seq: u64, entries: u64, tenant: &TenantId) -> Result<(), NoExport> {
    let owners = trees_file::dropped(shelf, seq / WIDTH)?.owners;
    let inside = usize::try_from(seq % WIDTH).unwrap_or(usize::MAX);
    let spared =
        owners.is_some_and(|owners| !owners.iter().skip(inside).flatten().any(|owner| owner == tenant));
    let (first, last) = (seq, seq + entries - 1);
    if spared { Ok(()) } else { Err(NoExport::Dropped { tenant: tenant.clone(), first, last }) }
}

fn broken(seq: u64, what: &str) -> NoExport {
    NoExport::Broken(format!("entry {seq} of the audit log: {what}; `audit verify` finds what is wrong"))
}

/// Writes a tree's tiles and bundles as its entries come.
struct Press<'a> {
    to: &'a Dir,
    edge: Edge,
    bundle: Vec<u8>,
    tiles: Filling,
}

impl<'a> Press<'a> {
    fn new(to: &'a Dir) -> Self {
        Self { to, edge: Edge::default(), bundle: Vec::new(), tiles: Filling::default() }
    }

    fn push(&mut self, entry: &[u8]) -> io::Result<()> {
        frame::put_entry(&mut self.bundle, entry);
        let stored = self.edge.push(record_hash(entry)).map_err(io::Error::other)?;
        if self.edge.size().is_multiple_of(WIDTH) {
            self.put_bundle()?;
        }
        self.tiles.push(&stored, |tile, hashes| write(self.to, &path(tile), hashes))
    }

    fn put_bundle(&mut self) -> io::Result<()> {
        let n = (self.edge.size() - 1) / WIDTH;
        let width = u32::try_from(self.edge.size() - n * WIDTH).unwrap_or(1 << HEIGHT);
        write(self.to, &path(&Tile::new(HEIGHT, 0, n, width, true)), &std::mem::take(&mut self.bundle))
    }

    /// Writes what is not full, and gives the root.
    fn finish(&mut self) -> io::Result<Hash> {
        if !self.bundle.is_empty() {
            self.put_bundle()?;
        }
        for (tile, hashes) in self.tiles.unfinished() {
            write(self.to, &path(&tile), hashes)?;
        }
        self.edge.root().map_err(io::Error::other)
    }
}

/// Writes a new file for its owner alone.
fn write(to: &Dir, path: &str, bytes: &[u8]) -> io::Result<()> {
    if let Some((folder, _)) = path.rsplit_once('/') {
        to.create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    to.open_with(path, &options)?.write_all(bytes)
}
