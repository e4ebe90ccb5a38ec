//! The one visitor that reads JSON into component values, led by the shape at every step.
//!
//! Takes: a shape and a serde deserializer of JSON. Gives: component values. May name: typed.
//!
//! Recursion is bounded by the shape's depth, since WIT types cannot contain themselves.

use super::context::Context;
use super::scalar::{self, Found};
use super::shape::{Kind, Named, Shape};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use wasmtime::component::Val;

/// Reads one value of a shape.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) shape: &'a Shape,
    pub(super) cx: &'a Context,
}

impl<'a> Reader<'a> {
    pub(super) fn of(self, shape: &'a Shape) -> Self {
        Self { shape, cx: self.cx }
    }

    /// The type inside an option whose values stand for themselves.
    fn plain_option(self) -> Option<Self> {
        match &self.shape.kind {
            Kind::Option(inner) if !inner.is_option() => Some(self.of(inner)),
            _ => None,
        }
    }

    pub(super) fn wrong<E: Error>(self, found: Found<'_>) -> E {
        self.cx.fail(scalar::mismatch(&self.shape.kind, found))
    }

    fn scalar<E: Error>(self, found: Found<'_>) -> Result<Val, E> {
        if let Some(inner) = self.plain_option() {
            return inner.scalar(found).map(some);
        }
        scalar::read(&self.shape.kind, found).ok_or_else(|| self.wrong(found))
    }
}

pub(super) fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Val;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Val, D::Error> {
        self.cx.charge(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Val;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the WIT type")
    }

    fn visit_unit<E: Error>(self) -> Result<Val, E> {
        match self.shape.kind {
            Kind::Option(_) => Ok(Val::Option(None)),
            _ => Err(self.wrong(Found::Null)),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Val, E> {
        self.scalar(Found::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Val, E> {
        self.scalar(Found::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Val, E> {
        self.scalar(Found::Signed(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Val, E> {
        self.scalar(Found::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Val, E> {
        self.cx.charge_text(value)?;
        self.scalar(Found::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Val, A::Error> {
        if let Some(inner) = self.plain_option() {
            return inner.visit_seq(seq).map(some);
        }
        match &self.shape.kind {
            Kind::List(item) => self.of(item).items(usize::MAX, seq).map(Val::List),
            Kind::FixedList(item, len) => self.fixed_list(item, *len, seq),
            Kind::Map(entry) => self.of(entry).entries(seq),
            Kind::Tuple(shapes) => self.tuple(shapes, seq).map(Val::Tuple),
            Kind::Flags(labels) => self.flags(labels, seq),
            _ => Err(self.wrong(Found::Array)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Val, A::Error> {
        if let Some(inner) = self.plain_option() {
            return inner.visit_map(map).map(some);
        }
        match &self.shape.kind {
            Kind::Record(fields) => {
                let values = self.cx.fields(fields, map)?;
                let named = fields.iter().zip(values).map(|(field, value)| (field.name.to_string(), value));
                Ok(Val::Record(named.collect()))
            }
            Kind::Variant(cases) => self.variant(cases, map),
            Kind::Result(ok, err) => self.result([ok, err], map),
            Kind::Option(inner) => self.some(inner, map),
            _ => Err(self.wrong(Found::Object)),
        }
    }
}

/// Reads the arguments of a call: an object with one member for each parameter.
pub(super) struct Arguments<'a> {
    pub(super) params: &'a Named<Shape>,
    pub(super) cx: &'a Context,
}

impl<'de> DeserializeSeed<'de> for Arguments<'_> {
    type Value = Vec<Val>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Val>, D::Error> {
        self.cx.charge(1)?;
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Arguments<'_> {
    type Value = Vec<Val>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the arguments")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Val>, A::Error> {
        self.cx.fields(self.params, map)
    }
}
