//! The tenants' trees at one size of the published tree, kept so that a start does not read the whole book for them.
//!
//! Takes: the published part. Gives: [`Trees`] where it ends. May name: id.
//!
//! The file can be lost: the trees are then made again from the entries. It is signed, under a name of its own, together with
//! the root of the book at its size, and what is read behind it must make the root that was signed: a file or an entry
//! that was changed never leads to a wrong head.

use super::cbor;
use super::edge::Edge;
use super::key::{BookKey, Known, Signed};
use super::owners;
use super::read::bundle_at;
use super::shelf::{HEIGHT, Shelf, Tiles, WIDTH, path};
use super::trees::{Tree, Trees};
use crate::id::{Digest, TenantId};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use tlog_tiles::{Hash, Tile, TileHashReader, record_hash};

/// The file, and the name that it is signed under.
pub(super) const FILE: &str = "trees";

/// The trees of all tenants at the published head.
pub(super) fn load(shelf: &Shelf, known: &Known, head: Option<&Signed>) -> io::Result<Trees> {
    let Some(head) = head.filter(|head| head.size > 0) else { return Ok(Trees::default()) };
    let (trees, from) = kept(shelf, known, head)?;
    go_on(shelf, head, trees, from)
}

/// The trees as they were kept, and at which size of the published tree. From the beginning when there is nothing to go
/// on from.
pub(super) fn kept(shelf: &Shelf, known: &Known, head: &Signed) -> io::Result<(Trees, u64)> {
    let Some(bytes) = shelf.read(FILE)? else { return Ok((Trees::default(), 0)) };
    let Some((trees, size, root)) = parse(&bytes, &known.under(FILE)) else {
        tracing::info!(
            "the file of the tenants' trees is damaged; they are made again from the whole audit log"
        );
        return Ok((Trees::default(), 0));
    };
    // Another log's, or one that this log was ahead of before it was put back.
    let is_ours =
        size <= head.size && edge(shelf, head, size).is_ok_and(|e| e.root().is_ok_and(|r| r == root));
    Ok(if is_ours { (trees, size) } else { (Trees::default(), 0) })
}

/// Reads on from a size of the published tree to its end.
pub(super) fn go_on(shelf: &Shelf, head: &Signed, mut trees: Trees, from: u64) -> io::Result<Trees> {
    let mut edge = edge(shelf, head, from)?;
    while edge.size() < head.size {
        let (skipped, entries) = bundle_at(shelf, edge.size(), head.size)?;
        for bytes in &entries {
            let (seq, hash) = (edge.size(), record_hash(bytes));
            let entry = cbor::decode(bytes).map_err(|e| damaged(&format!("entry {seq} is none: {e}")))?;
            edge.push(hash).map_err(|e| damaged(&e.to_string()))?;
            if let Err(wrong) = trees.take((&entry).into(), hash) {
                tracing::error!("entry {seq} of the audit log {wrong}; this host tells the right head");
            }
        }
        if skipped > 0 {
            skip(shelf, &mut trees, &mut edge, skipped)?;
        } else if entries.is_empty() {
            return Err(damaged("entries are missing"));
        }
    }
    if edge.root().ok() != Some(head.root) {
        return Err(damaged("its entries are not the ones that were signed"));
    }
    Ok(trees)
}

/// Goes over entries whose bodies retention has dropped.
fn skip(shelf: &Shelf, trees: &mut Trees, edge: &mut Edge, entries: u64) -> io::Result<()> {
    let (n, inside) = (edge.size() / WIDTH, edge.size() % WIDTH);
    let left = dropped(shelf, n)?;
    left.pass(trees, inside);
    let inside = usize::try_from(inside).unwrap_or(usize::MAX);
    let hashes = left.hashes.get(inside..).filter(|hashes| u64::try_from(hashes.len()) == Ok(entries));
    for hash in hashes.ok_or_else(|| damaged("a tile is missing"))? {
        edge.push(*hash).map_err(|e| damaged(&e.to_string()))?;
    }
    Ok(())
}

/// What is left of a bundle whose bodies are dropped.
pub(super) struct Left {
    /// The hashes of its entries.
    pub(super) hashes: Vec<Hash>,
    /// Whose each of them was; `None` when nothing says so.
    pub(super) owners: Option<Vec<Option<TenantId>>>,
}

impl Left {
    /// Takes the entries from a place in the bundle on into the trees.
    pub(super) fn pass(&self, trees: &mut Trees, from: u64) {
        let Some(owners) = self.owners.as_ref().filter(|owners| owners.len() == self.hashes.len()) else {
            return trees.go_blind();
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        for (owner, hash) in owners.iter().zip(&self.hashes).skip(from) {
            if let Some(tenant) = owner {
                trees.take_hash(tenant, *hash);
            }
        }
    }
}

/// What is left of the bundle with this number, which is a full one.
pub(super) fn dropped(shelf: &Shelf, n: u64) -> io::Result<Left> {
    let tile = path(&Tile::new(HEIGHT, 0, n, 1 << HEIGHT, false));
    let bytes = shelf.read(&tile)?.unwrap_or_default();
    let hashes = bytes.chunks_exact(32).map(|hash| Hash(hash.try_into().unwrap_or_default())).collect();
    let owners = shelf.read(&owners::path(n))?.and_then(|bytes| owners::parse(&bytes));
    Ok(Left { hashes, owners })
}

/// The right edge of the published tree at an earlier size, proven by its signed root.
fn edge(shelf: &Shelf, head: &Signed, size: u64) -> io::Result<Edge> {
    let tiles = Tiles::new(shelf, head.size);
    let proven = TileHashReader::new(head.size, head.root, &tiles);
    Edge::load(size, &proven)
        .map_err(|e| damaged(&format!("its tiles do not make the tree that was signed ({e})")))
}

/// Keeps the trees at a published head; durable after [`Shelf::settle`]. Nothing is kept of trees that nobody knows.
pub(super) fn put(shelf: &mut Shelf, key: &BookKey, head: &Signed, trees: &Trees) -> io::Result<()> {
    if trees.is_blind() {
        return Ok(());
    }
    let mut body = head.root.0.to_vec();
    for (tenant, tree) in trees.all() {
        let name = tenant.as_str().as_bytes();
        body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(name);
        body.extend_from_slice(&tree.edge.size().to_be_bytes());
        body.extend_from_slice(&tree.told.to_be_bytes());
        tree.edge.subtrees().iter().for_each(|hash| body.extend_from_slice(&hash.0));
    }
    let sealed = key.under(FILE).sign(head.size, Hash(*Digest::of(&body).as_bytes()));
    let mut bytes = sealed.ok_or_else(|| io::Error::other("the log's name cannot be signed"))?.note;
    bytes.push(0);
    bytes.extend_from_slice(&body);
    shelf.put(FILE, &bytes)
}

/// The trees, the size of the published tree that they are for, and its root there.
fn parse(bytes: &[u8], known: &Known) -> Option<(Trees, u64, Hash)> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (note, body) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    let sealed = known.verify(note).ok()?;
    if sealed.root.0 != *Digest::of(body).as_bytes() {
        return None;
    }
    let (root, mut rest) = body.split_first_chunk::<32>()?;
    let mut trees = HashMap::new();
    while let Some((length, behind)) = rest.split_first() {
        let (name, behind) = behind.split_at_checked(usize::from(*length))?;
        let tenant = TenantId::new(std::str::from_utf8(name).ok()?).ok()?;
        let (size, behind) = behind.split_first_chunk::<8>()?;
        let (told, behind) = behind.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (hashes, behind) = behind.split_at_checked(32 * usize::try_from(size.count_ones()).ok()?)?;
        let hashes = hashes.chunks_exact(32).map(|hash| Hash(hash.try_into().unwrap_or_default()));
        let tree = Tree { edge: Edge::of(size, hashes.collect())?, told: u64::from_be_bytes(*told) };
        trees.insert(tenant, tree);
        rest = behind;
    }
    Some((Trees::of(trees), sealed.size, Hash(*root)))
}

fn damaged(what: &str) -> io::Error {
    let cause = format!("the audit log is damaged: {what}; keep its folder and restore it from a copy");
    io::Error::new(ErrorKind::InvalidData, cause)
}
