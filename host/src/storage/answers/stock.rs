//! The kept answers of all tenants under one lock: what is found, what is old, who gives way.
//!
//! Takes: tickets and answers. Gives: [`Stock`]. May name: id.
//!
//! When all tenants together have too much, the one that has most gives way, its oldest answers first, and only if it has
//! more than the one that asks for room would have then. So nobody loses an answer to somebody who has more.

use super::owner::{Answer, Owner, Which};
use super::{ANSWER_BYTES, Asked, Kept, Ticket};
use crate::id::{CallId, TenantId, ToolName};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Answers that are removed at a time because their time has passed.
const SWEEP: usize = 64;

#[derive(Debug)]
pub(super) struct Stock {
    owners: HashMap<TenantId, Owner>,
    /// Who has how much, the most last.
    sizes: BTreeSet<(u64, TenantId)>,
    /// When which answer ends.
    ends: BTreeMap<(u64, u64), (TenantId, Which)>,
    bytes: u64,
    each: u64,
    in_all: u64,
    next: u64,
    /// Counts what has made answers old.
    count: u64,
    /// Tickets from before this count are worth nothing: it is not known any more what they would have to be held against.
    floor: u64,
    /// At which count a tool became another one.
    tools: HashMap<ToolName, u64>,
    /// Whether anybody has ever looked. Where nobody does, writes leave nothing here.
    used: bool,
}

impl Stock {
    pub(super) fn new(each: u64, in_all: u64) -> Self {
        let (owners, sizes, ends, tools) = Default::default();
        let (bytes, next, count, floor, used) = Default::default();
        Self { owners, sizes, ends, bytes, each, in_all, next, count, floor, tools, used }
    }

    pub(super) fn counted(&self) -> u64 {
        self.count
    }

    pub(super) fn find(&mut self, Asked { tenant, tool, rest }: &Asked, now_ms: u64) -> Option<Kept> {
        self.used = true;
        let which = (tool.clone(), *rest);
        let answer = self.owners.get(tenant)?.get(&which)?;
        // A clock that was set back must not make an answer last longer.
        let in_time = (answer.at_ms..answer.until_ms).contains(&now_ms);
        if !in_time || !self.is_fresh(tenant, tool, answer.began) {
            self.remove(tenant, &which);
            return None;
        }
        Some(Kept {
            value: answer.value.clone(),
            call: answer.call,
            age_ms: now_ms - answer.at_ms,
            left_ms: answer.until_ms - now_ms,
        })
    }

    pub(super) fn keep(&mut self, ticket: Ticket, value: &str, call: CallId, now_ms: u64) {
        let Ticket { asked: Asked { tenant, tool, rest }, began, at_ms, kept_for } = ticket;
        let kept_ms = u64::try_from(kept_for.as_millis()).unwrap_or(u64::MAX);
        let until_ms = at_ms.saturating_add(kept_ms);
        let in_time = (at_ms..until_ms).contains(&now_ms);
        if !in_time || began < self.floor || !self.is_fresh(&tenant, &tool, began) {
            return;
        }
        self.sweep(now_ms);
        let which = (tool, rest);
        self.remove(&tenant, &which);
        let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX).saturating_add(ANSWER_BYTES);
        if bytes > self.each || !self.make_room(&tenant, bytes) {
            return;
        }
        let place = self.next;
        self.next = place.saturating_add(1);
        self.ends.insert((until_ms, place), (tenant.clone(), which.clone()));
        let answer = Answer { value: value.into(), call, began, at_ms, until_ms, place, bytes };
        self.resize(&tenant, |owner| owner.put(which, answer));
    }

    /// A call that writes has ended.
    pub(super) fn wrote(&mut self, tenant: &TenantId, tool: Option<&ToolName>) {
        if self.used {
            self.count = self.count.saturating_add(1);
            self.owners.entry(tenant.clone()).or_default().wrote(tool, self.count);
        }
    }

    pub(super) fn forget_tenant(&mut self, tenant: &TenantId) {
        self.count = self.count.saturating_add(1);
        self.floor = self.count;
        let Some(owner) = self.owners.remove(tenant) else { return };
        self.bytes = self.bytes.saturating_sub(owner.bytes());
        self.sizes.remove(&(owner.bytes(), tenant.clone()));
        for answer in owner.into_answers() {
            self.ends.remove(&(answer.until_ms, answer.place));
        }
    }

    pub(super) fn forget_tool(&mut self, tool: &ToolName) {
        self.count = self.count.saturating_add(1);
        self.tools.insert(tool.clone(), self.count);
        let of_tool = |(_, (name, _)): &&(TenantId, Which)| name == tool;
        let gone: Vec<_> = self.ends.values().filter(of_tool).cloned().collect();
        for (tenant, which) in gone {
            self.remove(&tenant, &which);
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.count = self.count.saturating_add(1);
        self.floor = self.count;
        (self.owners, self.sizes, self.ends, self.bytes) = Default::default();
    }

    fn is_fresh(&self, tenant: &TenantId, tool: &ToolName, began: u64) -> bool {
        self.tools.get(tool).is_none_or(|changed| began >= *changed)
            && self.owners.get(tenant).is_none_or(|owner| owner.is_fresh(tool, began))
    }

    /// Lets go of answers until so many bytes more fit; `false` when others would lose them to somebody who has more.
    fn make_room(&mut self, tenant: &TenantId, bytes: u64) -> bool {
        loop {
            let own = self.owners.get(tenant).map_or(0, Owner::bytes);
            let wants = own.saturating_add(bytes);
            let from = if wants > self.each {
                tenant.clone()
            } else if self.bytes.saturating_add(bytes) <= self.in_all {
                return true;
            } else {
                match self.sizes.last() {
                    Some((most, largest)) if *most > wants => largest.clone(),
                    _ => tenant.clone(),
                }
            };
            let Some(which) = self.owners.get(&from).and_then(Owner::oldest).cloned() else { return false };
            self.remove(&from, &which);
        }
    }

    /// Lets go of answers whose time has passed.
    fn sweep(&mut self, now_ms: u64) {
        for _ in 0..SWEEP {
            let Some(((until_ms, _), (tenant, which))) = self.ends.first_key_value() else { return };
            if *until_ms > now_ms {
                return;
            }
            let (tenant, which) = (tenant.clone(), which.clone());
            self.remove(&tenant, &which);
        }
    }

    fn remove(&mut self, tenant: &TenantId, which: &Which) {
        if self.owners.contains_key(tenant)
            && let Some(answer) = self.resize(tenant, |owner| owner.take(which))
        {
            self.ends.remove(&(answer.until_ms, answer.place));
        }
    }

    /// Changes what a tenant has, and keeps the sums right.
    fn resize<T>(&mut self, tenant: &TenantId, change: impl FnOnce(&mut Owner) -> T) -> T {
        let owner = self.owners.entry(tenant.clone()).or_default();
        let before = owner.bytes();
        let done = change(owner);
        let after = owner.bytes();
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
        self.sizes.remove(&(before, tenant.clone()));
        if after > 0 {
            self.sizes.insert((after, tenant.clone()));
        }
        done
    }

    /// Bytes of all, and of one tenant.
    #[cfg(test)]
    pub(super) fn held(&self, tenant: &TenantId) -> (u64, u64) {
        let sums: u64 = self.owners.values().map(Owner::bytes).sum();
        assert_eq!(sums, self.bytes);
        assert_eq!(self.sizes.iter().map(|(bytes, _)| bytes).sum::<u64>(), self.bytes);
        (self.bytes, self.owners.get(tenant).map_or(0, Owner::bytes))
    }
}
