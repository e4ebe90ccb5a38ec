//! Components for the tests of the review, from WebAssembly text.
//!
//! Takes: text. Gives: bytes, and what was read from them. May name: component, config.

use super::Subject;
use crate::component::{self, ComponentInfo};
use crate::config::Manifest;

/// A component with its manifest.
pub(super) struct Sample {
    bytes: Vec<u8>,
    info: ComponentInfo,
    manifest: Manifest,
    text: String,
}

impl Sample {
    pub(super) fn new(component: &str, manifest: &str) -> Self {
        let bytes = wat::parse_str(component).unwrap();
        let info = component::read(&bytes, &component::Limits::default()).unwrap();
        let text = format!("name = \"probe\"\nversion = \"1.0.0\"\n{manifest}");
        let manifest = Manifest::parse("tool.toml", &text).unwrap();
        Self { bytes, info, manifest, text }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { bytes: &self.bytes, info: &self.info, manifest: &self.manifest, text: Some(&self.text) }
    }
}

/// A component that imports, exports `name: func(params) -> result` for each, and holds data.
pub(super) fn component(imports: &str, functions: &[(&str, &str)], data: &str) -> String {
    let mut text = format!("(component {imports}\n");
    text.push_str("(core module $m (memory (export \"mem\") 1)\n");
    text.push_str("(func (export \"realloc\") (param i32 i32 i32 i32) (result i32) i32.const 1024)\n");
    text.push_str(&format!("(data (i32.const 0) {data:?})\n"));
    for (index, (_, core)) in functions.iter().enumerate() {
        let core = core.split_once('|').map_or("", |(core, _)| core);
        text.push_str(&format!("(func (export \"f{index}\") {core} unreachable)\n"));
    }
    text.push_str(")\n(core instance $i (instantiate $m))\n");
    for (index, (name, ty)) in functions.iter().enumerate() {
        let ty = ty.split_once('|').map_or(*ty, |(_, ty)| ty);
        text.push_str(&format!(
            "(func $f{index} {ty} (canon lift (core func $i \"f{index}\") (memory (core memory $i \"mem\")) \
             (realloc (core func $i \"realloc\"))))\n(export \"{name}\" (func $f{index}))\n"
        ));
    }
    text.push(')');
    text
}

pub(super) const STORE: &str = r#"(import "wasi:keyvalue/store@0.2.0-draft" (instance
    (export "bucket" (type $b (sub resource)))
    (export "[method]bucket.set" (func (param "self" (borrow $b)) (param "key" string)))))"#;
pub(super) const MEMORY: &str = r#"(import "strongroom:host/memory@0.1.0" (instance
    (export "forget" (func (param "id" string) (result bool)))))"#;
pub(super) const CACHE: &str = r#"(import "strongroom:host/cache@0.1.0" (instance
    (export "delete" (func (param "key" string)))))"#;
pub(super) const CONFIG: &str = r#"(import "wasi:config/store@0.2.0-rc.1" (instance
    (export "get" (func (param "key" string) (result string)))))"#;
pub(super) const DIRS: &str = r#"(import "wasi:filesystem/preopens@0.2.0" (instance
    (export "get-directories" (func))))"#;
pub(super) const HTTP: &str = r#"(import "wasi:http/outgoing-handler@0.2.0" (instance
    (export "handle" (func))))"#;
pub(super) const STRANGE: &str = r#"(import "wasi:nn/tensor@0.2.0" (instance (export "run" (func))))"#;
