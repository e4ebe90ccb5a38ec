//! WIT types as JSON Schema, and values both ways: JSON text to component values and back, without loss.
//!
//! Takes: a function's types as the validator knows them, JSON text, component values. Gives: [`Signature`]
//! and [`Shape`], JSON Schema of arguments and result, component values, JSON text. May name: reason.
//!
//! The mapping, the same in the schema, in [decoding](Signature::decode_arguments) and in
//! [encoding](Signature::encode_result):
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string`, `char` | boolean, string, string of one character |
//! | `s8`…`u32` | integer within the type's bounds; `1.0` and `1e3` are integers too |
//! | `s64`, `u64` | the same, or a decimal string; written as a number up to ±(2^53 − 1), else as a string |
//! | `f32`, `f64` | number, or `"NaN"`, `"Infinity"`, `"-Infinity"`; a number is rounded to the nearest `f64`, and for `f32` on to the nearest `f32` |
//! | `list<u8>` | string, base64 with padding |
//! | `list<T>`, `list<T, N>` | array; of exactly N items |
//! | `map<K, V>` | array of `[key, value]` |
//! | `tuple<A, B>` | array of exactly its items |
//! | `record` | object with exactly its fields; a field whose type is an option may be left out |
//! | `option<T>` | the value, or null; where T is an option itself, `{"some": value}` or null |
//! | `result<T, E>` | `{"ok": value}` or `{"err": value}`; null where there is no type |
//! | `variant` | `{"tag": case, "val": payload}`; no `val` where the case has no payload |
//! | `enum`, `flags` | string; array of distinct strings |

mod build;
mod compound;
mod context;
mod decode;
mod encode;
mod name;
mod scalar;
mod schema;
mod shape;
mod strict;
mod visit;
mod write;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod roundtrip;

pub use build::ShapeError;
pub(crate) use build::{Budget, TypeDocs, signature};
pub use decode::{DecodeError, Limits};
pub use encode::EncodeError;
pub use shape::{Int, Item, Kind, Named, Shape, Signature};
pub use write::Encoded;
