//! A question in plain words as a query that SQLite can only read one way.
//!
//! Takes: a guest's text. Gives: [`Query`]. Pure. May name: nothing.
//!
//! FTS5 has a query language. Nothing of it gets through: every character of it parts words here, and each word goes
//! in as a quoted string.

use super::{MAX_QUERY, MAX_WORDS, MemoryError};
use std::collections::BTreeSet;

/// The words of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query(Vec<String>);

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, MemoryError> {
        if text.len() > MAX_QUERY {
            return Err(MemoryError::Query(text.len()));
        }
        let mut seen = BTreeSet::new();
        // Characters beyond ASCII stay: whether they part words is for the tokenizer to say, as it was when the text
        // was stored.
        let parts = text.split(|c: char| c.is_whitespace() || c.is_control() || is_punctuation(c));
        let words = parts.filter(|part| part.chars().any(char::is_alphanumeric) && seen.insert(*part));
        Ok(Self(words.take(MAX_WORDS).map(str::to_owned).collect()))
    }

    /// In FTS5's language: any of the words. `None` when there are none.
    pub(super) fn expression(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let quoted: Vec<String> = self.0.iter().map(|word| format!("\"{word}\"")).collect();
        Some(quoted.join(" OR "))
    }

    /// How many different words of the question stand in the texts, without regard to case.
    pub(super) fn held_by<'a>(&self, texts: impl Iterator<Item = &'a str>) -> u32 {
        let there: BTreeSet<String> = texts.flat_map(words).collect();
        let asked: BTreeSet<String> = self.0.iter().flat_map(|part| words(part)).collect();
        u32::try_from(asked.intersection(&there).count()).unwrap_or(u32::MAX)
    }
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;

    #[test]
    fn operators_are_words_or_nothing() {
        let of = |text: &str| Query::parse(text).unwrap().expression();
        assert_eq!(of("tea cup"), Some("\"tea\" OR \"cup\"".into()));
        assert_eq!(of("\" OR *"), Some("\"OR\"".into()));
        assert_eq!(of("NEAR(a, 3) text:b ^c -d e*"), {
            let words = ["NEAR", "a", "3", "text", "b", "c", "d", "e"];
            Some(words.map(|w| format!("\"{w}\"")).join(" OR "))
        });
        for nothing in ["", "  ", "\"", "***", "\0", "\u{2014}", "()"] {
            assert_eq!(of(nothing), None, "{nothing:?}");
        }
        assert_eq!(Query::parse(&"x".repeat(MAX_QUERY + 1)), Err(MemoryError::Query(MAX_QUERY + 1)));
        let many: String = (0..500).map(|n| format!("w{n} ")).collect();
        assert_eq!(Query::parse(&many).unwrap().0.len(), MAX_WORDS);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_sqlite_can_read_it(text in "\\PC{0,80}|[\"*()^:+\\-\0 a-cANDORT]{0,40}") {
            let c = Connection::open_in_memory().unwrap();
            c.execute_batch("CREATE VIRTUAL TABLE t USING fts5(x)").unwrap();
            c.execute("INSERT INTO t VALUES (?1)", [&text]).unwrap();
            if let Some(expression) = Query::parse(&text).unwrap().expression() {
                let found: i64 = c
                    .query_row("SELECT count(*) FROM t WHERE t MATCH ?1", [&expression], |row| row.get(0))
                    .unwrap();
                prop_assert!(found <= 1);
            }
        }
    }
}
