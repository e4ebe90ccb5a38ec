//! Whether a host has kept its promises over all its lives.

use super::death::Heard;
use super::work::{FEW, Kind, Name, work};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use strongroom::audit::{Bad, Filter, Known, PUBLIC_FILE, Phase, read, verify};
use strongroom::id::CallId;
use strongroom::powers::Home;

/// The most calls that a lease covers ahead: what a crash may cost.
const LEASE: u64 = 1024;

/// An answer as it was acknowledged.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    reason: String,
    value: Option<String>,
}

/// What was promised, and what the book says.
#[derive(Default)]
pub struct Judge {
    home: PathBuf,
    /// Every call that was begun.
    pub begun: BTreeSet<Name>,
    answers: BTreeMap<Name, Answer>,
    unknown: BTreeSet<Name>,
    /// Acknowledged calls of this life, which the book must have.
    calls: Vec<(Name, CallId, Value)>,
    /// The digest of each key, as the book has it.
    digests: HashMap<Name, String>,
    /// Operator's actions that were acknowledged.
    acted: HashMap<String, usize>,
    made: BTreeSet<String>,
    /// Whether the kill switch is on, when that is certain.
    stopped: Option<bool>,
    /// What the budgets must have spent at least and at most: calls and fuel of one tenant, calls of the other.
    spent: Option<[u64; 3]>,
    ran: [u64; 3],
    starts: u64,
    crashed: bool,
    few: u64,

    next_seq: u64,
    outcomes: HashMap<CallId, (String, String, u64)>,
    keyed: HashMap<CallId, String>,
    open: HashMap<CallId, u64>,
    intended: HashSet<String>,
    entered: HashMap<String, usize>,
    head: Option<Vec<u8>>,
}

impl Judge {
    pub fn new(home: PathBuf) -> Self {
        Self { home, ..Self::default() }
    }

    /// Hears a life, and compares with the book that it left.
    pub fn hear(&mut self, heard: &Heard) {
        let (mut up, mut began) = (false, 0);
        for line in &heard.lines {
            if let Some(state) = line.get("up") {
                up = true;
                self.is_up(state);
            } else if let Some(name) = line.get("begun") {
                began += 1;
                self.begun.insert(named(name));
            } else if let Some(name) = line.get("ended") {
                self.ended(named(name), line);
            } else if line.get("acting").is_some() {
                self.stopped = None;
            } else if let Some(action) = line.get("acted") {
                self.acted(action.as_str().unwrap(), line);
            }
        }
        self.starts = began;
        self.crashed = heard.killed;
        self.read_book(up);
    }

    fn is_up(&mut self, state: &Value) {
        let number = |tenant: usize, budget: usize, part: usize| {
            state["budgets"][tenant][budget][part].as_u64().unwrap()
        };
        let (now, held) = (
            [number(0, 0, 0), number(0, 1, 0), number(1, 0, 0)],
            [number(0, 0, 1), number(0, 1, 1), number(1, 0, 1)],
        );
        assert_eq!(held, [0; 3], "every reservation of a dead process has ended");
        assert!(now[2] <= FEW, "a budget of {FEW} calls is overshot: {}", now[2]);
        if let Some(before) = self.spent {
            for i in 0..3 {
                assert!(
                    now[i] >= before[i] + self.ran[i],
                    "budget {i}: {} spent, before {} and {} acknowledged since",
                    now[i],
                    before[i],
                    self.ran[i]
                );
            }
            let most = before[0] + self.starts + if self.crashed { LEASE } else { 0 };
            assert!(now[0] <= most, "{} calls are charged; a crash may make it {most}", now[0]);
        }
        (self.spent, self.ran) = (Some(now), [0; 3]);
        if let Some(stopped) = self.stopped {
            let is = state["kills"].as_array().unwrap().iter().any(|kill| kill == "tool nothing");
            assert_eq!(is, stopped, "the switch is as it was acknowledged");
        }
        let known: BTreeSet<_> =
            state["keys"].as_array().unwrap().iter().map(|k| k.as_str().unwrap().to_owned()).collect();
        assert!(self.made.is_subset(&known), "every acknowledged key is there");
    }

    fn ended(&mut self, name: Name, line: &Value) {
        let text = |part: &str| line[part].as_str().unwrap().to_owned();
        let (reason, outcome, fuel) = (text("reason"), text("outcome"), line["fuel"].as_u64().unwrap());
        self.calls.push((name, CallId::parse(&text("call")).unwrap(), line.clone()));
        let kind = work(name).kind;
        if matches!(outcome.as_str(), "executed" | "failed") {
            match kind {
                Kind::Few => {
                    self.ran[2] += 1;
                    self.few += 1;
                }
                _ => {
                    self.ran[0] += 1;
                    self.ran[1] += fuel;
                }
            }
        }
        let answer = Answer { reason: reason.clone(), value: line["value"].as_str().map(str::to_owned) };
        match kind {
            Kind::Few => assert!(matches!(reason.as_str(), "ok" | "tenant_budget_exceeded"), "{line}"),
            Kind::Read => assert_ne!(outcome, "denied", "{line}"),
            Kind::Refused => assert_eq!(reason, "arguments_invalid", "{line}"),
            Kind::Post | Kind::Increment | Kind::Set | Kind::Trap | Kind::Long | Kind::File => {
                self.wrote(name, &outcome, answer, line);
            }
        }
    }

    fn wrote(&mut self, name: Name, outcome: &str, answer: Answer, line: &Value) {
        if let Some(before) = self.answers.get(&name) {
            assert_eq!(
                (outcome, &answer),
                ("replayed", before),
                "an acknowledged answer is given again: {line}"
            );
        } else if self.unknown.contains(&name) || answer.reason == "outcome_unknown" {
            assert_eq!((outcome, answer.reason.as_str()), ("denied", "outcome_unknown"), "{line}");
            self.unknown.insert(name);
        } else {
            let expected = match work(name).kind {
                Kind::Trap => "trapped",
                Kind::Long => "tool_error",
                _ => "ok",
            };
            assert!(answer.reason == expected && outcome != "denied", "{line}");
            self.answers.insert(name, answer);
        }
    }

    fn acted(&mut self, action: &str, line: &Value) {
        *self.acted.entry(action.to_owned()).or_default() += 1;
        if let Some(key) = line.get("made") {
            self.made.insert(key.as_str().unwrap().to_owned());
        }
        match action.split(' ').next() {
            Some("kill") => self.stopped = Some(true),
            Some("revive") => self.stopped = Some(false),
            _ => {}
        }
    }

    fn read_book(&mut self, up: bool) {
        let log = Home::open(self.home.join("audit")).unwrap();
        let before = self.next_seq;
        let filter = Filter { from_seq: Some(before), ..Filter::default() };
        for entry in read(log.dir(), filter).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.seq, self.next_seq, "numbers have no gaps, and nothing that was read is gone");
            self.next_seq += 1;
            let Some(call) = entry.call_id else {
                *self.entered.entry(entry.action.to_string()).or_default() += 1;
                continue;
            };
            let key = entry.idempotency_key.map(|digest| digest.to_string());
            match entry.phase {
                Phase::Intent => {
                    self.open.insert(call, entry.seq);
                    self.intended.extend(key);
                }
                Phase::Outcome | Phase::Recovery => {
                    self.open.remove(&call);
                    let (reason, outcome) = (entry.reason_code.code(), entry.outcome.as_str());
                    self.outcomes.insert(call, (reason.to_owned(), outcome.to_owned(), entry.fuel));
                    self.keyed.extend(key.map(|key| (call, key)));
                }
                _ => {}
            }
        }
        if up {
            let left: Vec<_> = self.open.iter().filter(|(_, seq)| **seq < before).collect();
            assert!(left.is_empty(), "intents of earlier lives have no end: {left:?}");
        }
        for (name, call, line) in std::mem::take(&mut self.calls) {
            let (reason, outcome, fuel) =
                self.outcomes.get(&call).unwrap_or_else(|| panic!("not in the book: {line}"));
            assert!(
                line["reason"] == *reason && line["outcome"] == *outcome && line["fuel"] == *fuel,
                "{line}"
            );
            self.digests.extend(self.keyed.get(&call).map(|key| (name, key.clone())));
        }
        for (action, times) in &self.acted {
            let there = self.entered.get(action).copied().unwrap_or_default();
            assert!(there >= *times, "{action} was acknowledged {times} times and entered {there} times");
        }
    }

    /// Verifies all of the log, and that it continues what it was when it was verified the last time. A log that no host
    /// has opened since the crash may end in an unfinished batch.
    pub fn verify(&mut self, closed: bool) {
        let home = Home::open(&self.home).unwrap();
        let known = Known::parse(&home.dir().read_to_string(PUBLIC_FILE).unwrap()).unwrap();
        let audit = home.dir().open_dir("audit").unwrap();
        let witness = self.head.as_deref().map(|head| known.verify(head).unwrap());
        match verify(&audit, &known, witness.as_ref(), |_, _| {}) {
            Ok(verified) => assert_eq!(verified.entries, self.next_seq),
            Err(Bad::Unfinished { file, seq, .. }) if !closed && file.starts_with("journal/") => {
                assert_eq!(seq, self.next_seq);
            }
            Err(bad) => panic!("{}: {bad}", self.home.display()),
        }
        self.head = audit.read("checkpoint").ok();
    }

    /// At the end of all lives: what the calls have left behind, each at most once, and for sure when it was acknowledged.
    pub fn effects(
        &self,
        hits: &HashMap<String, u64>,
        counter: u64,
        stored: impl Fn(&str) -> Option<Vec<u8>>,
    ) {
        assert!(self.open.is_empty(), "intents without an end: {:?}", self.open);
        assert!(self.few <= FEW, "{} calls were acknowledged of a budget of {FEW}", self.few);
        let (mut sure, mut maybe) = (0, 0);
        for name in &self.begun {
            let call = work(*name);
            let answered = self.answers.contains_key(name);
            let unknown = self.unknown.contains(name);
            assert!(answered || unknown || !call.kind.writes(), "{name:?} was repeated and has no end");
            match call.kind {
                Kind::Post => {
                    let hits = hits.get(&call.key).copied().unwrap_or_default();
                    assert!(hits <= 1, "{} reached the service {hits} times", call.key);
                    assert!(hits == 1 || unknown, "{} was acknowledged and never sent", call.key);
                    let intended = self.digests.get(name).is_some_and(|key| self.intended.contains(key));
                    assert!(hits == 0 || intended, "{} was sent and has no intent", call.key);
                }
                Kind::Increment => {
                    sure += u64::from(answered);
                    maybe += u64::from(unknown);
                }
                Kind::Set => {
                    let value = stored(&call.key);
                    assert!(value.is_none_or(|value| value == call.key.as_bytes()), "{}", call.key);
                    assert!(
                        stored(&call.key).is_some() || unknown,
                        "{} was acknowledged and is lost",
                        call.key
                    );
                }
                Kind::Trap => assert_eq!(stored(&call.key), None, "{} trapped", call.key),
                Kind::File => {
                    let text = std::fs::read_to_string(self.home.join("shared").join(&call.key));
                    let whole = text.is_ok_and(|text| text == format!("{} was here", call.key));
                    assert!(whole || unknown, "{} was acknowledged and its file is lost", call.key);
                }
                Kind::Long | Kind::Read | Kind::Few | Kind::Refused => {}
            }
        }
        let range = sure..=sure + maybe;
        assert!(range.contains(&counter), "the counter is at {counter}, and was to be in {range:?}");
    }

    /// How much there was to judge.
    pub fn sum(&self) -> String {
        let (begun, answers, unknown) = (self.begun.len(), self.answers.len(), self.unknown.len());
        format!(
            "{} entries, {begun} calls begun, {answers} writes answered, {unknown} unknown",
            self.next_seq
        )
    }
}

fn named(value: &Value) -> Name {
    let part = |i: usize| u32::try_from(value[i].as_u64().unwrap()).unwrap();
    (part(0), part(1))
}
