//! What a ledger is, without disk, threads, leases or guards: sums, rows and switches. An engine may be made of anything, and
//! does the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use strongroom::id::{CallId, TenantId};
use strongroom::storage::ledger::{
    Amounts, Budget, BudgetMode, ClaimScope, Count, KillMode, KillScope, KillTarget, Per, StoredAnswer,
};

const GRACE_MS: u64 = 60_000; // what a call may hold its key beyond the time that it has to run
const KEPT_MS: u64 = 86_400_000; // how long an answer is given again

type Slot = (TenantId, Count, u64); // a tenant's count in one of its windows
type Hold = (HashSet<Slot>, Amounts);
type Place = (ClaimScope, CallId, [u8; 32]); // a call under a key, with its arguments' fingerprint

/// What a key is told to be: free, used with other arguments, used by a call that runs, that broke off, that was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Key {
    Fresh,
    Mismatch,
    InProgress(CallId),
    Unknown(CallId),
    Replay(CallId, StoredAnswer),
}

/// One process on a ledger at a time. What it has given away is named by its place in a list, where the last one fills gaps.
#[derive(Default)]
pub struct Model {
    pub now: u64,
    pub kills: BTreeMap<KillScope, KillMode>,
    pub raises: HashMap<(TenantId, Count), (u64, u64)>, // by how much, until when
    pub spent: HashMap<Slot, u64>,
    pub reserved: Vec<Hold>,
    pub begun: Vec<Hold>,
    pub claims: Vec<Place>,
    pub writes: Vec<Place>,
    holders: HashMap<ClaimScope, (Place, u64)>, // who has a key in this process, until when
    rows: HashMap<ClaimScope, (Place, Key)>,    // what is known for good
}

impl Model {
    pub fn pass(&mut self, ms: u64) {
        let now = self.now + ms;
        self.now = now;
        self.raises.retain(|_, (_, until)| *until > now);
        self.rows.retain(|_, (_, row)| !matches!(row, Key::Replay(_, a) if a.at_unix_ms + KEPT_MS < now));
    }

    pub fn slot(&self, of: &TenantId, count: &Count) -> Slot {
        let lengths = [(Per::Minute, 60_000), (Per::Hour, 3_600_000), (Per::Day, 86_400_000)];
        let length = lengths.iter().find(|(per, _)| *per == count.per).map_or(u64::MAX, |(_, ms)| *ms);
        (of.clone(), count.clone(), self.now / length)
    }

    /// What is spent of a count in its window, what is held back, and by how much its limit is raised.
    pub fn used(&self, of: &TenantId, count: &Count) -> [u64; 3] {
        let slot = self.slot(of, count);
        let holds = self.reserved.iter().chain(&self.begun).filter(|(slots, _)| slots.contains(&slot));
        let held = holds.map(|(_, want)| want.of(count.of)).sum();
        let raise = self.raises.get(&(slot.0.clone(), slot.1.clone())).map_or(0, |(more, _)| *more);
        [self.spent.get(&slot).copied().unwrap_or(0), held, raise]
    }

    /// Holds an amount back, or gives every limit that is in the way, with what is left there.
    pub fn reserve(&mut self, of: &TenantId, all: &[Budget], want: Amounts) -> Result<(), Vec<(Count, u64)>> {
        let hard = all.iter().filter(|budget| budget.mode == BudgetMode::Hard);
        let left = hard.map(|Budget { count, limit, .. }| {
            let [spent, held, raise] = self.used(of, count);
            (count.clone(), (limit + raise).saturating_sub(spent + held))
        });
        let full: Vec<_> = left.filter(|(count, left)| want.of(count.of) > *left).collect();
        if full.is_empty() {
            self.reserved.push((all.iter().map(|budget| self.slot(of, &budget.count)).collect(), want));
        }
        if full.is_empty() { Ok(()) } else { Err(full) }
    }

    /// Charges what was used, at most what was held back.
    pub fn settle(&mut self, which: usize, actual: Amounts) -> Amounts {
        let (slots, want) = self.begun.swap_remove(which);
        let charged = actual.min(want);
        slots.into_iter().for_each(|slot| {
            let of = slot.1.of;
            *self.spent.entry(slot).or_default() += charged.of(of);
        });
        charged
    }

    pub fn claim(&mut self, place: Place) -> Key {
        // Who has had a key for too long counts as dead.
        if let Some((held, _)) = self.holders.get(&place.0).filter(|(_, until)| *until >= self.now) {
            return if held.2 == place.2 { Key::InProgress(held.1) } else { Key::Mismatch };
        }
        self.holders.remove(&place.0);
        match self.rows.get(&place.0) {
            Some((held, _)) if held.2 != place.2 => Key::Mismatch,
            Some((_, Key::InProgress(call))) => Key::Unknown(*call),
            Some((_, known)) => known.clone(),
            None => {
                self.holders.insert(place.0.clone(), (place.clone(), self.now + GRACE_MS));
                self.claims.push(place);
                Key::Fresh
            }
        }
    }

    pub fn leave(&mut self, place: &Place) {
        self.holders.retain(|_, (held, _)| held.1 != place.1);
    }

    /// Whether a claimed write begins; another one may have begun meanwhile.
    pub fn start(&mut self, which: usize, deadline_ms: u64) -> bool {
        let place = self.claims.swap_remove(which);
        if self.rows.contains_key(&place.0) {
            self.leave(&place);
            return false;
        }
        if let Some((_, until)) = self.holders.get_mut(&place.0).filter(|(held, _)| held.1 == place.1) {
            *until = self.now + deadline_ms + GRACE_MS;
        }
        self.rows.insert(place.0.clone(), (place.clone(), Key::InProgress(place.1)));
        self.writes.push(place);
        true
    }

    /// Ends a write: with an answer, as unknown, or as one that never was. `false` when it did not run any more.
    pub fn end(&mut self, which: usize, how: Key) -> bool {
        let place = self.writes.swap_remove(which);
        self.leave(&place);
        let runs = self.rows.get(&place.0).is_some_and(|(_, row)| *row == Key::InProgress(place.1));
        match how {
            Key::Fresh if runs => drop(self.rows.remove(&place.0)),
            how if runs => drop(self.rows.insert(place.0.clone(), (place, how))),
            _ => {}
        }
        runs
    }

    /// The process ends, in whatever way: what is held is charged whole, and of what ran nobody knows the end.
    pub fn die(&mut self) {
        self.begun.append(&mut self.reserved);
        while let Some((_, want)) = self.begun.first() {
            self.settle(0, *want);
        }
        (self.claims, self.writes, self.holders) = Default::default();
        for ((_, call, _), row) in self.rows.values_mut().filter(|(_, row)| matches!(row, Key::InProgress(_)))
        {
            *row = Key::Unknown(*call);
        }
    }

    /// The switch that a call meets: one that stops before one that freezes writes, a wider one before a narrower one.
    pub fn killed(&self, call: &KillTarget<'_>) -> Option<(KillScope, KillMode)> {
        let (of, tool, component) = (call.tenant, call.tool.cloned(), call.component.copied());
        let actor = call.actor.map(|actor| KillScope::Actor(of.clone(), actor.clone()));
        let wide = [Some(KillScope::Host), Some(KillScope::Tenant(of.clone())), actor];
        let all = wide.into_iter().chain([tool.map(KillScope::Tool), component.map(KillScope::Component)]);
        let on = all.flatten().filter_map(|scope| self.kills.get(&scope).map(|mode| (scope, *mode)));
        on.filter(|(_, mode)| *mode == KillMode::Stop || call.writes).min_by_key(|(_, mode)| *mode)
    }
}
