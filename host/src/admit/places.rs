//! Places for calls: a free one at once, else a bounded wait for one.
//!
//! Takes: an [`Ask`]. Gives: a [`Place`], or why there is none. May name: config, id, powers, telemetry.
//!
//! [`Line`] decides; here its decisions are carried to the calls that wait. A place is given back when it is dropped,
//! once, also one that was on its way to a call that has gone.

use super::line::{Arrived, Ask, Full, Holder, Lack, Line};
use crate::config::QueueRules;
use crate::powers::Clock;
use crate::telemetry::QueueMeters;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A waiting call gets its place, or has to go away.
type Told = oneshot::Sender<Result<Place, Full>>;

/// The places of a host. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    places: u32,
    began: Instant,
    meters: OnceLock<QueueMeters>,
}

struct State {
    line: Line<Told>,
    queue: QueueRules,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

impl Places {
    pub(crate) fn new(places: u32, clock: Arc<dyn Clock>) -> Self {
        let began = clock.monotonic();
        let state = State { line: Line::new(places), queue: QueueRules::default() };
        Self(Arc::new(Shared { state: Mutex::new(state), places, clock, began, meters: OnceLock::new() }))
    }

    /// How many calls may run at once.
    pub(crate) fn all(&self) -> u32 {
        self.0.places
    }

    /// From now on it is counted who waits and who is sent away. The first word counts.
    pub(crate) fn count_by(&self, meters: QueueMeters) {
        drop(self.0.meters.set(meters));
    }

    /// How many calls hold a place, and how many wait for one.
    pub(crate) fn load(&self) -> (u32, usize) {
        self.0.state().line.load()
    }

    /// Other rules for those who come from now on.
    pub(crate) fn queue_by(&self, queue: QueueRules) {
        self.0.state().queue = queue;
    }

    /// A place for a call: at once when one is free and no limit is reached, else as soon as it is the call's turn.
    pub(crate) async fn take(&self, ask: Ask) -> Result<Place, Full> {
        let taken = self.wait(ask).await;
        if let (Err(_), Some(meters)) = (&taken, self.0.meters.get()) {
            meters.shed();
        }
        taken
    }

    async fn wait(&self, ask: Ask) -> Result<Place, Full> {
        let holder =
            Holder { tenant: ask.tenant.clone(), tool: ask.tool.as_ref().map(|(tool, _)| tool.clone()) };
        let now = self.0.now();
        let mut told = None;
        let tell = || {
            let (tell, listen) = oneshot::channel();
            told = Some(listen);
            tell
        };
        let (arrived, wait) = {
            let mut state = self.0.state();
            let length = usize::try_from(state.queue.length).unwrap_or(usize::MAX);
            let wait = Duration::from_millis(state.queue.longest_wait_ms);
            (state.line.arrive(&ask, tell, length, now), wait)
        };
        let (number, shed) = match arrived {
            Arrived::Begins => return Ok(Place { shared: self.0.clone(), holder }),
            Arrived::Full(full) => return Err(full),
            Arrived::Waits(number, shed) => (number, shed),
        };
        let mut waits = Waits { shared: &self.0, holder, number, over: false };
        if let Some((told, full)) = shed {
            // Who has gone by itself need not be told.
            let _ = told.send(Err(full));
        }
        self.0.pass_on();
        let Some(told) = told else { return Err(waits.give_up()) };
        match Box::pin(tokio::time::timeout(wait, told)).await {
            Ok(Ok(told)) => {
                waits.over = true;
                if let (Ok(_), Some(meters)) = (&told, self.0.meters.get()) {
                    meters.waited(Duration::from_nanos(self.0.now().saturating_sub(now)));
                }
                told
            }
            // Nobody drops a sender but with the host.
            Ok(Err(_)) | Err(_) => Err(waits.give_up()),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the line panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        let since = self.clock.monotonic().saturating_duration_since(self.began);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Gives free places to those whose turn it is.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let now = self.now();
            let Some((holder, told)) = self.state().line.next(now) else { break };
            // When the call has gone meanwhile, the place comes back here and is given on as it is dropped.
            drop(told.send(Ok(Place { shared: self.clone(), holder })));
        }
    }
}

/// A call that waits. Dropped at any time, it leaves the line.
struct Waits<'a> {
    shared: &'a Arc<Shared>,
    holder: Holder,
    number: u64,
    over: bool,
}

impl Waits<'_> {
    fn give_up(&mut self) -> Full {
        self.over = true;
        let now = self.shared.now();
        let left = self.shared.state().line.leave(&self.holder, self.number, now);
        left.unwrap_or(Full { lack: Lack::Host, after: None })
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.give_up();
        }
    }
}

/// One call's place. Given back when it is dropped.
pub(crate) struct Place {
    shared: Arc<Shared>,
    holder: Holder,
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = self.shared.now();
        let mut state = self.shared.state();
        state.line.done(&self.holder, now);
        let next = state.line.next(now);
        drop(state);
        if let Some((holder, told)) = next {
            drop(told.send(Ok(Self { shared: self.shared.clone(), holder })));
            self.shared.pass_on();
        }
    }
}

impl Full {
    /// In how many milliseconds to try again: 10 ms to 10 s.
    pub(crate) fn retry_after_ms(&self) -> u64 {
        self.after.map_or(100, |after| (after / 1_000_000).clamp(10, 10_000))
    }

    /// What the caller is told. It tells nothing of other tenants.
    pub(crate) fn text(&self) -> String {
        match self.lack {
            Lack::Host => "the host runs as many calls as it can; try again shortly".to_owned(),
            Lack::Tenant(calls) => format!("the tenant runs as many calls at once as it may ({calls})"),
            Lack::Tool(calls) => {
                format!("the tenant runs as many calls of this tool at once as it may ({calls})")
            }
        }
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
