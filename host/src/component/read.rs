//! From bytes to what they are: the order of the checks.
//!
//! Takes: bytes and limits. Gives: [`ComponentInfo`] or [`ReadError`]. May name: id.

use super::docs::Docs;
use super::sections::Sections;
use super::{ComponentInfo, DocsSource, ReadError, exports, features, imports};
use crate::id::Digest;

/// How large a component and what it carries may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file. Default 16 MiB.
    pub component: usize,
    /// Bytes of the manifest. Default 64 KiB.
    pub manifest: usize,
    /// Bytes of each section with descriptions. Default 1 MiB; a larger one is not used.
    pub docs: usize,
    /// Exported functions. Default 256. All their types together have at most 65,536 parts.
    pub functions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { component: 16 << 20, manifest: 64 << 10, docs: 1 << 20, functions: 256 }
    }
}

/// Reads a component without running or compiling it. Takes time in proportion to its size, about 10 ms a
/// megabyte; a file that needs a feature that is not enabled may take forty times as long to name it.
///
/// # Errors
/// [`ReadError`] for a file that is no component, is too large, is not valid with the features that this host
/// enables, exports no function or one that JSON cannot call, or imports what no tool may import in any host.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<ComponentInfo, ReadError> {
    if bytes.len() > limits.component {
        return Err(ReadError::TooLarge { size: bytes.len(), limit: limits.component });
    }
    kind(bytes)?;
    let validated = features::validate(bytes)?;
    let types = validated.as_ref();
    let sections = Sections::of(bytes)?;
    let docs = Docs::of(&sections, limits.docs);
    Ok(ComponentInfo {
        digest: Digest::of(bytes),
        size: bytes.len(),
        functions: exports::list(&sections.imports, &sections.exports, types, &docs, limits.functions)?,
        imports: imports::list(&sections.imports, types)?,
        manifest_text: sections.manifest(limits.manifest)?,
        docs: docs.source.unwrap_or(DocsSource::None),
        producers: sections.producers,
        notes: docs.notes,
    })
}

/// Tells a component from what is often given in its place.
fn kind(bytes: &[u8]) -> Result<(), ReadError> {
    let Some((b"\0asm", rest)) = bytes.split_first_chunk() else {
        let text = bytes.trim_ascii_start();
        let is_text =
            text.starts_with(b"(component") || text.starts_with(b"(module") || text.starts_with(b";;");
        return Err(if is_text { ReadError::Text } else { ReadError::NotWasm });
    };
    if rest.starts_with(&[1, 0, 0, 0]) { Err(ReadError::CoreModule) } else { Ok(()) }
}
