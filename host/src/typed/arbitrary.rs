//! Arbitrary shapes, values of them, and JSON that is almost such a value.
//!
//! Takes: nothing. Gives: proptest strategies. May name: typed.

use super::shape::{Int, Item, Kind, Named, Shape, Signature};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};
use wasmtime::component::Val;

pub(super) fn named<T>(values: Vec<T>) -> Named<T> {
    let item = |(i, value)| Item { name: format!("n{i}-{}", i * 7 % 3).into(), docs: None, value };
    Named::new(values.into_iter().enumerate().map(item).collect()).unwrap()
}

fn leaf() -> impl Strategy<Value = Shape> {
    let ints = [Int::S8, Int::U8, Int::S16, Int::U16, Int::S32, Int::U32, Int::S64, Int::U64];
    prop_oneof![
        4 => select(ints.to_vec()).prop_map(Kind::Int),
        4 => select(vec![Kind::Bool, Kind::F32, Kind::F64, Kind::Char, Kind::String, Kind::Bytes]),
        1 => (1usize..6).prop_map(|n| Kind::Enum(named(vec![(); n]))),
        1 => (1usize..40).prop_map(|n| Kind::Flags(named(vec![(); n]))),
    ]
    .prop_map(Shape::from)
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        let boxed = inner.clone().prop_map(Box::new).boxed();
        prop_oneof![
            boxed.clone().prop_map(Kind::List),
            (boxed.clone(), 0u32..4).prop_map(|(item, len)| Kind::FixedList(item, len)),
            (inner.clone(), inner.clone())
                .prop_map(|(k, v)| Kind::Map(Box::new(Kind::Tuple(vec![k, v]).into()))),
            vec(inner.clone(), 1..4).prop_map(Kind::Tuple),
            vec(inner.clone(), 1..5).prop_map(|fields| Kind::Record(named(fields))),
            boxed.clone().prop_map(Kind::Option),
            (option::of(boxed.clone()), option::of(boxed)).prop_map(|(ok, err)| Kind::Result(ok, err)),
            vec(option::of(inner), 1..5).prop_map(|cases| Kind::Variant(named(cases))),
        ]
        .prop_map(Shape::from)
    })
}

pub(super) fn signature() -> impl Strategy<Value = Signature> {
    (vec(shape(), 0..4), option::of(shape())).prop_map(|(params, result)| Signature {
        params: named(params),
        result,
        docs: None,
    })
}

/// Any value of a shape, with the corners of the number types often.
pub(super) fn value(shape: &Shape) -> BoxedStrategy<Val> {
    let items = |shapes: &[Shape]| shapes.iter().map(value).collect::<Vec<_>>();
    let boxed = |shape: &Shape| value(shape).prop_map(Box::new);
    match shape.kind.clone() {
        Kind::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Kind::Int(int) => integer(int),
        Kind::F32 => {
            prop_oneof![any::<f32>(), select(vec![-0.0, f32::MAX, f32::MIN_POSITIVE, f32::NAN, 7.038531e-26])]
                .prop_map(Val::Float32)
                .boxed()
        }
        Kind::F64 => prop_oneof![
            any::<f64>(),
            select(vec![-0.0, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e16])
        ]
        .prop_map(Val::Float64)
        .boxed(),
        Kind::Char => any::<char>().prop_map(Val::Char).boxed(),
        Kind::String => any::<String>().prop_map(Val::String).boxed(),
        Kind::Bytes => vec(any::<u8>().prop_map(Val::U8), 0..20).prop_map(Val::List).boxed(),
        Kind::List(item) => vec(value(&item), 0..4).prop_map(Val::List).boxed(),
        Kind::FixedList(item, len) => vec(value(&item), len as usize).prop_map(Val::FixedLengthList).boxed(),
        Kind::Map(entry) => {
            let Kind::Tuple(pair) = &entry.kind else { unreachable!() };
            vec((value(&pair[0]), value(&pair[1])), 0..4).prop_map(Val::Map).boxed()
        }
        Kind::Tuple(shapes) => items(&shapes).prop_map(Val::Tuple).boxed(),
        Kind::Record(fields) => {
            let names: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
            let values: Vec<_> = fields.iter().map(|field| value(&field.value)).collect();
            values.prop_map(move |values| Val::Record(names.iter().cloned().zip(values).collect())).boxed()
        }
        Kind::Option(inner) => option::of(boxed(&inner)).prop_map(Val::Option).boxed(),
        Kind::Result(ok, err) => {
            let side = |shape: Option<Box<Shape>>| match shape {
                Some(shape) => boxed(&shape).prop_map(Some).boxed(),
                None => Just(None).boxed(),
            };
            prop_oneof![side(ok).prop_map(Ok), side(err).prop_map(Err)].prop_map(Val::Result).boxed()
        }
        Kind::Variant(cases) => {
            let case = |case: &Item<Option<Shape>>| {
                let name = case.name.to_string();
                let payload = match &case.value {
                    Some(shape) => boxed(shape).prop_map(Some).boxed(),
                    None => Just(None).boxed(),
                };
                payload.prop_map(move |payload| Val::Variant(name.clone(), payload)).boxed()
            };
            proptest::strategy::Union::new(cases.iter().map(case).collect::<Vec<_>>()).boxed()
        }
        Kind::Enum(labels) => select(names(&labels)).prop_map(Val::Enum).boxed(),
        Kind::Flags(labels) => {
            let names = names(&labels);
            subsequence(names.clone(), 0..=names.len()).prop_map(Val::Flags).boxed()
        }
    }
}

fn names(labels: &Named<()>) -> Vec<String> {
    labels.iter().map(|label| label.name.to_string()).collect()
}

fn integer(int: Int) -> BoxedStrategy<Val> {
    const EDGE: i64 = 1 << 53;
    match int {
        Int::S8 => any::<i8>().prop_map(Val::S8).boxed(),
        Int::U8 => any::<u8>().prop_map(Val::U8).boxed(),
        Int::S16 => any::<i16>().prop_map(Val::S16).boxed(),
        Int::U16 => any::<u16>().prop_map(Val::U16).boxed(),
        Int::S32 => any::<i32>().prop_map(Val::S32).boxed(),
        Int::U32 => any::<u32>().prop_map(Val::U32).boxed(),
        Int::S64 => {
            prop_oneof![any::<i64>(), -9..9i64, EDGE - 2..EDGE + 2, -EDGE - 2..2 - EDGE, Just(i64::MIN)]
                .prop_map(Val::S64)
                .boxed()
        }
        Int::U64 => prop_oneof![any::<u64>(), 0..9u64, (1u64 << 53) - 2..(1 << 53) + 2, Just(u64::MAX)]
            .prop_map(Val::U64)
            .boxed(),
    }
}

/// Any JSON, with the words that decoding looks for more often than chance would have them.
pub(super) fn json() -> impl Strategy<Value = Value> {
    let word = select(vec![
        "tag",
        "val",
        "ok",
        "err",
        "some",
        "n0-0",
        "n1-1",
        "n2-2",
        "NaN",
        "-Infinity",
        "7",
        "-0",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300..300i16).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![json!(1.0), json!(-0.0), json!(1e300), json!(0.5), json!(9007199254740993.0)]),
        word.clone().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(word.clone().prop_map(String::from), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Changes one place of some JSON: puts `other` there, takes the place away, or adds a member or an item.
pub(super) fn mutate(value: &mut Value, place: &[Index], other: Value, how: u8) {
    let Some((step, rest)) = place.split_first() else { return change(value, other, how) };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = step.index(items.len());
            mutate(&mut items[at], rest, other, how);
        }
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(step.index(members.len())).unwrap().clone();
            mutate(&mut members[&name], rest, other, how);
        }
        leaf => change(leaf, other, how),
    }
}

fn change(value: &mut Value, other: Value, how: u8) {
    match (value, how % 3) {
        (Value::Array(items), 1) => drop(items.pop()),
        (Value::Array(items), 2) => items.push(items.first().cloned().unwrap_or(other)),
        (Value::Object(members), 1) => {
            if let Some(name) = members.keys().next().cloned() {
                members.remove(&name);
            }
        }
        (Value::Object(members), 2) => drop(members.insert("n2-2".into(), other)),
        (value, _) => *value = other,
    }
}
