//! What the ledger would hold, told by the audit log alone.
//!
//! Takes: the log's entries, in order. Gives: [`State`]. May name: admit, audit, id, reason, room, storage. Pure: no clock, no file.
//!
//! A call is charged when it ran: one call, the fuel of `charged`, or else of `fuel`, and `egress`, `stored` and `spend`, in the windows in
//! which it began, of its tenant, its actor and its tool. Runs are not in the log.
//! A write that ended keeps its key for 24 hours, one that broke off for good. A switch is on until it is lifted.

use crate::admit::{is_derived, tool_of};
use crate::audit::{Entry, Phase};
use crate::id::{ActorId, CallId, Digest, FunctionName, KeyId, TenantId};
use crate::reason::{Outcome, Reason};
use crate::room::{DONE, FAILED, RERUN};
use crate::storage::ledger::{
    Amounts, Count, KEPT_MS, Kill, KillMode, KillScope, Of, Order, PastWrite, Per, Spent, Who,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const PERS: [Per; 5] = [Per::Minute, Per::Hour, Per::Day, Per::Month, Per::Total];

/// What is known after an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The latest time of any entry, in milliseconds since 1970.
    newest_ms: u64,
    tenants: BTreeMap<TenantId, Account>,
    kills: Vec<Switch>,
    /// API keys that were made and not revoked.
    keys: BTreeMap<KeyId, TenantId>,
    /// Tenants whose deletion was begun and not ended.
    leaving: Vec<TenantId>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    /// By whose calls are counted (as [`Who`] is written), the latest window of each kind, in the order of [`PERS`].
    spent: BTreeMap<String, [Window; 5]>,
    writes: BTreeMap<FunctionName, BTreeMap<Digest, Write>>,
    /// Calls of which there is an intent and nothing more yet.
    open: BTreeMap<CallId, Begun>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    start: u64,
    used: Amounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Write {
    arguments: Digest,
    call: CallId,
    at_ms: u64,
    /// How it ended; `None` when nobody knows.
    ended: Option<Reason>,
    /// Whether the host had derived its key.
    #[serde(default)]
    derived: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    actor: Option<ActorId>,
    function: FunctionName,
    key: Option<Digest>,
    arguments: Digest,
    charged: Amounts,
    at_ms: u64,
    #[serde(default)]
    derived: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Switch {
    #[serde(with = "scope")]
    scope: KillScope,
    mode: KillMode,
    by: String,
    why: String,
    at_ms: u64,
}

/// A scope as the book writes it.
mod scope {
    use crate::storage::ledger::KillScope;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(scope: &KillScope, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(scope)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<KillScope, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

impl State {
    /// The state that was kept of entries that are gone.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The state, to be kept.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, serde_json::Error> {
        self.forget();
        serde_json::to_vec(self)
    }

    /// Takes the next entry.
    pub(crate) fn take(&mut self, entry: &Entry) {
        let at_ms = entry.time_us / 1000;
        self.newest_ms = self.newest_ms.max(at_ms);
        match (entry.call_id, &entry.tenant_id, entry.action.strip_prefix("call ")) {
            (Some(call), Some(tenant), Some(function)) => {
                // A name that no function can have was refused.
                if let Ok(function) = FunctionName::new(function) {
                    self.tenants.entry(tenant.clone()).or_default().call(call, function, entry, at_ms);
                }
            }
            (None, ..) if entry.phase == Phase::Outcome && entry.reason_code == Reason::Ok => {
                self.act(entry, at_ms);
            }
            _ => {}
        }
    }

    /// An act of the operator's.
    fn act(&mut self, entry: &Entry, at_ms: u64) {
        let Some((what, rest)) = entry.action.split_once(' ') else { return };
        let by = entry.actor_id.as_ref().map(ToString::to_string).unwrap_or_default();
        match (what, &entry.tenant_id) {
            ("kill" | "freeze" | "revive", _) => match entry.action.parse() {
                Ok(Order::On { scope, mode, why }) => self.switch(Switch { scope, mode, by, why, at_ms }),
                Ok(Order::Off { scope }) => self.kills.retain(|kill| kill.scope != scope),
                // Nothing of a host's own ever was one; whoever could not read it would have to guess what is stopped.
                Err(error) => tracing::warn!(seq = entry.seq, %error, "an order is left out"),
            },
            ("key.create", Some(tenant)) => {
                self.keys.extend(KeyId::new(rest).ok().map(|id| (id, tenant.clone())));
            }
            (DONE | FAILED | RERUN, Some(tenant)) => {
                let account = self.tenants.get_mut(tenant);
                if let (Some((function, call)), Some(account)) = (settled(rest), account) {
                    account.settle(&function, call, (what == DONE).then_some(at_ms));
                }
            }
            // A key that was rotated has an end that the log does not know.
            ("key.revoke" | "key.rotate", _) => self.keys.retain(|id, _| id.as_str() != rest),
            ("tenant.delete", Some(tenant)) if is_end(rest, tenant) => {
                self.tenants.remove(tenant);
                self.keys.retain(|_, of| of != tenant);
                self.kills.retain(|kill| kill.scope.tenant() != Some(tenant));
                self.leaving.retain(|leaving| leaving != tenant);
            }
            ("tenant.delete", Some(tenant)) => {
                let (scope, why) =
                    (KillScope::Tenant(tenant.clone()), "the tenant is being deleted".to_owned());
                self.switch(Switch { scope, mode: KillMode::Stop, by, why, at_ms });
                self.leaving.retain(|leaving| leaving != tenant);
                self.leaving.push(tenant.clone());
            }
            _ => {}
        }
    }

    fn switch(&mut self, switch: Switch) {
        self.kills.retain(|kill| kill.scope != switch.scope);
        self.kills.push(switch);
    }

    /// Nothing follows any more: what is open has broken off.
    pub(crate) fn end(&mut self) {
        for account in self.tenants.values_mut() {
            for (call, begun) in std::mem::take(&mut account.open) {
                account.broke_off(call, begun);
            }
        }
        self.forget();
    }

    /// Forgets answers that were kept long enough.
    fn forget(&mut self) {
        for account in self.tenants.values_mut() {
            for writes in account.writes.values_mut() {
                writes.retain(|_, write| {
                    write.ended.is_none() || write.at_ms.saturating_add(KEPT_MS) >= self.newest_ms
                });
            }
            account.writes.retain(|_, writes| !writes.is_empty());
        }
    }

    /// Of each tenant, what it, its actors and its tools have spent in the latest window of each kind.
    pub(crate) fn spent(&self) -> impl Iterator<Item = Spent> + use<'_> {
        self.tenants.iter().flat_map(|(tenant, account)| {
            account.spent.iter().flat_map(move |(who, windows)| {
                windows.iter().zip(PERS).flat_map(move |(window, per)| {
                    Of::ALL.map(|of| Spent {
                        tenant: tenant.clone(),
                        count: Count { of, per, who: Who::from_stored(who) },
                        window_start: window.start,
                        spent: window.used.of(of),
                    })
                })
            })
        })
    }

    /// The writes whose keys count.
    pub(crate) fn writes(&self) -> impl Iterator<Item = PastWrite> + use<'_> {
        self.tenants.iter().flat_map(|(tenant, account)| {
            account.writes.iter().flat_map(move |(function, writes)| {
                writes.iter().map(move |(key, write)| PastWrite {
                    tenant: tenant.clone(),
                    function: function.clone(),
                    key: *key,
                    fingerprint: write.arguments,
                    call_id: write.call,
                    at_unix_ms: write.at_ms,
                    ended: write.ended,
                    derived: write.derived,
                    kept_ms: KEPT_MS,
                })
            })
        })
    }

    /// The switches that are on.
    pub(crate) fn kills(&self) -> Vec<Kill> {
        let kill = |switch: &Switch| {
            let Switch { scope, mode, by, why, at_ms } = switch.clone();
            Kill { scope, mode, by, why, at_unix_ms: at_ms }
        };
        self.kills.iter().map(kill).collect()
    }

    /// The latest time of any entry, in milliseconds since 1970.
    pub(crate) fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    /// The tenants that have called or can.
    pub(crate) fn tenants(&self) -> BTreeSet<&TenantId> {
        self.tenants.keys().chain(self.keys.values()).chain(&self.leaving).collect()
    }

    /// API keys that were made and not revoked.
    pub(crate) fn open_keys(&self) -> &BTreeMap<KeyId, TenantId> {
        &self.keys
    }

    /// How many API keys each tenant had that were not revoked.
    pub(crate) fn keys(&self) -> BTreeMap<TenantId, u64> {
        let mut keys = BTreeMap::new();
        for tenant in self.keys.values() {
            *keys.entry(tenant.clone()).or_default() += 1;
        }
        keys
    }

    /// Tenants whose deletion was begun and not ended.
    pub(crate) fn leaving(&self) -> &[TenantId] {
        &self.leaving
    }
}

impl Account {
    fn call(&mut self, call: CallId, function: FunctionName, entry: &Entry, at_ms: u64) {
        let arguments = entry.arguments.unwrap_or(Digest::from_bytes([0; 32]));
        match (entry.phase, entry.outcome) {
            (Phase::Intent, _) => {
                let (actor, key, charged) = (entry.actor_id.clone(), entry.idempotency_key, charged(entry));
                let derived = is_derived(entry);
                let begun = Begun { actor, function, key, arguments, charged, at_ms, derived };
                self.open.entry(call).or_insert(begun);
            }
            (Phase::Recovery, _) => {
                // A call with several intents breaks off once.
                if let Some(begun) = self.open.remove(&call) {
                    self.broke_off(call, begun);
                }
            }
            (Phase::Outcome, outcome) => {
                let announced = self.open.remove(&call).is_some();
                let ended = match outcome {
                    Outcome::Denied | Outcome::Replayed => return,
                    Outcome::Executed | Outcome::Cached | Outcome::Failed => Some(entry.reason_code),
                    Outcome::Unknown => None,
                };
                self.charge(call, entry.actor_id.as_ref(), &function, charged(entry));
                // What was broken off before it announced an effect had none: the key is free.
                let broken = matches!(entry.reason_code, Reason::AuditUnavailable | Reason::Killed);
                let happened = announced || !broken;
                if let Some(key) = entry.idempotency_key.filter(|_| happened) {
                    let derived = is_derived(entry);
                    let write = Write { arguments, call, at_ms, ended, derived };
                    self.writes.entry(function).or_default().insert(key, write);
                }
            }
            (Phase::Import | Phase::Head, _) => {}
        }
    }

    /// An operator has found out what became of a write that broke off: it was done, and that is known from then on, or
    /// it was not, and its key is free.
    fn settle(&mut self, function: &FunctionName, call: CallId, done_at_ms: Option<u64>) {
        if let Some(begun) = self.open.remove(&call) {
            self.broke_off(call, begun);
        }
        let Some(writes) = self.writes.get_mut(function) else { return };
        match done_at_ms {
            None => writes.retain(|_, write| write.call != call || write.ended.is_some()),
            Some(at_ms) => {
                for write in writes.values_mut().filter(|write| write.call == call && write.ended.is_none()) {
                    (write.at_ms, write.ended) = (at_ms, Some(Reason::Ok));
                }
            }
        }
    }

    fn broke_off(&mut self, call: CallId, begun: Begun) {
        let Begun { actor, function, key, arguments, charged, at_ms, derived } = begun;
        self.charge(call, actor.as_ref(), &function, charged);
        if let Some(key) = key {
            let write = Write { arguments, call, at_ms, ended: None, derived };
            self.writes.entry(function).or_default().insert(key, write);
        }
    }

    /// As the ledger does it: the window is the one in which the call began, and a window that has passed is closed.
    fn charge(
        &mut self,
        call: CallId,
        actor: Option<&ActorId>,
        function: &FunctionName,
        Amounts { calls, fuel, egress, stored, spend }: Amounts,
    ) {
        let tool = tool_of(function.as_str());
        // All that a budget can count, whichever there are.
        let whose: BTreeSet<String> =
            [(None, None), (actor, None), (None, tool.as_ref()), (actor, tool.as_ref())]
                .map(|(actor, tool)| Who::of(actor, tool, None).as_str().to_owned())
                .into();
        for who in whose {
            for (window, per) in self.spent.entry(who).or_default().iter_mut().zip(PERS) {
                let start = per.window_start(call.unix_ms());
                if start > window.start {
                    *window = Window { start, ..Window::default() };
                }
                if start == window.start {
                    let used = &mut window.used;
                    used.calls = used.calls.saturating_add(calls);
                    used.fuel = used.fuel.saturating_add(fuel);
                    used.egress = used.egress.saturating_add(egress);
                    used.stored = used.stored.saturating_add(stored);
                    used.spend = used.spend.saturating_add(spend);
                }
            }
        }
    }
}

/// Whether a tenant's deletion ends with this.
pub(super) fn is_end(rest: &str, tenant: &TenantId) -> bool {
    rest.strip_prefix(tenant.as_str()) == Some(" ends")
}

/// Which call an operator has settled.
pub(super) fn settled(rest: &str) -> Option<(FunctionName, CallId)> {
    let (function, rest) = rest.split_once(' ')?;
    let (call, _) = rest.split_once(':')?;
    Some((FunctionName::new(function).ok()?, CallId::parse(call)?))
}

/// What the budgets were charged with.
fn charged(entry: &Entry) -> Amounts {
    let fuel = match entry.phase {
        Phase::Intent => 0,
        _ => entry.fuel,
    };
    let fuel = entry.charged.unwrap_or(fuel);
    Amounts { calls: 1, fuel, egress: entry.egress, stored: entry.stored, spend: entry.spend }
}
