//! A tenant's file, `tenants/<id>.toml`: who may call which tools, how much, and what the tools may reach.
//!
//! Takes: the file's text. Gives: [`Tenant`]. May name: authorize, id.

use super::budget::BudgetRule;
use super::concurrency::{ConcurrencyRules, Priority};
use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::grant::ToolGrant;
use super::keying::KeyRules;
use super::limits::{self, PartialLimits};
use super::list;
use super::manifest::Effect;
use super::names::{RoleName, ToolPattern};
use super::storage::StorageRules;
use crate::authorize::cedar::Policies;
use crate::id::{Digest, TenantId, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A customer of the platform and its rules. Without a rule that allows it, nothing is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant, from the file's name.
    pub id: TenantId,
    /// What messages call the place where the rules stand, when they are in no file of the tenant's own.
    pub named: Option<&'static str>,
    /// SHA-256 of the file, so that the audit log can say under which rules a call ran. With policies, SHA-256 of the
    /// digests of both files.
    pub digest: Digest,
    /// What narrows further who may call what: `policies/<id>.cedar`, if it is there.
    pub policies: Option<Policies>,
    /// What its file says. [`Settings::load`](super::Settings::load) has it once for all files that say the same.
    pub rules: Arc<TenantRules>,
}

impl std::ops::Deref for Tenant {
    type Target = TenantRules;

    fn deref(&self) -> &TenantRules {
        &self.rules
    }
}

/// What a tenant's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRules {
    /// Whether all calls are refused for now.
    pub suspended: bool,
    /// Which tools may be called at all.
    pub tools: ToolRules,
    /// Which roles may call what; `None` means that roles narrow nothing.
    pub roles: Option<BTreeMap<RoleName, Role>>,
    /// Upper bounds for each call.
    pub limits: PartialLimits,
    /// How fast it may call; `None` is no limit.
    pub rate: Option<Rate>,
    /// How fast it may ask what it may call. It takes nothing of `rate`.
    pub list_rate: Rate,
    /// What its calls weigh when not all can run.
    pub priority: Priority,
    /// How many of its calls run at once.
    pub concurrency: ConcurrencyRules,
    /// How much it may use in a window of time.
    pub budgets: Vec<BudgetRule>,
    /// What its tools may reach.
    pub grants: BTreeMap<ToolName, ToolGrant>,
    /// What becomes of its writes that carry no idempotency key.
    pub idempotency: KeyRules,
    /// How much it may keep.
    pub storage: StorageRules,
    /// Whether answers of its reads may be given again where a tool's manifest says so.
    pub cache_results: bool,
}

/// The tools of a tenant. `block` wins over `allow`; what is in neither is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolRules {
    /// Allowed tools and functions, at most 64.
    #[serde(deserialize_with = "list::any")]
    pub allow: Vec<ToolPattern>,
    /// Blocked tools and functions, at most 64.
    #[serde(deserialize_with = "list::any")]
    pub block: Vec<ToolPattern>,
}

/// What callers with this role may call, within the tenant's tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Tools and functions, 1 to 64.
    #[serde(deserialize_with = "list::some")]
    pub tools: Vec<ToolPattern>,
    /// The effects that they may have; both if left out.
    #[serde(default = "both_effects")]
    pub effects: Vec<Effect>,
}

fn both_effects() -> Vec<Effect> {
    vec![Effect::Read, Effect::Write]
}

/// How fast a tenant may ask what it may call, unless its file says otherwise: a fleet of a thousand agents may come at once.
pub const LIST_RATE: Rate = Rate { per_second: 100, burst: 1000 };

/// How fast a tenant may call, or ask what it may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RateTable")]
pub struct Rate {
    /// Calls a second in the long run, at least 1.
    pub per_second: u32,
    /// Calls at once after a pause, at least 1; as many as `per_second` if left out.
    pub burst: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateTable {
    #[serde(deserialize_with = "limits::number::<1, 1_000_000, _>")]
    per_second: u64,
    #[serde(default, deserialize_with = "limits::optional::<1, 1_000_000, _>")]
    burst: Option<u64>,
}

impl TryFrom<RateTable> for Rate {
    type Error = std::num::TryFromIntError;
    fn try_from(table: RateTable) -> Result<Self, Self::Error> {
        let burst = table.burst.unwrap_or(table.per_second);
        Ok(Self { per_second: table.per_second.try_into()?, burst: burst.try_into()? })
    }
}

/// The file as it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TenantFile {
    suspended: bool,
    tools: ToolRules,
    roles: Option<BTreeMap<RoleName, Role>>,
    limits: PartialLimits,
    rate: Option<Rate>,
    list_rate: Option<Rate>,
    priority: Priority,
    concurrency: ConcurrencyRules,
    budgets: Vec<BudgetRule>,
    grants: BTreeMap<ToolName, ToolGrant>,
    storage: StorageRules,
    idempotency: KeyRules,
    cache_results: Option<bool>,
}

impl Tenant {
    /// Reads a tenant's file. `file` is what messages call it.
    ///
    /// # Errors
    /// [`ConfigError`] with the line, for text that is no TOML, unknown keys, wrong types, bad names and
    /// patterns, a budget that stands there twice, and more than 256 KiB.
    pub fn parse(id: TenantId, file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::read(id, &Document::new(FileKind::Tenant, file, text)?)
    }

    pub(crate) fn read(id: TenantId, document: &Document) -> Result<Self, ConfigError> {
        let TenantFile {
            suspended,
            tools,
            roles,
            limits,
            rate,
            list_rate,
            priority,
            concurrency,
            budgets,
            grants,
            storage,
            idempotency,
            cache_results,
        } = document.read()?;
        for (index, budget) in budgets.iter().enumerate() {
            if budgets.iter().take(index).any(|earlier| earlier.repeats(budget)) {
                return Err(document.fault_at(
                    &["budgets", &index.to_string()],
                    format!("a second budget of {budget}"),
                    "this one",
                    "keep one of them",
                ));
            }
        }
        let digest = Digest::of(document.text().as_bytes());
        let rules = TenantRules {
            suspended,
            tools,
            roles,
            limits,
            rate,
            list_rate: list_rate.unwrap_or(LIST_RATE),
            priority,
            concurrency,
            budgets,
            grants,
            idempotency,
            storage,
            cache_results: cache_results.unwrap_or(true),
        };
        Ok(Self { id, named: None, digest, policies: None, rules: Arc::new(rules) })
    }

    /// Where the rules stand, for messages: `tenants/<id>.toml`.
    #[must_use]
    pub fn file(&self) -> String {
        self.named.map_or_else(|| format!("tenants/{}.toml", self.id), str::to_owned)
    }

    /// The tenant under these policies as well.
    #[must_use]
    pub fn with_policies(mut self, policies: Policies) -> Self {
        let both = [*self.digest.as_bytes(), *policies.digest().as_bytes()];
        self.digest = Digest::of(both.as_flattened());
        self.policies = Some(policies);
        self
    }

    /// The tenant of a host that has no tenants configured: `default`, which may call every installed tool,
    /// has no limits of its own, and grants nothing.
    #[must_use]
    pub fn single() -> Self {
        let rules = TenantRules {
            suspended: false,
            tools: ToolRules { allow: vec![ToolPattern::Any], block: Vec::new() },
            roles: None,
            limits: PartialLimits::default(),
            rate: None,
            list_rate: LIST_RATE,
            priority: Priority::default(),
            concurrency: ConcurrencyRules::default(),
            budgets: Vec::new(),
            grants: BTreeMap::new(),
            idempotency: KeyRules::default(),
            storage: StorageRules::default(),
            cache_results: true,
        };
        Self {
            id: TenantId::default_tenant(),
            named: Some("built-in tenant default"),
            digest: Digest::of(b""),
            policies: None,
            rules: Arc::new(rules),
        }
    }
}
