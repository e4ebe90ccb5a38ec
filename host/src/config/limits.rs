//! What one call may cost at most: fuel, memory, time, bytes sent, bytes stored.
//!
//! Takes: the `[limits]` tables of all files. Gives: [`Limits`], [`PartialLimits`]. May name: nothing.

use super::size::ByteSize;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most fuel that a limit or a budget can name: so much that sums never leave a signed 64-bit integer.
pub const MAX_FUEL: u64 = 1_000_000_000_000_000;
/// The longest deadline, in milliseconds: one hour.
pub const MAX_DEADLINE_MS: u64 = 3_600_000;
/// The least memory, in bytes: one page of WebAssembly.
pub const MIN_MEMORY: u64 = 64 * 1024;
/// The most memory, in bytes: what 32-bit WebAssembly can address.
pub const MAX_MEMORY: u64 = 4 * 1024 * 1024 * 1024;

/// The most that a call may send to the network, in bytes: 1 TiB.
pub const MAX_EGRESS: u64 = 1024 * 1024 * 1024 * 1024;

/// The most that a call may store, in bytes: 1 TiB.
pub const MAX_STORED: u64 = 1024 * 1024 * 1024 * 1024;

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Fuel units: guest instructions and host work together. Default 1,000,000,000.
    pub fuel: u64,
    /// Bytes over all memories and tables of the call. Default 64 MiB.
    pub memory: u64,
    /// Milliseconds from the start of the guest to its end. Default 10,000.
    pub deadline_ms: u64,
    /// Bytes that the call may send to the network: paths, header fields and bodies of its requests. Default 16 MiB.
    pub egress: u64,
    /// Bytes that the call may write to the tenant's files, keyvalue and memory. Default 64 MiB.
    pub stored: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            fuel: 1_000_000_000,
            memory: 64 * MIB,
            deadline_ms: 10_000,
            egress: 16 * MIB,
            stored: 64 * MIB,
        }
    }
}

/// Limits of which each may be left out: what a manifest asks for, or a tenant's upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartialLimits {
    /// Fuel units, 1 to [`MAX_FUEL`].
    #[serde(deserialize_with = "optional::<1, MAX_FUEL, _>")]
    pub fuel: Option<u64>,
    /// Bytes, [`MIN_MEMORY`] to [`MAX_MEMORY`]; written as `"64MiB"`.
    #[serde(deserialize_with = "optional_size::<MIN_MEMORY, MAX_MEMORY, _>")]
    pub memory: Option<u64>,
    /// Milliseconds, 1 to [`MAX_DEADLINE_MS`].
    #[serde(deserialize_with = "optional::<1, MAX_DEADLINE_MS, _>")]
    pub deadline_ms: Option<u64>,
    /// Bytes sent to the network, 0 to [`MAX_EGRESS`]; written as `"16MiB"`.
    #[serde(deserialize_with = "optional_size::<0, MAX_EGRESS, _>")]
    pub egress: Option<u64>,
    /// Bytes written to the tenant's files, keyvalue and memory, 0 to [`MAX_STORED`]; written as `"64MiB"`.
    #[serde(deserialize_with = "optional_size::<0, MAX_STORED, _>")]
    pub stored: Option<u64>,
}

impl PartialLimits {
    /// These limits where they are given, the others where not.
    #[must_use]
    pub fn or(&self, others: &Limits) -> Limits {
        Limits {
            fuel: self.fuel.unwrap_or(others.fuel),
            memory: self.memory.unwrap_or(others.memory),
            deadline_ms: self.deadline_ms.unwrap_or(others.deadline_ms),
            egress: self.egress.unwrap_or(others.egress),
            stored: self.stored.unwrap_or(others.stored),
        }
    }
}

impl Limits {
    /// The smaller of each.
    #[must_use]
    pub fn min(&self, others: &Self) -> Self {
        Self {
            fuel: self.fuel.min(others.fuel),
            memory: self.memory.min(others.memory),
            deadline_ms: self.deadline_ms.min(others.deadline_ms),
            egress: self.egress.min(others.egress),
            stored: self.stored.min(others.stored),
        }
    }
}

/// Reads a whole number from `MIN` to `MAX`.
pub(crate) fn number<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    d: D,
) -> Result<u64, D::Error> {
    d.deserialize_u64(Range::<MIN, MAX>)
}

/// The same for a key that may be left out.
pub(crate) fn optional<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<u64>, D::Error> {
    number::<MIN, MAX, D>(d).map(Some)
}

/// Reads a size from `MIN` to `MAX` bytes.
pub(crate) fn size<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let ByteSize(bytes) = ByteSize::deserialize(d)?;
    if (MIN..=MAX).contains(&bytes) {
        Ok(bytes)
    } else {
        let (given, min, max) = (ByteSize(bytes), ByteSize(MIN), ByteSize(MAX));
        Err(serde::de::Error::custom(format!("{given} is out of range; write a size from {min} to {max}")))
    }
}

/// The same for a key that may be left out.
pub(crate) fn optional_size<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<u64>, D::Error> {
    size::<MIN, MAX, D>(d).map(Some)
}

struct Range<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for Range<MIN, MAX> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
        if (MIN..=MAX).contains(&value) {
            Ok(value)
        } else {
            Err(E::custom(format!("{value} is out of range; write a whole number from {MIN} to {MAX}")))
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<u64, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => {
                Err(E::custom(format!("{value} is out of range; write a whole number from {MIN} to {MAX}")))
            }
        }
    }
}
