//! The official client SDKs of the Model Context Protocol, pinned by what lies beside the clients in `tests/clients`.
//!
//! Takes: npm, python3 with pip. Gives: `<target>/clients/typescript/node_modules` and `<target>/clients/python/packages`; the
//! Node for the former is the conformance suite's. May name: conformance, npm, paths, run, setup.

use crate::paths::Paths;
use crate::run::{Fault, output};
use crate::setup::write_changed;
use crate::{conformance, npm};
use std::fs;
use std::path::Path;
use std::process::Command;

const NPM: &str = "\
the TypeScript SDK of the Model Context Protocol could not be installed. It needs npm and its registry:
  apt-get install npm   (Debian), or Node from https://nodejs.org
then run `cargo xtask clients` again";
const PIP: &str = "\
the Python SDK of the Model Context Protocol could not be installed. It needs Python 3.10 or newer, pip and its registry:
  apt-get install python3-pip   (Debian), or Python from https://www.python.org
then run `cargo xtask clients` again";

/// Installs what the lock files name, when it is not there.
pub fn run(paths: &Paths) -> Result<(), Fault> {
    let (from, place) = (paths.root.join("tests/clients"), paths.target.join("clients"));
    conformance::run(paths)?;
    npm::ci("clients", &from.join("typescript"), &place.join("typescript"), NPM)?;
    pip(&from.join("python"), &place.join("python")).map_err(|fault| Fault::new(format!("{fault}\n{PIP}")))
}

/// The packages of the list, each by its digest and built already: nothing of them runs here. The machine's own are left alone.
fn pip(from: &Path, place: &Path) -> Result<(), Fault> {
    fs::create_dir_all(place).map_err(|e| Fault::file(place, &e))?;
    let list = place.join("requirements.txt");
    let text = fs::read(from.join("requirements.txt")).map_err(|e| Fault::file(from, &e))?;
    let python = output("python3", Command::new("python3").arg("--version"))?;
    let (packages, done) = (place.join("packages"), place.join("done"));
    // Built packages are those of one version of Python.
    let changed = write_changed(&list, &text)?;
    if !changed && fs::read(&done).is_ok_and(|of| of == python) {
        return Ok(());
    }
    eprintln!("clients: pip install in {}", packages.display());
    for old in [&done, &packages] {
        let gone = if old.is_dir() { fs::remove_dir_all(old) } else { fs::remove_file(old) };
        match gone {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::file(old, &error));
            }
            _ => {}
        }
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    pip.args(["--no-warn-conflicts", "--root-user-action", "ignore"]);
    pip.args(["--only-binary", ":all:", "--require-hashes", "--no-deps", "--target"]);
    output("pip install", pip.arg(&packages).arg("--requirement").arg(&list))?;
    write_changed(&done, &python).map(drop)
}
