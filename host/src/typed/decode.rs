//! JSON to component values: the entry points, their limits and their errors.
//!
//! Takes: a signature or shape, JSON text or a parsed value. Gives: component values. May name: typed, reason.
//!
//! Text is read straight into component values, with no tree of JSON between them.

use super::context::Context;
use super::shape::{Shape, Signature};
use super::visit::{Arguments, Reader};
use crate::reason::Reason;
use serde::de::DeserializeSeed;
use serde_json::Value;
use wasmtime::component::Val;

/// How much one set of arguments may hold. A component value takes up to 40 bytes of memory for each item of a
/// list and each byte of a `list<u8>`, so `bytes` of base64 take about 30 times as much memory while a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of JSON text; read and written alike. Default 1 MiB.
    pub bytes: usize,
    /// Values in it, counting fields that were left out, but not the bytes of a `list<u8>`. Default 100,000.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, values: 100_000 }
    }
}

/// Why JSON is not a value of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More text than [`Limits::bytes`].
    #[error("{size} bytes of JSON are more than the limit of {limit}")]
    TooLarge {
        /// Bytes that came.
        size: usize,
        /// Bytes that may come.
        limit: usize,
    },
    /// Not JSON at all.
    #[error("not valid JSON: {problem}")]
    Syntax {
        /// What is wrong, with line and column.
        problem: String,
    },
    /// JSON, but not of the type.
    #[error("{}{problem}", if place.is_empty() { String::new() } else { format!("at {place}: ") })]
    Value {
        /// Where, as a JSON pointer: `/order/lines/3/price`; empty for the whole.
        place: String,
        /// What was expected and what was found; never the text that was found.
        problem: String,
    },
}

impl DecodeError {
    /// [`Reason::ArgumentsInvalid`].
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::ArgumentsInvalid
    }
}

impl Signature {
    /// Reads arguments, an object with one member for each parameter, from JSON text.
    ///
    /// # Errors
    /// [`DecodeError`] for text that is too long, is not JSON, holds an unknown, repeated or missing member, or a
    /// value that is not of its parameter's type.
    pub fn decode_arguments(&self, json: &str, limits: &Limits) -> Result<Vec<Val>, DecodeError> {
        let cx = Context::new(limits);
        from_text(json, limits, &cx, Arguments { params: &self.params, cx: &cx })
    }

    /// Reads arguments from JSON that was parsed before. Repeated members are not seen: the parser dropped them.
    ///
    /// # Errors
    /// As [`Self::decode_arguments`]; the limit of bytes is over the texts in it.
    pub fn decode_parsed_arguments(&self, json: &Value, limits: &Limits) -> Result<Vec<Val>, DecodeError> {
        let cx = Context::new(limits);
        let seed = Arguments { params: &self.params, cx: &cx };
        seed.deserialize(json).map_err(|error| cx.explain(&error))
    }
}

impl Shape {
    /// Reads one value of this type from JSON text.
    ///
    /// # Errors
    /// As [`Signature::decode_arguments`].
    pub fn decode(&self, json: &str, limits: &Limits) -> Result<Val, DecodeError> {
        let cx = Context::new(limits);
        from_text(json, limits, &cx, Reader { shape: self, cx: &cx })
    }

    /// Reads one value of this type from JSON that was parsed before.
    ///
    /// # Errors
    /// As [`Signature::decode_parsed_arguments`].
    pub fn decode_parsed(&self, json: &Value, limits: &Limits) -> Result<Val, DecodeError> {
        let cx = Context::new(limits);
        Reader { shape: self, cx: &cx }.deserialize(json).map_err(|error| cx.explain(&error))
    }
}

fn from_text<'de, S: DeserializeSeed<'de>>(
    json: &'de str,
    limits: &Limits,
    cx: &Context,
    seed: S,
) -> Result<S::Value, DecodeError> {
    if json.len() > limits.bytes {
        return Err(DecodeError::TooLarge { size: json.len(), limit: limits.bytes });
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = seed.deserialize(&mut reader).map_err(|error| cx.explain(&error))?;
    reader.end().map_err(|error| cx.explain(&error))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::typed::shape::{Int, Item, Kind, Named};

    fn named<T>(items: Vec<(&str, T)>) -> Named<T> {
        let item = |(name, value): (&str, T)| Item { name: name.into(), docs: None, value };
        Named::new(items.into_iter().map(item).collect()).unwrap()
    }

    fn error(kind: Kind, json: &str) -> String {
        Shape::from(kind).decode(json, &Limits::default()).unwrap_err().to_string()
    }

    fn value(kind: Kind, json: &str) -> Val {
        Shape::from(kind).decode(json, &Limits::default()).unwrap()
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(value(Kind::Int(Int::U64), "18446744073709551615"), Val::U64(u64::MAX));
        assert_eq!(value(Kind::Int(Int::U64), "\"18446744073709551615\""), Val::U64(u64::MAX));
        assert_eq!(value(Kind::Int(Int::S64), "\"-9223372036854775808\""), Val::S64(i64::MIN));
        assert_eq!(value(Kind::Int(Int::U8), "1e2"), Val::U8(100));
        assert_eq!(value(Kind::Int(Int::U8), "-0"), Val::U8(0));
        for bad in ["256", "-1", "1.5", "\"1\"", "true", "null", "[]", "{}", "1e99"] {
            assert!(error(Kind::Int(Int::U8), bad).starts_with("expected an integer from 0 to 255"), "{bad}");
        }
        for bad in
            ["18446744073709551616", "9007199254740993.0", "\"01\"", "\"+1\"", "\"-0\"", "\" 1\"", "\"\""]
        {
            assert!(Shape::from(Kind::Int(Int::U64)).decode(bad, &Limits::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn floats_keep_their_sign_and_their_range() {
        assert_eq!(value(Kind::F64, "-0.0"), Val::Float64(-0.0));
        assert_eq!(value(Kind::F64, "5"), Val::Float64(5.0));
        assert_eq!(value(Kind::F64, "\"-Infinity\""), Val::Float64(f64::NEG_INFINITY));
        assert_eq!(value(Kind::F32, "0.1"), Val::Float32(0.1));
        assert_eq!(value(Kind::F32, "3.4028235e38"), Val::Float32(f32::MAX));
        assert!(error(Kind::F32, "3.5e38").contains("found 35000"));
        assert!(error(Kind::F64, "1e999").contains("out of range"));
        assert!(error(Kind::F64, "\"nan\"").contains("\"NaN\""));
    }

    #[test]
    fn the_place_of_a_mistake_is_named_and_its_text_is_not_repeated() {
        let line = Kind::Record(named(vec![("price", Kind::F64.into()), ("note", Kind::String.into())]));
        let order = Kind::Record(named(vec![("lines", Kind::List(Box::new(line.into())).into())]));
        let json = |line: &str| format!(r#"{{"lines": [{{"price": 1, "note": ""}}, {line}]}}"#);
        let error = |line: &str| error(order.clone(), &json(line));
        assert_eq!(
            error(r#"{"price": "secret", "note": ""}"#),
            "at /lines/1/price: expected a number, \"NaN\", \"Infinity\" or \"-Infinity\", found another string"
        );
        assert_eq!(error(r#"{"price": 1}"#), "at /lines/1: the field `note` is missing");
        assert_eq!(error(r#"{"price": 1, "price": 1}"#), "at /lines/1: `price` stands here twice");
        assert_eq!(
            error(r#"{"cost": 1}"#),
            "at /lines/1: `cost` is not known here; known are `price`, `note`"
        );
        assert!(error(r#"{"price": 1, "note": ""} x"#).starts_with("not valid JSON: "));
    }

    #[test]
    fn an_option_may_be_left_out_and_a_nested_one_keeps_its_meaning() {
        let inner = Shape::from(Kind::Option(Box::new(Kind::Bool.into())));
        let nested = Kind::Option(Box::new(inner.clone()));
        let some = |value| Val::Option(Some(Box::new(value)));
        assert_eq!(value(nested.clone(), "null"), Val::Option(None));
        assert_eq!(value(nested.clone(), r#"{"some": null}"#), some(Val::Option(None)));
        assert_eq!(value(nested.clone(), r#"{"some": true}"#), some(some(Val::Bool(true))));
        assert!(error(nested, "true").starts_with("expected {\"some\": value} or null"));
        let record = Kind::Record(named(vec![("a", inner)]));
        assert_eq!(value(record, "{}"), Val::Record(vec![("a".into(), Val::Option(None))]));
    }

    #[test]
    fn a_variant_is_read_in_either_order() {
        let cases = named(vec![("none", None), ("some", Some(Kind::Int(Int::U64).into()))]);
        let kind = Kind::Variant(cases);
        let some = Val::Variant("some".into(), Some(Box::new(Val::U64(7))));
        assert_eq!(value(kind.clone(), r#"{"tag": "some", "val": 7}"#), some);
        assert_eq!(value(kind.clone(), r#"{"val": "7", "tag": "some"}"#), some);
        assert_eq!(value(kind.clone(), r#"{"tag": "none"}"#), Val::Variant("none".into(), None));
        for bad in [
            r#"{"tag": "some"}"#,
            r#"{"tag": "none", "val": null}"#,
            r#"{"val": null, "tag": "none"}"#,
            r#"{"val": 7}"#,
            r#"{}"#,
            r#""none""#,
            r#"{"tag": "other"}"#,
            r#"{"tag": 5}"#,
            r#"{"tag": "none", "tag": "none"}"#,
            r#"{"tag": "some", "val": 7, "val": 7}"#,
            r#"{"val": {"a": 1, "a": 1}, "tag": "some"}"#,
        ] {
            assert!(Shape::from(kind.clone()).decode(bad, &Limits::default()).is_err(), "{bad}");
        }
        assert!(error(kind, r#"{"val": true, "tag": "some"}"#).starts_with("at /val: "));
    }

    #[test]
    fn limits_hold_for_text_and_values() {
        let list = Shape::from(Kind::List(Box::new(Kind::Bool.into())));
        let limits = Limits { bytes: 30, values: 4 };
        assert!(list.decode("[true,true,true]", &limits).is_ok());
        assert!(list.decode("[true,true,true,true]", &limits).unwrap_err().to_string().contains("4 values"));
        assert!(matches!(
            list.decode(&" ".repeat(31), &limits),
            Err(DecodeError::TooLarge { size: 31, limit: 30 })
        ));
        let parsed = Value::from(vec!["x".repeat(16), "y".repeat(15)]);
        let strings = Shape::from(Kind::List(Box::new(Kind::String.into())));
        assert!(strings.decode_parsed(&parsed, &limits).unwrap_err().to_string().contains("30 bytes"));
        // Fields that were left out take memory too.
        let field = |n: usize| (["a", "b", "c"][n], Kind::Option(Box::new(Kind::Bool.into())).into());
        let wide = Kind::Record(named((0..3).map(field).collect())).into();
        let wide = Shape::from(Kind::List(Box::new(wide)));
        assert!(wide.decode("[{}]", &limits).is_err());
    }
}
