//! Asking the caller, in native builds: answers that a test gave, by their key.
//!
//! Takes: the state of this thread. Gives: what `host::ask` gives in a component. May name: ask, fake.

use super::state::CURRENT;
use crate::ask::{Able, Answer, Error, Question};
use std::rc::Rc;

/// The most questions at once.
const AT_ONCE: usize = 8;

pub(crate) fn ask_able() -> Able {
    let current = CURRENT.with_borrow(Rc::clone);
    let state = current.borrow();
    let mut able = Able::default();
    for answer in state.answers.values() {
        match answer {
            Answer::Elicit(_) => able.elicit = true,
            Answer::Sample(_) => able.sample = true,
            Answer::Roots(_) => able.roots = true,
        }
    }
    able
}

pub(crate) fn ask_all(questions: &[(&str, Question)]) -> Result<Vec<Answer>, Error> {
    let current = CURRENT.with_borrow(Rc::clone);
    let mut state = current.borrow_mut();
    if state.answers.is_empty() {
        return Err(Error::Denied);
    }
    if !(1..=AT_ONCE).contains(&questions.len()) {
        return Err(Error::Invalid(format!("1 to {AT_ONCE} questions can be asked at once")));
    }
    let mut answers = Vec::new();
    for (key, question) in questions {
        state.questions.push(((*key).to_owned(), question.clone()));
        let answer = state.answers.get(*key).filter(|answer| {
            matches!(
                (question, answer),
                (Question::Elicit(..), Answer::Elicit(_))
                    | (Question::Sample(_), Answer::Sample(_))
                    | (Question::Roots, Answer::Roots(_))
            )
        });
        let none = || Error::Unanswered(format!("the test gave no answer to {key:?}"));
        answers.push(answer.cloned().ok_or_else(none)?);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use crate::ask::{self, Able, Answer, Error, Reply, Root};
    use crate::fake::Host;

    #[test]
    fn without_an_answer_it_is_denied() {
        let _host = Host::new();
        assert_eq!(ask::roots("where"), Err(Error::Denied));
        assert_eq!(ask::able(), Able::default());
    }

    #[test]
    fn an_answer_is_found_by_its_key_and_kind() {
        let root = Root { uri: "file:///a".into(), name: None };
        let host = Host::new().answer("where", Answer::Roots(vec![root.clone()]));
        assert_eq!(ask::roots("where"), Ok(vec![root]));
        assert!(matches!(ask::elicit("where", "Who?", "{}"), Err(Error::Unanswered(_))));
        assert!(matches!(ask::roots("there"), Err(Error::Unanswered(_))));
        assert!(ask::able().roots && !ask::able().elicit);
        assert_eq!(host.questions().len(), 3);
        let _host = host.answer("sure", Answer::Elicit(Reply::Decline));
        assert_eq!(ask::elicit("sure", "Sure?", "{}"), Ok(Reply::Decline));
    }
}
