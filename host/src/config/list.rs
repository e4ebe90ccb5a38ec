//! Lists of names and patterns in files: never empty where that would mean nothing, bounded, without repeats.
//!
//! Takes: arrays of strings. Gives: their elements. May name: nothing.

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::fmt::{self, Display};
use std::marker::PhantomData;

/// The most elements in one list. Keeps the meet of a manifest and a grant small, whoever wrote the manifest.
pub const MAX_ELEMENTS: usize = 64;

/// How a message about one element starts, before its index: the array's place is all that the parser knows.
pub(crate) const ITEM: &str = "in item ";

/// Reads 1 to [`MAX_ELEMENTS`] different elements.
pub(crate) fn some<'de, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: TryFrom<String, Error: Display> + PartialEq,
    D: Deserializer<'de>,
{
    let list: Vec<T> = any(d)?;
    if list.is_empty() {
        return Err(D::Error::custom("the list is empty; name at least one"));
    }
    Ok(list)
}

/// The same for a key that may be left out.
pub(crate) fn optional_some<'de, T, D>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: TryFrom<String, Error: Display> + PartialEq,
    D: Deserializer<'de>,
{
    some(d).map(Some)
}

/// Reads 0 to [`MAX_ELEMENTS`] different elements.
pub(crate) fn any<'de, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: TryFrom<String, Error: Display> + PartialEq,
    D: Deserializer<'de>,
{
    d.deserialize_seq(Elements(PhantomData))
}

struct Elements<T>(PhantomData<T>);

impl<'de, T: TryFrom<String, Error: Display> + PartialEq> Visitor<'de> for Elements<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = elements.next_element::<String>()? {
            let index = list.len();
            let fault = |message: &dyn Display| A::Error::custom(format!("{ITEM}{index}: {message}"));
            if index == MAX_ELEMENTS {
                return Err(fault(&"the list is longer than 64; shorten it with a wider pattern"));
            }
            let element = T::try_from(text).map_err(|error| fault(&error))?;
            if list.contains(&element) {
                return Err(fault(&"the list names the same thing twice; name it once"));
            }
            list.push(element);
        }
        Ok(list)
    }
}
