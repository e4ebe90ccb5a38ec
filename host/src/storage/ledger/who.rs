//! Whose calls a budget counts together.
//!
//! Takes: names. Gives: [`Who`]. May name: id.

use crate::id::{ActorId, RunId, ToolName};
use std::fmt;
use std::sync::Arc;

/// Whose calls are counted together: all of a tenant's, or those of one actor, of one tool, of one run. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Who(Option<Arc<str>>);

impl Who {
    /// The calls that all of these names are about; without any, all calls of the tenant.
    #[must_use]
    pub fn of(actor: Option<&ActorId>, tool: Option<&ToolName>, run: Option<&RunId>) -> Self {
        let parts = [
            ("actor", actor.map(ActorId::as_str)),
            ("tool", tool.map(ToolName::as_str)),
            ("run", run.map(RunId::as_str)),
        ];
        let mut text = String::new();
        for (kind, name) in parts {
            if let Some(name) = name {
                // No name holds a space, so no two lists of names make the same text.
                let space = if text.is_empty() { "" } else { " " };
                text.extend([space, kind, "=", name]);
            }
        }
        Self((!text.is_empty()).then(|| text.into()))
    }

    /// As the ledger keeps it: empty for all calls, else like `actor=kim tool=orders`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The actor whose calls are counted, where it is one.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.named("actor=")
    }

    /// The tool whose calls are counted, where it is one.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        self.named("tool=")
    }

    /// The run whose calls are counted, where it is one.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.named("run=")
    }

    fn named(&self, kind: &str) -> Option<&str> {
        self.as_str().split(' ').find_map(|part| part.strip_prefix(kind))
    }

    /// Whether it names those that are asked for, and no others: an actor (any of them, or this one), a tool, any run.
    pub(crate) fn is_about(
        &self,
        actor: Option<Option<&ActorId>>,
        tool: Option<&ToolName>,
        run: bool,
    ) -> bool {
        self.actor().is_some() == actor.is_some()
            && actor.flatten().is_none_or(|actor| self.actor() == Some(actor.as_str()))
            && self.tool() == tool.map(ToolName::as_str)
            && self.run().is_some() == run
    }

    /// What the ledger kept.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }
}

impl fmt::Display for Who {
    /// Nothing for all calls, else in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            "" => Ok(()),
            names => write!(f, " ({names})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn other_names_are_counted_apart(
            a in (prop::option::of("[!-~]{1,9}"), prop::option::of("[a-z]{1,9}"), prop::option::of("[!-~]{1,9}")),
            b in (prop::option::of("[!-~]{1,9}"), prop::option::of("[a-z]{1,9}"), prop::option::of("[!-~]{1,9}")),
        ) {
            let who = |(actor, tool, run): &(Option<String>, Option<String>, Option<String>)| {
                let actor = actor.clone().map(|a| ActorId::new(a).unwrap());
                let tool = tool.clone().map(|t| ToolName::new(t).unwrap());
                let run = run.clone().map(|r| RunId::new(r).unwrap());
                Who::of(actor.as_ref(), tool.as_ref(), run.as_ref())
            };
            prop_assert_eq!(who(&a) == who(&b), a == b);
            prop_assert_eq!(Who::from_stored(who(&a).as_str()), who(&a));
        }
    }
}
