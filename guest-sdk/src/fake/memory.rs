//! The memory, in native builds: entries in order of how many of the query's words they hold, and then by identifier.
//!
//! Takes: the state of this thread. Gives: what `host::memory` gives in a component. May name: memory, fake.

use super::state::{CURRENT, State};
use crate::memory::{Error, Found};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a fake host keeps in its memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) entries: BTreeMap<String, (String, Vec<String>)>,
    pub(super) read_only: bool,
    named: u64,
}

fn memory<T>(write: bool, look: impl FnOnce(&mut Memory) -> T) -> Result<T, Error> {
    let current = CURRENT.with_borrow(Rc::clone);
    let mut state = current.borrow_mut();
    let State { memory, .. } = &mut *state;
    memory.as_mut().filter(|memory| !(write && memory.read_only)).map(look).ok_or(Error::Denied)
}

pub(crate) fn remember(id: Option<&str>, text: &str, tags: Vec<String>) -> Result<String, Error> {
    memory(true, |memory| {
        if text.is_empty() || id == Some("") {
            return Err(Error::Invalid("an identifier and a text have at least one byte".to_owned()));
        }
        let id = id.map_or_else(
            || {
                memory.named += 1;
                format!("entry-{}", memory.named)
            },
            str::to_owned,
        );
        memory.entries.insert(id.clone(), (text.to_owned(), tags));
        Ok(id)
    })?
}

pub(crate) fn retrieve(query: &str, top_k: u32) -> Result<Vec<Found>, Error> {
    memory(false, |memory| {
        let asked: BTreeSet<String> = words(query).collect();
        let held = |(text, tags): &(String, Vec<String>)| {
            let there: BTreeSet<String> = words(text).chain(tags.iter().flat_map(|tag| words(tag))).collect();
            asked.intersection(&there).count()
        };
        let scored = memory.entries.iter().map(|(id, entry)| (held(entry), id, entry));
        let mut found: Vec<_> = scored.filter(|(held, ..)| *held > 0).collect();
        found.sort_by_key(|(held, id, _)| (Reverse(*held), *id));
        let top = usize::try_from(top_k.min(100)).unwrap_or(100);
        found
            .into_iter()
            .take(top)
            .map(|(held, id, (text, tags))| Found {
                id: id.clone(),
                text: text.clone(),
                tags: tags.clone(),
                score: held as f64,
                pending: true,
            })
            .collect()
    })
}

pub(crate) fn forget(id: &str) -> Result<bool, Error> {
    memory(true, |memory| memory.entries.remove(id).is_some())
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use crate::{fake::Host, memory};

    #[test]
    fn without_a_grant_it_is_denied_and_read_only_does_not_write() {
        let host = Host::new();
        assert_eq!(memory::retrieve("tea", 1).unwrap_err(), memory::Error::Denied);
        let _host = host.remembered("a", "green tea").memory_read_only();
        assert_eq!(memory::retrieve("TEA!", 1).unwrap()[0].id, "a");
        assert_eq!(memory::remember(None, "x", &[]).unwrap_err(), memory::Error::Denied);
        assert_eq!(memory::forget("a").unwrap_err(), memory::Error::Denied);
    }

    #[test]
    fn most_words_come_first_and_tags_count() {
        let _host = Host::new().remembered("a", "tea").remembered("b", "tea and a cup");
        memory::remember(Some("c"), "x", &["cup"]).unwrap();
        let ids = |query, top| {
            let found = memory::retrieve(query, top).unwrap();
            found.into_iter().map(|f| f.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("tea cup", 9), ["b", "a", "c"]);
        assert_eq!(ids("tea cup", 1), ["b"]);
        assert!(ids("\" OR *", 9).is_empty());
    }
}
