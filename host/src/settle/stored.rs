//! An answer as the ledger keeps it for repeats, and back.
//!
//! Takes: an answer. Gives: the same answer. May name: execute, storage.

use crate::execute::Answer;
use crate::storage::ledger::StoredAnswer;

/// Between the value and the message; neither JSON text nor a message holds it.
const SEPARATOR: char = '\0';

pub(super) fn keep(answer: &Answer, fuel: u64, at_unix_ms: u64) -> StoredAnswer {
    let value = answer.value.as_deref().unwrap_or_default();
    let body = match &answer.message {
        None => value.to_owned(),
        Some(message) => format!("{value}{SEPARATOR}{}", message.replace(SEPARATOR, "")),
    };
    StoredAnswer { reason: answer.reason, body: body.into_bytes(), fuel, at_unix_ms }
}

pub(super) fn again(stored: &StoredAnswer) -> Answer {
    let text = String::from_utf8_lossy(&stored.body);
    let (value, message) = match text.split_once(SEPARATOR) {
        None => (text.as_ref(), None),
        Some((value, message)) => (value, Some(message.to_owned())),
    };
    Answer { reason: stored.reason, value: (!value.is_empty()).then(|| value.to_owned()), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_answer_comes_back_as_it_was(value in proptest::option::of("[ -~]{1,40}"), message in proptest::option::of("[^\0]{0,40}")) {
            let answer = Answer { reason: Reason::ToolError, value, message };
            prop_assert_eq!(again(&keep(&answer, 7, 9)), answer);
        }
    }
}
