//! What a component exports: its functions with their types and descriptions.
//!
//! Takes: the names of its imports and exports, the validator's types, the doc comments. Gives: functions, or
//! the one that cannot be a tool function. May name: typed.

use super::docs::Docs;
use super::error::{ReadError, quoted};
use super::{ExportPath, Function, names};
use crate::typed::{Budget, TypeDocs, signature};
use std::collections::HashMap;
use wasmparser::component_types::{
    ComponentAnyTypeId as AnyType, ComponentDefinedTypeId, ComponentEntityType as Entity,
    ComponentFuncTypeId, ComponentItem,
};
use wasmparser::names::{ComponentName, ComponentNameKind};
use wasmparser::types::TypesRef;

/// How many other names of a type are followed to its comments; a file may hold a million.
const MAX_ALIASES: usize = 64;

/// Every exported function, named; modules, components and types that are exported cannot be called and are
/// passed over.
pub(super) fn list(
    imports: &[&str],
    exports: &[&str],
    types: TypesRef<'_>,
    docs: &Docs,
    limit: usize,
) -> Result<Vec<Function>, ReadError> {
    let found = functions(exports, types, limit)?;
    if found.is_empty() {
        return Err(ReadError::NoFunctions);
    }
    let named = type_names(imports, exports, types);
    let type_docs = |id: ComponentDefinedTypeId| described(id, types, &named, docs);
    let mut budget = Budget::default();
    let paths: Vec<ExportPath> = found.iter().map(|(path, _)| path.clone()).collect();
    let names = names::short(&paths)?;
    let functions = found.into_iter().zip(names).map(|((export, id), name)| {
        let text = docs.function(export.interface.as_deref(), &export.function);
        let signature = match types.get(id) {
            Some(function) => signature(types, function, text, &type_docs, &mut budget),
            None => return Err(ReadError::NoFunctions),
        };
        match signature {
            Ok(signature) => Ok(Function { name, export, signature }),
            Err(source) => Err(ReadError::Types { function: shown(&export), source }),
        }
    });
    functions.collect()
}

fn functions(
    exports: &[&str],
    types: TypesRef<'_>,
    limit: usize,
) -> Result<Vec<(ExportPath, ComponentFuncTypeId)>, ReadError> {
    let mut found = Vec::new();
    let mut add = |interface: Option<&str>, function: &str, id| {
        let export = ExportPath { interface: interface.map(str::to_owned), function: function.to_owned() };
        if !is_label(function) {
            return Err(ReadError::ResourceFunction { function: shown(&export) });
        }
        if found.len() == limit {
            return Err(ReadError::TooManyFunctions { limit });
        }
        found.push((export, id));
        Ok(())
    };
    for name in exports {
        match types.component_item_for_export(name).map(|item| item.ty) {
            Some(Entity::Func(id)) => add(None, name, id)?,
            Some(Entity::Instance(_)) => {
                for (function, item) in members(types, types.component_item_for_export(name)) {
                    if let Entity::Func(id) = item.ty {
                        add(Some(name), function, id)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn is_label(name: &str) -> bool {
    ComponentName::new(name, 0).is_ok_and(|name| matches!(name.kind(), ComponentNameKind::Label(_)))
}

fn shown(export: &ExportPath) -> String {
    match &export.interface {
        Some(interface) => quoted(&format!("{interface}#{}", export.function)),
        None => quoted(&export.function),
    }
}

/// What an instance exports.
fn members<'a>(
    types: TypesRef<'a>,
    item: Option<&'a ComponentItem>,
) -> impl Iterator<Item = (&'a String, &'a ComponentItem)> {
    let instance = match item.map(|item| item.ty) {
        Some(Entity::Instance(id)) => types.get(id),
        _ => None,
    };
    instance.into_iter().flat_map(|instance| &instance.exports)
}

/// What an import or export calls a type.
struct TypeName<'a> {
    interface: Option<&'a str>,
    name: &'a str,
    /// The type that it is another name for.
    of: AnyType,
}

type TypeNames<'a> = HashMap<AnyType, TypeName<'a>>;

fn type_names<'a>(imports: &[&'a str], exports: &[&'a str], types: TypesRef<'a>) -> TypeNames<'a> {
    let mut named = TypeNames::new();
    let imports = imports.iter().map(|name| (*name, types.component_item_for_import(name)));
    let exports = exports.iter().map(|name| (*name, types.component_item_for_export(name)));
    for (name, item) in imports.chain(exports) {
        if let Some(Entity::Type { created, referenced }) = item.map(|item| item.ty) {
            named.insert(created, TypeName { interface: None, name, of: referenced });
        }
        for (member, item) in members(types, item) {
            if let Entity::Type { created, referenced } = item.ty {
                named.insert(created, TypeName { interface: Some(name), name: member, of: referenced });
            }
        }
    }
    named
}

/// The comments of a type, or else of a type that it is another name for: `use types.{order}` says nothing.
fn described<'a>(
    id: ComponentDefinedTypeId,
    types: TypesRef<'a>,
    named: &TypeNames<'_>,
    docs: &'a Docs,
) -> Option<&'a TypeDocs> {
    let mut ids = vec![AnyType::Defined(id)];
    for _ in 0..MAX_ALIASES {
        let id = ids.pop()?;
        ids.extend(types.peel_alias(id));
        if let Some(name) = named.get(&id) {
            if let Some(found) = docs.of_type(name.interface, name.name) {
                return Some(found);
            }
            if name.of != id {
                ids.push(name.of);
            }
        }
    }
    None
}
