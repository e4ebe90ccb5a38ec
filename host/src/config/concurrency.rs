//! How many calls at once, and in which order those wait that are too many.
//!
//! Takes: `priority` and `[concurrency]` of a tenant's file; `[concurrency]` and `[queue]` of the operator's.
//! Gives: [`Priority`], [`ConcurrencyRules`], [`QueueRules`]. May name: id.

use super::limits;
use crate::id::ToolName;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most calls at once that a limit can name.
pub(crate) const MAX_AT_ONCE: u64 = 10_000;

/// What a tenant's calls weigh against those of others when there is not enough for all: places to run in, and time on
/// the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Twice the part of a normal tenant.
    High,
    /// Four times the part of a low one.
    #[default]
    Normal,
    /// What others leave, and never nothing.
    Low,
}

/// The weight of [`Priority::High`], which every weight divides.
pub(crate) const HEAVIEST: u32 = 8;

/// What a tenant of this weight has to count one unit of what it uses as, so that equal counts are fair parts: 1 for the
/// heaviest.
pub(crate) fn price(weight: u32) -> u64 {
    u64::from(HEAVIEST / weight.clamp(1, HEAVIEST))
}

impl Priority {
    /// Parts, against those of the others: 8, 4 or 1.
    #[must_use]
    pub fn weight(self) -> u32 {
        match self {
            Self::High => HEAVIEST,
            Self::Normal => 4,
            Self::Low => 1,
        }
    }
}

/// How many calls of a tenant run at once; more of them wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConcurrencyRules {
    /// All its calls together, 1 to 10,000. Left out, it is as `strongroom.toml` says.
    #[serde(deserialize_with = "at_once")]
    pub calls: Option<u32>,
    /// Those of single tools, 1 to 10,000 each.
    #[serde(deserialize_with = "of_tools")]
    pub tools: BTreeMap<ToolName, u32>,
}

/// The line in which calls wait for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueRules {
    /// How many calls of all tenants may wait, 0 to 4,096. Default 256.
    #[serde(deserialize_with = "limits::number::<0, 4_096, _>")]
    pub length: u64,
    /// How long a call waits at most, in milliseconds, 1 to 60,000. Default 1,000.
    #[serde(deserialize_with = "limits::number::<1, 60_000, _>")]
    pub longest_wait_ms: u64,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self { length: 256, longest_wait_ms: 1_000 }
    }
}

/// Reads how many calls at once.
pub(super) fn calls<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    u32::try_from(limits::number::<1, MAX_AT_ONCE, D>(d)?).map_err(D::Error::custom)
}

/// The same for a key that may be left out.
pub(super) fn at_once<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    calls(d).map(Some)
}

#[derive(Deserialize)]
struct Calls(#[serde(deserialize_with = "calls")] u32);

fn of_tools<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<ToolName, u32>, D::Error> {
    let tools = BTreeMap::<ToolName, Calls>::deserialize(d)?;
    Ok(tools.into_iter().map(|(tool, Calls(calls))| (tool, calls)).collect())
}
