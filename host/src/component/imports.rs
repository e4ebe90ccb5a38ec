//! What a component imports.
//!
//! Takes: the names of its imports and the validator's types. Gives: interfaces with their functions, or the
//! import that no tool may have. May name: nothing.

use super::Import;
use super::error::{ReadError, quoted};
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType as Entity};
use wasmparser::names::{ComponentName, ComponentNameKind};
use wasmparser::types::TypesRef;

/// Every import, so that nothing that is linked later was not listed here.
pub(super) fn list(names: &[&str], types: TypesRef<'_>) -> Result<Vec<Import>, ReadError> {
    let mut imports = Vec::new();
    let mut bare = Vec::new();
    for name in names {
        let refuse = |problem| Err(ReadError::Import { name: quoted(name), problem });
        if !is_plain(name) {
            return refuse("which is to be fetched from elsewhere");
        }
        match types.component_item_for_import(name).map(|item| item.ty) {
            Some(Entity::Instance(id)) => {
                let exports = types.get(id).into_iter().flat_map(|instance| &instance.exports);
                let functions = exports.filter(|(_, item)| matches!(item.ty, Entity::Func(_)));
                let functions = functions.map(|(function, _)| function.clone()).collect();
                imports.push(Import { interface: Some((*name).to_owned()), functions });
            }
            Some(Entity::Func(_)) => bare.push((*name).to_owned()),
            // A type by another name asks for nothing.
            Some(Entity::Type { created: ComponentAnyTypeId::Defined(_), .. }) => {}
            Some(Entity::Type { .. }) => return refuse("a resource of no interface"),
            Some(Entity::Module(_)) => return refuse("a core module"),
            Some(Entity::Component(_)) => return refuse("a component"),
            Some(Entity::Value(_)) => return refuse("a value"),
            None => return refuse("of which the validator does not know the type"),
        }
    }
    if !bare.is_empty() {
        imports.push(Import { interface: None, functions: bare });
    }
    Ok(imports)
}

/// A word or the id of an interface; not a URL, a hash or a dependency.
fn is_plain(name: &str) -> bool {
    ComponentName::new(name, 0).is_ok_and(|name| {
        matches!(name.kind(), ComponentNameKind::Label(_) | ComponentNameKind::Interface(_))
    })
}
