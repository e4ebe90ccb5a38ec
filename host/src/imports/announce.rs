//! What a call announces: each effect once for its import and target, and nothing before its entry is durable.
//!
//! Takes: effects that have passed the gate. Gives: [`Notice`]s to wait for. May name: audit, imports::gate,
//! imports::table, step.

use super::gate::Stop;
use super::table::Import;
use crate::audit::announce::Announcer;
use crate::audit::{Decision, ImportRecord, Pending};
use crate::step::{Step, reached};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// An effect: which import, on what.
pub(super) type Effect = (&'static Import, Option<Arc<str>>);

/// An effect's import, by interface and function, and its target.
type Key = (&'static str, &'static str, Option<Arc<str>>);

/// A call's announcements.
#[derive(Debug)]
pub(crate) struct Announcements {
    book: Announcer,
    /// Whether the entry of an effect is durable. Until then an equal effect is announced by itself: what one waits for is
    /// lost with it when it is dropped.
    told: HashMap<Key, Arc<AtomicBool>>,
    fate: Arc<Fate>,
}

/// What became of a call's announcements, for the call and for its requests that run beside it. Once one has failed no other
/// effect may happen, so whether any had happened by then does not change any more.
#[derive(Debug, Default)]
struct Fate(AtomicU8);

impl Fate {
    const FAILED: u8 = 1;
    const ANY: u8 = 2;

    fn is(&self, what: u8) -> bool {
        self.0.load(Ordering::Acquire) & what != 0
    }

    fn fail(&self) -> Stop {
        self.0.fetch_or(Self::FAILED, Ordering::AcqRel);
        Stop::Unannounced
    }

    /// Lets an effect happen, unless an announcement has failed.
    fn pass(&self) -> Result<(), Stop> {
        let pass = |fate| (fate & Self::FAILED == 0).then_some(fate | Self::ANY);
        let passed = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, pass);
        passed.map(drop).map_err(|_| Stop::Unannounced)
    }
}

impl Announcements {
    /// Nothing is announced yet.
    pub(crate) fn new(book: Announcer) -> Self {
        Self { book, told: HashMap::new(), fate: Arc::default() }
    }

    /// Puts those effects into the book that it does not have yet, as one entry. After a failure nothing of this call is
    /// announced any more, so nothing of it happens.
    pub(super) fn announce(&mut self, mut effects: Vec<Effect>) -> Result<Notice, Stop> {
        effects
            .retain(|effect| !self.told.get(&key(effect)).is_some_and(|told| told.load(Ordering::Acquire)));
        if effects.is_empty() && !self.failed() {
            return Ok(Notice(None));
        }
        let mut told: Vec<Arc<AtomicBool>> = Vec::new();
        let mut records = Vec::new();
        for effect in effects {
            let mark = self.told.entry(key(&effect)).or_default();
            if !told.iter().any(|known| Arc::ptr_eq(known, mark)) {
                told.push(mark.clone());
                records.push(record(effect));
            }
        }
        if self.failed() {
            return Err(Stop::Unannounced);
        }
        let pending = self.book.announce(records).map_err(|_| self.fate.fail())?;
        Ok(Notice(Some(Waiting { pending, told, fate: self.fate.clone() })))
    }

    /// Whether something could not be announced.
    pub(super) fn failed(&self) -> bool {
        self.fate.is(Fate::FAILED)
    }

    /// Whether anything that was announced may have happened.
    pub(super) fn any(&self) -> bool {
        self.fate.is(Fate::ANY)
    }
}

fn key((import, target): &Effect) -> Key {
    (import.interface, import.function, target.clone())
}

fn record((import, target): Effect) -> ImportRecord {
    let name = format!("{}.{}", import.interface, import.function);
    ImportRecord {
        target: target.map(|target| target.to_string().into()),
        ..ImportRecord::new(name, import.class.as_str(), Decision::Allow)
    }
}

/// What an effect waits for.
#[derive(Debug, Default)]
#[must_use = "an effect waits until its entry is durable"]
pub(crate) struct Notice(Option<Waiting>);

#[derive(Debug)]
struct Waiting {
    pending: Pending,
    told: Vec<Arc<AtomicBool>>,
    fate: Arc<Fate>,
}

impl Notice {
    /// Waits until the effect may happen.
    pub(crate) async fn durable(self) -> Result<(), Stop> {
        let Some(Waiting { pending, told, fate }) = self.0 else { return Ok(()) };
        pending.durable().await.map_err(|_| fate.fail())?;
        fate.pass()?;
        told.iter().for_each(|mark| mark.store(true, Ordering::Release));
        reached(Step::EffectAnnounced);
        Ok(())
    }
}
