//! The doc comments of a component, which its types do not carry.
//!
//! Takes: the `package-docs` and `strongroom:wit` sections. Gives: comments by interface, function and type.
//! May name: typed.
//!
//! `package-docs` is what `wasm-tools` writes when it encodes a WIT package: a version byte, then JSON. It does
//! not say the package's name, so that interfaces are matched by their last word.

use super::DocsSource;
use super::names::last;
use super::sections::{PACKAGE_DOCS, Sections, WIT};
use super::wit;
use crate::typed::TypeDocs;
use serde::Deserialize;
use std::collections::HashMap;

/// All doc comments that were found; of several texts for one thing the first counts.
#[derive(Default)]
pub(super) struct Docs {
    packages: Vec<PackageDocs>,
    pub(super) source: Option<DocsSource>,
    /// What could not be used.
    pub(super) notes: Vec<String>,
}

/// The comments of one WIT package. Interfaces are keyed by their whole id, or by their last word alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PackageDocs {
    pub(super) interfaces: HashMap<String, InterfaceDocs>,
    pub(super) worlds: HashMap<String, WorldDocs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WorldDocs {
    pub(super) types: HashMap<String, TypeDocs>,
    /// Imported functions, and in older files exported ones.
    pub(super) funcs: HashMap<String, FunctionDocs>,
    pub(super) func_exports: HashMap<String, FunctionDocs>,
    /// Interfaces that are written out in the world itself.
    pub(super) interfaces: HashMap<String, InterfaceDocs>,
    pub(super) interface_exports: HashMap<String, InterfaceDocs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InterfaceDocs {
    pub(super) funcs: HashMap<String, FunctionDocs>,
    pub(super) types: HashMap<String, TypeDocs>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum FunctionDocs {
    /// The first version of the format.
    Text(Option<String>),
    Full {
        #[serde(default)]
        docs: Option<String>,
    },
}

impl Docs {
    /// Reads all sections up to `limit` bytes each; what cannot be read leaves a note, since a tool works without.
    pub(super) fn of(sections: &Sections<'_>, limit: usize) -> Self {
        let mut docs = Self::default();
        for text in &sections.package_docs {
            docs.add(DocsSource::PackageDocs, PACKAGE_DOCS, text, limit, from_json);
        }
        for text in &sections.wits {
            docs.add(DocsSource::Wit, WIT, text, limit, wit::docs);
        }
        docs
    }

    fn add(
        &mut self,
        source: DocsSource,
        section: &str,
        text: &[u8],
        limit: usize,
        read: fn(&[u8]) -> Result<Vec<PackageDocs>, String>,
    ) {
        let read =
            if text.len() > limit { Err(format!("it is larger than {limit} bytes")) } else { read(text) };
        match read {
            Ok(packages) => {
                self.packages.extend(packages);
                self.source.get_or_insert(source);
            }
            Err(problem) => {
                self.notes
                    .push(format!("the descriptions in the section `{section}` are not used: {problem}"));
            }
        }
    }

    /// The comment of a function, of an interface or of the world itself.
    pub(super) fn function(&self, interface: Option<&str>, function: &str) -> Option<&str> {
        match interface {
            Some(interface) => self.interfaces(interface).find_map(|docs| docs.funcs.get(function)?.text()),
            None => self.worlds().find_map(|world| {
                world.func_exports.get(function).or_else(|| world.funcs.get(function))?.text()
            }),
        }
    }

    /// The comments of a type of an interface, or of the world itself.
    pub(super) fn of_type(&self, interface: Option<&str>, name: &str) -> Option<&TypeDocs> {
        let says = |docs: &&TypeDocs| docs.docs.is_some() || !docs.items.is_empty();
        match interface {
            Some(interface) => self.interfaces(interface).filter_map(|docs| docs.types.get(name)).find(says),
            None => self.worlds().filter_map(|world| world.types.get(name)).find(says),
        }
    }

    fn worlds(&self) -> impl Iterator<Item = &WorldDocs> {
        self.packages.iter().flat_map(|package| package.worlds.values())
    }

    fn interfaces(&self, name: &str) -> impl Iterator<Item = &InterfaceDocs> {
        self.packages.iter().flat_map(move |package| {
            let own = [package.interfaces.get(name), package.interfaces.get(last(name))];
            let inline = package
                .worlds
                .values()
                .flat_map(move |world| [world.interface_exports.get(name), world.interfaces.get(name)]);
            own.into_iter().chain(inline).flatten()
        })
    }
}

impl FunctionDocs {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(docs) | Self::Full { docs } => docs.as_deref(),
        }
    }
}

fn from_json(section: &[u8]) -> Result<Vec<PackageDocs>, String> {
    match section.split_first() {
        Some((0 | 1, json)) => {
            serde_json::from_slice(json).map(|docs| vec![docs]).map_err(|error| error.to_string())
        }
        Some((version, _)) => Err(format!("its version {version} is not known")),
        None => Err("it is empty".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_package_docs_are_read() {
        let sections = |text| Sections { package_docs: vec![text], ..Sections::default() };
        let old = b"\x00{\"interfaces\": {\"orders\": {\"funcs\": {\"get\": \"One order.\"}}}}";
        let new = b"\x01{\"docs\": \"All.\", \"interfaces\": {\"orders\": {\"docs\": \"O.\", \"funcs\": {\"get\": \
            {\"docs\": \"One order.\", \"stability\": \"unknown\"}}, \"types\": {\"order\": {\"items\": {\"id\": \"Its \
            number.\"}}}}}, \"worlds\": {\"w\": {\"func_exports\": {\"run\": {\"docs\": \"Runs.\"}}}}}";
        let docs = Docs::of(&sections(old), 1000);
        assert_eq!(docs.function(Some("acme:shop/orders@1.0.0"), "get"), Some("One order."));
        let docs = Docs::of(&sections(new), 1000);
        assert_eq!(docs.function(Some("acme:shop/orders@1.0.0"), "get"), Some("One order."));
        assert_eq!(docs.function(None, "run"), Some("Runs."));
        assert_eq!(docs.of_type(Some("acme:shop/orders"), "order").unwrap().items["id"], "Its number.");
        assert_eq!(docs.source, Some(DocsSource::PackageDocs));
        for bad in [&b""[..], b"\x07{}", b"\x01{", b"\x01null"] {
            let docs = Docs::of(&sections(bad), 1000);
            assert_eq!((docs.source, docs.notes.len()), (None, 1), "{bad:?}");
        }
    }
}
