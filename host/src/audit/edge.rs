//! The right edge of a Merkle tree (RFC 6962): all that is needed to add entries and to know the root.
//!
//! Takes: entries' hashes, in order. Gives: the tree's size and root. May name: nothing.

use tlog_tiles::{Error, Hash, HashReader, stored_hash_index, stored_hashes_for_record_hash, tree_hash};

/// A tree as far as it can still change: the roots of its largest full subtrees, from left to right.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    size: u64,
    subtrees: Vec<(u64, Hash)>,
}

impl Edge {
    /// The edge of a tree of this size whose subtrees the reader knows.
    pub(super) fn load(size: u64, reader: &impl HashReader) -> Result<Self, Error> {
        let indexes = match size {
            0 => Vec::new(),
            _ => tlog_tiles::sub_tree_index(0, size, Vec::new()),
        };
        let hashes = if indexes.is_empty() { Vec::new() } else { reader.read_hashes(&indexes)? };
        Ok(Self { size, subtrees: indexes.into_iter().zip(hashes).collect() })
    }

    /// How many entries the tree holds.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Adds an entry by its hash, and gives the hashes that are stored because of it.
    pub(super) fn push(&mut self, record: Hash) -> Result<Vec<Hash>, Error> {
        let stored = stored_hashes_for_record_hash(self.size, record, self)?;
        let level = u8::try_from(stored.len().saturating_sub(1)).unwrap_or(u8::MAX);
        if let Some(top) = stored.last() {
            // Each level that was completed took one subtree in.
            self.subtrees.truncate(self.subtrees.len().saturating_sub(usize::from(level)));
            self.subtrees.push((stored_hash_index(level, self.size >> level), *top));
        }
        self.size += 1;
        Ok(stored)
    }

    /// The root of the whole tree.
    pub(super) fn root(&self) -> Result<Hash, Error> {
        tree_hash(self.size, self)
    }
}

/// Gives the subtrees at the edge, which is what the functions above ask for.
impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let find = |index: &u64| {
            self.subtrees
                .iter()
                .rev()
                .find_map(|(i, hash)| (i == index).then_some(*hash))
                .ok_or(Error::IndexesNotInTree)
        };
        indexes.iter().map(find).collect()
    }
}

/// Hashes in the order of their indices, from a first one on.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) first: u64,
    pub(super) hashes: Vec<Hash>,
}

impl Row {
    pub(super) fn get(&self, index: u64) -> Option<Hash> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.hashes.get(at).copied()
    }
}

impl HashReader for Row {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|i| self.get(*i).ok_or(Error::IndexesNotInTree)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tlog_tiles::record_hash;

    #[test]
    fn the_edge_has_the_root_of_the_whole_tree_at_every_size() {
        let mut edge = Edge::default();
        let mut all = Row { first: 0, hashes: Vec::new() };
        for n in 0..600_u64 {
            assert_eq!(edge.root().unwrap(), tree_hash(n, &all).unwrap());
            all.hashes.extend(edge.push(record_hash(&n.to_be_bytes())).unwrap());
            assert_eq!(edge.size(), n + 1);
            let loaded = Edge::load(n + 1, &all).unwrap();
            assert_eq!(loaded.root().unwrap(), edge.root().unwrap());
        }
    }
}
