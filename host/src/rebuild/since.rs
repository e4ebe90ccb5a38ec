//! What the audit log says of the things that only a copy of the ledger has: whether they still are.
//!
//! Takes: the log's entries, in order. Gives: [`Since`]. May name: audit, id, reason, room, storage. Pure: no clock, no file.

use super::state::{State, is_end, settled};
use crate::audit::{Entry, Phase};
use crate::id::{CallId, TenantId};
use crate::reason::{Outcome, Reason};
use crate::room::{DONE, FAILED, LOWER, RAISE, raise_order};
use crate::storage::ledger::{Count, Raise};
use std::collections::{BTreeMap, BTreeSet};

/// What happened to what is in a copy.
#[derive(Debug, Default)]
pub(super) struct Since {
    open: BTreeSet<CallId>,
    /// Of each raise of the copy, the last order about its budget.
    raises: Vec<(Raise, Option<String>)>,
    pub(super) ended: BTreeSet<CallId>,
    pub(super) gone: BTreeMap<TenantId, u64>,
    first_ms: Option<u64>,
}

impl Since {
    /// About calls that the copy has as open, and its raises.
    pub(super) fn of(open: BTreeSet<CallId>, raises: Vec<Raise>) -> Self {
        let raises = raises.into_iter().map(|raise| (raise, None)).collect();
        Self { open, raises, ..Self::default() }
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: &Entry) {
        let at_ms = entry.time_us / 1000;
        self.first_ms.get_or_insert(at_ms);
        if entry.phase != Phase::Outcome {
            return;
        }
        if let Some(call) = entry.call_id {
            if entry.outcome != Outcome::Unknown && self.open.contains(&call) {
                self.ended.insert(call);
            }
            return;
        }
        let Some((what, rest)) = entry.action.split_once(' ') else { return };
        let (Reason::Ok, Some(tenant)) = (entry.reason_code, &entry.tenant_id) else { return };
        match what {
            DONE | FAILED => {
                self.ended
                    .extend(settled(rest).map(|(_, call)| call).filter(|call| self.open.contains(call)));
            }
            "tenant.delete" if is_end(rest, tenant) => drop(self.gone.insert(tenant.clone(), at_ms)),
            RAISE | LOWER => {
                let ours = self.raises.iter_mut().filter(|(raise, _)| {
                    let of = raise.count.to_string();
                    let named = rest.strip_prefix(of.as_str());
                    raise.tenant == *tenant
                        && named.is_some_and(|more| more.is_empty() || more.starts_with(" by "))
                });
                for (_, last) in ours.filter(|(raise, _)| raise.at_ms <= at_ms) {
                    *last = Some(entry.action.clone());
                }
            }
            _ => {}
        }
    }

    /// Whether everything that happened after this time could be read: bodies of entries may have been dropped.
    pub(super) fn knows_all_after(&self, ms: u64) -> bool {
        self.first_ms.is_some_and(|first| first <= ms)
    }

    /// The raises that do not hold any more, or of which that cannot be known.
    pub(super) fn lowered(&self, knows_all: bool) -> Vec<(TenantId, Count)> {
        let ended = self.raises.iter().filter(|(raise, last)| match last {
            Some(order) => *order != raise_order(&raise.count, raise.more, raise.until_ms, &raise.why),
            None => !knows_all,
        });
        ended.map(|(raise, _)| (raise.tenant.clone(), raise.count.clone())).collect()
    }

    /// With the tenants of the copy of which the log knows nothing any more: they were deleted in what was dropped.
    pub(super) fn lose_unknown(&mut self, tenants: BTreeSet<TenantId>, state: &State) {
        let known = state.tenants();
        let lost = tenants.into_iter().filter(|tenant| !known.contains(tenant));
        self.gone.extend(lost.map(|tenant| (tenant, u64::MAX)));
    }
}
