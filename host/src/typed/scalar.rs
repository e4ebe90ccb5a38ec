//! Values that stand alone in JSON: numbers, strings, booleans, and the words for them in messages.
//!
//! Takes: what the JSON reader found, and the kind that was asked for. Gives: a component value, or what is
//! wrong with it. May name: typed.

use super::shape::{Int, Kind};
use base64::Engine as _;
use wasmtime::component::Val;

/// Greatest integer up to which every JSON reader is exact: 2^53 − 1.
pub(super) const EXACT: i128 = (1 << 53) - 1;
/// Greatest `f32`, as the number that JSON writes for it.
pub(super) const F32_MAX: f64 = 3.402_823_5e38;
/// Form of a `u64` as text.
pub(super) const U64_PATTERN: &str = "^(0|[1-9][0-9]{0,19})$";
/// Form of an `s64` as text.
pub(super) const S64_PATTERN: &str = "^(0|-?[1-9][0-9]{0,18})$";
pub(super) const NAN: &str = "NaN";
pub(super) const INFINITY: &str = "Infinity";
pub(super) const NEGATIVE_INFINITY: &str = "-Infinity";

/// What stands at a place of the JSON text.
#[derive(Clone, Copy)]
pub(super) enum Found<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Array,
    Object,
}

impl Found<'_> {
    /// In words; numbers are shown, texts are not, since they may be long or private.
    fn words(self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(_) => "a boolean".into(),
            Self::Unsigned(n) => n.to_string(),
            Self::Signed(n) => n.to_string(),
            Self::Float(n) => n.to_string(),
            Self::Text(_) => "another string".into(),
            Self::Array => "an array".into(),
            Self::Object => "an object".into(),
        }
    }
}

/// What to say when `found` is not a value of `kind`.
#[cold]
pub(super) fn mismatch(kind: &Kind, found: Found<'_>) -> String {
    let found = match (kind, found) {
        (Kind::Int(int), Found::Text(_)) if !int.is_wide() => "a string".into(),
        (Kind::String | Kind::Char | Kind::Bytes | Kind::Enum(_) | Kind::F32 | Kind::F64, _)
        | (Kind::Int(_), _) => found.words(),
        (_, Found::Text(_)) => "a string".into(),
        _ => found.words(),
    };
    format!("expected {}, found {found}", expected(kind))
}

pub(super) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "true or false".into(),
        Kind::Int(int) => {
            let (min, max) = int.range();
            let form = if int.is_wide() { " (as a number or a decimal string)" } else { "" };
            format!("an integer from {min} to {max}{form}")
        }
        Kind::F32 => "a number within ±3.4028235e38, \"NaN\", \"Infinity\" or \"-Infinity\"".into(),
        Kind::F64 => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"".into(),
        Kind::Char => "a string of exactly one character".into(),
        Kind::String => "a string".into(),
        Kind::Bytes => "a string in base64 with padding".into(),
        Kind::List(_) => "an array".into(),
        Kind::FixedList(_, len) => format!("an array of exactly {len} items"),
        Kind::Map(_) => "an array of [key, value] pairs".into(),
        Kind::Tuple(items) => format!("an array of exactly {} items", items.len()),
        Kind::Record(_) => "an object".into(),
        Kind::Option(_) => "{\"some\": value} or null".into(),
        Kind::Result(..) => "{\"ok\": value} or {\"err\": value}".into(),
        Kind::Variant(_) => "{\"tag\": case} or {\"tag\": case, \"val\": payload}".into(),
        Kind::Enum(labels) => format!("one of {}", listed(labels.iter().map(|label| &*label.name))),
        Kind::Flags(labels) => {
            format!("an array of distinct labels of {}", listed(labels.iter().map(|label| &*label.name)))
        }
    }
}

/// Names in quotes, at most sixteen of them.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(16);
    let mut text = names.take(16).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// The value of a kind that is neither array nor object; `None` when it is not one of that kind.
pub(super) fn read(kind: &Kind, found: Found<'_>) -> Option<Val> {
    Some(match (kind, found) {
        (Kind::Bool, Found::Bool(value)) => Val::Bool(value),
        (Kind::String, Found::Text(text)) => Val::String(text.to_owned()),
        (Kind::Int(int), found) => integer(*int, exact_integer(*int, found)?)?,
        (Kind::F64, found) => Val::Float64(float(found)?),
        (Kind::F32, found) => match float(found)? {
            finite if finite.is_finite() && finite.abs() > F32_MAX => return None,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "rounding to the nearest f32 is what is meant"
            )]
            value => Val::Float32(value as f32),
        },
        (Kind::Char, Found::Text(text)) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(one), None) => Val::Char(one),
                _ => return None,
            }
        }
        (Kind::Bytes, Found::Text(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
            Val::List(bytes.into_iter().map(Val::U8).collect())
        }
        (Kind::Enum(labels), Found::Text(text)) => {
            labels.find(text, 0)?;
            Val::Enum(text.to_owned())
        }
        _ => return None,
    })
}

/// An integer without any loss: a float counts when it has no fraction and is small enough to be exact.
fn exact_integer(int: Int, found: Found<'_>) -> Option<i128> {
    match found {
        Found::Unsigned(n) => Some(n.into()),
        Found::Signed(n) => Some(n.into()),
        #[expect(clippy::cast_possible_truncation, reason = "checked to be an integer below 2^53")]
        Found::Float(n) if n.trunc() == n && n.abs() <= EXACT as f64 => Some(n as i128),
        Found::Text(text) if int.is_wide() => decimal(text, int == Int::S64),
        _ => None,
    }
}

/// Exactly the form of the patterns above: no sign `+`, no leading zeros, no `-0`, no spaces.
fn decimal(text: &str, signed: bool) -> Option<i128> {
    let digits = if signed { text.strip_prefix('-').unwrap_or(text) } else { text };
    let plain = digits.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || (!digits.is_empty() && !digits.starts_with('0'));
    if plain && canonical { text.parse().ok() } else { None }
}

fn integer(int: Int, value: i128) -> Option<Val> {
    Some(match int {
        Int::S8 => Val::S8(value.try_into().ok()?),
        Int::U8 => Val::U8(value.try_into().ok()?),
        Int::S16 => Val::S16(value.try_into().ok()?),
        Int::U16 => Val::U16(value.try_into().ok()?),
        Int::S32 => Val::S32(value.try_into().ok()?),
        Int::U32 => Val::U32(value.try_into().ok()?),
        Int::S64 => Val::S64(value.try_into().ok()?),
        Int::U64 => Val::U64(value.try_into().ok()?),
    })
}

/// A number or one of the three words; integers are rounded to the nearest float, as the text would be.
#[expect(clippy::cast_precision_loss, reason = "rounding to the nearest f64 is what is meant")]
fn float(found: Found<'_>) -> Option<f64> {
    match found {
        Found::Unsigned(n) => Some(n as f64),
        Found::Signed(n) => Some(n as f64),
        Found::Float(n) => Some(n),
        Found::Text(NAN) => Some(f64::NAN),
        Found::Text(INFINITY) => Some(f64::INFINITY),
        Found::Text(NEGATIVE_INFINITY) => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
