//! One limit over everything a guest allocates: all memories and all tables of its store together.
//!
//! Takes: a number of bytes. Gives: wasmtime's limiter. May name: nothing.
//!
//! The engine's own `StoreLimits` looks at each memory alone, so a component of many small memories passes it.

use wasmtime::{ResourceLimiter, Result};

/// Host memory that one table element takes.
const TABLE_ELEMENT: usize = 16;
/// Core and component instances in one store.
const INSTANCES: usize = 64;
/// Tables and memories in one store.
const PARTS: usize = 32;

/// The bytes that a store's memories and tables may have together.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    used: usize,
    refused: bool,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), used: 0, refused: false }
    }

    /// Whether the guest was refused memory at some time.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// Bytes that the guest has.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let fits = used <= self.limit;
        if fits {
            self.used = used;
        } else {
            self.refused = true;
        }
        fits
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        // Above the guest's own maximum the growth fails by itself and must not be counted.
        Ok(maximum.is_none_or(|max| desired <= max) && self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT);
        Ok(maximum.is_none_or(|max| desired <= max) && self.grow(bytes(current), bytes(desired)))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_memories_count_together() {
        let mut memory = Memory::new(1000);
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.memory_growing(0, 400, None).unwrap());
        assert!(!memory.refused());
        assert!(!memory.memory_growing(0, 400, None).unwrap());
        assert!(memory.refused());
        assert!(memory.memory_growing(400, 600, None).unwrap());
        assert!(!memory.table_growing(0, 1, None).unwrap());
    }
}
