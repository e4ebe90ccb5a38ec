//! What one tenant has a book of. Most have a few, which lie side by side, so that a call of a tenant that rested long reads one piece of
//! memory; one that counts each actor or each run has many, and the rest of them is found by hash.
//!
//! Takes: counts. Gives: the book of each. May name: nothing.

use super::budget::Count;
use std::collections::HashMap;

/// So many lie side by side.
const FEW: usize = 4;

/// A book of each count. A count is in one of the two.
#[derive(Debug)]
pub(super) struct Books<T> {
    few: Vec<(Count, T)>,
    many: HashMap<Count, T>,
}

impl<T> Default for Books<T> {
    fn default() -> Self {
        Self { few: Vec::new(), many: HashMap::new() }
    }
}

impl<T> Books<T> {
    pub(super) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    pub(super) fn get(&self, count: &Count) -> Option<&T> {
        match self.few.iter().find(|(of, _)| of == count) {
            Some((_, book)) => Some(book),
            None => self.many.get(count),
        }
    }

    pub(super) fn get_mut(&mut self, count: &Count) -> Option<&mut T> {
        match self.few.iter_mut().find(|(of, _)| of == count) {
            Some((_, book)) => Some(book),
            None => self.many.get_mut(count),
        }
    }

    /// The book of a count; one that was not there is begun.
    pub(super) fn get_or_begin(&mut self, count: &Count, begin: impl Fn() -> T) -> &mut T {
        if self.few.len() < FEW && self.get(count).is_none() {
            // Of a hundred thousand tenants each has room for what it counts and for no more.
            self.few.reserve_exact(1);
            self.few.push((count.clone(), begin()));
        }
        match self.few.iter_mut().find(|(of, _)| of == count) {
            Some((_, book)) => book,
            None => self.many.entry(count.clone()).or_insert_with(begin),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Count, &T) -> bool) {
        self.few.retain(|(count, book)| keep(count, book));
        self.many.retain(|count, book| keep(count, book));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Count, &T)> {
        self.few.iter().map(|(count, book)| (count, book)).chain(&self.many)
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{Of, Per};
    use super::super::who::Who;
    use super::*;
    use crate::id::ActorId;
    use proptest::prelude::*;

    fn count(n: u8) -> Count {
        let actor = ActorId::new(format!("a{n}")).unwrap();
        Count { of: Of::Calls, per: Per::Day, who: Who::of(Some(&actor), None, None) }
    }

    proptest! {
        /// Whatever comes and goes, it is what one map would hold.
        #[test]
        fn they_are_as_one_map(steps in prop::collection::vec((0..4u8, 0..10u8, any::<u8>()), 0..60)) {
            let (mut books, mut map) = (Books::default(), HashMap::new());
            for (step, n, value) in steps {
                match step {
                    0 => {
                        *books.get_or_begin(&count(n), || value) ^= 1;
                        *map.entry(count(n)).or_insert(value) ^= 1;
                    }
                    1 => {
                        let here = books.get_mut(&count(n)).map(|book| std::mem::replace(book, value));
                        prop_assert_eq!(here, map.get_mut(&count(n)).map(|book| std::mem::replace(book, value)));
                    }
                    2 => {
                        books.retain(|_, book| *book >= value);
                        map.retain(|_, book| *book >= value);
                    }
                    _ => prop_assert_eq!(books.get(&count(n)), map.get(&count(n))),
                }
                prop_assert_eq!(books.len(), map.len());
                prop_assert_eq!(&books.iter().map(|(count, book)| (count.clone(), *book)).collect::<HashMap<_, _>>(), &map);
            }
        }
    }
}
