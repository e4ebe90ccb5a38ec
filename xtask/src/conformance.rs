//! The Model Context Protocol's conformance suite and the Node that runs it, pinned by `tests/conformance/package-lock.json`.
//!
//! Takes: npm. Gives: `<target>/conformance/node_modules`. May name: npm, paths, run.

use crate::npm;
use crate::paths::Paths;
use crate::run::Fault;

const HELP: &str = "\
the conformance suite of the Model Context Protocol could not be installed. It needs npm and its registry:
  apt-get install npm   (Debian), or Node from https://nodejs.org
then run `cargo xtask conformance` again. The suite brings a Node of its own; yours only runs npm";

/// Installs what the lock file names, when it is not there.
pub fn run(paths: &Paths) -> Result<(), Fault> {
    npm::ci("conformance", &paths.root.join("tests/conformance"), &paths.target.join("conformance"), HELP)
}
