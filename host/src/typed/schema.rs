//! JSON Schema (2020-12) of arguments and results.
//!
//! Takes: a signature or shape. Gives: a schema that accepts what decoding accepts, but for two things that it
//! cannot say: that text is base64, and that a number with more than 53 bits must not have a fraction part.
//! May name: typed.

use super::scalar::{F32_MAX, INFINITY, NAN, NEGATIVE_INFINITY, S64_PATTERN, U64_PATTERN};
use super::shape::{Int, Item, Kind, Named, Shape, Signature};
use serde_json::{Map, Value, json};

impl Signature {
    /// The schema of the arguments: an object with one property for each parameter. Parameters whose type is an
    /// option are not required; others are; nothing else is allowed.
    #[must_use]
    pub fn arguments_schema(&self) -> Value {
        Value::Object(object(&self.params))
    }

    /// The schema of the result; that of null for a function that returns nothing.
    #[must_use]
    pub fn result_schema(&self) -> Value {
        self.result.as_ref().map_or_else(|| json!({ "type": "null" }), Shape::schema)
    }
}

impl Shape {
    /// The schema of a value of this type, with its doc comments as descriptions.
    #[must_use]
    pub fn schema(&self) -> Value {
        self.described(None)
    }

    /// The schema of this type at a place that has a doc comment of its own.
    fn described(&self, place: Option<&str>) -> Value {
        let mut schema = self.bare();
        let mut texts: Vec<&str> = place.into_iter().chain(self.docs()).collect();
        texts.dedup();
        let labels = match &self.kind {
            Kind::Enum(labels) | Kind::Flags(labels) => label_docs(labels),
            _ => None,
        };
        texts.extend(labels.as_deref());
        if !texts.is_empty() {
            schema.insert("description".into(), texts.join("\n\n").into());
        }
        Value::Object(schema)
    }

    fn bare(&self) -> Map<String, Value> {
        match &self.kind {
            Kind::Bool => typed("boolean"),
            Kind::String => typed("string"),
            Kind::Int(int) => integer(*int),
            Kind::F32 => float([("minimum", (-F32_MAX).into()), ("maximum", F32_MAX.into())]),
            Kind::F64 => float([]),
            Kind::Char => with("string", [("minLength", 1.into()), ("maxLength", 1.into())]),
            Kind::Bytes => with("string", [("contentEncoding", "base64".into())]),
            Kind::List(item) => with("array", [("items", item.schema())]),
            Kind::FixedList(item, len) => with(
                "array",
                [("items", item.schema()), ("minItems", (*len).into()), ("maxItems", (*len).into())],
            ),
            Kind::Map(entry) => with("array", [("items", entry.schema())]),
            Kind::Tuple(items) => tuple(items),
            Kind::Record(fields) => object(fields),
            Kind::Option(inner) if inner.is_option() => {
                any_of(vec![members([("some", inner.schema())]), json!({ "type": "null" })])
            }
            Kind::Option(inner) => nullable(inner.schema()),
            Kind::Result(ok, err) => {
                let side =
                    |shape: &Option<Box<Shape>>| shape.as_ref().map_or_else(null, |shape| shape.schema());
                one_of(vec![members([("ok", side(ok))]), members([("err", side(err))])])
            }
            Kind::Variant(cases) => one_of(cases.iter().map(case).collect()),
            Kind::Enum(labels) => with("string", [("enum", names(labels))]),
            Kind::Flags(labels) => {
                let label = Value::Object(with("string", [("enum", names(labels))]));
                with("array", [("items", label), ("uniqueItems", true.into())])
            }
        }
    }
}

fn null() -> Value {
    json!({ "type": "null" })
}

fn typed(name: &str) -> Map<String, Value> {
    with(name, [])
}

fn with<const N: usize>(name: &str, keywords: [(&str, Value); N]) -> Map<String, Value> {
    let keywords = keywords.into_iter().map(|(keyword, value)| (keyword.to_owned(), value));
    std::iter::once(("type".to_owned(), name.into())).chain(keywords).collect()
}

fn any_of(schemas: Vec<Value>) -> Map<String, Value> {
    Map::from_iter([("anyOf".to_owned(), Value::Array(schemas))])
}

fn one_of(schemas: Vec<Value>) -> Map<String, Value> {
    Map::from_iter([("oneOf".to_owned(), Value::Array(schemas))])
}

fn integer(int: Int) -> Map<String, Value> {
    let (min, max) = int.range();
    let bound = |bound: i128| match i64::try_from(bound) {
        Ok(bound) => Value::from(bound),
        Err(_) => Value::from(u64::MAX),
    };
    let number = with("integer", [("minimum", bound(min)), ("maximum", bound(max))]);
    let pattern = match int {
        Int::U64 => U64_PATTERN,
        Int::S64 => S64_PATTERN,
        _ => return number,
    };
    any_of(vec![Value::Object(number), Value::Object(with("string", [("pattern", pattern.into())]))])
}

fn float<const N: usize>(bounds: [(&str, Value); N]) -> Map<String, Value> {
    any_of(vec![Value::Object(with("number", bounds)), json!({ "enum": [NAN, INFINITY, NEGATIVE_INFINITY] })])
}

fn tuple(items: &[Shape]) -> Map<String, Value> {
    let len = items.len();
    let mut schema = with("array", [("minItems", len.into()), ("maxItems", len.into())]);
    if !items.is_empty() {
        schema.insert("prefixItems".into(), items.iter().map(Shape::schema).collect());
        schema.insert("items".into(), false.into());
    }
    schema
}

/// An object of exactly these fields, of which those with an option type may be left out.
fn object(fields: &Named<Shape>) -> Map<String, Value> {
    let property =
        |field: &Item<Shape>| (field.name.to_string(), field.value.described(field.docs.as_deref()));
    let mut schema = with("object", [("properties", Value::Object(fields.iter().map(property).collect()))]);
    let required = fields.iter().filter(|field| !field.value.is_option());
    let required: Vec<Value> = required.map(|field| Value::from(&*field.name)).collect();
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    schema.insert("additionalProperties".into(), false.into());
    schema
}

/// An object whose members are all required.
fn members<const N: usize>(members: [(&str, Value); N]) -> Value {
    let required: Vec<Value> = members.iter().map(|(name, _)| Value::from(*name)).collect();
    let properties: Map<String, Value> =
        members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn case(case: &Item<Option<Shape>>) -> Value {
    let tag = ("tag", json!({ "const": &*case.name }));
    let mut schema = match &case.value {
        Some(shape) => members([tag, ("val", shape.schema())]),
        None => members([tag]),
    };
    if let (Some(docs), Some(schema)) = (&case.docs, schema.as_object_mut()) {
        schema.insert("description".into(), (&**docs).into());
    }
    schema
}

/// The inner schema or null; one list of choices where the inner one is such a list already.
fn nullable(inner: Value) -> Map<String, Value> {
    match inner {
        Value::Object(mut schema) if schema.len() == 1 && schema.contains_key("anyOf") => {
            if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
                choices.push(null());
            }
            schema
        }
        inner => any_of(vec![inner, null()]),
    }
}

fn names(labels: &Named<()>) -> Value {
    labels.iter().map(|label| Value::from(&*label.name)).collect()
}

/// What the labels mean, a line for each that says so: an enumeration has no place for it in a schema.
fn label_docs(labels: &Named<()>) -> Option<String> {
    let line = |label: &Item<()>| label.docs.as_ref().map(|docs| format!("`{}`: {docs}", label.name));
    let lines: Vec<String> = labels.iter().filter_map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
