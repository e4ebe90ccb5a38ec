//! Asking the caller while a function runs: a form for a person, words of a model, the folders that the caller works in.
//!
//! Takes: the host's `strongroom:host/ask`. Gives: [`able`], [`elicit`], [`sample`], [`roots`], [`all`]. May name: host.
//!
//! A tool asks for it in its manifest (`[needs.ask] kinds = ["elicit"]`). Only clients of the Model Context Protocol that declared
//! it can be asked; [`able`] tells before. Each question has a key, its name within the call: where the protocol has no sessions
//! the function runs again from its start when the answer is there, and finds it under the key. So ask first and act afterwards,
//! ask the same each time, and ask what can be asked together with [`all`].
//!
//! ```
//! use strongroom_sdk::ask::{self, Answer, Reply};
//! use strongroom_sdk::fake;
//!
//! fn delete(id: &str) -> Result<&'static str, ask::Error> {
//!     let schema = r#"{"type":"object","properties":{"sure":{"type":"boolean"}},"required":["sure"]}"#;
//!     match ask::elicit("sure", &format!("Delete {id}?"), schema)? {
//!         Reply::Accept(form) if form.contains("true") => Ok("deleted"),
//!         _ => Ok("kept"),
//!     }
//! }
//!
//! let _host = fake::Host::new().answer("sure", Answer::Elicit(Reply::Accept(r#"{"sure":true}"#.into())));
//! assert_eq!(delete("918")?, "deleted");
//! # Ok::<(), ask::Error>(())
//! ```

use crate::host;
use std::fmt;

/// What this caller can be asked for, by the tenant's grant and the client's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Able {
    /// A form for a person.
    pub elicit: bool,
    /// Words of a model.
    pub sample: bool,
    /// The folders that the caller works in.
    pub roots: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest does not ask for it, or the tenant did not grant it.
    Denied,
    /// The caller cannot be asked for this; the message is the host's.
    Unsupported(String),
    /// The call has had an effect already, and would have to run again for the answer: ask before.
    AfterEffect,
    /// A part of the question is out of its bounds; the message is the host's.
    Invalid(String),
    /// More questions or longer waiting than there may be; the message is the host's.
    TooMuch(String),
    /// The caller gave no answer, or none that fits; the message is the host's.
    Unanswered(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("the tenant did not grant asking the caller"),
            Self::AfterEffect => f.write_str("nothing can be asked after an effect; ask before it"),
            Self::Unsupported(why) | Self::Invalid(why) | Self::TooMuch(why) | Self::Unanswered(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for Error {}

/// What became of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It was filled in: the text of a JSON object that fits the schema.
    Accept(String),
    /// The person said no.
    Decline,
    /// The person did not decide.
    Cancel,
}

/// Who says something to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A person, or who speaks for one.
    User,
    /// The model.
    Assistant,
}

/// What a model should answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What was said, at least one.
    pub messages: Vec<(Role, String)>,
    /// What the model is told first.
    pub system: Option<String>,
    /// The most tokens of the answer.
    pub max_tokens: u32,
}

impl Prompt {
    /// One thing that a person says.
    pub fn user(text: impl Into<String>, max_tokens: u32) -> Self {
        Self { messages: vec![(Role::User, text.into())], system: None, max_tokens }
    }
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The words.
    pub text: String,
    /// The model's name, as the client gives it.
    pub model: String,
    /// Why it stopped, as `endTurn`.
    pub stop_reason: Option<String>,
}

/// A folder that the caller works in. It opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its place, as a URI.
    pub uri: String,
    /// Its name for people.
    pub name: Option<String>,
}

/// One of several questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A form: its message, and its schema as JSON text.
    Elicit(String, String),
    /// Words of a model.
    Sample(Prompt),
    /// The caller's folders.
    Roots,
}

/// An answer, of the same kind as its question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What became of the form.
    Elicit(Reply),
    /// What the model said.
    Sample(Completion),
    /// The folders.
    Roots(Vec<Root>),
}

/// What this caller can be asked for.
pub fn able() -> Able {
    host::ask_able()
}

/// Asks several questions at once, 1 to 8, each with its key; the answers come in their order, all or none.
///
/// # Errors
/// [`Error`].
pub fn all(questions: &[(&str, Question)]) -> Result<Vec<Answer>, Error> {
    host::ask_all(questions)
}

fn one(key: &str, question: Question) -> Result<Answer, Error> {
    let answers = all(&[(key, question)])?;
    answers.into_iter().next().ok_or_else(strange)
}

fn strange() -> Error {
    Error::Unanswered("the answer is of another kind than the question".to_owned())
}

/// Asks a person to fill in a form. `schema` is the text of a JSON Schema: an object with fields of strings, numbers, booleans
/// and choices.
///
/// # Errors
/// [`Error`].
pub fn elicit(key: &str, message: &str, schema: &str) -> Result<Reply, Error> {
    match one(key, Question::Elicit(message.to_owned(), schema.to_owned()))? {
        Answer::Elicit(reply) => Ok(reply),
        _ => Err(strange()),
    }
}

/// Asks a model of the caller's.
///
/// # Errors
/// [`Error`].
pub fn sample(key: &str, prompt: Prompt) -> Result<Completion, Error> {
    match one(key, Question::Sample(prompt))? {
        Answer::Sample(completion) => Ok(completion),
        _ => Err(strange()),
    }
}

/// Asks for the folders that the caller works in.
///
/// # Errors
/// [`Error`].
pub fn roots(key: &str) -> Result<Vec<Root>, Error> {
    match one(key, Question::Roots)? {
        Answer::Roots(roots) => Ok(roots),
        _ => Err(strange()),
    }
}
