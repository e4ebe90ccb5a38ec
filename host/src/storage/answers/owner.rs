//! The kept answers of one tenant, in the order in which they came.
//!
//! Takes: answers. Gives: [`Owner`]. May name: id.

use crate::id::{CallId, Digest, ToolName};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Which of the tenant's answers.
pub(super) type Which = (ToolName, Digest);

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) value: Arc<str>,
    pub(super) call: CallId,
    /// What was counted when its call began.
    pub(super) began: u64,
    pub(super) at_ms: u64,
    pub(super) until_ms: u64,
    /// Its place in the order of all answers.
    pub(super) place: u64,
    pub(super) bytes: u64,
}

/// A tenant's answers, and what was counted when they became old.
#[derive(Debug, Default)]
pub(super) struct Owner {
    answers: HashMap<Which, Answer>,
    order: BTreeMap<u64, Which>,
    bytes: u64,
    all_old: u64,
    old: HashMap<ToolName, u64>,
}

impl Owner {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, which: &Which) -> Option<&Answer> {
        self.answers.get(which)
    }

    pub(super) fn put(&mut self, which: Which, answer: Answer) {
        self.bytes = self.bytes.saturating_add(answer.bytes);
        self.order.insert(answer.place, which.clone());
        self.answers.insert(which, answer);
    }

    pub(super) fn take(&mut self, which: &Which) -> Option<Answer> {
        let answer = self.answers.remove(which)?;
        self.order.remove(&answer.place);
        self.bytes = self.bytes.saturating_sub(answer.bytes);
        Some(answer)
    }

    pub(super) fn oldest(&self) -> Option<&Which> {
        self.order.first_key_value().map(|(_, which)| which)
    }

    pub(super) fn into_answers(self) -> impl Iterator<Item = Answer> {
        self.answers.into_values()
    }

    /// A write has ended at this count: of one tool, or of what all tools share.
    pub(super) fn wrote(&mut self, tool: Option<&ToolName>, count: u64) {
        match tool {
            Some(tool) => drop(self.old.insert(tool.clone(), count)),
            None => self.all_old = count,
        }
    }

    /// Whether no write of the tenant has ended since this count that the tool may see.
    pub(super) fn is_fresh(&self, tool: &ToolName, began: u64) -> bool {
        began >= self.all_old && self.old.get(tool).is_none_or(|old| began >= *old)
    }
}
