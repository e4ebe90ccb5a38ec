//! One walk over a component's sections: names of imports and exports, and the custom sections that say more.
//!
//! Takes: bytes that were validated. Gives: where things are in them. May name: nothing.

use super::Producer;
use super::error::{ReadError, quoted};
use wasmparser::{CustomSectionReader, KnownCustom, Parser, Payload};

pub(super) const MANIFEST: &str = "strongroom:manifest";
pub(super) const WIT: &str = "strongroom:wit";
pub(super) const PACKAGE_DOCS: &str = "package-docs";
pub(super) const DEPENDENCIES: &str = ".dep-v0";

/// Lines of all `producers` sections together; they are only shown.
const MAX_PRODUCERS: usize = 64;

#[derive(Default)]
pub(super) struct Sections<'a> {
    /// Names of the component's own imports and exports, not of components within it.
    pub(super) imports: Vec<&'a str>,
    pub(super) exports: Vec<&'a str>,
    /// Contents, with how deep in nested components and modules they were found.
    pub(super) manifests: Vec<(usize, &'a [u8])>,
    pub(super) wits: Vec<&'a [u8]>,
    pub(super) package_docs: Vec<&'a [u8]>,
    /// Lists of dependencies: each core module may have its own.
    pub(super) dependencies: Vec<&'a [u8]>,
    pub(super) producers: Vec<Producer>,
}

impl<'a> Sections<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let mut sections = Self::default();
        sections.walk(bytes).map_err(|error| ReadError::Invalid { problem: quoted(&error.to_string()) })?;
        sections.producers.sort();
        sections.producers.dedup();
        sections.producers.truncate(MAX_PRODUCERS);
        Ok(sections)
    }

    fn walk(&mut self, bytes: &'a [u8]) -> wasmparser::Result<()> {
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        self.imports.push(import?.name.name);
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        self.exports.push(export?.name.name);
                    }
                }
                Payload::CustomSection(section) => self.custom(depth, &section),
                _ => {}
            }
        }
        Ok(())
    }

    fn custom(&mut self, depth: usize, section: &CustomSectionReader<'a>) {
        match section.name() {
            MANIFEST => self.manifests.push((depth, section.data())),
            WIT => self.wits.push(section.data()),
            PACKAGE_DOCS => self.package_docs.push(section.data()),
            DEPENDENCIES => self.dependencies.push(section.data()),
            _ => {}
        }
        let KnownCustom::Producers(fields) = section.as_known() else { return };
        // A section that cannot be read says nothing; nothing depends on it.
        for field in fields.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                if self.producers.len() < 4 * MAX_PRODUCERS {
                    let [field, name, version] = [field.name, value.name, value.version].map(quoted);
                    self.producers.push(Producer { field, name, version });
                }
            }
        }
    }

    /// The manifest: the outermost one, since whoever composes tools speaks for the whole.
    pub(super) fn manifest(&self, limit: usize) -> Result<Option<String>, ReadError> {
        let refuse = |problem: String| Err(ReadError::Manifest { problem });
        let Some(outermost) = self.manifests.iter().map(|(depth, _)| *depth).min() else { return Ok(None) };
        let mut texts = self.manifests.iter().filter(|(depth, _)| *depth == outermost).map(|(_, text)| *text);
        let Some(text) = texts.next() else { return Ok(None) };
        if texts.any(|other| other != text) {
            return refuse("the component holds several; give the outermost component one of its own".into());
        }
        if text.len() > limit {
            return refuse(format!("it is {} bytes; at most {limit} are accepted", text.len()));
        }
        match std::str::from_utf8(text) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => refuse("it is not UTF-8 text".into()),
        }
    }
}
