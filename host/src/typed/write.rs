//! The serializer of component values, led by the shape at every step.
//!
//! Takes: a shape and a value of it. Gives: JSON through serde. May name: typed.

use super::scalar::{self, EXACT, INFINITY, NAN, NEGATIVE_INFINITY};
use super::shape::{Int, Kind, Named, Shape};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};
use wasmtime::component::Val;

/// A value that serializes as its type's JSON, to be put into a larger answer.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    /// Its type.
    pub shape: &'a Shape,
    /// The value; serializing fails when it is not of the type.
    pub value: &'a Val,
}

impl<'a> Encoded<'a> {
    fn of(shape: &'a Shape, value: &'a Val) -> Self {
        Self { shape, value }
    }
}

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (&self.shape.kind, self.value) {
            (Kind::Bool, Val::Bool(value)) => serializer.serialize_bool(*value),
            (Kind::Int(int), value) => integer(serializer, *int, value),
            (Kind::F32, Val::Float32(value)) => float32(serializer, *value),
            (Kind::F64, Val::Float64(value)) if value.is_finite() => serializer.serialize_f64(*value),
            (Kind::F64, Val::Float64(value)) => serializer.serialize_str(word(*value)),
            (Kind::Char, Val::Char(value)) => serializer.serialize_char(*value),
            (Kind::String, Val::String(value)) => serializer.serialize_str(value),
            (Kind::Bytes, Val::List(items)) => bytes(serializer, items),
            (Kind::List(item), Val::List(items)) => {
                sequence(serializer, items.len(), items.iter().map(|value| Encoded::of(item, value)))
            }
            (Kind::FixedList(item, len), Val::FixedLengthList(items))
                if usize::try_from(*len) == Ok(items.len()) =>
            {
                sequence(serializer, items.len(), items.iter().map(|value| Encoded::of(item, value)))
            }
            (Kind::Map(entry), Val::Map(items)) => {
                sequence(serializer, items.len(), items.iter().map(|pair| Entry(entry, pair)))
            }
            (Kind::Tuple(shapes), Val::Tuple(items)) if shapes.len() == items.len() => {
                sequence(serializer, items.len(), shapes.iter().zip(items).map(|(s, v)| Encoded::of(s, v)))
            }
            (Kind::Record(fields), Val::Record(values)) => members(
                serializer,
                fields,
                values.len(),
                values.iter().map(|(name, value)| (Some(name), value)),
            ),
            (Kind::Option(_), Val::Option(None)) => serializer.serialize_unit(),
            (Kind::Option(inner), Val::Option(Some(value))) if inner.is_option() => {
                member(serializer, "some", Some((inner, value)))
            }
            (Kind::Option(inner), Val::Option(Some(value))) => {
                Encoded::of(inner, value).serialize(serializer)
            }
            (Kind::Result(ok, err), Val::Result(value)) => {
                let (name, shape, value) = match value {
                    Ok(value) => ("ok", ok, value),
                    Err(value) => ("err", err, value),
                };
                member(serializer, name, payload(shape.as_deref(), value.as_deref())?)
            }
            (Kind::Variant(cases), Val::Variant(name, value)) => {
                variant(serializer, cases, name, value.as_deref())
            }
            (Kind::Enum(labels), Val::Enum(name)) if labels.find(name, 0).is_some() => {
                serializer.serialize_str(name)
            }
            (Kind::Flags(labels), Val::Flags(set)) => flags(serializer, labels, set),
            _ => Err(wrong(&self.shape.kind)),
        }
    }
}

#[cold]
fn wrong<E: Error>(kind: &Kind) -> E {
    E::custom(scalar::expected(kind))
}

/// As a number where every JSON reader is exact, else as a string.
fn integer<S: Serializer>(serializer: S, int: Int, value: &Val) -> Result<S::Ok, S::Error> {
    match (int, value) {
        (Int::S8, Val::S8(n)) => serializer.serialize_i8(*n),
        (Int::U8, Val::U8(n)) => serializer.serialize_u8(*n),
        (Int::S16, Val::S16(n)) => serializer.serialize_i16(*n),
        (Int::U16, Val::U16(n)) => serializer.serialize_u16(*n),
        (Int::S32, Val::S32(n)) => serializer.serialize_i32(*n),
        (Int::U32, Val::U32(n)) => serializer.serialize_u32(*n),
        (Int::S64, Val::S64(n)) if i128::from(*n).abs() <= EXACT => serializer.serialize_i64(*n),
        (Int::U64, Val::U64(n)) if i128::from(*n) <= EXACT => serializer.serialize_u64(*n),
        (Int::S64, Val::S64(n)) => serializer.collect_str(n),
        (Int::U64, Val::U64(n)) => serializer.collect_str(n),
        _ => Err(wrong(&Kind::Int(int))),
    }
}

/// The shortest decimal that is this `f32` again after a reader took it for an `f64`.
fn float32<S: Serializer>(serializer: S, value: f32) -> Result<S::Ok, S::Error> {
    /// 7.038531e-26: of all `f32` (every one was tried) the one whose shortest decimal lies, as an `f64`, half-way
    /// to the next `f32` and is rounded to that.
    const ROUNDED_TWICE: u32 = 0x15ae_43fd;
    if !value.is_finite() {
        serializer.serialize_str(word(value.into()))
    } else if value.abs().to_bits() == ROUNDED_TWICE {
        serializer.serialize_f64(value.into())
    } else {
        serializer.serialize_f32(value)
    }
}

fn word(value: f64) -> &'static str {
    if value.is_nan() {
        NAN
    } else if value > 0.0 {
        INFINITY
    } else {
        NEGATIVE_INFINITY
    }
}

fn bytes<S: Serializer>(serializer: S, items: &[Val]) -> Result<S::Ok, S::Error> {
    let byte = |value: &Val| match value {
        Val::U8(byte) => Some(*byte),
        _ => None,
    };
    let bytes = items.iter().map(byte).collect::<Option<Vec<u8>>>().ok_or_else(|| wrong(&Kind::Bytes))?;
    serializer.collect_str(&Base64Display::new(&bytes, &STANDARD))
}

fn sequence<S: Serializer, T: Serialize>(
    serializer: S,
    len: usize,
    items: impl Iterator<Item = T>,
) -> Result<S::Ok, S::Error> {
    let mut sequence = serializer.serialize_seq(Some(len))?;
    for item in items {
        sequence.serialize_element(&item)?;
    }
    sequence.end()
}

struct Entry<'a>(&'a Shape, &'a (Val, Val));

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = self.1;
        match &self.0.kind {
            Kind::Tuple(shapes) if shapes.len() == 2 => {
                sequence(serializer, 2, shapes.iter().zip([key, value]).map(|(s, v)| Encoded::of(s, v)))
            }
            kind => Err(wrong(kind)),
        }
    }
}

/// The fields of a record or the arguments of a call; values that carry a name must carry the right one.
pub(super) fn members<'a, S: Serializer>(
    serializer: S,
    fields: &Named<Shape>,
    len: usize,
    values: impl Iterator<Item = (Option<&'a String>, &'a Val)>,
) -> Result<S::Ok, S::Error> {
    if len != fields.len() {
        return Err(S::Error::custom("another number of fields"));
    }
    let mut map = serializer.serialize_map(Some(len))?;
    for (field, (name, value)) in fields.iter().zip(values) {
        if name.is_some_and(|name| **name != *field.name) {
            return Err(S::Error::custom(format!("the field `{}`", field.name)));
        }
        map.serialize_entry(&*field.name, &Encoded::of(&field.value, value))?;
    }
    map.end()
}

type Payload<'a> = Option<(&'a Shape, &'a Val)>;

fn payload<'a, E: Error>(shape: Option<&'a Shape>, value: Option<&'a Val>) -> Result<Payload<'a>, E> {
    match (shape, value) {
        (Some(shape), Some(value)) => Ok(Some((shape, value))),
        (None, None) => Ok(None),
        _ => Err(E::custom("a payload that is missing, or that should not be there")),
    }
}

fn member<S: Serializer>(serializer: S, name: &str, payload: Payload<'_>) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, &payload.map(|(shape, value)| Encoded::of(shape, value)))?;
    map.end()
}

fn variant<S: Serializer>(
    serializer: S,
    cases: &Named<Option<Shape>>,
    name: &str,
    value: Option<&Val>,
) -> Result<S::Ok, S::Error> {
    let case = cases.find(name, 0).and_then(|place| cases.get(place));
    let case = case.ok_or_else(|| S::Error::custom("a case of another variant"))?;
    let payload = payload(case.value.as_ref(), value)?;
    let mut map = serializer.serialize_map(Some(1 + usize::from(payload.is_some())))?;
    map.serialize_entry("tag", name)?;
    if let Some((shape, value)) = payload {
        map.serialize_entry("val", &Encoded::of(shape, value))?;
    }
    map.end()
}

fn flags<S: Serializer>(serializer: S, labels: &Named<()>, set: &[String]) -> Result<S::Ok, S::Error> {
    if set.iter().any(|label| labels.find(label, 0).is_none()) {
        return Err(S::Error::custom("a label of other flags"));
    }
    sequence(serializer, set.len(), set.iter())
}
