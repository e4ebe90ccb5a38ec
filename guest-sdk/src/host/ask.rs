//! Asking the caller, in a component.
//!
//! Takes: raw bindings. Gives: what `fake::ask` gives in native builds. May name: ask, bindings.

use crate::ask::{Able, Answer, Completion, Error, Prompt, Question, Reply, Role, Root};
use crate::bindings::strongroom::host::ask as raw;

pub(crate) fn ask_able() -> Able {
    let able = raw::able();
    Able {
        elicit: able.contains(raw::Abilities::ELICIT),
        sample: able.contains(raw::Abilities::SAMPLE),
        roots: able.contains(raw::Abilities::ROOTS),
    }
}

pub(crate) fn ask_all(questions: &[(&str, Question)]) -> Result<Vec<Answer>, Error> {
    let questions: Vec<_> =
        questions.iter().map(|(key, question)| ((*key).to_owned(), asked(question))).collect();
    let answers = raw::all(&questions).map_err(failed)?;
    Ok(answers.into_iter().map(told).collect())
}

fn asked(question: &Question) -> raw::Question {
    match question {
        Question::Elicit(message, schema) => {
            raw::Question::Elicit(raw::Form { message: message.clone(), schema: schema.clone() })
        }
        Question::Sample(Prompt { messages, system, max_tokens }) => {
            let message = |(role, text): &(Role, String)| {
                let role = match role {
                    Role::User => raw::Role::User,
                    Role::Assistant => raw::Role::Assistant,
                };
                raw::Message { role, text: text.clone() }
            };
            raw::Question::Sample(raw::Prompt {
                messages: messages.iter().map(message).collect(),
                system: system.clone(),
                max_tokens: *max_tokens,
            })
        }
        Question::Roots => raw::Question::Roots,
    }
}

fn told(answer: raw::Answer) -> Answer {
    match answer {
        raw::Answer::Elicit(raw::Reply::Accept(content)) => Answer::Elicit(Reply::Accept(content)),
        raw::Answer::Elicit(raw::Reply::Decline) => Answer::Elicit(Reply::Decline),
        raw::Answer::Elicit(raw::Reply::Cancel) => Answer::Elicit(Reply::Cancel),
        raw::Answer::Sample(raw::Completion { text, model, stop_reason }) => {
            Answer::Sample(Completion { text, model, stop_reason })
        }
        raw::Answer::Roots(roots) => {
            Answer::Roots(roots.into_iter().map(|raw::Root { uri, name }| Root { uri, name }).collect())
        }
    }
}

fn failed(error: raw::Error) -> Error {
    match error {
        raw::Error::AccessDenied => Error::Denied,
        raw::Error::Unsupported(why) => Error::Unsupported(why),
        raw::Error::AfterEffect => Error::AfterEffect,
        raw::Error::Invalid(why) => Error::Invalid(why),
        raw::Error::TooMuch(why) => Error::TooMuch(why),
        raw::Error::Unanswered(why) => Error::Unanswered(why),
    }
}
