//! Packages of npm at exactly the versions of a lock file, in a folder of the target directory.
//!
//! Takes: a folder with `package.json` and `package-lock.json`. Gives: the same with `node_modules`. May name: run, setup.

use crate::run::{Fault, output};
use crate::setup::write_changed;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Installs what the lock file names, when it is not there. No script of a package is run.
pub fn ci(name: &str, from: &Path, place: &Path, help: &str) -> Result<(), Fault> {
    fs::create_dir_all(place).map_err(|e| Fault::file(place, &e))?;
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
    eprintln!("{name}: npm ci in {}", place.display());
    let mut npm = Command::new("npm");
    npm.current_dir(place).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
    match output("npm ci", &mut npm) {
        Ok(_) => Ok(()),
        Err(fault) => {
            // What is half there must not be taken for the whole at the next run.
            drop(fs::remove_file(&done));
            Err(Fault::new(format!("{fault}\n{help}")))
        }
    }
}
