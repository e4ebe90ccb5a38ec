//! From a component's types, as the validator knows them, to shapes.
//!
//! Takes: validated component types, the doc comments that were found for them. Gives: [`Signature`], or the
//! place of a type that no JSON can stand for. May name: typed.
//!
//! The validator's types are the ones that the engine checks calls against; a tree that was decoded into WIT
//! merges an interface that is imported with the same one exported, and would show the wrong types for it.

use super::shape::{Int, Item, Kind, Named, Shape, Signature};
use serde::Deserialize;
use std::collections::HashMap;
use wasmparser::PrimitiveValType as Primitive;
use wasmparser::component_types::{
    ComponentDefinedType as Defined, ComponentDefinedTypeId, ComponentFuncType, ComponentValType,
};
use wasmparser::types::TypesRef;

/// Types within types.
const MAX_DEPTH: usize = 64;
/// Types, fields, cases and labels in a signature.
const MAX_NODES: usize = 4096;
/// Bytes of one name: every value of a record carries its fields' names.
const MAX_NAME: usize = 128;
/// Bytes of one doc comment.
const MAX_DOCS: usize = 4096;
/// Bytes of all doc comments of a signature; they are copied wherever a type is used.
const MAX_ALL_DOCS: usize = 128 * 1024;

/// A type that a tool function may not have, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ShapeError {
    /// From the parameter or result inwards: "parameter `order`, field `lines`, item".
    pub place: String,
    /// Why it is refused.
    pub problem: String,
}

/// The doc comments of one type and of its fields, cases or labels.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct TypeDocs {
    /// The type's own.
    pub(crate) docs: Option<String>,
    /// By name.
    pub(crate) items: HashMap<String, String>,
}

/// What all signatures of one component may hold together: a type that is written once can be used by each.
pub(crate) struct Budget {
    nodes: usize,
    docs: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: 16 * MAX_NODES, docs: 16 * MAX_ALL_DOCS }
    }
}

/// The signature of a function, described by `docs` and, for its types, by what `type_docs` finds.
///
/// # Errors
/// [`ShapeError`] for resources, streams, futures and error contexts, and for types beyond the limits.
pub(crate) fn signature<'a>(
    types: TypesRef<'a>,
    function: &ComponentFuncType,
    docs: Option<&str>,
    type_docs: &dyn Fn(ComponentDefinedTypeId) -> Option<&'a TypeDocs>,
    budget: &mut Budget,
) -> Result<Signature, ShapeError> {
    let (nodes, docs_bytes) = (budget.nodes.min(MAX_NODES), budget.docs.min(MAX_ALL_DOCS));
    let mut builder = Builder { types, type_docs, nodes, docs: docs_bytes, place: Vec::new() };
    let docs = docs.and_then(|text| builder.docs(text));
    let params = function.params.iter().map(|(name, ty)| (name.as_str(), ty));
    let params = builder.named(params, "parameter", None, |builder, ty| builder.value(ty))?;
    let result = match &function.result {
        Some(ty) => Some(builder.at("result".into(), |builder| builder.value(ty))?),
        None => None,
    };
    budget.nodes -= nodes - builder.nodes;
    budget.docs -= docs_bytes - builder.docs;
    Ok(Signature { params, result, docs })
}

struct Builder<'a, 'f> {
    types: TypesRef<'a>,
    type_docs: &'f dyn Fn(ComponentDefinedTypeId) -> Option<&'a TypeDocs>,
    nodes: usize,
    docs: usize,
    place: Vec<String>,
}

impl<'a> Builder<'a, '_> {
    fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, ShapeError> {
        Err(ShapeError { place: self.place.join(", "), problem: problem.into() })
    }

    fn at<T>(
        &mut self,
        step: String,
        inner: impl FnOnce(&mut Self) -> Result<T, ShapeError>,
    ) -> Result<T, ShapeError> {
        self.place.push(step);
        let value = inner(self)?;
        self.place.pop();
        Ok(value)
    }

    fn charge(&mut self) -> Result<(), ShapeError> {
        match self.nodes.checked_sub(1) {
            Some(left) => self.nodes = left,
            None => {
                return self.refuse(format!(
                    "its types have more than {MAX_NODES} parts, or all functions' too many"
                ));
            }
        }
        Ok(())
    }

    /// Text of untrusted origin that people and models will read: bounded, and without control characters.
    fn docs(&mut self, text: &str) -> Option<Box<str>> {
        let clean = text.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        let mut docs = String::new();
        for c in clean {
            if docs.len() + c.len_utf8() > MAX_DOCS.min(self.docs) {
                break;
            }
            docs.push(c);
        }
        self.docs -= docs.len();
        (!docs.is_empty()).then(|| docs.into())
    }

    fn named<'n, T, V>(
        &mut self,
        items: impl Iterator<Item = (&'n str, T)>,
        step: &str,
        docs: Option<&TypeDocs>,
        mut value: impl FnMut(&mut Self, T) -> Result<V, ShapeError>,
    ) -> Result<Named<V>, ShapeError> {
        let mut list = Vec::new();
        for (name, item) in items {
            self.charge()?;
            if name.len() > MAX_NAME {
                return self.refuse(format!("a name is longer than {MAX_NAME} bytes"));
            }
            let docs = docs.and_then(|docs| docs.items.get(name)).and_then(|text| self.docs(text));
            let value = self.at(format!("{step} `{name}`"), |builder| value(builder, item))?;
            list.push(Item { name: name.into(), docs, value });
        }
        match Named::new(list) {
            Some(named) => Ok(named),
            None => self.refuse("two names are the same"),
        }
    }

    fn boxed(&mut self, step: &str, ty: &ComponentValType) -> Result<Box<Shape>, ShapeError> {
        self.at(step.into(), |builder| builder.value(ty)).map(Box::new)
    }

    fn value(&mut self, ty: &ComponentValType) -> Result<Shape, ShapeError> {
        self.charge()?;
        if self.place.len() > MAX_DEPTH {
            return self.refuse(format!("types are nested more than {MAX_DEPTH} deep"));
        }
        match ty {
            ComponentValType::Primitive(primitive) => self.primitive(*primitive).map(Shape::from),
            ComponentValType::Type(id) => {
                let docs = (self.type_docs)(*id);
                let text = docs.and_then(|docs| docs.docs.as_deref()).and_then(|text| self.docs(text));
                let Some(defined) = self.types.get(*id) else { return self.refuse("an unknown type") };
                Ok(Shape { kind: self.defined(defined, docs)?, docs: text })
            }
        }
    }

    fn primitive(&self, primitive: Primitive) -> Result<Kind, ShapeError> {
        Ok(match primitive {
            Primitive::Bool => Kind::Bool,
            Primitive::S8 => Kind::Int(Int::S8),
            Primitive::U8 => Kind::Int(Int::U8),
            Primitive::S16 => Kind::Int(Int::S16),
            Primitive::U16 => Kind::Int(Int::U16),
            Primitive::S32 => Kind::Int(Int::S32),
            Primitive::U32 => Kind::Int(Int::U32),
            Primitive::S64 => Kind::Int(Int::S64),
            Primitive::U64 => Kind::Int(Int::U64),
            Primitive::F32 => Kind::F32,
            Primitive::F64 => Kind::F64,
            Primitive::Char => Kind::Char,
            Primitive::String => Kind::String,
            Primitive::ErrorContext => return self.refuse("an error-context cannot be passed as JSON"),
        })
    }

    fn defined(&mut self, defined: &Defined, docs: Option<&TypeDocs>) -> Result<Kind, ShapeError> {
        Ok(match defined {
            Defined::Primitive(primitive) => self.primitive(*primitive)?,
            Defined::List { element, .. } if self.is_byte(element) => Kind::Bytes,
            Defined::List { element, .. } => Kind::List(self.boxed("item", element)?),
            Defined::FixedLengthList { element, length, .. } => {
                Kind::FixedList(self.boxed("item", element)?, *length)
            }
            Defined::Map { key, value, .. } => {
                self.charge()?;
                let pair = vec![*self.boxed("key", key)?, *self.boxed("value", value)?];
                Kind::Map(Box::new(Kind::Tuple(pair).into()))
            }
            Defined::Tuple(tuple) => {
                let items = tuple.types.iter().enumerate();
                Kind::Tuple(
                    items
                        .map(|(i, ty)| Ok(*self.boxed(&format!("item {i}"), ty)?))
                        .collect::<Result<_, _>>()?,
                )
            }
            Defined::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| (name.as_str(), ty));
                Kind::Record(self.named(fields, "field", docs, |builder, ty| builder.value(ty))?)
            }
            Defined::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty));
                let payload = |builder: &mut Self, ty: Option<_>| ty.map(|ty| builder.value(&ty)).transpose();
                Kind::Variant(self.named(cases, "case", docs, payload)?)
            }
            Defined::Enum(labels) => {
                Kind::Enum(self.labels(labels.iter().map(|l| l.as_str()), "case", docs)?)
            }
            Defined::Flags(labels) => {
                Kind::Flags(self.labels(labels.iter().map(|l| l.as_str()), "flag", docs)?)
            }
            Defined::Option { ty, .. } => Kind::Option(self.boxed("option", ty)?),
            Defined::Result { ok, err, .. } => Kind::Result(
                ok.as_ref().map(|ty| self.boxed("ok", ty)).transpose()?,
                err.as_ref().map(|ty| self.boxed("err", ty)).transpose()?,
            ),
            Defined::Own(_) | Defined::Borrow(_) => {
                return self.refuse("a resource lives in the component and cannot be passed as JSON");
            }
            Defined::Stream { .. } => return self.refuse("a stream cannot be passed as JSON"),
            Defined::Future { .. } => return self.refuse("a future cannot be passed as JSON"),
        })
    }

    fn labels<'n>(
        &mut self,
        labels: impl Iterator<Item = &'n str>,
        step: &str,
        docs: Option<&TypeDocs>,
    ) -> Result<Named<()>, ShapeError> {
        self.named(labels.map(|label| (label, ())), step, docs, |_, ()| Ok(()))
    }

    /// `u8`, also by another name: it is bytes all the same.
    fn is_byte(&self, ty: &ComponentValType) -> bool {
        match ty {
            ComponentValType::Primitive(primitive) => *primitive == Primitive::U8,
            ComponentValType::Type(id) => {
                matches!(self.types.get(*id), Some(Defined::Primitive(Primitive::U8)))
            }
        }
    }
}
