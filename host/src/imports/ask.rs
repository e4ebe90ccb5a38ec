//! `strongroom:host/ask`, gated: questions of a tool to its caller.
//!
//! Takes: the call's rights and its talk with the caller. Gives: the gated view. May name: authorize, config, id, imports::gate.

use super::asking::{ANSWER, AskWay, Asks, MOST, Pending, Talk, Unanswered, WAIT};
use super::bindings::strongroom::host::ask;
use super::gate::{Audited, FromStop, Stop};
use super::question::{Answer, Question};
use super::table::{self, Import};
use super::yields::{Count, Yields as _};
use crate::authorize::rights::Rights;
use crate::config::AskKind;
use crate::id::Digest;
use std::sync::Arc;
use wasmtime::Result;

/// The most questions at once.
const AT_ONCE: usize = 8;
/// The longest key, in bytes.
const KEY: usize = 64;

/// An error of the interface, or a trap.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated module names it publicly")]
pub enum AskError {
    /// What the guest is told.
    Told(ask::Error),
    /// The call ends.
    Trap(wasmtime::Error),
}

impl FromStop for AskError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => Self::Told(ask::Error::AccessDenied),
            stop => Self::Trap(wasmtime::Error::new(stop)),
        }
    }
}

/// What the interface needs: rights, and the call's talk with its caller.
pub(crate) struct AskView<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) talk: &'a mut Talk,
}

/// A question, its key and its digest.
type Put = (String, Question, Digest);

impl Audited<'_, AskView<'_>> {
    /// Asks all of these, or none.
    async fn put(
        &mut self,
        row: &'static Import,
        bytes: u64,
        kinds: &[AskKind],
        questions: Result<Vec<(String, Question)>, String>,
    ) -> Result<Vec<Answer>, AskError> {
        self.pass(row, bytes, kinds)?;
        let questions = questions.map_err(|why| AskError::Told(ask::Error::Invalid(why)))?;
        let questions = self.check(questions).map_err(AskError::Told)?;
        let open: Vec<Put> = questions.iter().filter(|put| self.known(put).is_none()).cloned().collect();
        if !open.is_empty() {
            let answers = match self.inner.talk.asking.way.clone() {
                AskWay::Waiting(asks) => self.wait(&open, &asks).await?,
                AskWay::Rounds(_) => self.end_round(open.clone())?,
                AskWay::None => return Err(told(ask::Error::Unsupported("there is nobody to ask".into()))),
            };
            for ((key, _, digest), answer) in open.into_iter().zip(answers) {
                self.inner.talk.known.insert(key, (digest, Some(answer)));
            }
        }
        let answers: Vec<Answer> = questions.iter().filter_map(|put| self.known(put)).collect();
        let bytes = answers.iter().map(size).fold(0, u64::saturating_add);
        self.gate.leave(None, &Count(bytes)).map_err(AskError::from_stop)?;
        Ok(answers)
    }

    /// Rights first, and then whether there is a caller who can be asked.
    fn pass(&mut self, row: &'static Import, bytes: u64, kinds: &[AskKind]) -> Result<(), AskError> {
        for kind in kinds {
            if let Err(refusal) = self.inner.rights.ask(*kind) {
                let stop = self.gate.deny(row, Some(kind.to_string().into()), &refusal.to_string());
                return Err(AskError::from_stop(stop));
            }
        }
        let target: Vec<_> = kinds.iter().map(ToString::to_string).collect();
        self.gate.enter(row, None, Some(target.join(", ").into()), bytes).map_err(AskError::from_stop)?;
        self.inner.talk.asked.spoke = true;
        let talk = &mut *self.inner.talk;
        if let Some(kind) = kinds.iter().find(|kind| !talk.asking.able.contains(kind)) {
            talk.asked.unable.get_or_insert(*kind);
            let why = format!("this caller cannot be asked for `{kind}`");
            return Err(told(ask::Error::Unsupported(why)));
        }
        Ok(())
    }

    fn check(&mut self, questions: Vec<(String, Question)>) -> Result<Vec<Put>, ask::Error> {
        if !(1..=AT_ONCE).contains(&questions.len()) {
            return Err(ask::Error::Invalid(format!("1 to {AT_ONCE} questions can be asked at once")));
        }
        let mut checked = Vec::new();
        for (key, question) in questions {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if !(1..=KEY).contains(&key.len()) || !key.as_bytes().iter().all(plain) {
                return Err(ask::Error::Invalid(format!("a key is 1 to {KEY} letters, digits, `_` and `-`")));
            }
            (self.inner.talk.asking.fits)(&question.request).map_err(ask::Error::Invalid)?;
            let digest = question.digest();
            let known = &mut self.inner.talk.known;
            if known.get(&key).is_some_and(|(other, _)| *other != digest) {
                return Err(ask::Error::Invalid(format!("the key {key:?} stands for another question")));
            }
            if !known.contains_key(&key) && known.len() >= MOST {
                return Err(ask::Error::TooMuch(format!("a call asks at most {MOST} questions")));
            }
            let given = self.inner.talk.given(&key, &question, digest);
            let entry = self.inner.talk.known.entry(key.clone()).or_insert((digest, None));
            entry.1 = entry.1.take().or(given);
            checked.push((key, question, digest));
        }
        Ok(checked)
    }

    fn known(&self, (key, _, _): &Put) -> Option<Answer> {
        self.inner.talk.known.get(key).and_then(|(_, answer)| answer.clone())
    }

    /// Waits for the caller.
    async fn wait(&mut self, open: &[Put], asks: &Arc<dyn Asks>) -> Result<Vec<Answer>, AskError> {
        let late = || {
            told(ask::Error::TooMuch(format!(
                "a call waits at most {} seconds for its caller",
                WAIT.as_secs()
            )))
        };
        let waited = self.inner.talk.waited.clone();
        let left = WAIT.saturating_sub(waited.total());
        if left.is_zero() {
            return Err(late());
        }
        let requests = open.iter().map(|(_, question, _)| question.request.clone()).collect();
        let waiting = waited.begin();
        let results = tokio::time::timeout(left, asks.ask(requests)).await;
        drop(waiting);
        let results = results.map_err(|_| late())?.map_err(|why| match why {
            Unanswered::Busy => told(ask::Error::TooMuch("too many calls wait for their callers".into())),
            Unanswered::Failed(why) => told(ask::Error::Unanswered(why)),
        })?;
        let short = |result: &serde_json::Value| result.to_string().len() <= ANSWER;
        let read = |((_, question, _), result): (&Put, &serde_json::Value)| {
            Some(result).filter(|result| short(result)).and_then(|result| question.read(result))
        };
        let answers: Option<Vec<Answer>> = open.iter().zip(&results).map(read).collect();
        let answers = answers.filter(|answers| answers.len() == open.len());
        answers.ok_or_else(|| {
            told(ask::Error::Unanswered("what the client sent does not fit the question".into()))
        })
    }

    /// Ends the call for its questions. It runs again from its start, so nothing may have left it by now.
    fn end_round<T>(&mut self, open: Vec<Put>) -> Result<T, AskError> {
        if self.gate.has_announced() {
            return Err(told(ask::Error::AfterEffect));
        }
        let pending =
            |(key, question, digest): Put| Pending { key, question: digest, request: question.request };
        self.inner.talk.asked.pending = open.into_iter().map(pending).collect();
        Err(AskError::from_stop(Stop::Asked))
    }
}

fn told(error: ask::Error) -> AskError {
    AskError::Told(error)
}

fn form(form: &ask::Form) -> Result<Question, String> {
    Question::form(&form.message, &form.schema)
}

fn prompt(prompt: &ask::Prompt) -> Result<Question, String> {
    let said = |message: &ask::Message| match message.role {
        ask::Role::User => "user",
        ask::Role::Assistant => "assistant",
    };
    let messages: Vec<_> =
        prompt.messages.iter().map(|message| (said(message), message.text.as_str())).collect();
    Question::prompt(&messages, prompt.system.as_deref(), prompt.max_tokens)
}

/// Bytes of a question, each with its host-side bookkeeping.
fn weight(key: &str, question: &ask::Question) -> u64 {
    let bytes = match question {
        ask::Question::Elicit(form) => form.message.len().saturating_add(form.schema.len()),
        ask::Question::Sample(prompt) => {
            let system = prompt.system.as_deref().map_or(0, str::len);
            prompt.messages.iter().fold(system, |sum, message| sum.saturating_add(message.text.len() + 16))
        }
        ask::Question::Roots => 0,
    };
    u64::try_from(bytes.saturating_add(key.len())).unwrap_or(u64::MAX).saturating_add(64)
}

/// Bytes of an answer.
fn size(answer: &Answer) -> u64 {
    match answer {
        Answer::Accept(content) => content.to_string().bytes(),
        Answer::Decline | Answer::Cancel => 0,
        Answer::Said { text, model, .. } => text.bytes().saturating_add(model.bytes()),
        Answer::Roots(roots) => roots.iter().fold(0, |sum, (uri, name)| {
            sum.saturating_add(uri.bytes()).saturating_add(name.bytes()).saturating_add(16)
        }),
    }
}

fn answer(answer: Answer) -> ask::Answer {
    match answer {
        Answer::Accept(content) => ask::Answer::Elicit(ask::Reply::Accept(content.to_string())),
        Answer::Decline => ask::Answer::Elicit(ask::Reply::Decline),
        Answer::Cancel => ask::Answer::Elicit(ask::Reply::Cancel),
        Answer::Said { text, model, stop } => {
            ask::Answer::Sample(ask::Completion { text, model, stop_reason: stop })
        }
        Answer::Roots(roots) => {
            ask::Answer::Roots(roots.into_iter().map(|(uri, name)| ask::Root { uri, name }).collect())
        }
    }
}

/// An answer of another kind than its question; the host never gives one.
fn strange() -> AskError {
    AskError::Trap(wasmtime::Error::msg("an answer is of another kind than its question"))
}

impl ask::Host for Audited<'_, AskView<'_>> {
    fn able(&mut self) -> Result<ask::Abilities> {
        self.gate.enter(&table::ASK_ABLE, None, None, 0).map_err(wasmtime::Error::from_stop)?;
        self.inner.talk.asked.spoke = true;
        let can = |kind| self.inner.talk.asking.able.contains(&kind) && self.inner.rights.ask(kind).is_ok();
        let flag = |kind| match kind {
            AskKind::Elicit => ask::Abilities::ELICIT,
            AskKind::Sample => ask::Abilities::SAMPLE,
            AskKind::Roots => ask::Abilities::ROOTS,
        };
        let able = AskKind::ALL.into_iter().filter(|kind| can(*kind)).map(flag);
        Ok(able.fold(ask::Abilities::empty(), |all, one| all | one))
    }

    async fn elicit(&mut self, key: String, asked: ask::Form) -> Result<ask::Reply, AskError> {
        let questions = form(&asked).map(|question| vec![(key.clone(), question)]);
        let bytes = weight(&key, &ask::Question::Elicit(asked));
        let given = self.put(&table::ASK_ELICIT, bytes, &[AskKind::Elicit], questions).await?;
        match given.into_iter().next().map(answer) {
            Some(ask::Answer::Elicit(reply)) => Ok(reply),
            _ => Err(strange()),
        }
    }

    async fn sample(&mut self, key: String, asked: ask::Prompt) -> Result<ask::Completion, AskError> {
        let questions = prompt(&asked).map(|question| vec![(key.clone(), question)]);
        let bytes = weight(&key, &ask::Question::Sample(asked));
        let given = self.put(&table::ASK_SAMPLE, bytes, &[AskKind::Sample], questions).await?;
        match given.into_iter().next().map(answer) {
            Some(ask::Answer::Sample(completion)) => Ok(completion),
            _ => Err(strange()),
        }
    }

    async fn roots(&mut self, key: String) -> Result<Vec<ask::Root>, AskError> {
        let bytes = weight(&key, &ask::Question::Roots);
        let questions = Ok(vec![(key, Question::roots())]);
        let given = self.put(&table::ASK_ROOTS, bytes, &[AskKind::Roots], questions).await?;
        match given.into_iter().next().map(answer) {
            Some(ask::Answer::Roots(roots)) => Ok(roots),
            _ => Err(strange()),
        }
    }

    async fn all(&mut self, asked: Vec<(String, ask::Question)>) -> Result<Vec<ask::Answer>, AskError> {
        let bytes = asked.iter().map(|(key, question)| weight(key, question)).fold(0, u64::saturating_add);
        let mut kinds: Vec<AskKind> = Vec::new();
        for (_, question) in &asked {
            let kind = match question {
                ask::Question::Elicit(_) => AskKind::Elicit,
                ask::Question::Sample(_) => AskKind::Sample,
                ask::Question::Roots => AskKind::Roots,
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let read = |(key, question): (String, ask::Question)| {
            let question = match &question {
                ask::Question::Elicit(asked) => form(asked),
                ask::Question::Sample(asked) => prompt(asked),
                ask::Question::Roots => Ok(Question::roots()),
            };
            question.map(|question| (key, question))
        };
        let questions = asked.into_iter().map(read).collect();
        let given = self.put(&table::ASK_ALL, bytes, &kinds, questions).await?;
        Ok(given.into_iter().map(answer).collect())
    }

    fn convert_error(&mut self, error: AskError) -> Result<ask::Error> {
        match error {
            AskError::Told(error) => Ok(error),
            AskError::Trap(error) => Err(error),
        }
    }
}
