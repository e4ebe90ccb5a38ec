//! Which parts of WebAssembly a component may use.
//!
//! Takes: bytes. Gives: the validator's types, or the name of the feature that is missing. May name: nothing.

use super::error::{ReadError, quoted};
use wasmparser::types::Types;
use wasmparser::{Validator, WasmFeatures};

/// WebAssembly 2.0, tail calls, extended constant expressions, and the component model without its proposals.
/// The engine enables no less; what it does not enable is refused here, with a name, before it is compiled.
const ENABLED: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Validates all of a component: types, imports, exports and every function body.
pub(super) fn validate(bytes: &[u8]) -> Result<Types, ReadError> {
    let error = match check(bytes, ENABLED) {
        Ok(types) => return Ok(types),
        Err(error) => error,
    };
    let problem = quoted(&error.to_string());
    match missing(bytes, &error) {
        Some(features) => Err(ReadError::Feature { feature: names(features), problem }),
        None => Err(ReadError::Invalid { problem }),
    }
}

fn check(bytes: &[u8], features: WasmFeatures) -> Result<Types, wasmparser::Error> {
    Validator::new_with_features(features).validate_all(bytes)
}

/// The features whose absence is the error. The validator often knows; else those are left over that the file
/// cannot do without when all others are taken away.
fn missing(bytes: &[u8], error: &wasmparser::Error) -> Option<WasmFeatures> {
    if let Some(features) = error.missing_wasm_feature() {
        return Some(features);
    }
    let mut needed = WasmFeatures::all();
    check(bytes, needed).ok()?;
    for (_, feature) in WasmFeatures::all().difference(ENABLED).iter_names() {
        if check(bytes, needed.difference(feature).union(ENABLED)).is_ok() {
            needed = needed.difference(feature).union(ENABLED);
        }
    }
    Some(needed.difference(ENABLED)).filter(|needed| !needed.is_empty())
}

/// `CM_ASYNC` as `component-model async`, `MEMORY64` as `memory64`.
fn names(features: WasmFeatures) -> String {
    let name = |(name, _): (&str, WasmFeatures)| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        match name.strip_prefix("cm-") {
            Some(proposal) => format!("component-model {proposal}"),
            None => name,
        }
    };
    features.iter_names().map(name).collect::<Vec<_>>().join(" and ")
}
