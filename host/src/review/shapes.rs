//! Whether one type takes every value of another, by the JSON that stands for it.
//!
//! Takes: two types. Gives: the first place where it does not. May name: typed.
//!
//! The subset: integers within wider integers; a value where an option of it is taken; records with the same fields,
//! more of which may be optional; enums, flags and variants with more cases; fixed lists where lists are taken. All
//! else must be of the same kind. So nothing that breaks is missed, and a few changes that happen to work are named.

use crate::typed::{Item, Kind, Named, Shape};

/// `None` when every value of `narrow` is one of `wide`; else what does not fit, and where.
pub(super) fn misfit(wide: &Shape, narrow: &Shape) -> Option<String> {
    let inner = |place: &str, wide: &Shape, narrow: &Shape| {
        misfit(wide, narrow).map(|why| if place.is_empty() { why } else { format!("{place}: {why}") })
    };
    match (wide.kind(), narrow.kind()) {
        (Kind::Bool, Kind::Bool)
        | (Kind::F32, Kind::F32)
        | (Kind::F64, Kind::F64 | Kind::F32)
        | (Kind::Char, Kind::Char)
        | (Kind::String, Kind::String)
        | (Kind::Bytes, Kind::Bytes) => None,
        (Kind::Int(wide), Kind::Int(narrow)) => {
            let ((least, most), (low, high)) = (wide.range(), narrow.range());
            // A wide integer may come as text, which a smaller type does not take; its range says so as well.
            (least > low || most < high).then(|| format!("{low}..{high} does not fit into {least}..{most}"))
        }
        (Kind::List(wide), Kind::List(narrow)) | (Kind::Map(wide), Kind::Map(narrow)) => {
            inner("items", wide, narrow)
        }
        (Kind::List(wide), Kind::FixedList(narrow, _)) => inner("items", wide, narrow),
        (Kind::FixedList(wide, a), Kind::FixedList(narrow, b)) if a == b => inner("items", wide, narrow),
        (Kind::Tuple(wide), Kind::Tuple(narrow)) if wide.len() == narrow.len() => {
            wide.iter().zip(narrow).find_map(|(wide, narrow)| inner("items", wide, narrow))
        }
        (Kind::Record(wide), Kind::Record(narrow)) => fields(wide, narrow),
        (Kind::Option(wide), Kind::Option(narrow)) if is_option(wide) == is_option(narrow) => {
            inner("", wide, narrow)
        }
        // An option of an option is written in another form.
        (Kind::Option(wide), narrow_kind) if !is_option(wide) && !matches!(narrow_kind, Kind::Option(_)) => {
            inner("", wide, narrow)
        }
        (Kind::Result(wide_ok, wide_err), Kind::Result(ok, err)) => {
            payload("ok", wide_ok.as_deref(), ok.as_deref())
                .or_else(|| payload("err", wide_err.as_deref(), err.as_deref()))
        }
        (Kind::Variant(wide), Kind::Variant(narrow)) => narrow.iter().find_map(|case| {
            let name = &case.name;
            match find(wide, name) {
                Some(same) => payload(name, same.value.as_ref(), case.value.as_ref()),
                None => Some(format!("`{name}` has no place in it")),
            }
        }),
        (Kind::Enum(wide), Kind::Enum(narrow)) | (Kind::Flags(wide), Kind::Flags(narrow)) => {
            let gone = narrow.iter().find(|label| find(wide, &label.name).is_none());
            gone.map(|label| format!("`{}` has no place in it", label.name))
        }
        (wide, narrow) => Some(format!("{} does not fit into {}", word(narrow), word(wide))),
    }
}

/// The fields of a record, and the arguments of a function, which are one.
pub(super) fn fields(wide: &Named<Shape>, narrow: &Named<Shape>) -> Option<String> {
    let lost = narrow.iter().find_map(|field| match find(wide, &field.name) {
        None => Some(format!("`{}` has no place in it", field.name)),
        Some(same) => misfit(&same.value, &field.value).map(|why| format!("`{}`: {why}", field.name)),
    });
    let asked = || wide.iter().find(|field| !is_option(&field.value) && find(narrow, &field.name).is_none());
    lost.or_else(|| asked().map(|field| format!("`{}` is required and missing", field.name)))
}

pub(super) fn find<'a, T>(items: &'a Named<T>, name: &str) -> Option<&'a Item<T>> {
    items.find(name, 0).and_then(|place| items.get(place))
}

pub(super) fn is_option(shape: &Shape) -> bool {
    matches!(shape.kind(), Kind::Option(_))
}

fn payload(place: &str, wide: Option<&Shape>, narrow: Option<&Shape>) -> Option<String> {
    match (wide, narrow) {
        (None, None) => None,
        (Some(wide), Some(narrow)) => misfit(wide, narrow).map(|why| format!("`{place}`: {why}")),
        (Some(wide), None) => Some(format!("`{place}`: nothing does not fit into {}", word(wide.kind()))),
        (None, Some(narrow)) => Some(format!("`{place}`: {} does not fit into nothing", word(narrow.kind()))),
    }
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "a bool",
        Kind::Int(_) => "an integer",
        Kind::F32 | Kind::F64 => "a float",
        Kind::Char => "a char",
        Kind::String => "a string",
        Kind::Bytes => "bytes",
        Kind::List(_) => "a list",
        Kind::FixedList(..) => "a list of fixed length",
        Kind::Map(_) => "a map",
        Kind::Tuple(_) => "a tuple",
        Kind::Record(_) => "a record",
        Kind::Option(_) => "an option",
        Kind::Result(..) => "a result",
        Kind::Variant(_) => "a variant",
        Kind::Enum(_) => "an enum",
        Kind::Flags(_) => "flags",
    }
}
