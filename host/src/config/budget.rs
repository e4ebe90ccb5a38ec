//! A tenant's budgets as its file has them.
//!
//! Takes: `[[budgets]]` tables. Gives: [`BudgetRule`]. May name: id, storage.

use super::limits::{self, MAX_FUEL};
use crate::id::{ActorId, ToolName};
use crate::storage::ledger::{BudgetMode, Of, Per};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A budget: at most so much of something in every window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetRule {
    /// What is counted.
    pub of: Of,
    /// The window.
    pub per: Per,
    /// How much of it, 0 to [`MAX_FUEL`]: calls, units of fuel, bytes sent or stored, or micro-units of money; 0 lets
    /// nothing through.
    #[serde(deserialize_with = "limits::number::<0, MAX_FUEL, _>")]
    pub limit: u64,
    /// Whose calls alone are counted; `None` for everybody's together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ActorRule>,
    /// The tool whose calls alone are counted; `None` for all tools together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolName>,
    /// What happens at the limit.
    #[serde(default)]
    pub mode: BudgetMode,
}

/// Which actors a budget is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ActorRule {
    /// `"*"`: every actor for itself.
    Each,
    /// One actor.
    One(ActorId),
}

impl TryFrom<String> for ActorRule {
    type Error = crate::id::InvalidId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "*" { Ok(Self::Each) } else { ActorId::new(text).map(Self::One) }
    }
}

impl From<ActorRule> for String {
    fn from(rule: ActorRule) -> Self {
        match rule {
            ActorRule::Each => "*".to_owned(),
            ActorRule::One(actor) => actor.into(),
        }
    }
}

impl BudgetRule {
    /// Whether the other rule counts the same in the same way, so that one of them is one too many.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let counts = |rule: &Self| (rule.of, rule.per, rule.actor.clone(), rule.tool.clone(), rule.mode);
        counts(self) == counts(other)
    }
}

impl fmt::Display for BudgetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.of, self.per)?;
        match &self.actor {
            None => {}
            Some(ActorRule::Each) => f.write_str(" of each actor")?,
            Some(ActorRule::One(actor)) => write!(f, " of actor {actor}")?,
        }
        self.tool.as_ref().map_or(Ok(()), |tool| write!(f, " with tool {tool}"))
    }
}
