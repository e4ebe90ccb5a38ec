//! The cache, in native builds: values with the second in which they expire, on a clock that tests move.
//!
//! Takes: the state of this thread. Gives: what `host::cache` gives in a component. May name: cache, fake.

use super::state::{CURRENT, State};
use crate::cache::Error;
use std::collections::BTreeMap;
use std::rc::Rc;

const MAX_KEY: usize = 1024;
const MAX_VALUE: usize = 256 * 1024;
const MAX_TTL: u32 = 604_800;

/// What a fake host has cached.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) now: u64,
    entries: BTreeMap<String, (u64, Vec<u8>)>,
}

fn cache<T>(key: &str, look: impl FnOnce(&mut Cache) -> T) -> Result<T, Error> {
    let current = CURRENT.with_borrow(Rc::clone);
    let mut state = current.borrow_mut();
    let State { cache, .. } = &mut *state;
    let cache = cache.as_mut().ok_or(Error::Denied)?;
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Error::Invalid(format!("a key has 1 to {MAX_KEY} bytes, this one has {}", key.len())));
    }
    Ok(look(cache))
}

pub(crate) fn cache_get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    cache(key, |cache| {
        let entry = cache.entries.get(key).filter(|(expires, _)| cache.now < *expires);
        entry.map(|(_, value)| value.clone())
    })
}

pub(crate) fn cache_set(key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), Error> {
    cache(key, |cache| {
        if !(1..=MAX_TTL).contains(&ttl_seconds) {
            return Err(Error::Invalid(format!(
                "a time to live is 1 to {MAX_TTL} seconds, this one is {ttl_seconds}"
            )));
        }
        if value.len() > MAX_VALUE {
            return Err(Error::TooLarge(format!(
                "a value has at most {MAX_VALUE} bytes, this one has {}",
                value.len()
            )));
        }
        let expires = cache.now.saturating_add(u64::from(ttl_seconds));
        cache.entries.insert(key.to_owned(), (expires, value.to_vec()));
        Ok(())
    })?
}

pub(crate) fn cache_delete(key: &str) -> Result<(), Error> {
    cache(key, |cache| drop(cache.entries.remove(key)))
}

#[cfg(test)]
mod tests {
    use crate::{cache, fake::Host};

    #[test]
    fn without_a_grant_it_is_denied() {
        let _host = Host::new();
        assert_eq!(cache::get("k").unwrap_err(), cache::Error::Denied);
        assert_eq!(cache::set("k", b"v", 1).unwrap_err(), cache::Error::Denied);
        assert_eq!(cache::delete("k").unwrap_err(), cache::Error::Denied);
    }

    #[test]
    fn a_value_lives_until_its_time_or_its_removal() {
        let host = Host::new().cache();
        cache::set("k", b"v", 2).unwrap();
        host.pass_seconds(1);
        assert_eq!(cache::get("k").unwrap().unwrap(), b"v");
        host.pass_seconds(1);
        assert_eq!(cache::get("k").unwrap(), None);
        cache::set("k", b"v", 2).unwrap();
        cache::delete("k").unwrap();
        assert_eq!(cache::get("k").unwrap(), None);
    }

    #[test]
    fn the_limits_are_the_hosts() {
        let _host = Host::new().cache();
        for (key, ttl) in [("", 1), (&*"k".repeat(1025), 1), ("k", 0), ("k", 604_801)] {
            assert!(
                matches!(cache::set(key, b"", ttl), Err(cache::Error::Invalid(_))),
                "{} {ttl}",
                key.len()
            );
        }
        assert!(matches!(cache::set("k", &vec![0; 262_145], 1), Err(cache::Error::TooLarge(_))));
        cache::set(&"k".repeat(1024), &vec![0; 262_144], 604_800).unwrap();
    }
}
