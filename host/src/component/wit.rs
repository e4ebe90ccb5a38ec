//! Doc comments out of WIT text.
//!
//! Takes: the text of the `strongroom:wit` section. Gives: the comments of its packages. May name: typed.
//!
//! The text is parsed but not resolved, since it refers to packages that the component does not carry.

use super::docs::{FunctionDocs, InterfaceDocs, PackageDocs, WorldDocs};
use super::error::quoted;
use crate::typed::TypeDocs;
use std::collections::HashMap;
use wit_parser::{
    Docs, Function, Interface, TypeDef, TypeDefKind, UnresolvedPackage, UnresolvedPackageGroup, World,
    WorldItem, WorldKey,
};

/// The comments of the package in the text, and of packages nested in it.
pub(super) fn docs(text: &[u8]) -> Result<Vec<PackageDocs>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8 text".to_owned())?;
    match UnresolvedPackageGroup::parse("world.wit", text) {
        Ok(group) => Ok(std::iter::once(&group.main).chain(&group.nested).map(package).collect()),
        Err((_, error)) => Err(quoted(&error.to_string())),
    }
}

fn package(package: &UnresolvedPackage) -> PackageDocs {
    let mut docs = PackageDocs::default();
    for (_, declared) in &package.interfaces {
        let found = interface(package, declared);
        // Interfaces of other packages stand here too, under their short name and without comments.
        if let Some(name) = &declared.name
            && !(found.funcs.is_empty() && found.types.is_empty())
        {
            docs.interfaces.insert(package.name.interface_id(name), found);
        }
    }
    for (_, declared) in &package.worlds {
        docs.worlds.insert(declared.name.clone(), world(package, declared));
    }
    docs
}

fn interface(package: &UnresolvedPackage, interface: &Interface) -> InterfaceDocs {
    let funcs = interface.functions.iter().filter_map(|(name, f)| Some((name.clone(), function(f)?)));
    let types = interface.types.iter().filter_map(|(name, id)| {
        let docs = package.types.get(*id).map(type_docs)?;
        (docs.docs.is_some() || !docs.items.is_empty()).then(|| (name.clone(), docs))
    });
    InterfaceDocs { funcs: funcs.collect(), types: types.collect() }
}

fn world(package: &UnresolvedPackage, world: &World) -> WorldDocs {
    let mut docs = WorldDocs::default();
    for (key, item) in world.imports.iter().chain(&world.exports) {
        let WorldKey::Name(name) = key else { continue };
        match item {
            WorldItem::Function(declared) => {
                docs.func_exports.extend(function(declared).map(|docs| (name.clone(), docs)));
            }
            WorldItem::Interface { id, .. } => {
                let declared = package.interfaces.get(*id).map(|declared| interface(package, declared));
                docs.interface_exports.extend(declared.map(|docs| (name.clone(), docs)));
            }
            WorldItem::Type { id, .. } => {
                docs.types.extend(package.types.get(*id).map(|ty| (name.clone(), type_docs(ty))));
            }
        }
    }
    docs
}

fn function(function: &Function) -> Option<FunctionDocs> {
    function.docs.contents.clone().map(|text| FunctionDocs::Text(Some(text)))
}

fn type_docs(ty: &TypeDef) -> TypeDocs {
    let items: HashMap<String, String> = match &ty.kind {
        TypeDefKind::Record(record) => items(record.fields.iter().map(|f| (&f.name, &f.docs))),
        TypeDefKind::Variant(variant) => items(variant.cases.iter().map(|c| (&c.name, &c.docs))),
        TypeDefKind::Enum(cases) => items(cases.cases.iter().map(|c| (&c.name, &c.docs))),
        TypeDefKind::Flags(flags) => items(flags.flags.iter().map(|f| (&f.name, &f.docs))),
        _ => HashMap::new(),
    };
    TypeDocs { docs: ty.docs.contents.clone(), items }
}

fn items<'a>(items: impl Iterator<Item = (&'a String, &'a Docs)>) -> HashMap<String, String> {
    items.filter_map(|(name, docs)| Some((name.clone(), docs.contents.clone()?))).collect()
}
