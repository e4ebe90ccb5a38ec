//! Budgets as operators and tenants deal with them: how far they are used, raised for a while, and their alerts.
//!
//! Takes: a tenant, or a caller. Gives: usage, raises, alerts. May name: audit, config, id, identify, reason, settle,
//! storage.

use super::{OperateError, Strongroom};
use crate::audit::{Entry, Journal};
use crate::config::MAX_FUEL;
use crate::id::{ActorId, RunId, TenantId, ToolName};
use crate::identify::Caller;
use crate::moment::utc;
use crate::powers::Clock;
use crate::reason::{Outcome, Reason};
use crate::settle::Receipt;
use crate::storage::ledger::{Alert, Alerts, Count, Of, Per, Raise, SqliteLedger, Usage, Who};
use std::sync::Arc;

/// The longest that a budget can be raised for, in milliseconds: 366 days.
pub const LONGEST_RAISE_MS: u64 = 366 * 86_400_000;

/// Which budget of a tenant is meant, as its file counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetOf {
    /// The tenant.
    pub tenant: TenantId,
    /// What is counted.
    pub of: Of,
    /// The window.
    pub per: Per,
    /// Whose calls alone are counted, where the rule is for actors.
    pub actor: Option<ActorId>,
    /// The tool whose calls alone are counted, where the rule is for one.
    pub tool: Option<ToolName>,
    /// The run, where the window is one.
    pub run: Option<RunId>,
}

impl BudgetOf {
    fn count(&self) -> Count {
        let who = Who::of(self.actor.as_ref(), self.tool.as_ref(), self.run.as_ref());
        Count { of: self.of, per: self.per, who }
    }
}

impl Strongroom {
    /// How far each budget of a tenant is used now, also those of single actors and runs, as far as these were counted: of
    /// more than 10,000 counts the latest.
    ///
    /// # Errors
    /// [`OperateError::Tenant`] for one without a file; when the ledger cannot be read.
    pub fn usage(&self, tenant: &TenantId) -> Result<Vec<Usage>, OperateError> {
        let room = &self.room;
        let state = room.tenants().get(tenant).ok_or_else(|| OperateError::Tenant(tenant.clone()))?;
        Ok(room.ledger.usage_now(tenant, &state.all_budgets(&room.ledger.counts(tenant)?))?)
    }

    /// The same for a caller's tenant. Ends the caller's call, as `show usage`.
    ///
    /// # Errors
    /// The receipt when the ledger cannot be read or the book cannot be written.
    pub async fn usage_of(&self, caller: Caller) -> Result<Vec<Usage>, Box<Receipt>> {
        let usage = self.usage(caller.tenant());
        self.looked(caller, "show usage", usage).await
    }

    /// The alerts of a caller's tenant after the one with this number; from now on when it is left out. Ends the caller's
    /// call, as `watch usage`.
    ///
    /// # Errors
    /// The receipt when the book cannot be written.
    pub async fn alerts_of(&self, caller: Caller, after: Option<u64>) -> Result<Alerts, Box<Receipt>> {
        let alerts = self.room.ledger.alerts(Some(caller.tenant()), after);
        self.looked(caller, "watch usage", Ok(alerts)).await
    }

    /// The alerts of all tenants from now on.
    #[must_use]
    pub fn alerts(&self) -> Alerts {
        self.room.ledger.alerts(None, None)
    }

    /// Raises a budget by so much until then (milliseconds since 1970), instead of what it was raised by before. It ends by
    /// itself.
    ///
    /// # Errors
    /// [`OperateError::Tenant`] and [`OperateError::Budget`] for what does not exist; when `more` is not 1 to 10^15, or the
    /// end is not within the next 366 days; when the ledger or the book cannot be written.
    pub async fn raise_budget(
        &self,
        budget: &BudgetOf,
        more: u64,
        until_ms: u64,
        why: &str,
    ) -> Result<(), OperateError> {
        let (now, count) = (self.room.clock.unix_ms(), self.known(budget)?);
        if !(1..=MAX_FUEL).contains(&more) {
            return Err(OperateError::Budget(format!("a budget is raised by 1 to {MAX_FUEL}")));
        }
        if until_ms <= now || until_ms > now.saturating_add(LONGEST_RAISE_MS) {
            return Err(OperateError::Budget("a raise ends in the future, within 366 days".to_owned()));
        }
        self.room.journal.ready()?;
        let (tenant, by, why) = (budget.tenant.clone(), self.actor().to_string(), why.to_owned());
        let says = raise_order(&count, more, until_ms, &why);
        self.room.ledger.raise(Raise { tenant, count, more, until_ms, by, why, at_ms: now }).await?;
        self.enter(&says, Some(&budget.tenant), Reason::Ok, None).await
    }

    /// Ends a raise before its time. `false` when the budget was not raised.
    ///
    /// # Errors
    /// When the ledger or the book cannot be written.
    pub async fn lower_budget(&self, budget: &BudgetOf) -> Result<bool, OperateError> {
        let count = budget.count();
        let was = self.room.ledger.lower(&budget.tenant, &count).await?;
        if was {
            let says = format!("{LOWER} {count}");
            self.enter(&says, Some(&budget.tenant), Reason::Ok, None).await?;
        }
        Ok(was)
    }

    /// The raises that hold now.
    #[must_use]
    pub fn raises(&self) -> Vec<Raise> {
        self.room.ledger.raises()
    }

    fn known(&self, budget: &BudgetOf) -> Result<Count, OperateError> {
        let BudgetOf { tenant, .. } = budget;
        let state = self.room.tenants().get(tenant).ok_or_else(|| OperateError::Tenant(tenant.clone()))?;
        let count = budget.count();
        match state.has_budget(&count) {
            true => Ok(count),
            false => {
                let file = state.config.file();
                Err(OperateError::Budget(format!("{file} has no budget of {count}")))
            }
        }
    }
}

/// How the audit log calls the end of a raise before its time.
pub(crate) const LOWER: &str = "budget.lower";
/// How it calls a raise.
pub(crate) const RAISE: &str = "budget.raise";

/// A raise as the audit log has it.
pub(crate) fn raise_order(count: &Count, more: u64, until_ms: u64, why: &str) -> String {
    format!("{RAISE} {count} by {more} until {}: {why}", utc(until_ms))
}

/// What the host does with each alert that it raises: it is in the book, and told to the operator's log.
pub(super) fn attend(ledger: &SqliteLedger, journal: &Arc<dyn Journal>, clock: Arc<dyn Clock>) {
    // The ledger's thread outlives the host by a moment; the book must be closed with the host, and not after it.
    let journal = Arc::downgrade(journal);
    ledger.on_alert(Box::new(move |alert: &Alert| {
        let Alert { tenant, of, per, who, percent, limit, spent, .. } = alert;
        tracing::warn!(target: "strongroom::budget", %tenant, %of, %per, who, percent, limit, spent, "{alert}");
        let action = format!("budget.alert {alert}");
        let mut entry = Entry::outcome(clock.unix_us(), action, Reason::Ok, Outcome::Executed);
        entry.tenant_id = Some(tenant.clone());
        let written = journal.upgrade().map(|journal| journal.append(entry));
        if let Some(Err(error)) = written {
            tracing::error!("a budget alert could not be written to the audit log: {error}");
        }
    }));
}
