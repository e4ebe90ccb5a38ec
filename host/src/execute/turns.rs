//! Turns on the processor: a guest computes only while it holds one, so that many busy guests of one tenant do not fill
//! the workers' queues, in which everybody waits.
//!
//! Takes: the future that runs a guest. Gives: [`Seat`], which polls it in turns. May name: id, powers.
//!
//! A guest pauses every [`YIELD_EVERY`](crate::isolate::engine) units of fuel. Without turns each pause puts it at the
//! end of a worker's queue, and a call of somebody else waits there behind all of them at each of its steps. With turns
//! a paused guest is parked outside the queue until its tenant is the one that had the least.
//!
//! A turn is never held while a guest waits for something: it is taken for one poll and given back after it.

use super::rota::{Rota, SeatId};
use crate::id::TenantId;
use crate::powers::Clock;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The turns of a host.
pub(crate) struct Turns {
    rota: Mutex<Rota<Arc<Bell>>>,
    workers: usize,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}

impl Turns {
    /// Turns for so many workers, shared by several tenants.
    pub(crate) fn new(workers: usize, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (turns, spare) = split(workers, false);
        Arc::new(Self { rota: Mutex::new(Rota::new(turns, spare)), workers, clock })
    }

    /// Whether there is one tenant alone from now on, for which nothing need be kept free.
    pub(crate) fn share(&self, alone: bool) {
        let (turns, spare) = split(self.workers, alone);
        self.rota().set(turns, spare);
        self.pass_on();
    }

    /// A call of the tenant begins to run.
    pub(crate) fn seat(self: &Arc<Self>, tenant: &TenantId, weight: u32) -> Seat {
        let bell = Arc::new(Bell::new());
        let id = self.rota().enter(tenant, weight, bell.clone());
        Seat { turns: self.clone(), id, waker: Waker::from(bell.clone()), bell }
    }

    /// Time goes by: turns that nobody takes up go to others.
    pub(crate) fn tick(&self) {
        self.rota().tick();
        self.pass_on();
    }

    fn rota(&self) -> MutexGuard<'_, Rota<Arc<Bell>>> {
        // Nothing in the rota panics half-way.
        self.rota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_on(&self) {
        let next = self.rota().next();
        self.tell(next);
    }

    /// Tells whose turn has come, and then those after it. A bell rings outside of the lock: what it wakes may ask for a
    /// turn at once.
    fn tell(&self, mut next: Option<Arc<Bell>>) {
        while let Some(bell) = next {
            bell.ring();
            next = self.rota().next();
        }
    }

    /// A turn ends; whether the call should ask again at once.
    fn end(&self, seat: SeatId, spent: u64, more: bool) -> bool {
        let mut rota = self.rota();
        let again = rota.end(seat, spent, more);
        let next = rota.next();
        drop(rota);
        self.tell(next);
        again
    }
}

/// One of several workers is kept free of guests that compute much: for those that compute little, and for all that is
/// not guests. It must be a whole one: a guest cannot be interrupted between two pauses, and fills of memory make them long.
fn split(workers: usize, alone: bool) -> (usize, usize) {
    match workers {
        0 | 1 => (1, 0),
        all if alone => (all, 0),
        more => (more - 1, 1),
    }
}

/// A running call's seat: the way to its turns. Dropped at any time, it holds nobody up.
pub(crate) struct Seat {
    turns: Arc<Turns>,
    id: SeatId,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rota = self.turns.rota();
        rota.leave(self.id);
        let next = rota.next();
        drop(rota);
        self.turns.tell(next);
    }
}

impl Seat {
    /// Runs a future in turns. It is not moved: a guest's is large.
    pub(crate) fn run<F: Future>(&mut self, mut future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        poll_fn(move |context| self.poll(future.as_mut(), context))
    }

    fn poll<F: Future>(&mut self, future: Pin<&mut F>, context: &Context<'_>) -> Poll<F::Output> {
        self.bell.belongs_to(context.waker());
        if !self.turns.rota().ask(self.id) {
            return Poll::Pending;
        }
        let began = self.turns.clock.monotonic();
        self.bell.state.store(POLLED, Ordering::Release);
        let polled = future.poll(&mut Context::from_waker(&self.waker));
        let rang = self.bell.state.swap(AWAY, Ordering::AcqRel) == RANG;
        let spent = self.turns.clock.monotonic().saturating_duration_since(began);
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        let paused = rang && polled.is_pending();
        if self.turns.end(self.id, spent, paused) {
            context.waker().wake_by_ref();
        }
        if paused {
            // The system sees one thread that computes without end, and lets the others of its processor (a client's, the
            // log's writer) wait until its slice of milliseconds is used up. A pause is for them, too.
            std::thread::yield_now();
        }
        polled
    }
}

/// The guest is not polled at the moment.
const AWAY: u8 = 0;
/// It is polled.
const POLLED: u8 = 1;
/// It is polled, and was woken meanwhile: it only paused.
const RANG: u8 = 2;

/// How a guest is woken. A guest that wakes itself while it is polled has only paused, and must not go back into the
/// worker's queue; what it waits for, and its turn, wake the task.
struct Bell {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Bell {
    fn new() -> Self {
        Self { state: AtomicU8::new(AWAY), task: Mutex::new(Waker::noop().clone()) }
    }

    fn belongs_to(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.will_wake(waker) {
            *task = waker.clone();
        }
    }

    fn ring(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        task.wake();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let polled = self.state.compare_exchange(POLLED, RANG, Ordering::AcqRel, Ordering::Acquire);
        if polled == Err(AWAY) {
            self.ring();
        }
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
