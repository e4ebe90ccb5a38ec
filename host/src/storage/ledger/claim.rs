//! Idempotency: a write happens once for its key, and a repeat gets the first answer.
//!
//! Takes: a key in its scope, and the fingerprint of the arguments. Gives: a [`Claim`] for whoever comes first, and
//! for the others what became of it. May name: id, reason.

use super::answers::Unnamed;
use super::claims::{self, Held};
use super::keep::KeptAnswer;
use super::reserve::Charge;
use super::{Amounts, SqliteLedger};
use crate::id::{CallId, Digest, FunctionName, TenantId};
use crate::reason::Reason;
use crate::step::{Step, reached};
use crate::storage::{StorageError, batch};
use rusqlite::Connection;
use std::fmt;
use std::time::Duration;

/// How long a call may hold its key beyond the time that it has to run, before what became of it counts as unknown.
pub(super) const GRACE_MS: u64 = 60_000;

/// Where an idempotency key counts: one tenant's calls of one function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimScope {
    /// The tenant.
    pub tenant: TenantId,
    /// The function.
    pub function: FunctionName,
    /// The keyed digest of the client's key: the ledger does not hold the key itself.
    pub key: Digest,
}

/// An answer as it was given, to be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// How the call ended.
    pub reason: Reason,
    /// The answer's bytes.
    pub body: Vec<u8>,
    /// Fuel that the call used.
    pub fuel: u64,
    /// When it ended, in milliseconds since 1970. It is kept from then.
    pub at_unix_ms: u64,
}

/// What is known of an idempotency key. `C` is the right of whoever comes first.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Claimed<C = Claim> {
    /// Nobody used the key: the caller may go on.
    Fresh(C),
    /// The write happened; this is its answer.
    Replay {
        /// The answer, byte for byte.
        answer: StoredAnswer,
        /// The call that gave it.
        call_id: CallId,
    },
    /// A call with this key still runs.
    InProgress {
        /// The call.
        call_id: CallId,
    },
    /// The key was used with other arguments.
    Mismatch,
    /// A call with this key broke off after it may have taken effect.
    Unknown {
        /// The call.
        call_id: CallId,
    },
    /// The write happened, and its answer is not known: the ledger was rebuilt since, an operator said that it happened, or
    /// the answer's file is damaged.
    Lost {
        /// The call.
        call_id: CallId,
        /// How it ended.
        reason: Reason,
    },
}

impl<C> Claimed<C> {
    /// The same, with another right for whoever comes first: an engine that is made of another one has its own.
    pub fn map<D>(self, right: impl FnOnce(C) -> D) -> Claimed<D> {
        match self {
            Self::Fresh(first) => Claimed::Fresh(right(first)),
            Self::Replay { answer, call_id } => Claimed::Replay { answer, call_id },
            Self::InProgress { call_id } => Claimed::InProgress { call_id },
            Self::Mismatch => Claimed::Mismatch,
            Self::Unknown { call_id } => Claimed::Unknown { call_id },
            Self::Lost { call_id, reason } => Claimed::Lost { call_id, reason },
        }
    }

    /// How the call ends that was told so; `None` when it goes on or gets an answer.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        match self {
            Self::Fresh(_) | Self::Replay { .. } => None,
            Self::InProgress { .. } => Some(Reason::InProgress),
            Self::Mismatch => Some(Reason::IdempotencyMismatch),
            Self::Unknown { .. } | Self::Lost { .. } => Some(Reason::OutcomeUnknown),
        }
    }
}

/// Why a claimed write was not started. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Another process on this ledger started a write with the key since it was claimed.
    #[error("another process has just used this idempotency key; ask again for its answer")]
    Taken,
    /// The ledger could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl StartError {
    /// How a call that meets this error ends.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Taken => Reason::InProgress,
            Self::Storage(e) => e.reason(),
        }
    }
}

/// A call's place under its key, in this process. It is given up when the slot is dropped.
struct Slot {
    ledger: SqliteLedger,
    scope: ClaimScope,
    call: Held,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.ledger.inner.in_flight.leave(&self.scope, self.call);
    }
}

/// The right to be the one write of a key. Dropping it before [`Claim::start`] leaves no trace.
#[must_use = "a claim that is dropped is given up"]
pub struct Claim(Slot);

impl Claim {
    /// The place of a call that was let in, until this is dropped.
    pub(super) fn of(ledger: SqliteLedger, scope: ClaimScope, call: Held) -> Self {
        Self(Slot { ledger, scope, call })
    }

    /// The same claim, whose answer is given again for so many milliseconds from when it is given, instead of 24 hours.
    pub fn kept_for(mut self, ms: u64) -> Self {
        self.0.call.kept_ms = ms;
        self
    }

    /// Notes durably that the write begins; from here on a crash leaves it unknown. So does a minute more than `deadline`,
    /// what the call has to run: then nobody has to wait for it any more, and it can be settled. If it ends after all, and
    /// nobody has settled it, its answer counts.
    ///
    /// # Errors
    /// [`StartError`]; nothing was noted and the key is free again.
    pub async fn start(self, deadline: Duration) -> Result<Started, StartError> {
        let Self(mut slot) = self;
        let ledger = slot.ledger.clone();
        let (me, now) = (ledger.inner.presence.id, ledger.inner.clock.unix_ms());
        let runs = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        slot.call.until_ms = now.saturating_add(runs).saturating_add(GRACE_MS);
        ledger.inner.in_flight.extend(&slot.scope, slot.call);
        let (scope, call) = (slot.scope.clone(), slot.call);
        let (reply, answer) = tokio::sync::oneshot::channel();
        let answers = ledger.inner.answers.clone();
        let work = move |c: &Connection| {
            let gone = claims::expire(c, &scope, now)?;
            Ok((claims::start(c, me, &scope, call, now)?, gone))
        };
        // When nobody waits any more, what is sent comes back and is dropped here: a write that nobody heard was
        // started had no effect, so its row goes again.
        let finish = move |result: Result<(bool, Vec<_>), StorageError>| {
            let result = result.map(|(started, gone)| {
                if let Some(answers) = answers {
                    answers.remove(&gone);
                }
                started
            });
            let result = match result {
                Ok(true) => {
                    reached(Step::ClaimStarted);
                    Ok(Started { slot: Some(slot), on_drop: OnDrop::Release })
                }
                // The place is given up before the caller hears why, so that it can ask again at once.
                Ok(false) => {
                    drop(slot);
                    Err(StartError::Taken)
                }
                Err(e) => {
                    drop(slot);
                    Err(e.into())
                }
            };
            drop(reply.send(result));
        };
        ledger.inner.writer()?.post(batch::job(work, finish));
        let mut started = answer.await.unwrap_or(Err(StorageError::Closed.into()))?;
        started.on_drop = OnDrop::Lose;
        Ok(started)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.0.scope).finish()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnDrop {
    Release,
    Lose,
}

/// A write that runs. Dropping it (a panic, a cancelled future) leaves the key unknown, durably.
#[must_use = "a started write that is dropped becomes unknown"]
pub struct Started {
    slot: Option<Slot>,
    on_drop: OnDrop,
}

impl Started {
    /// Stores the answer durably and charges what the call used: both or, after a failure, neither. Gives what was
    /// charged. When the future is dropped while it waits, the answer is stored all the same. A long answer is stored as
    /// a file of its own, before the row that names it.
    ///
    /// # Errors
    /// [`StorageError`]; then the key is unknown and the whole reservation is charged.
    pub async fn complete(
        self,
        answer: StoredAnswer,
        charge: Charge,
        actual: Amounts,
    ) -> Result<Amounts, StorageError> {
        let Some(slot) = &self.slot else { return Err(StorageError::Closed) };
        let (ledger, scope, call) = (slot.ledger.clone(), slot.scope.clone(), slot.call.call_id);
        let (reply, charged) = tokio::sync::oneshot::channel();
        let kept = move |kept| self.kept(kept, (charge, actual), reply);
        match ledger.is_long(&answer) {
            false => kept(Ok((answer, None))),
            // It goes on when nobody waits for it any more.
            true => drop(tokio::task::spawn_blocking(move || kept(ledger.keep(&scope.tenant, call, answer)))),
        }
        charged.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Enters an answer whose bytes are kept, and replies once its row is durable.
    fn kept(
        mut self,
        kept: Result<KeptAnswer, StorageError>,
        (charge, actual): (Charge, Amounts),
        reply: tokio::sync::oneshot::Sender<Result<Amounts, StorageError>>,
    ) {
        let Some(slot) = self.slot.take() else { return };
        let ledger = slot.ledger.clone();
        let kept = kept.and_then(|kept| ledger.inner.writer().map(|writer| (writer, kept)));
        let (writer, (answer, file)) = match kept {
            Ok(kept) => kept,
            Err(error) => {
                drop(charge);
                drop(Self { slot: Some(slot), on_drop: OnDrop::Lose });
                drop(reply.send(Err(error)));
                return;
            }
        };
        let (scope, call) = (slot.scope.clone(), slot.call.call_id);
        let (file, unnamed) = file.unzip();
        let work = move |c: &Connection| claims::complete(c, &scope, call, &answer, file.as_ref());
        // Key and budget are settled before the reply, so that whoever hears it finds them so.
        let finish = move |result: Result<(), StorageError>| {
            let result = match result {
                Ok(()) => {
                    unnamed.into_iter().for_each(Unnamed::keep);
                    reached(Step::ClaimCompleted);
                    drop(slot);
                    Ok(charge.settle(actual))
                }
                Err(e) => {
                    drop(unnamed);
                    drop(charge);
                    drop(Self { slot: Some(slot), on_drop: OnDrop::Lose });
                    Err(e)
                }
            };
            drop(reply.send(result));
        };
        writer.post(batch::job(work, finish));
    }

    /// Notes durably that nobody knows whether the write took effect: the key is unknown from here on.
    ///
    /// # Errors
    /// [`StorageError`]; the key is unknown then too, to whoever asks later.
    pub async fn lose(mut self) -> Result<(), StorageError> {
        let Some(slot) = self.slot.take() else { return Err(StorageError::Closed) };
        let ledger = slot.ledger.clone();
        let work = move |c: &Connection| {
            claims::lose(c, &slot.scope, slot.call.call_id)?;
            Ok(slot)
        };
        ledger.inner.writer()?.run(work).await.map(drop)
    }

    /// Forgets the write durably: it is known to have had no effect, and the key may be used again.
    ///
    /// # Errors
    /// [`StorageError`]; then the key is unknown.
    pub async fn release(mut self) -> Result<(), StorageError> {
        let Some(slot) = self.slot.take() else { return Err(StorageError::Closed) };
        let ledger = slot.ledger.clone();
        let work = move |c: &Connection| {
            claims::release(c, &slot.scope, slot.call.call_id)?;
            Ok(slot)
        };
        ledger.inner.writer()?.run(work).await.map(drop)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let (scope, call) = (slot.scope.clone(), slot.call.call_id);
        let end = match self.on_drop {
            OnDrop::Lose => claims::lose,
            OnDrop::Release => claims::release,
        };
        let work = move |c: &Connection| end(c, &scope, call);
        let writer = slot.ledger.clone();
        // The slot is held until the row has changed. When that fails the row stays `started` with nobody running it,
        // which reads as unknown.
        writer.inner.writer.post(batch::job(work, move |_: Result<(), StorageError>| drop(slot)));
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Started").field(&self.slot.as_ref().map(|s| &s.scope)).finish()
    }
}
