//! The gate itself: one function that every import call passes.
//!
//! Takes: a row of the table, a target, the bytes that come in. Gives: leave to go on, or a refusal; and the record.
//! May name: imports::announce, imports::record, imports::table, imports::way, powers.

mod effect;
mod meter;

pub(crate) use meter::Meter;

use super::announce::Announcements;
use super::record::{Decision, ImportRecord};
use super::table::{Class, Import};
use crate::powers::Clock;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::Resource;

/// Fuel for each new run in the record, so that a guest pays for the memory that its own trail takes.
const RECORD_PRICE: u64 = 2_000;

/// A view of one interface behind the gate: the inner implementation is reached only through `gate`.
pub(crate) struct Audited<'a, V> {
    pub(crate) gate: &'a mut Gate,
    pub(crate) inner: V,
}

/// Why a call did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// The host's share of the call's fuel is used up.
    #[error("out of fuel in an import")]
    Fuel,
    /// The call has sent as much to the network as it may.
    #[error("the call's limit of egress is reached")]
    Egress,
    /// The call has written as much to the tenant's storage as it may.
    #[error("the call's limit of stored bytes is reached")]
    Stored,
    /// The call has no right to this.
    #[error("import refused: {0}")]
    Denied(Arc<str>),
    /// It is an effect, and the audit log does not have that it is about to happen.
    #[error("the audit log cannot be written, so an effect did not happen")]
    Unannounced,
    /// Its caller has to be asked something first; the call ends, and runs again with the answer.
    #[error("the caller has to be asked first")]
    Asked,
    /// It would write through a descriptor that was not opened for that.
    #[error("the descriptor was not opened for writing")]
    NotForWriting,
}

/// Gives a refusal in the error type of the interface, or as a trap.
pub(crate) trait FromStop {
    fn from_stop(stop: Stop) -> Self;
}

impl FromStop for wasmtime::Error {
    fn from_stop(stop: Stop) -> Self {
        Self::new(stop)
    }
}

/// What a handle leads to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handle {
    /// How the log names it.
    pub(crate) target: Option<Arc<str>>,
    /// What may be done through it.
    pub(crate) reach: Reach,
    /// The request that this handle belongs to, until the request has been sent.
    pub(crate) request: Option<u32>,
    /// Whether effects through this handle need no entry of their own: see [`Way::Handle`](super::way::Way::Handle).
    pub(crate) covered: bool,
    /// Where what is written to it goes.
    pub(crate) leads: Leads,
}

/// What may be done through a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reach {
    /// Everything the interface offers.
    #[default]
    Full,
    /// Only imports that are not effects.
    Read,
    /// Nothing: the tool needs it and the tenant has not granted it.
    Nothing,
}

/// Where what is written to a handle goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Leads {
    /// It stays in the call.
    #[default]
    Nowhere,
    /// To the network, as what belongs to a request does.
    Network,
    /// To a directory of the tenant's.
    Storage,
}

/// The refusal that a failed call is explained with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) import: &'static Import,
    pub(crate) target: Option<Arc<str>>,
    pub(crate) why: Arc<str>,
}

/// One call's gate. Lives in the call's store and ends with it.
#[derive(Debug)]
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    began: Instant,
    pot: u64,
    spent: u64,
    egress: Meter,
    stored: Meter,
    records: Vec<ImportRecord>,
    handles: Vec<Handle>,
    directories: Vec<(String, Handle)>,
    /// Listings that the guest holds, each with the entries that the host holds for it.
    listings: Vec<(u32, u64)>,
    denial: Option<Denial>,
    announcements: Announcements,
}

impl Gate {
    /// A gate with this much fuel for the host's work and so many bytes to send and to store, these directories by the path the guest sees
    /// them at, and a way to announce effects; the call begins now.
    pub(crate) fn new(
        pot: u64,
        egress: Meter,
        stored: Meter,
        directories: Vec<(String, Handle)>,
        announcements: Announcements,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            began: clock.monotonic(),
            clock,
            pot,
            spent: 0,
            egress,
            stored,
            records: Vec::new(),
            handles: Vec::new(),
            directories,
            listings: Vec::new(),
            denial: None,
            announcements,
        }
    }

    /// Passes a call or stops it. `target` is what it reaches for, `bytes` what comes with it. An effect that leaves with the
    /// call does not pass here, but by [`Gate::effect`].
    pub(crate) fn enter(
        &mut self,
        import: &'static Import,
        handle: Option<u32>,
        target: Option<Arc<str>>,
        bytes: u64,
    ) -> Result<(), Stop> {
        let held = handle.and_then(|rep| self.handle(rep));
        let target = target.or_else(|| held.and_then(|h| h.target.clone()));
        match refused(import, held) {
            Some(why) => Err(self.deny(import, target, why)),
            None => {
                let (stop, goes) = (effect::stops(import, held), meter::goes(import, held));
                self.charge(import, target, bytes, None)?;
                match stop {
                    Some(stop) => Err(stop),
                    None => self.count(goes, bytes),
                }
            }
        }
    }

    /// Whether a call through this handle would pass, for what must be known before it is made.
    pub(crate) fn would_pass(&self, import: &Import, handle: u32) -> bool {
        refused(import, self.handle(handle)).is_none()
    }

    /// Records a refusal and gives it back as the reason to stop.
    pub(crate) fn deny(&mut self, import: &'static Import, target: Option<Arc<str>>, why: &str) -> Stop {
        self.deny_method(import, target, None, why)
    }

    /// The same for a request, with its method when it is one that a grant could name.
    pub(crate) fn deny_method(
        &mut self,
        import: &'static Import,
        target: Option<Arc<str>>,
        method: Option<Arc<str>>,
        why: &str,
    ) -> Stop {
        let why: Arc<str> = why.into();
        self.denial.get_or_insert_with(|| Denial { import, target: target.clone(), why: why.clone() });
        match self.charge(import, target, 0, Some((why.clone(), method))) {
            Ok(()) => Stop::Denied(why),
            Err(stop) => stop,
        }
    }

    /// Records a refusal that came to light after the call had passed.
    pub(crate) fn deny_handle(&mut self, import: &'static Import, rep: u32, why: &str) {
        let target = self.handle(rep).and_then(|h| h.target.clone());
        // The call goes on with the error that the interface gave; only the record and its price are added.
        let _ = self.deny(import, target, why);
    }

    /// What the call gave back: bytes to charge, and handles that lead where the parent handle led.
    pub(crate) fn leave(
        &mut self,
        parent: Option<u32>,
        given: &impl super::yields::Yields,
    ) -> Result<(), Stop> {
        let bytes = given.bytes();
        if bytes > 0 {
            let per_byte = self.records.last().map_or(0, |r| r.import.per_byte);
            let fuel = bytes.saturating_mul(per_byte);
            if let Some(record) = self.records.last_mut() {
                record.bytes_in = record.bytes_in.saturating_add(bytes);
                record.fuel = record.fuel.saturating_add(fuel);
            }
            self.take(fuel)?;
        }
        if let Some(parent) = parent {
            given.handles(&mut |rep| {
                let handle = self.handle(parent).cloned().unwrap_or_default();
                self.hold(rep, handle);
            });
        }
        Ok(())
    }

    fn charge(
        &mut self,
        import: &'static Import,
        target: Option<Arc<str>>,
        bytes: u64,
        refused: Option<(Arc<str>, Option<Arc<str>>)>,
    ) -> Result<(), Stop> {
        let decision = if refused.is_some() { Decision::Deny } else { Decision::Allow };
        let (why, method) = refused.unzip();
        let method = method.flatten();
        let fuel = import.price.saturating_add(bytes.saturating_mul(import.per_byte));
        let since = self.clock.monotonic().saturating_duration_since(self.began);
        let now = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        match self.records.last_mut() {
            Some(run)
                if std::ptr::eq(run.import, import)
                    && run.decision == decision
                    && run.target == target
                    && (&run.method, &run.why) == (&method, &why) =>
            {
                run.count = run.count.saturating_add(1);
                run.bytes_out = run.bytes_out.saturating_add(bytes);
                run.fuel = run.fuel.saturating_add(fuel);
                run.last_us = now;
                self.take(fuel)
            }
            _ => {
                let fuel = fuel.saturating_add(RECORD_PRICE);
                self.records.push(ImportRecord {
                    import,
                    decision,
                    target,
                    method,
                    why,
                    count: 1,
                    bytes_in: 0,
                    bytes_out: bytes,
                    fuel,
                    first_us: now,
                    last_us: now,
                });
                self.take(fuel)
            }
        }
    }

    fn take(&mut self, fuel: u64) -> Result<(), Stop> {
        let spent = self.spent.saturating_add(fuel);
        self.spent = spent.min(self.pot);
        if spent > self.pot { Err(Stop::Fuel) } else { Ok(()) }
    }

    fn handle(&self, rep: u32) -> Option<&Handle> {
        self.handles.get(usize::try_from(rep).ok()?)
    }

    /// Remembers what a new handle leads to. Handle numbers are small: the resource table is bounded.
    pub(crate) fn hold(&mut self, rep: u32, handle: Handle) {
        let Ok(index) = usize::try_from(rep) else { return };
        if self.handles.len() <= index {
            self.handles.resize(index.saturating_add(1), Handle::default());
        }
        if let Some(slot) = self.handles.get_mut(index) {
            *slot = handle;
        }
    }

    /// Forgets a handle that the guest gave back; its number may be used again for something else.
    pub(crate) fn release(&mut self, rep: u32) {
        self.hold(rep, Handle::default());
        self.listings.retain(|(listing, _)| *listing != rep);
    }

    /// Remembers a listing and how many entries the host holds for it.
    pub(crate) fn hold_listing(&mut self, rep: u32, parent: u32, entries: u64) {
        let handle = self.handle(parent).cloned().unwrap_or_default();
        self.hold(rep, handle);
        self.listings.push((rep, entries));
    }

    /// Entries that the host holds for all listings together.
    pub(crate) fn listed(&self) -> u64 {
        self.listings.iter().fold(0, |sum, (_, entries)| sum.saturating_add(*entries))
    }

    /// The handle's target with a path under it.
    pub(crate) fn under(&self, rep: u32, path: &str) -> Option<Arc<str>> {
        let base = self.handle(rep).and_then(|h| h.target.as_deref()).unwrap_or("?");
        let path: String = path.chars().take(1024).collect();
        Some(format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/')).into())
    }

    /// What may be done through a handle.
    pub(crate) fn reach(&self, rep: u32) -> Reach {
        self.handle(rep).map_or(Reach::Full, |h| h.reach)
    }

    /// A directory that the guest was given, by its path; an unknown one leads nowhere.
    pub(crate) fn hold_directory(&mut self, rep: u32, path: &str) {
        let known = self.directories.iter().find(|(at, _)| at == path).map(|(_, handle)| handle.clone());
        self.hold(rep, known.unwrap_or(Handle { reach: Reach::Nothing, ..Handle::default() }));
    }

    /// A handle opened under another: its own target, its parent's reach; `covered` when opening it was announced.
    pub(crate) fn hold_under(&mut self, rep: u32, parent: u32, target: Option<Arc<str>>, covered: bool) {
        let reach = self.reach(parent);
        let leads = self.handle(parent).map_or(Leads::Nowhere, |handle| handle.leads);
        self.hold(rep, Handle { target, reach, covered, leads, ..Handle::default() });
    }

    /// A handle through which nothing can leave.
    pub(crate) fn hold_to_nowhere(&mut self, rep: u32) {
        self.hold(rep, Handle { covered: true, ..Handle::default() });
    }

    /// Names every handle of a request that has now been sent.
    pub(crate) fn sent(&mut self, request: u32, target: &Arc<str>) {
        for handle in self.handles.iter_mut().filter(|h| h.request == Some(request)) {
            handle.target = Some(target.clone());
            handle.request = None;
        }
    }

    /// Fuel left for the host's work.
    pub(crate) fn left(&self) -> u64 {
        self.pot.saturating_sub(self.spent)
    }

    /// Fuel that imports have used.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// The first refusal of the call.
    pub(crate) fn denial(&self) -> Option<&Denial> {
        self.denial.as_ref()
    }

    /// Everything that passed or was refused, in order; leaves the gate empty.
    pub(crate) fn take_records(&mut self) -> Vec<ImportRecord> {
        std::mem::take(&mut self.records)
    }
}

/// Why what the handle leads to does not allow the import, if it does not.
fn refused(import: &Import, held: Option<&Handle>) -> Option<&'static str> {
    match held.map_or(Reach::Full, |h| h.reach) {
        Reach::Full => None,
        Reach::Read if import.class != Class::Effect => None,
        Reach::Read => Some("granted for reading only"),
        Reach::Nothing if import.class == Class::Local => None,
        Reach::Nothing => Some("the tool needs it, the tenant has not granted it"),
    }
}

/// The number of a handle, for the gate's memory.
pub(crate) fn rep<T: 'static>(resource: &Resource<T>) -> u32 {
    resource.rep()
}

#[cfg(test)]
mod tests;
