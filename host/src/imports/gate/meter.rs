//! How many bytes of a call leave it: to the network, and to the tenant's storage.
//!
//! Takes: imports with what comes with them. Gives: sums that never pass the call's limits. May name: imports::right,
//! imports::table.

use super::{Gate, Handle, Leads, Stop};
use crate::imports::right::Right;
use crate::imports::table::{Class, Import};

/// A sum with a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    limit: u64,
    used: u64,
}

impl Meter {
    pub(crate) fn up_to(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Adds as much as fits; says whether it was all.
    fn add(&mut self, bytes: u64) -> bool {
        let now = self.used.saturating_add(bytes);
        self.used = now.min(self.limit);
        now <= self.limit
    }
}

/// Where the bytes go that come with an import. To storage goes what comes with an effect on it: names, keys, contents; what is
/// written to a stream goes where the stream leads.
pub(super) fn goes(import: &Import, held: Option<&Handle>) -> Leads {
    let leads = held.map_or(Leads::Nowhere, |handle| handle.leads);
    match (leads, import.class, import.right) {
        (Leads::Network, ..) => Leads::Network,
        (_, Class::Effect, Right::DirWrite | Right::KeyValueWrite | Right::MemoryWrite)
        | (Leads::Storage, Class::Effect, _) => Leads::Storage,
        _ => Leads::Nowhere,
    }
}

impl Gate {
    pub(super) fn count(&mut self, goes: Leads, bytes: u64) -> Result<(), Stop> {
        match goes {
            Leads::Nowhere => Ok(()),
            Leads::Network => self.send(bytes),
            Leads::Storage if self.stored.add(bytes) => Ok(()),
            Leads::Storage => Err(Stop::Stored),
        }
    }

    /// Counts bytes that go to the network.
    pub(crate) fn send(&mut self, bytes: u64) -> Result<(), Stop> {
        if self.egress.add(bytes) { Ok(()) } else { Err(Stop::Egress) }
    }

    /// Bytes that the call has sent to the network.
    pub(crate) fn egress(&self) -> u64 {
        self.egress.used
    }

    /// Bytes that the call has written to the tenant's storage.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.used
    }
}
