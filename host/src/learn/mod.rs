//! From the denials in the book, the smallest grant that would have allowed them: a patch for a person to review.
//!
//! Takes: entries of the book, settings, manifests. Gives: [`learn`]. May name: audit, authorize, config, id, identify,
//! imports, moment, reason, tools.
//!
//! Pure, and never more than what is asked for: nothing beyond the manifest, no wildcards of its own, no credentials, no
//! addresses inside. What looks like an attack, or cannot be granted by a line, is listed with the reason instead.

mod diff;
mod edit;
mod http;
mod judge;
mod plan;
mod requests;
mod suspect;
#[cfg(test)]
mod tests;
mod wish;

use crate::audit::Entry;
use crate::config::{Settings, Tenant};
use crate::id::{CallId, TenantId, ToolName};
use crate::moment::utc;
use crate::tools::Described;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use wish::Wish;

/// What is known of a host.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The operator's files.
    pub settings: &'a Settings,
    /// The texts of the tenants' files that the settings were read from.
    pub sources: &'a BTreeMap<TenantId, String>,
    /// The installed tools.
    pub tools: &'a [Described],
}

impl Known<'_> {
    fn tool(&self, name: &ToolName) -> Option<&Described> {
        self.tools.iter().find(|tool| tool.name == *name)
    }
}

/// Which calls wanted something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// How many calls.
    pub calls: usize,
    /// When the last of them ended, in microseconds since 1970.
    pub last_us: u64,
    /// The last of them.
    pub last_call: Option<CallId>,
    #[serde(skip)]
    all: BTreeSet<CallId>,
}

impl Seen {
    fn add(&mut self, entry: &Entry) {
        self.all.extend(entry.call_id);
        self.calls = self.all.len();
        if entry.time_us >= self.last_us {
            (self.last_us, self.last_call) = (entry.time_us, entry.call_id);
        }
    }

    fn join(&mut self, other: &Self) {
        self.all.extend(&other.all);
        self.calls = self.all.len();
        if other.last_us >= self.last_us {
            (self.last_us, self.last_call) = (other.last_us, other.last_call);
        }
    }

    /// `3 calls, last 2026-01-31T08:15:00Z call_…`, as it stands in comments.
    #[must_use]
    pub fn text(&self) -> String {
        let plural = if self.calls == 1 { "" } else { "s" };
        let last = self.last_call.map(|call| format!(" {call}")).unwrap_or_default();
        format!("{} call{plural}, last {}{last}", self.calls, utc(self.last_us / 1000))
    }
}

/// Something that calls wanted and were denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// The tenant.
    pub tenant: TenantId,
    /// What, in words: `orders.list GET https://api.example.com/orders`.
    pub what: String,
    /// Why it is not suggested, or what the suggestion is.
    pub says: String,
    /// Which calls.
    pub seen: Seen,
}

/// The change to one tenant's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// The tenant.
    pub tenant: TenantId,
    /// Its file, from the home folder: `tenants/acme.toml`.
    pub file: String,
    /// The change as a unified diff, to be applied in the home folder: `patch -p0`.
    pub diff: String,
    /// The file with the change.
    #[serde(skip)]
    pub after: String,
    /// What it lets pass.
    pub suggested: Vec<Denied>,
    /// What it only proposes in comments, with a warning: each needs a person's own decision.
    pub proposed: Vec<Denied>,
}

/// What the denials teach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lessons {
    /// One for each tenant's file that would change.
    pub patches: Vec<Patch>,
    /// What is not suggested, and why.
    pub not_suggested: Vec<Denied>,
    /// How many kinds of denials the rules allow by now.
    pub allowed_by_now: usize,
}

/// Reads denials, and says which lines would have allowed them.
#[must_use]
pub fn learn(known: &Known<'_>, entries: impl IntoIterator<Item = Entry>) -> Lessons {
    let mut wishes: BTreeMap<Wish, Seen> = BTreeMap::new();
    for entry in entries {
        for wish in wish::of(&entry) {
            wishes.entry(wish).or_default().add(&entry);
        }
    }
    let mut lessons = Lessons::default();
    let mut plans: BTreeMap<TenantId, plan::Plan> = BTreeMap::new();
    for (wish, seen) in wishes {
        match judge::judge(known, &wish) {
            judge::Judged::Allowed => lessons.allowed_by_now += 1,
            judge::Judged::Refused(why) => lessons.not_suggested.push(wish.denied(why, &seen)),
            judge::Judged::Asks(ask) => {
                plans.entry(wish.tenant.clone()).or_default().add(*ask, wish, seen);
            }
        }
    }
    for (id, plan) in plans {
        let (patch, refused) = match (known.settings.tenants.get(&id), known.sources.get(&id)) {
            (Some(tenant), Some(text)) => plan.carry_out(known, tenant, text),
            _ => (None, plan.put_off("the tenant's file has changed while it was read: look again")),
        };
        lessons.patches.extend(patch);
        lessons.not_suggested.extend(refused);
    }
    lessons
}

/// Whether a tenant's rules let a wish pass.
fn allows(known: &Known<'_>, tenant: &Tenant, wish: &Wish) -> bool {
    known.tool(&wish.tool).is_some_and(|tool| judge::allows(known, tenant, tool, wish))
}
