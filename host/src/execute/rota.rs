//! Who may compute next: start-time fair queueing over tenants, as a pure state machine.
//!
//! Takes: seats (calls that run), what their polls took. Gives: which seat goes next. May name: config, id.
//!
//! A tenant's *level* is the processor time that it had, divided by its weight; the tenant with the lowest level goes
//! next. Who had nothing to compute for a while comes back at the level of the others: time that was not used is not
//! owed. So each tenant that always has something to compute gets its weight's part, and none waits for ever.

use crate::config::price;
use crate::id::TenantId;
use hashbrown::HashMap;
use std::collections::{BTreeSet, VecDeque};

/// One call's place in the rota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeatId(usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Has nothing to compute.
    Idle,
    /// Has, and no turn for it.
    Waits,
    /// Was given a turn at this tick and has not taken it up.
    Given(u64),
    /// Computes.
    Takes,
}

struct Seat<B> {
    lane: usize,
    phase: Phase,
    bell: B,
}

/// One tenant.
struct Lane {
    tenant: TenantId,
    /// What its level grows by in a nanosecond.
    price: u64,
    level: u64,
    /// Whether it has had a turn since it is here.
    served: bool,
    seats: usize,
    given: usize,
    waiting: VecDeque<usize>,
}

/// The rota. `B` is how a seat is told that its turn has come.
pub(super) struct Rota<B> {
    turns: usize,
    spare: usize,
    given: usize,
    /// The level of the tenant that was served last.
    level: u64,
    tick: u64,
    seats: Vec<Option<Seat<B>>>,
    free_seats: Vec<usize>,
    lanes: Vec<Option<Lane>>,
    free_lanes: Vec<usize>,
    index: HashMap<TenantId, usize>,
    /// Tenants that wait, lowest level first.
    ready: BTreeSet<(u64, usize)>,
}

impl<B: Clone> Rota<B> {
    /// A rota of so many turns, and so many more that are kept for tenants that are behind the others: who computes
    /// little need not wait for those who compute much.
    pub(super) fn new(turns: usize, spare: usize) -> Self {
        Self {
            turns: turns.max(1),
            spare,
            given: 0,
            level: 0,
            tick: 0,
            seats: Vec::new(),
            free_seats: Vec::new(),
            lanes: Vec::new(),
            free_lanes: Vec::new(),
            index: HashMap::new(),
            ready: BTreeSet::new(),
        }
    }

    /// Other numbers from now on; nobody's turn is taken away.
    pub(super) fn set(&mut self, turns: usize, spare: usize) {
        (self.turns, self.spare) = (turns.max(1), spare);
    }

    /// A call of the tenant begins to run.
    pub(super) fn enter(&mut self, tenant: &TenantId, weight: u32, bell: B) -> SeatId {
        let price = price(weight);
        let lane = match self.index.get(tenant) {
            Some(lane) => *lane,
            None => {
                let (tenant, waiting) = (tenant.clone(), VecDeque::new());
                let new = Lane {
                    tenant: tenant.clone(),
                    price,
                    level: 0,
                    served: false,
                    seats: 0,
                    given: 0,
                    waiting,
                };
                let lane = put(&mut self.lanes, &mut self.free_lanes, new);
                self.index.insert(tenant, lane);
                lane
            }
        };
        if let Some(lane) = at(&mut self.lanes, lane) {
            lane.seats += 1;
            lane.price = price;
        }
        SeatId(put(&mut self.seats, &mut self.free_seats, Seat { lane, phase: Phase::Idle, bell }))
    }

    /// The call is over, wherever it was.
    pub(super) fn leave(&mut self, seat: SeatId) {
        let Some(gone) = self.seats.get_mut(seat.0).and_then(Option::take) else { return };
        self.free_seats.push(seat.0);
        let Some(lane) = at(&mut self.lanes, gone.lane) else { return };
        lane.seats -= 1;
        match gone.phase {
            Phase::Idle => {}
            Phase::Given(_) | Phase::Takes => (self.given, lane.given) = (self.given - 1, lane.given - 1),
            Phase::Waits => {
                lane.waiting.retain(|waiting| *waiting != seat.0);
                if lane.waiting.is_empty() {
                    self.ready.remove(&(lane.level, gone.lane));
                }
            }
        }
        if lane.seats == 0 {
            self.index.remove(&lane.tenant);
            if let Some(slot) = self.lanes.get_mut(gone.lane) {
                *slot = None;
            }
            self.free_lanes.push(gone.lane);
        }
    }

    /// The call has something to compute. Whether it may do so now; else its bell rings when its turn has come.
    pub(super) fn ask(&mut self, seat: SeatId) -> bool {
        let Some(asks) = at(&mut self.seats, seat.0) else { return false };
        match asks.phase {
            Phase::Takes => return true,
            Phase::Waits => return false,
            Phase::Given(_) => {
                asks.phase = Phase::Takes;
                return true;
            }
            Phase::Idle => {}
        }
        let Some(lane) = at(&mut self.lanes, asks.lane) else { return false };
        let open = self.given < self.turns && self.ready.is_empty();
        let rests = lane.given == 0 && lane.waiting.is_empty();
        let behind = rests && (!lane.served || lane.level <= self.level);
        if open || (behind && self.given < self.turns + self.spare) {
            asks.phase = Phase::Takes;
            (self.given, lane.given) = (self.given + 1, lane.given + 1);
            lane.served = true;
            lane.level = lane.level.max(self.level);
            if open {
                self.level = lane.level;
            }
            return true;
        }
        self.wait(seat);
        false
    }

    /// A turn ends after so many nanoseconds. Whether the call should ask again at once, when it has more to compute:
    /// nobody else waits.
    pub(super) fn end(&mut self, seat: SeatId, spent: u64, more: bool) -> bool {
        let Some(ends) = at(&mut self.seats, seat.0) else { return false };
        ends.phase = Phase::Idle;
        self.given -= 1;
        if let Some(lane) = at(&mut self.lanes, ends.lane) {
            lane.given -= 1;
            let level = lane.level.saturating_add(spent.saturating_mul(lane.price));
            if !lane.waiting.is_empty() {
                self.ready.remove(&(lane.level, ends.lane));
                self.ready.insert((level, ends.lane));
            }
            lane.level = level;
        }
        if !more {
            return false;
        }
        if self.ready.is_empty() && self.given < self.turns {
            return true;
        }
        self.wait(seat);
        false
    }

    /// The bell of the call whose turn has come, if one is free; to be asked until there is none.
    pub(super) fn next(&mut self) -> Option<B> {
        if self.given >= self.turns {
            return None;
        }
        let (level, slot) = self.ready.pop_first()?;
        let lane = at(&mut self.lanes, slot)?;
        let seat = lane.waiting.pop_front()?;
        if !lane.waiting.is_empty() {
            self.ready.insert((level, slot));
        }
        (lane.served, lane.given) = (true, lane.given + 1);
        self.level = self.level.max(level);
        let seat = at(&mut self.seats, seat)?;
        seat.phase = Phase::Given(self.tick);
        self.given += 1;
        Some(seat.bell.clone())
    }

    /// Takes back turns that were given two ticks ago and not taken up: those calls belong to a task that does something
    /// else, and the others must not wait for it.
    pub(super) fn tick(&mut self) {
        self.tick += 1;
        if self.given == 0 {
            return;
        }
        for seat in self.seats.iter_mut().flatten() {
            if let Phase::Given(tick) = seat.phase
                && tick + 2 <= self.tick
            {
                seat.phase = Phase::Idle;
                self.given -= 1;
                if let Some(lane) = at(&mut self.lanes, seat.lane) {
                    lane.given -= 1;
                }
            }
        }
    }

    fn wait(&mut self, seat: SeatId) {
        let Some(waits) = at(&mut self.seats, seat.0) else { return };
        waits.phase = Phase::Waits;
        let slot = waits.lane;
        let Some(lane) = at(&mut self.lanes, slot) else { return };
        if lane.waiting.is_empty() {
            lane.level = lane.level.max(self.level);
            self.ready.insert((lane.level, slot));
        }
        lane.waiting.push_back(seat.0);
    }
}

fn put<T>(slots: &mut Vec<Option<T>>, free: &mut Vec<usize>, value: T) -> usize {
    match free.pop() {
        Some(index) => {
            if let Some(slot) = slots.get_mut(index) {
                *slot = Some(value);
            }
            index
        }
        None => {
            slots.push(Some(value));
            slots.len() - 1
        }
    }
}

fn at<T>(slots: &mut [Option<T>], index: usize) -> Option<&mut T> {
    slots.get_mut(index).and_then(Option::as_mut)
}

#[cfg(test)]
#[path = "rota_tests.rs"]
mod tests;
