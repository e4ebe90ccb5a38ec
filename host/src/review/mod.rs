//! What a security team asks of a component before it is installed: what is wrong with it, and what a new version could
//! do that the old one could not.
//!
//! Takes: a component that was read, its manifest. Gives: [`Finding`]s and [`Difference`]s. Nothing of the component
//! runs. May name: authorize, component, config, id, imports, typed.

mod data;
mod difference;
mod finding;
mod functions;
mod names;
mod powers;
mod rights;
mod rule;
mod sarif;
mod secrets;
mod shapes;
mod surface;
mod texts;
mod worst_case;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod worst_tests;

pub use difference::{Difference, Weight, differences};
pub use finding::{Finding, Place, lint};
pub use powers::Powers;
pub use rule::{Rule, Severity};
pub use sarif::{Files, sarif, sarif_differences};
pub use worst_case::{WorstCase, worst_case};

use crate::component::ComponentInfo;
use crate::config::Manifest;

/// What is reviewed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The component file's bytes, those that `info` was read from.
    pub bytes: &'a [u8],
    /// What was read from the component.
    pub info: &'a ComponentInfo,
    /// Its manifest; [`Manifest::bare`] when it has none.
    pub manifest: &'a Manifest,
    /// The text that the manifest was read from, for lines; `None` when it has none.
    pub text: Option<&'a str>,
}

/// A version of a tool, to be compared with another.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// What was read from the component.
    pub info: &'a ComponentInfo,
    /// Its manifest; [`Manifest::bare`] when it has none.
    pub manifest: &'a Manifest,
}

impl<'a> From<Subject<'a>> for Version<'a> {
    fn from(Subject { info, manifest, .. }: Subject<'a>) -> Self {
        Self { info, manifest }
    }
}
