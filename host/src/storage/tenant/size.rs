//! How much a tenant keeps, and how much it may: entries and bytes, of keyvalue, of its memory and of its caches.
//!
//! Takes: sizes and changes of them. Gives: [`Size`], [`Quotas`], and whether a change is within a quota. Pure.
//! May name: storage::cache.

use crate::storage::cache::{CACHE_QUOTA, CacheSize};

/// How much of something a tenant keeps, or may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Entries.
    pub entries: u64,
    /// Bytes: keys and values of keyvalue; identifiers, texts and tags of the memory.
    pub bytes: u64,
}

/// The keyvalue of a tenant unless the host says otherwise: 100,000 entries and 256 MiB.
pub const KEYVALUE_QUOTA: Size = Size { entries: 100_000, bytes: 256 * 1024 * 1024 };
/// The memory of a tenant unless the host says otherwise: 100,000 entries and 256 MiB.
pub const MEMORY_QUOTA: Size = Size { entries: 100_000, bytes: 256 * 1024 * 1024 };

/// What a tenant may keep. What is there already stays when a quota gets lower: only growth is refused then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// In all buckets of its keyvalue together.
    pub keyvalue: Size,
    /// In its memory.
    pub memory: Size,
    /// In the caches of its tools together.
    pub cache: CacheSize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { keyvalue: KEYVALUE_QUOTA, memory: MEMORY_QUOTA, cache: CACHE_QUOTA }
    }
}

impl Size {
    /// Whether a change is within this quota. What makes nothing grow always is, also after the quota was lowered.
    pub(super) fn allows(self, before: Self, after: Self) -> bool {
        (after.entries <= self.entries || after.entries <= before.entries)
            && (after.bytes <= self.bytes || after.bytes <= before.bytes)
    }

    /// With one more entry, if there is one.
    pub(super) fn with(self, entry: Option<u64>) -> Self {
        entry.map_or(self, |bytes| self.plus(Self { entries: 1, bytes }))
    }

    /// Without that entry, if there is one.
    pub(super) fn without(self, entry: Option<u64>) -> Self {
        entry.map_or(self, |bytes| self.less(Self { entries: 1, bytes }))
    }

    fn plus(self, other: Self) -> Self {
        let entries = self.entries.saturating_add(other.entries);
        Self { entries, bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn less(self, other: Self) -> Self {
        let entries = self.entries.saturating_sub(other.entries);
        Self { entries, bytes: self.bytes.saturating_sub(other.bytes) }
    }

    fn max(self, other: Self) -> Self {
        Self { entries: self.entries.max(other.entries), bytes: self.bytes.max(other.bytes) }
    }
}

/// What is committed at the moment that a call changes an entry, and what may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// The size of the committed entry, if there is one.
    pub(super) was: Option<u64>,
    /// The size of all committed entries.
    pub(super) total: Size,
    pub(super) quota: Size,
}

/// What a call's changes take away of the committed entries, and what they bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    goes: Size,
    pub(super) comes: Size,
}

impl Tally {
    /// With one more change: `takes` of what is committed, and `now` in the place of what the call had there, `old`.
    pub(super) fn with(self, takes: Option<u64>, old: Option<u64>, now: Option<u64>) -> Self {
        Self { goes: self.goes.with(takes), comes: self.comes.without(old).with(now) }
    }

    /// Whether the change from this tally to the next is within the quota. It is when it makes less of what the call
    /// sees, or when less is there in the end than before the call: then the commit will take it.
    pub(super) fn may_become(self, next: Self, room: Room) -> bool {
        let before = room.total.max(self.over(room.total));
        room.quota.allows(before, next.over(room.total))
    }

    fn over(self, committed: Size) -> Size {
        committed.plus(self.comes).less(self.goes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lowered_quota_refuses_growth_alone() {
        let size = |entries, bytes| Size { entries, bytes };
        let quota = size(2, 10);
        assert!(quota.allows(size(0, 0), size(2, 10)));
        assert!(!quota.allows(size(2, 9), size(3, 10)) && !quota.allows(size(2, 10), size(2, 11)));
        assert!(quota.allows(size(5, 50), size(5, 50)) && quota.allows(size(5, 50), size(4, 50)));
        assert!(!quota.allows(size(5, 50), size(4, 51)) && !quota.allows(size(5, 50), size(6, 5)));
    }

    #[test]
    fn a_call_that_makes_room_may_use_it() {
        let room =
            |was| Room { was, total: Size { entries: 5, bytes: 50 }, quota: Size { entries: 2, bytes: 10 } };
        let start = Tally::default();
        assert!(!start.may_become(start.with(None, None, Some(1)), room(None)));
        let freed = start.with(Some(20), None, None);
        assert!(start.may_become(freed, room(Some(20))));
        assert!(
            freed.may_become(freed.with(None, None, Some(20)), room(None)),
            "no more than before the call"
        );
        assert!(!freed.may_become(freed.with(None, None, Some(21)), room(None)));
    }
}
