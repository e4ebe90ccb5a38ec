//! What callers and the writer's thread share: entries that wait, and who waits for them.
//!
//! Takes: entries from callers, results from the writer. Gives: batches to the writer, results to callers.
//! May name: powers.

use super::journal::Synced;
use super::{AuditUnavailable, Entry, Haste, Pending, Phase, SyncPoint, Timing};
use crate::powers::BoxFuture;
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// Entries that may wait for the disk; with more, the log counts as unavailable.
const BACKLOG: usize = 65_536;

/// An entry with its ticket: its place in the order of appends.
pub(super) type Waiting = (u64, Entry);

/// The queue between callers and the writer.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Hears of each sync.
    pub(super) synced: OnceLock<Synced>,
}

#[derive(Default)]
struct State {
    queue: Vec<Waiting>,
    next_ticket: u64,
    /// Tickets below this one are durable.
    durable: u64,
    waiters: Vec<(u64, oneshot::Sender<Result<(), AuditUnavailable>>)>,
    /// Tickets below this one are not in the queue any more.
    taken: u64,
    /// Whether somebody in haste waits for an entry of the queue.
    hurried: bool,
    down: Option<AuditUnavailable>,
    /// Whether the writer is trying the disk again, with everything that waits.
    repairing: bool,
    /// Appends that were refused while the log was down.
    refused: u64,
    closing: bool,
    /// Whether the last try of a journal that closes while it is down has been made.
    tried_last: bool,
}

impl Shared {
    pub(super) fn append(self: &Arc<Self>, entry: Entry) -> Result<Pending, AuditUnavailable> {
        if entry.phase == Phase::Head || entry.head.is_some() {
            return Err(AuditUnavailable::new("only the log itself tells the heads of trees"));
        }
        let mut state = self.state.lock();
        if let Some(down) = state.down.clone() {
            state.refused += 1;
            return Err(down);
        }
        if state.closing {
            return Err(AuditUnavailable::new("it is closed"));
        }
        if state.queue.len() >= BACKLOG {
            return Err(AuditUnavailable::new(format_args!("{BACKLOG} entries wait for the disk")));
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.queue.push((ticket, entry));
        // Only an empty queue lets the writer sleep without a time limit.
        if state.queue.len() == 1 {
            self.wake.notify_one();
        }
        drop(state);
        Ok(Pending::until(self.clone(), ticket))
    }

    pub(super) fn ready(&self) -> Result<(), AuditUnavailable> {
        self.state.lock().down.clone().map_or(Ok(()), Err)
    }

    /// The next entries to write: at once when somebody in haste waits for them, else after a while, so that others join. Without
    /// any when none came for a while and there are heads to tell. `None` when the journal closes and everything is written.
    pub(super) fn next_batch(
        &self,
        timing: &Timing,
        spare: Vec<Waiting>,
        heads: bool,
    ) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock();
        while state.queue.is_empty() {
            if state.closing {
                return None;
            }
            if !heads {
                self.wake.wait(&mut state);
            } else if self.wake.wait_for(&mut state, timing.publish).timed_out() {
                break;
            }
        }
        if !state.hurried && !state.queue.is_empty() && !state.closing {
            self.wake.wait_for(&mut state, timing.linger);
        }
        (state.hurried, state.taken) = (false, state.next_ticket);
        Some(std::mem::replace(&mut state.queue, spare))
    }

    /// Everything below the ticket is durable.
    pub(super) fn written(&self, below: u64) {
        let mut state = self.state.lock();
        state.durable = below;
        let done: Vec<_> = state.waiters.extract_if(.., |(ticket, _)| *ticket < below).collect();
        drop(state);
        for (_, reply) in done {
            // Whoever does not wait any more need not know.
            drop(reply.send(Ok(())));
        }
    }

    /// The log is down: everybody who waits hears it, and nothing more is taken. What was taken waits for the repair,
    /// but for intents whose callers have heard that they are not in the log.
    pub(super) fn failed(&self, batch: Vec<Waiting>, cause: AuditUnavailable) {
        let mut state = self.state.lock();
        state.repairing = false;
        let told: Vec<u64> = std::mem::take(&mut state.waiters)
            .into_iter()
            .filter_map(|(ticket, reply)| reply.send(Err(cause.clone())).is_ok().then_some(ticket))
            .collect();
        state.down = Some(cause);
        let behind = std::mem::replace(&mut state.queue, batch);
        state.queue.extend(behind);
        state.queue.retain(|(ticket, entry)| entry.phase != Phase::Intent || !told.contains(ticket));
    }

    /// Waits until it is time to try again, and gives everything that waits, the ticket below which all of it lies, and
    /// how many appends were refused. `None` when the journal closes, after one last try.
    pub(super) fn next_repair(&self, timing: &Timing) -> Option<(Vec<Waiting>, u64, u64)> {
        let mut state = self.state.lock();
        if !state.closing {
            self.wake.wait_for(&mut state, timing.retry);
        }
        if state.closing && std::mem::replace(&mut state.tried_last, true) {
            return None;
        }
        (state.repairing, state.hurried, state.taken) = (true, false, state.next_ticket);
        Some((std::mem::take(&mut state.queue), state.next_ticket, state.refused))
    }

    /// The log can be written again.
    pub(super) fn repaired(&self, below: u64) {
        let mut state = self.state.lock();
        (state.repairing, state.down, state.refused) = (false, None, 0);
        drop(state);
        self.written(below);
    }

    /// There is no writer any more. Whoever still waits hears it.
    pub(super) fn abandoned(&self) {
        let mut state = self.state.lock();
        state.down.get_or_insert_with(|| AuditUnavailable::new("its writer has stopped"));
        state.waiters.clear();
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.wake.notify_one();
    }

    fn wait_for(&self, ticket: u64, haste: Haste) -> Wait {
        let mut state = self.state.lock();
        if ticket < state.durable {
            return Wait::Over(Ok(()));
        }
        if let (Some(down), false) = (state.down.clone(), state.repairing) {
            state.queue.retain(|(t, entry)| *t != ticket || entry.phase != Phase::Intent);
            return Wait::Over(Err(down));
        }
        let (reply, answer) = oneshot::channel();
        state.waiters.push((ticket, reply));
        if haste == Haste::Now && ticket >= state.taken && !std::mem::replace(&mut state.hurried, true) {
            self.wake.notify_one();
        }
        Wait::For(answer)
    }
}

enum Wait {
    Over(Result<(), AuditUnavailable>),
    For(oneshot::Receiver<Result<(), AuditUnavailable>>),
}

impl SyncPoint for Shared {
    fn reached(&self, ticket: u64, haste: Haste) -> BoxFuture<'_, Result<(), AuditUnavailable>> {
        Box::pin(async move {
            match self.wait_for(ticket, haste) {
                Wait::Over(result) => result,
                Wait::For(answer) => {
                    answer.await.unwrap_or_else(|_| Err(AuditUnavailable::new("its writer has stopped")))
                }
            }
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Shared").field("waiting", &state.queue.len()).field("down", &state.down).finish()
    }
}
