//! What a component's imports could do, joined with the table of imports.
//!
//! Takes: the imports of a component. Gives: [`Capability`]s and effects. May name: component, imports.

use crate::component::{ComponentInfo, Import};
use crate::imports::table::{self, Class, TABLE};

/// The kinds of capabilities that a manifest declares needs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capability {
    Http,
    Dir,
    KeyValue,
    Memory,
    Cache,
    Ask,
    Config,
}

impl Capability {
    pub(super) const ALL: [Self; 7] =
        [Self::Http, Self::Dir, Self::KeyValue, Self::Memory, Self::Cache, Self::Ask, Self::Config];

    /// The key in the manifest.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Dir => "dir",
            Self::KeyValue => "keyvalue",
            Self::Memory => "memory",
            Self::Cache => "cache",
            Self::Ask => "ask",
            Self::Config => "config",
        }
    }

    /// The WIT package, or the interface, through which it is used.
    pub(super) fn interface(self) -> &'static str {
        match self {
            Self::Http => "wasi:http",
            Self::Dir => "wasi:filesystem",
            Self::KeyValue => "wasi:keyvalue",
            Self::Memory => "strongroom:host/memory",
            Self::Cache => "strongroom:host/cache",
            Self::Ask => "strongroom:host/ask",
            Self::Config => "wasi:config",
        }
    }

    /// Whether an import, by its interface without version, reaches it. Types alone reach nothing: requests go
    /// through the handler, files begin at the preopened directories, buckets are opened in the store.
    fn through(self, bare: &str) -> bool {
        match self {
            Self::Http => bare == "wasi:http/outgoing-handler",
            Self::Dir => bare == "wasi:filesystem/preopens",
            Self::KeyValue => bare == "wasi:keyvalue/store",
            Self::Memory => bare == "strongroom:host/memory",
            Self::Ask => bare == "strongroom:host/ask",
            Self::Cache => bare == "strongroom:host/cache",
            Self::Config => bare == "wasi:config/store",
        }
    }

    /// The interface that it is reached through, when the component imports functions of it.
    pub(super) fn imported(self, info: &ComponentInfo) -> Option<&str> {
        let reaches = |import: &&Import| !import.functions.is_empty() && self.through(bare(import));
        info.imports.iter().find(reaches).and_then(|import| import.interface.as_deref())
    }

    /// The imported functions that change something of this kind, as `interface#function`.
    pub(super) fn effects(self, info: &ComponentInfo) -> Vec<String> {
        let prefix = match self {
            Self::Http => "wasi:http/",
            Self::Dir => "wasi:filesystem/",
            Self::KeyValue => "wasi:keyvalue/",
            Self::Memory => "strongroom:host/memory",
            Self::Cache => "strongroom:host/cache",
            Self::Ask => "strongroom:host/ask",
            Self::Config => "wasi:config/",
        };
        let of = |import: &Import| bare(import).starts_with(prefix);
        let imports = info.imports.iter().filter(|import| of(import));
        let functions = imports.flat_map(|import| import.functions.iter().map(|f| (bare(import), f)));
        let changes = |row: &&table::Import| row.class == Class::Effect;
        functions
            .filter(|(interface, function)| rows(interface, function).any(|row| changes(&row)))
            .map(|(interface, function)| format!("{interface}#{function}"))
            .collect()
    }
}

/// The interface without its version; empty for functions of no interface.
pub(super) fn bare(import: &Import) -> &str {
    let name = import.interface.as_deref().unwrap_or_default();
    name.split_once('@').map_or(name, |(bare, _)| bare)
}

/// The table's rows for a function; some have several, as `handle` and `handle (not GET, HEAD or OPTIONS)`.
pub(super) fn rows(interface: &str, function: &str) -> impl Iterator<Item = &'static table::Import> {
    TABLE.iter().copied().filter(move |row| {
        let same = row.function.strip_prefix(function);
        row.interface == interface && same.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    })
}
