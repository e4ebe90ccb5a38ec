//! The tiles of a tree, as its entries fill them from the first one on.
//!
//! Takes: the hashes that each entry stores in the tree. Gives: each tile when it is full, and those at the edge that are
//! not. May name: nothing.

use super::shelf::HEIGHT;
use tlog_tiles::{Hash, Tile};

/// Of each level, the tile that is being filled.
#[derive(Debug, Default)]
pub(super) struct Filling(Vec<Level>);

#[derive(Debug, Default)]
struct Level {
    full: u64,
    hashes: Vec<u8>,
}

impl Filling {
    /// Puts in what one entry stores, as [`Edge::push`](super::edge::Edge::push) gives it, and hands on each tile that is
    /// full with it, the lowest level first: the hash of a full tile is one of the level above.
    pub(super) fn push<E>(
        &mut self,
        stored: &[Hash],
        mut full: impl FnMut(&Tile, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for (at, hash) in (0_u8..).zip(stored.iter().step_by(usize::from(HEIGHT))) {
            if self.0.len() == usize::from(at) {
                self.0.push(Level::default());
            }
            let Some(level) = self.0.get_mut(usize::from(at)) else { return Ok(()) };
            level.hashes.extend_from_slice(&hash.0);
            if level.hashes.len() < 32 << HEIGHT {
                return Ok(());
            }
            full(&level.tile(at), &level.hashes)?;
            level.full += 1;
            level.hashes.clear();
        }
        Ok(())
    }

    /// The tiles that have begun and are not full, the lowest level first.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (Tile, &[u8])> {
        let begun = (0_u8..).zip(&self.0).filter(|(_, level)| !level.hashes.is_empty());
        begun.map(|(at, level)| (level.tile(at), level.hashes.as_slice()))
    }
}

impl Level {
    fn tile(&self, at: u8) -> Tile {
        let width = u32::try_from(self.hashes.len() / 32).unwrap_or(1 << HEIGHT);
        Tile::new(HEIGHT, at, self.full, width, false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::edge::{Edge, Row};
    use super::*;
    use tlog_tiles::record_hash;

    /// Against the tiles that the library cuts out of the whole tree.
    #[test]
    fn tiles_are_those_of_the_tree_on_every_level() {
        let (mut edge, mut filling) = (Edge::default(), Filling::default());
        let mut all = Row { first: 0, hashes: Vec::new() };
        let mut full = Vec::new();
        for n in 0..66_000_u64 {
            let stored = edge.push(record_hash(&n.to_be_bytes())).unwrap();
            let keep = |tile: &Tile, hashes: &[u8]| -> Result<(), ()> {
                full.push((*tile, hashes.to_vec()));
                Ok(())
            };
            filling.push(&stored, keep).unwrap();
            all.hashes.extend(stored);
        }
        assert_eq!(full.len(), 257 + 1);
        let unfinished: Vec<_> = filling.unfinished().map(|(tile, hashes)| (tile, hashes.to_vec())).collect();
        let shown: Vec<_> = unfinished.iter().map(|(tile, _)| tile.path()).collect();
        assert_eq!(shown, ["tile/8/0/257.p/208", "tile/8/1/001.p/1", "tile/8/2/000.p/1"]);
        for (tile, hashes) in full.iter().chain(&unfinished) {
            assert_eq!(tile.read_data(&all).unwrap(), *hashes, "{}", tile.path());
        }
    }
}
