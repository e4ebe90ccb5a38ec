//! A JSON object whose keys are there once: of two equal ones, another reader may believe the other.
//!
//! Takes: JSON text. Gives: [`Object`]. May name: nothing.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The most keys of one object.
const MAX_KEYS: usize = 256;

/// The object's values by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Object(BTreeMap<String, Value>);

impl Object {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The text under a key; `None` when it is not there or something else.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut all = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value()?;
            if all.insert(key, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
            if all.len() > MAX_KEYS {
                return Err(A::Error::custom("too many keys"));
            }
        }
        Ok(Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_once() {
        let read = |text: &str| serde_json::from_str::<Object>(text);
        assert_eq!(read(r#"{"a":"b","c":1}"#).unwrap().text("a"), Some("b"));
        for bad in
            [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, "[]", "null", r#"{"a":1} x"#, r#"{"a":1e999}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
