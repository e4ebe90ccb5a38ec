//! What one tenant has cached, by size and age: who must go when there is no room.
//!
//! Takes: entries with their sizes. Gives: which of the tenant's own entries have to go for a new one. May name: nothing.

use super::CacheSize;
use super::secret::{Row, Tool, tool_of};
use std::collections::{BTreeMap, HashMap};

/// An entry, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) order: u64,
    pub(super) bytes: u64,
    pub(super) expires_ms: u64,
}

/// A tenant's entries. Made anew from what is kept, whenever it is not there.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    slots: HashMap<Row, Slot>,
    tools: HashMap<Tool, Part>,
    bytes: u64,
    last: u64,
}

/// A tool's part, oldest first.
#[derive(Debug, Default)]
struct Part {
    order: BTreeMap<u64, Row>,
    bytes: u64,
}

impl Shelf {
    /// Takes in an entry that is kept already.
    pub(super) fn hold(&mut self, row: Row, slot: Slot) {
        self.remove(&row);
        let part = self.tools.entry(tool_of(&row)).or_default();
        part.order.insert(slot.order, row);
        part.bytes = part.bytes.saturating_add(slot.bytes);
        self.bytes = self.bytes.saturating_add(slot.bytes);
        self.last = self.last.max(slot.order);
        self.slots.insert(row, slot);
    }

    /// The place of the next entry in the order; the newest of all.
    pub(super) fn next(&self) -> u64 {
        self.last.saturating_add(1)
    }

    /// Lets go of an entry.
    pub(super) fn remove(&mut self, row: &Row) -> Option<Slot> {
        let slot = self.slots.remove(row)?;
        self.bytes = self.bytes.saturating_sub(slot.bytes);
        let tool = tool_of(row);
        if let Some(part) = self.tools.get_mut(&tool) {
            part.order.remove(&slot.order);
            part.bytes = part.bytes.saturating_sub(slot.bytes);
            if part.order.is_empty() {
                self.tools.remove(&tool);
            }
        }
        Some(slot)
    }

    /// Lets go of what must go, so that `bytes` more of the tool fit: its own oldest for its share, then the tenant's oldest.
    pub(super) fn make_room(
        &mut self,
        tool: Tool,
        bytes: u64,
        quota: CacheSize,
        share: Option<u64>,
    ) -> Vec<(Row, Slot)> {
        let mut gone = Vec::new();
        let over = |held: u64, most: u64| held.saturating_add(bytes) > most;
        while let Some(share) = share
            && let Some(part) = self.tools.get(&tool)
            && over(part.bytes, share)
            && let Some(row) = part.order.first_key_value().map(|(_, row)| *row)
        {
            gone.extend(self.remove(&row).map(|slot| (row, slot)));
        }
        while over(self.bytes, quota.bytes) || self.len() >= quota.entries {
            let Some(oldest) = self.pop() else { break };
            gone.push(oldest);
        }
        gone
    }

    /// Lets go of the tenant's oldest entry.
    pub(super) fn pop(&mut self) -> Option<(Row, Slot)> {
        let oldest = self.tools.values().filter_map(|part| part.order.first_key_value());
        let row = oldest.min_by_key(|(order, _)| **order).map(|(_, row)| *row)?;
        self.remove(&row).map(|slot| (row, slot))
    }

    fn len(&self) -> u64 {
        u64::try_from(self.slots.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn row(tool: u8, key: u8) -> Row {
        let mut row = [0; 48];
        (row[16], row[47]) = (tool, key);
        row
    }

    proptest! {
        /// Whatever is set and removed: neither quota nor share is passed, sums are right, and only older entries go.
        #[test]
        fn a_shelf_is_never_fuller_than_it_may_be(
            steps in vec((0..3_u8, 0..8_u8, 1..40_u64, any::<bool>()), 1..80),
            quota in (40..120_u64, 1..9_u64),
            share in proptest::option::of(40..80_u64),
        ) {
            let quota = CacheSize { bytes: quota.0, entries: quota.1 };
            let mut shelf = Shelf::default();
            let mut model: Vec<(Row, u64)> = Vec::new();
            for (tool, key, bytes, set) in steps {
                let row = row(tool, key);
                model.retain(|(held, _)| *held != row);
                shelf.remove(&row);
                if set {
                    let gone = shelf.make_room(tool_of(&row), bytes, quota, share);
                    let oldest: Vec<Row> = model.iter().map(|(row, _)| *row).collect();
                    for (row, _) in &gone {
                        let before = oldest.iter().take_while(|other| *other != row);
                        let kept: Vec<_> = before.filter(|other| !gone.iter().any(|(g, _)| g == *other)).collect();
                        prop_assert!(kept.iter().all(|other| tool_of(other) != tool_of(row)));
                        model.retain(|(held, _)| held != row);
                    }
                    shelf.hold(row, Slot { order: shelf.next(), bytes, expires_ms: 0 });
                    model.push((row, bytes));
                    let part: u64 = model.iter().filter(|(r, _)| tool_of(r) == tool_of(&row)).map(|(_, b)| b).sum();
                    prop_assert!(share.is_none_or(|share| part <= share));
                }
                let sum: u64 = model.iter().map(|(_, bytes)| bytes).sum();
                prop_assert_eq!((shelf.bytes, shelf.len()), (sum, model.len() as u64));
                prop_assert!(sum <= quota.bytes && model.len() as u64 <= quota.entries);
                prop_assert_eq!(shelf.tools.values().map(|part| part.bytes).sum::<u64>(), sum);
            }
            let order: Vec<Row> = std::iter::from_fn(|| shelf.pop()).map(|(row, _)| row).collect();
            prop_assert_eq!(order, model.into_iter().map(|(row, _)| row).collect::<Vec<_>>());
        }
    }
}
