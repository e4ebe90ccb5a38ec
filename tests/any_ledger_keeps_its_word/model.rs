//! What a ledger is, without disk, threads, leases or guards: sums, rows and switches. An engine may be made of anything, and
//! does the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use strongroom::id::{CallId, TenantId};
use strongroom::storage::ledger::{
    Amounts, Budget, BudgetMode, ClaimScope, Claimed, Count, KillMode, KillScope, KillTarget, Per,
    StoredAnswer,
};

const GRACE_MS: u64 = 60_000; // what a call may hold its key beyond the time that it has to run
const KEPT_MS: u64 = 86_400_000; // how long an answer is given again

/// A tenant's count in one of its windows.
type Slot = (TenantId, Count, u64);
/// A call under a key, with its arguments' fingerprint.
pub type Place = (ClaimScope, CallId, [u8; 32]);

/// One process on a ledger at a time.
#[derive(Default)]
pub struct Model {
    pub now: u64,
    pub kills: BTreeMap<KillScope, KillMode>,
    pub raises: HashMap<(TenantId, Count), (u64, u64)>, // by how much, until when
    pub spent: HashMap<Slot, u64>,
    pub held: HashMap<u64, (HashSet<Slot>, Amounts)>, // what is held back, under a name
    holders: HashMap<ClaimScope, (Place, u64)>,       // who has a key in this process, until when
    rows: HashMap<ClaimScope, (Place, Option<StoredAnswer>)>, // which writes began for good, and ended
}

impl Model {
    pub fn pass(&mut self, now: u64) {
        self.now = now;
        self.raises.retain(|_, (_, until)| *until > now);
        self.rows.retain(|_, (_, row)| row.as_ref().is_none_or(|answer| answer.at_unix_ms + KEPT_MS >= now));
    }

    pub fn slot(&self, of: &TenantId, count: &Count) -> Slot {
        let lengths = [(Per::Minute, 60_000), (Per::Hour, 3_600_000), (Per::Day, 86_400_000)];
        let length = lengths.iter().find(|(per, _)| *per == count.per).map_or(u64::MAX, |(_, ms)| *ms);
        (of.clone(), count.clone(), self.now / length)
    }

    /// What is spent of a count in its window, what is held back, and by how much its limit is raised.
    pub fn used(&self, of: &TenantId, count: &Count) -> [u64; 3] {
        let slot = self.slot(of, count);
        let held = self.held.values().filter(|(slots, _)| slots.contains(&slot));
        let held = held.map(|(_, want)| want.of(count.of)).sum();
        let raise = self.raises.get(&(of.clone(), count.clone())).map_or(0, |(more, _)| *more);
        [self.spent.get(&slot).copied().unwrap_or(0), held, raise]
    }

    /// Holds an amount back, or gives every limit that is in the way, with what is left there.
    pub fn reserve(&mut self, name: u64, of: &TenantId, all: &[Budget], want: Amounts) -> Vec<(Count, u64)> {
        let hard = all.iter().filter(|budget| budget.mode == BudgetMode::Hard);
        let left = hard.map(|Budget { count, limit, .. }| {
            let [spent, held, raise] = self.used(of, count);
            (count.clone(), (limit + raise).saturating_sub(spent + held))
        });
        let full: Vec<_> = left.filter(|(count, left)| want.of(count.of) > *left).collect();
        if full.is_empty() {
            self.held.insert(name, (all.iter().map(|budget| self.slot(of, &budget.count)).collect(), want));
        }
        full
    }

    /// Charges what was used, at most what was held back; all of it where that is not known.
    pub fn settle(&mut self, name: u64, used: Option<Amounts>) -> Amounts {
        let (slots, want) = self.held.remove(&name).unwrap();
        let charged = used.map_or(want, |used| used.min(want));
        slots.iter().for_each(|slot| *self.spent.entry(slot.clone()).or_default() += charged.of(slot.1.of));
        charged
    }

    pub fn claim(&mut self, place: &Place) -> Claimed<()> {
        // Who has had the key for too long counts as dead.
        self.holders.retain(|scope, (_, until)| *scope != place.0 || *until >= self.now);
        match (self.holders.get(&place.0), self.rows.get(&place.0)) {
            (Some((by, _)), _) | (None, Some((by, _))) if by.2 != place.2 => Claimed::Mismatch,
            (Some((by, _)), _) => Claimed::InProgress { call_id: by.1 },
            (None, Some((by, Some(answer)))) => Claimed::Replay { answer: answer.clone(), call_id: by.1 },
            (None, Some((by, None))) => Claimed::Unknown { call_id: by.1 },
            (None, None) => {
                self.holders.insert(place.0.clone(), (place.clone(), self.now + GRACE_MS));
                Claimed::Fresh(())
            }
        }
    }

    /// Whether a claimed write begins; another one may have begun meanwhile.
    pub fn start(&mut self, place: &Place, deadline_ms: u64) -> bool {
        let free = !self.rows.contains_key(&place.0);
        if free {
            let own = self.holders.get_mut(&place.0).filter(|(by, _)| by == place);
            own.into_iter().for_each(|(_, until)| *until = self.now + deadline_ms + GRACE_MS);
            self.rows.insert(place.0.clone(), (place.clone(), None));
        } else {
            self.leave(place);
        }
        free
    }

    /// A call goes. If its write began, nobody knows whether it happened.
    pub fn leave(&mut self, place: &Place) {
        self.holders.retain(|_, (by, _)| by != place);
    }

    /// A write ends with an answer, or without effect.
    pub fn end(&mut self, place: &Place, answer: Option<StoredAnswer>) {
        self.leave(place);
        self.rows.remove(&place.0);
        self.rows.extend(answer.map(|answer| (place.0.clone(), (place.clone(), Some(answer)))));
    }

    /// The process ends, in whatever way.
    pub fn die(&mut self) {
        let names: Vec<u64> = self.held.keys().copied().collect();
        for name in names {
            self.settle(name, None);
        }
        self.holders.clear();
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
