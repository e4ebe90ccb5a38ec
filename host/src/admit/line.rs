//! Who may begin, and who waits: places for calls, shared fairly by tenants, as a pure state machine.
//!
//! Takes: calls that arrive, go away and end. Gives: whose turn it is. May name: id.
//!
//! While calls wait, each tenant's *share* grows with the places that it holds, divided by its weight, and a place that
//! comes free goes to the waiting tenant with the smallest share: places are shared over time as the weights say,
//! however long the calls of each are. Places that nobody waited for cost nothing.
//!
//! A tenant at its own limit, or with a tool at its limit, waits by itself and holds up nobody else.

mod lane;

use crate::id::{TenantId, ToolName};
use hashbrown::HashMap;
use lane::Lane;

/// Tenants of which it is remembered that they had more than others; over it that is forgotten.
const MOST_RESTING: usize = 4096;

/// What a call counts against.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) tenant: TenantId,
    /// The tenant's part in the places, against the others'; 1 to 8.
    pub(crate) weight: u32,
    /// The tenant's calls at once.
    pub(crate) calls: u32,
    /// The tool and how many of its calls at once, when that has a limit.
    pub(crate) tool: Option<(ToolName, u32)>,
}

/// Whose place it is, for giving it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) tenant: TenantId,
    pub(super) tool: Option<ToolName>,
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The host runs as many calls as it can.
    Host,
    /// The tenant has so many calls running.
    Tenant(u32),
    /// So many calls of the tool are running for the tenant.
    Tool(u32),
}

/// A call has to go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) lack: Lack,
    /// In how many nanoseconds it could have a place, by how fast they came free lately; `None` when none did.
    pub(crate) after: Option<u64>,
}

/// What becomes of a call that arrives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived<W> {
    /// It may begin.
    Begins,
    /// It waits under this number; and for its sake another one has to go away.
    Waits(u64, Option<(W, Full)>),
    /// It has to go away.
    Full(Full),
}

/// The places of a host. `W` is how a waiting call is told.
pub(super) struct Line<W> {
    places: u32,
    running: u32,
    waiting: usize,
    next: u64,
    lanes: HashMap<TenantId, Lane<W>>,
    /// The tenants that wait.
    queueing: Vec<TenantId>,
    /// Which time of waiting it is, and since when: shares count within one.
    epoch: u64,
    since: u64,
    /// The share of the tenant that was served last.
    share: u64,
    /// Tenants that neither run nor wait and whose share is above it: they had more than others, and come back so.
    resting: usize,
    pace: Pace,
    /// A lane that is not used, so that a tenant whose calls come one by one costs no allocation each time.
    spare: Option<Lane<W>>,
}

impl<W> Line<W> {
    pub(super) fn new(places: u32) -> Self {
        Self {
            places: places.max(1),
            running: 0,
            waiting: 0,
            next: 0,
            lanes: HashMap::new(),
            queueing: Vec::new(),
            epoch: 0,
            since: 0,
            share: 0,
            resting: 0,
            pace: Pace::default(),
            spare: None,
        }
    }

    /// How many hold a place, and how many wait.
    pub(super) fn load(&self) -> (u32, usize) {
        (self.running, self.waiting)
    }

    /// A call arrives; at most `length` may wait. Afterwards [`Line::next`] is to be asked: limits may be others now.
    pub(super) fn arrive(
        &mut self,
        ask: &Ask,
        waiter: impl FnOnce() -> W,
        length: usize,
        now: u64,
    ) -> Arrived<W> {
        let spare = &mut self.spare;
        let new = || spare.take().map_or_else(Lane::new, Lane::renewed);
        let lane = self.lanes.entry(ask.tenant.clone()).or_insert_with(new);
        if lane.rests() {
            self.resting -= 1;
        }
        lane.takes(ask);
        let lack = lane.lack(ask.tool.as_ref().map(|(tool, _)| tool));
        if self.running < self.places && lack.is_none() {
            lane.account(self.epoch, self.since, (self.waiting > 0).then_some(now));
            lane.begins(ask.tool.as_ref().map(|(tool, _)| tool));
            self.running += 1;
            return Arrived::Begins;
        }
        let mut shed = None;
        if self.waiting >= length {
            match self.heaviest(&ask.tenant) {
                Some(heaviest) if length > 0 => shed = self.shed(&heaviest, now),
                _ => {
                    let full = self.full(&ask.tenant, lack.unwrap_or(Lack::Host), now);
                    self.tidy(&ask.tenant);
                    return Arrived::Full(full);
                }
            }
        }
        Arrived::Waits(self.wait(ask, waiter(), now), shed)
    }

    fn wait(&mut self, ask: &Ask, waiter: W, now: u64) -> u64 {
        let number = self.next;
        self.next += 1;
        if self.waiting == 0 {
            (self.epoch, self.since, self.share) = (self.epoch + 1, now, 0);
        }
        self.waiting += 1;
        if let Some(lane) = self.lanes.get_mut(&ask.tenant) {
            lane.account(self.epoch, self.since, Some(now));
            if lane.waiting() == 0 {
                lane.rises_to(self.share);
                self.queueing.push(ask.tenant.clone());
            }
            lane.waits(ask.tool.as_ref().map(|(tool, _)| tool), number, waiter);
        }
        number
    }

    /// A waiting call goes away by itself; whether it was still waiting, and what for.
    pub(super) fn leave(&mut self, holder: &Holder, number: u64, now: u64) -> Option<Full> {
        let lane = self.lanes.get_mut(&holder.tenant)?;
        let lack = lane.lack(holder.tool.as_ref()).unwrap_or(Lack::Host);
        lane.leaves(holder.tool.as_ref(), number)?;
        self.waiting -= 1;
        let full = self.full(&holder.tenant, lack, now);
        self.tidy(&holder.tenant);
        Some(full)
    }

    /// A call ends and its place comes free. Afterwards [`Line::next`] is to be asked.
    pub(super) fn done(&mut self, holder: &Holder, now: u64) {
        self.running = self.running.saturating_sub(1);
        self.pace.frees(now);
        if let Some(lane) = self.lanes.get_mut(&holder.tenant) {
            lane.account(self.epoch, self.since, (self.waiting > 0).then_some(now));
            lane.ends(holder.tool.as_ref(), now);
            lane.tidy();
            if lane.running() == 0 && lane.waiting() == 0 {
                self.rest(&holder.tenant);
            }
        }
    }

    /// Who of those that wait begins now, if anybody can; to be asked until nobody can.
    pub(super) fn next(&mut self, now: u64) -> Option<(Holder, W)> {
        if self.running >= self.places || self.waiting == 0 {
            return None;
        }
        let mut best: Option<(Rank, &TenantId)> = None;
        for tenant in &self.queueing {
            let Some(lane) = self.lanes.get_mut(tenant) else { continue };
            lane.account(self.epoch, self.since, Some(now));
            let Some(oldest) = lane.oldest() else { continue };
            let rank = Rank { share: lane.share(), after: lane.after(), oldest };
            if best.as_ref().is_none_or(|(first, _)| rank < *first) {
                best = Some((rank, tenant));
            }
        }
        let tenant = best.map(|(_, tenant)| tenant.clone())?;
        let lane = self.lanes.get_mut(&tenant)?;
        self.share = self.share.max(lane.share());
        let (tool, waiter) = lane.goes_on()?;
        (self.running, self.waiting) = (self.running + 1, self.waiting - 1);
        self.tidy(&tenant);
        Some((Holder { tenant, tool }, waiter))
    }

    /// The tenant that waits with more calls for its weight than the one that arrives would, and most of all.
    fn heaviest(&self, arriving: &TenantId) -> Option<TenantId> {
        let weighs = |lane: &Lane<W>, more| (lane.waiting() + more) as u64 * lane.price();
        let own = self.lanes.get(arriving).map_or(0, |lane| weighs(lane, 1));
        let others = self.queueing.iter().filter(|tenant| *tenant != arriving);
        let heaviest = others.filter_map(|tenant| Some((weighs(self.lanes.get(tenant)?, 0), tenant)));
        heaviest.max_by_key(|(weight, _)| *weight).filter(|(weight, _)| *weight > own).map(|(_, t)| t.clone())
    }

    fn shed(&mut self, tenant: &TenantId, now: u64) -> Option<(W, Full)> {
        let lane = self.lanes.get_mut(tenant)?;
        let (tool, waiter) = lane.sheds()?;
        let lack = lane.lack(tool.as_ref()).unwrap_or(Lack::Host);
        self.waiting -= 1;
        let full = self.full(tenant, lack, now);
        self.tidy(tenant);
        Some((waiter, full))
    }

    /// How long it takes until as many places came free as those that wait need.
    fn full(&self, tenant: &TenantId, lack: Lack, now: u64) -> Full {
        let lane = self.lanes.get(tenant);
        let (pace, waiting) = match lack {
            Lack::Host => (Some(&self.pace), self.waiting),
            _ => (lane.map(Lane::pace), lane.map_or(0, Lane::waiting)),
        };
        let each = pace.and_then(|pace| pace.each(now));
        Full { lack, after: each.map(|each| each.saturating_mul(waiting as u64 + 1)) }
    }

    /// Nothing is kept of a tenant that neither runs nor waits, but for what it had more than others while some wait.
    fn rest(&mut self, tenant: &TenantId) {
        let share = self.share;
        match self.lanes.get_mut(tenant) {
            Some(lane) if self.waiting > 0 && lane.share() > share => lane.sits_down(),
            _ => {
                self.spare = self.lanes.remove(tenant);
                return;
            }
        }
        self.resting += 1;
        if self.resting > MOST_RESTING {
            self.lanes.retain(|_, lane| !lane.rests() || lane.share() > share);
            self.resting = self.lanes.values().filter(|lane| lane.rests()).count();
        }
        if self.resting > MOST_RESTING {
            self.forget();
        }
    }

    /// When nobody waits any more, what anybody had is forgotten.
    fn forget(&mut self) {
        if self.resting > 0 {
            self.lanes.retain(|_, lane| !lane.rests());
            self.resting = 0;
        }
    }

    fn tidy(&mut self, tenant: &TenantId) {
        if self.waiting == 0 {
            self.forget();
        }
        let Some(lane) = self.lanes.get_mut(tenant) else { return };
        lane.tidy();
        if lane.waiting() == 0 {
            self.queueing.retain(|queueing| queueing != tenant);
            if lane.running() == 0 && !lane.rests() {
                self.rest(tenant);
            }
        }
    }
}

/// Who comes first: the smallest share, then the fewest places for its weight, then who waits longest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    share: u64,
    after: u64,
    oldest: u64,
}

/// How fast places come free: a running mean of the time between two.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<u64>,
    mean: Option<u64>,
}

impl Pace {
    fn frees(&mut self, now: u64) {
        if let Some(last) = self.last.replace(now) {
            let between = now.saturating_sub(last);
            self.mean = Some(self.mean.map_or(between, |mean| mean - mean / 8 + between / 8));
        }
    }

    /// Nanoseconds until the next one, by the last ones; longer when the next one is overdue.
    fn each(&self, now: u64) -> Option<u64> {
        Some(self.mean?.max(now.saturating_sub(self.last?)))
    }
}

#[cfg(test)]
mod tests;
