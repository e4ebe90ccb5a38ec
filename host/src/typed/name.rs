//! Reading a name that must be one of a known few: a field, a case, a label.
//!
//! Takes: the known names, a JSON string. Gives: the place of the name among them. May name: typed.

use super::context::Context;
use super::scalar::listed;
use super::shape::Named;
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};
use std::fmt;

/// Names that may stand at a place.
pub(super) trait Known {
    fn place(&self, name: &str, likely: usize) -> Option<usize>;
    fn list(&self) -> String;
}

impl<T> Known for Named<T> {
    fn place(&self, name: &str, likely: usize) -> Option<usize> {
        self.find(name, likely)
    }

    fn list(&self) -> String {
        listed(self.iter().map(|item| &*item.name))
    }
}

impl<const N: usize> Known for [&str; N] {
    fn place(&self, name: &str, _: usize) -> Option<usize> {
        self.iter().position(|known| *known == name)
    }

    fn list(&self) -> String {
        listed(self.iter().copied())
    }
}

/// Reads one of the known names and gives its place; `likely` is where it probably is.
pub(super) struct Name<'a, K: ?Sized> {
    pub(super) known: &'a K,
    pub(super) likely: usize,
    pub(super) cx: &'a Context,
}

impl<'de, K: Known + ?Sized> DeserializeSeed<'de> for Name<'_, K> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<K: Known + ?Sized> Visitor<'_> for Name<'_, K> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.known.list())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.known.place(name, self.likely).ok_or_else(|| self.unknown(name))
    }
}

impl<K: Known + ?Sized> Name<'_, K> {
    #[cold]
    fn unknown<E: Error>(self, name: &str) -> E {
        let known = self.known.list();
        if known.is_empty() {
            return self.cx.fail("no fields are known here".into());
        }
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        self.cx.fail(format!("`{shown}` is not known here; known are {known}"))
    }
}

/// Reads null where there is no type.
pub(super) struct Nothing;

impl<'de> DeserializeSeed<'de> for Nothing {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_unit(self)
    }
}

impl Visitor<'_> for Nothing {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}
