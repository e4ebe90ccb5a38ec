//! A component file, read without running it: what it exports, what it imports, its manifest, its docs.
//!
//! Takes: bytes of a file that nobody trusts. Gives: [`ComponentInfo`], or [`ReadError`] with what to do.
//! May name: id, reason, typed.
//!
//! Everything comes from the validator's own types, which are the ones that the engine checks calls against.
//! Custom sections only add texts: `strongroom:manifest` (the `tool.toml`), `strongroom:wit` and `package-docs`
//! (doc comments, which linking drops from a component's types), `producers`, `.dep-v0` (what it was built from).

mod dependencies;
mod docs;
mod error;
mod exports;
mod features;
mod imports;
mod names;
mod read;
mod sections;
mod wit;

#[cfg(test)]
mod echo;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod samples;

pub use dependencies::{Dependencies, Dependency, Purpose, dependencies};
pub use error::ReadError;
pub use read::{Limits, read};

use crate::id::Digest;
use crate::typed::Signature;

/// What a component is, as far as its file tells.
#[derive(Debug, Clone)]
pub struct ComponentInfo {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Bytes of the file.
    pub size: usize,
    /// Every exported function, in the order of the file.
    pub functions: Vec<Function>,
    /// Every imported interface, in the order of the file; bare functions last, together.
    pub imports: Vec<Import>,
    /// The text of the embedded `tool.toml`.
    pub manifest_text: Option<String>,
    /// Where the descriptions come from.
    pub docs: DocsSource,
    /// What the tools that made it say about themselves; nobody checks it.
    pub producers: Vec<Producer>,
    /// What could not be used and does no harm, in sentences.
    pub notes: Vec<String>,
}

/// A function that the component exports.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name within the tool: `update-status` when no other interface has a function of this name, else
    /// `<interface>.<function>`, and with the package before it when that is not enough.
    pub name: String,
    /// Where the engine finds it.
    pub export: ExportPath,
    /// Its types and description.
    pub signature: Signature,
}

/// Where a function is among the component's exports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExportPath {
    /// The exported instance, exactly as the component names it: `acme:orders/orders@0.1.0`; `None` for a
    /// function that the world exports itself.
    pub interface: Option<String>,
    /// The function in it.
    pub function: String,
}

/// An interface that the component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// As the component names it: `wasi:http/outgoing-handler@0.2.4`; `None` for functions of no interface.
    pub interface: Option<String>,
    /// The functions that it imports of it, as in the binary: `get`, `[method]fields.get`, `[constructor]fields`.
    /// Empty when it only takes types.
    pub functions: Vec<String>,
}

/// Where a component's descriptions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocsSource {
    /// It carries none.
    None,
    /// Its `package-docs` section.
    PackageDocs,
    /// The WIT text in its `strongroom:wit` section.
    Wit,
}

/// A line of a `producers` section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Such as `Rust`.
    pub name: String,
    /// Its version, often empty for a language.
    pub version: String,
}
