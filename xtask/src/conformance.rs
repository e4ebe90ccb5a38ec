//! The Model Context Protocol's conformance suite and the Node that runs it, pinned by `tests/conformance/package-lock.json`.
//!
//! Takes: npm. Gives: `<target>/conformance/node_modules`. May name: paths, run, setup.

use crate::paths::Paths;
use crate::run::{Fault, output};
use crate::setup::write_changed;
use std::fs;
use std::process::Command;

const HELP: &str = "\
the conformance suite of the Model Context Protocol could not be installed. It needs npm and its registry:
  apt-get install npm   (Debian), or Node from https://nodejs.org
then run `cargo xtask conformance` again. The suite brings a Node of its own; yours only runs npm";

/// Installs what the lock file names, when it is not there. No script of a package is run.
pub fn run(paths: &Paths) -> Result<(), Fault> {
    let (from, place) = (paths.root.join("tests/conformance"), paths.target.join("conformance"));
    fs::create_dir_all(&place).map_err(|e| Fault::file(&place, &e))?;
    let mut changed = false;
    for name in ["package.json", "package-lock.json"] {
        let text = fs::read(from.join(name)).map_err(|e| Fault::file(&from.join(name), &e))?;
        changed |= write_changed(&place.join(name), &text)?;
    }
    // npm writes it last.
    let done = place.join("node_modules/.package-lock.json");
    if !changed && done.exists() {
        return Ok(());
    }
    eprintln!("conformance: npm ci in {}", place.display());
    let mut npm = Command::new("npm");
    npm.current_dir(&place).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel",
        "error",
    ]);
    match output("npm ci", &mut npm) {
        Ok(_) => Ok(()),
        Err(fault) => {
            // What is half there must not be taken for the whole at the next run.
            drop(fs::remove_file(&done));
            Err(Fault::new(format!("{fault}\n{HELP}")))
        }
    }
}
