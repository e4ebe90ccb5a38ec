//! Why a file is not a component that can be installed, and what to do.
//!
//! Takes: nothing. Gives: [`ReadError`]. May name: reason, typed.

use crate::reason::Reason;
use crate::typed::ShapeError;

/// Why a file was refused. Every message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Larger than the limit.
    #[error("the file is {size} bytes; at most {limit} are accepted (build with optimisation and strip it)")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// Bytes that are accepted.
        limit: usize,
    },
    /// Not WebAssembly.
    #[error("the file is not WebAssembly: it does not begin with the bytes `\\0asm`")]
    NotWasm,
    /// WebAssembly, but written as text.
    #[error("the file is WebAssembly text; assemble it first: `wasm-tools parse file.wat -o file.wasm`")]
    Text,
    /// A core module.
    #[error(
        "the file is a core module, not a component; build for the target `wasm32-wasip2`, or wrap the module: \
         `wasm-tools component new module.wasm -o component.wasm`"
    )]
    CoreModule,
    /// It breaks WebAssembly's rules.
    #[error("the file is not valid WebAssembly: {problem}; build it again")]
    Invalid {
        /// What is wrong, with the offset in the file.
        problem: String,
    },
    /// It needs something of WebAssembly that this host does not enable.
    #[error("the component needs {feature}, which this host does not enable ({problem}); build it without")]
    Feature {
        /// Such as `memory64` or `component-model async`.
        feature: String,
        /// Where it is needed.
        problem: String,
    },
    /// It imports something that is neither an interface nor a function.
    #[error("the component imports `{name}`, {problem}; a tool may import interfaces and functions only")]
    Import {
        /// The import.
        name: String,
        /// What it is.
        problem: &'static str,
    },
    /// It exports a function that belongs to a resource.
    #[error(
        "`{function}` belongs to a resource, which lives only as long as one call; \
         export plain functions that take and return values"
    )]
    ResourceFunction {
        /// The function with its interface.
        function: String,
    },
    /// A function's types cannot be passed as JSON.
    #[error("the function `{function}` cannot be called with JSON: {source}")]
    Types {
        /// The function with its interface.
        function: String,
        /// Which type, and where.
        source: ShapeError,
    },
    /// Two functions would have one name.
    #[error("two exported functions would both be called `{name}`; export one version of an interface")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// More functions than the limit.
    #[error("the component exports more than {limit} functions; split it into several tools")]
    TooManyFunctions {
        /// How many are accepted.
        limit: usize,
    },
    /// Nothing to call.
    #[error("the component exports no function; export an interface with functions from its world")]
    NoFunctions,
    /// The manifest's section cannot be used.
    #[error("the section `strongroom:manifest` cannot be used: {problem}")]
    Manifest {
        /// Why, and what to do.
        problem: String,
    },
}

impl ReadError {
    /// [`Reason::ManifestInvalid`] for the manifest's section, [`Reason::ImportUnsupported`] for an import, and
    /// [`Reason::ComponentInvalid`] for all else.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Manifest { .. } => Reason::ManifestInvalid,
            Self::Import { .. } => Reason::ImportUnsupported,
            _ => Reason::ComponentInvalid,
        }
    }
}

/// Text from an untrusted file, made fit for a message: one line, no control characters, at most 300 characters.
pub(super) fn quoted(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = clean.take(300).collect();
    if short.len() < text.len() && text.chars().nth(300).is_some() {
        short.push('…');
    }
    short
}
