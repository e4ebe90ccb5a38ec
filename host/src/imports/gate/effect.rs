//! Effects at the gate: none happens that the audit log does not have as about to happen.
//!
//! Takes: a row of the table whose class is effect. Gives: what has to be waited for before the effect.
//! May name: imports::announce, imports::record, imports::table, imports::way.
//!
//! Each row's [`Way`] says how that is kept. [`Gate::enter`] stops what would leave with the call, so an implementation that
//! forgets to announce does not work at all, instead of working unannounced.

use super::{Gate, Handle, Stop, meter, refused};
use crate::imports::announce::Notice;
use crate::imports::record::Decision;
use crate::imports::table::Import;
use crate::imports::way::Way;
use std::sync::Arc;

/// One end of an effect: through which handle, on what, and how many bytes come with it.
pub(crate) type End = (Option<u32>, Option<Arc<str>>, u64);

/// Why a call that has the right does not pass without a notice, if it does not.
pub(super) fn stops(import: &Import, held: Option<&Handle>) -> Option<Stop> {
    let covered = || held.is_some_and(|handle| handle.covered);
    match import.way {
        None | Some(Way::AtCommit) => None,
        Some(Way::Handle) => (!covered()).then_some(Stop::Unannounced),
        Some(Way::Opens) => (!covered()).then_some(Stop::NotForWriting),
        Some(Way::AtOnce | Way::Never) => Some(Stop::Unannounced),
    }
}

impl Gate {
    /// Passes a call that is an effect, or may be one, at each of its ends; what it gives has to be waited for before the
    /// call goes on. What is done with an open descriptor itself was announced when it was opened for writing.
    pub(crate) fn effect<const N: usize>(
        &mut self,
        import: &'static Import,
        ends: [End; N],
    ) -> Result<Notice, Stop> {
        let mut effects = Vec::new();
        for (handle, target, bytes) in ends {
            if import.way != Some(Way::AtOnce) {
                self.enter(import, handle, target, bytes)?;
                continue;
            }
            let held = handle.and_then(|rep| self.handle(rep));
            let covered = target.is_none() && held.is_some_and(|handle| handle.covered);
            let goes = meter::goes(import, held);
            let target = target.or_else(|| held.and_then(|handle| handle.target.clone()));
            if let Some(why) = refused(import, held) {
                return Err(self.deny(import, target, why));
            }
            self.charge(import, target.clone(), bytes, None)?;
            self.count(goes, bytes)?;
            if !covered {
                effects.push((import, target));
            }
        }
        self.announcements.announce(effects)
    }

    /// Announces everything that the call has kept aside until its commit.
    pub(crate) fn commit(&mut self) -> Result<Notice, Stop> {
        let kept = self
            .records
            .iter()
            .filter(|record| record.import.way == Some(Way::AtCommit) && record.decision == Decision::Allow);
        let effects: Vec<_> = kept.map(|record| (record.import, record.target.clone())).collect();
        // A commit of what no import has asked for would be one that nobody announced.
        if effects.is_empty() { Err(Stop::Unannounced) } else { self.announcements.announce(effects) }
    }

    /// Whether an effect of the call did not happen because it could not be announced.
    pub(crate) fn is_unannounced(&self) -> bool {
        self.announcements.failed()
    }

    /// Whether an effect of the call may have happened.
    pub(crate) fn has_announced(&self) -> bool {
        self.announcements.any()
    }
}
