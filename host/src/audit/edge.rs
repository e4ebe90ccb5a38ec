//! The right edge of a Merkle tree (RFC 6962): all that is needed to add entries and to know the root.
//!
//! Takes: entries' hashes, in order. Gives: the tree's size and root. May name: nothing.

use tlog_tiles::{Error, Hash, HashReader, node_hash, sub_tree_index, tree_hash};

/// A tree as far as it can still change: the roots of its largest full subtrees, from left to right. Their sizes are the
/// bits of the tree's size, so that a tree of a million entries is at most twenty hashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Edge {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of this size whose subtrees the reader knows.
    pub(super) fn load(size: u64, reader: &impl HashReader) -> Result<Self, Error> {
        let indexes = indexes(size);
        let subtrees = if indexes.is_empty() { Vec::new() } else { reader.read_hashes(&indexes)? };
        Ok(Self { size, subtrees })
    }

    /// The edge of a tree of this size from its subtrees; `None` when they are not as many as it has.
    pub(super) fn of(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        let fits = u32::try_from(subtrees.len()).is_ok_and(|n| n == size.count_ones());
        fits.then_some(Self { size, subtrees })
    }

    /// How many entries the tree holds.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the largest full subtrees, from left to right.
    pub(super) fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Adds an entry by its hash, and gives the hashes that are stored because of it.
    pub(super) fn push(&mut self, record: Hash) -> Result<Vec<Hash>, Error> {
        let size = self.size.checked_add(1).ok_or_else(|| Error::InvalidInput("the tree is full".into()))?;
        let (mut top, mut stored) = (record, vec![record]);
        // Each level that is completed takes the subtree on its left in.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            top = node_hash(left, top);
            stored.push(top);
        }
        self.subtrees.push(top);
        self.size = size;
        Ok(stored)
    }

    /// The root of the whole tree.
    pub(super) fn root(&self) -> Result<Hash, Error> {
        tree_hash(self.size, self)
    }
}

/// Where the largest full subtrees of a tree of this size are stored.
fn indexes(size: u64) -> Vec<u64> {
    if size == 0 { Vec::new() } else { sub_tree_index(0, size, Vec::new()) }
}

/// Gives the subtrees at the edge, which is what the root is made of.
impl HashReader for Edge {
    fn read_hashes(&self, wanted: &[u64]) -> Result<Vec<Hash>, Error> {
        let known = indexes(self.size);
        let find = |index: &u64| {
            let mut pairs = known.iter().zip(&self.subtrees);
            pairs.find_map(|(i, hash)| (i == index).then_some(*hash)).ok_or(Error::IndexesNotInTree)
        };
        wanted.iter().map(find).collect()
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
            assert_eq!(loaded, edge);
            assert_eq!(Edge::of(n + 1, edge.subtrees().to_vec()).unwrap(), edge);
            assert_eq!(
                Edge::of(n + 2, edge.subtrees().to_vec()).is_some(),
                (n + 1).count_ones() == (n + 2).count_ones()
            );
        }
    }
}
