//! What a fresh clone needs before anything is built: WASI's WIT texts and a guest toolchain.
//!
//! Takes: the pinned crates' sources, as `cargo metadata` finds them. Gives: `wit/deps` filled, and the [`Toolchain`].
//! May name: paths, run, toolchain.

use crate::paths::Paths;
use crate::run::{Fault, cargo, output};
use crate::toolchain::{self, Toolchain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From which pinned crate which folder of WIT goes where under `wit/deps`.
const SOURCES: [(&str, &str, &str); 3] = [
    ("wasmtime-wasi-http", "wit/deps", ""),
    ("wasmtime-wasi-keyvalue", "wit/deps/keyvalue", "keyvalue"),
    ("wasmtime-wasi-config", "wit/deps/config", "config"),
];

/// Does what is missing and says so; says nothing when nothing is.
pub fn run(paths: &Paths) -> Result<Toolchain, Fault> {
    fill_wit(paths)?;
    toolchain::find_or_install(&paths.root)
}

fn fill_wit(paths: &Paths) -> Result<(), Fault> {
    let crates = locate_crates(paths)?;
    let deps = paths.root.join("wit/deps");
    let mut changed = 0;
    for (package, folder, place) in SOURCES {
        let source = crates.get(package).ok_or_else(|| {
            Fault::new(format!(
                "Cargo.lock does not name {package}: xtask/Cargo.toml must list it as optional"
            ))
        })?;
        changed += copy_changed(&source.join(folder), &deps.join(place))?;
    }
    if changed > 0 {
        eprintln!("setup: {changed} WIT files of WASI copied to {}", deps.display());
    }
    Ok(())
}

/// The folder of each crate of [`SOURCES`]; cargo downloads and verifies what is not there yet.
fn locate_crates(paths: &Paths) -> Result<BTreeMap<String, PathBuf>, Fault> {
    let mut command = cargo(paths);
    command.args(["metadata", "--format-version", "1", "--all-features", "--quiet"]);
    command.args(["--filter-platform", &toolchain::host_triple(&paths.root)?]);
    let text = output("cargo metadata", &mut command)?;
    let metadata: Value =
        serde_json::from_slice(&text).map_err(|e| Fault::new(format!("cargo metadata: not JSON: {e}")))?;
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    Ok(packages
        .filter_map(place_of)
        .filter(|(name, _)| SOURCES.iter().any(|source| source.0 == name))
        .collect())
}

fn place_of(package: &Value) -> Option<(String, PathBuf)> {
    let name = package.get("name")?.as_str()?;
    let manifest = Path::new(package.get("manifest_path")?.as_str()?);
    Some((name.to_owned(), manifest.parent()?.to_path_buf()))
}

/// Copies the `.wit` files of a folder. Files that are equal are left alone, so that cargo does not build again.
fn copy_changed(from: &Path, to: &Path) -> Result<usize, Fault> {
    fs::create_dir_all(to).map_err(|e| Fault::file(to, &e))?;
    let mut changed = 0;
    for entry in fs::read_dir(from).map_err(|e| Fault::file(from, &e))? {
        let source = entry.map_err(|e| Fault::file(from, &e))?.path();
        let Some(name) = source.file_name().filter(|_| source.extension().is_some_and(|e| e == "wit")) else {
            continue;
        };
        let text = fs::read(&source).map_err(|e| Fault::file(&source, &e))?;
        changed += usize::from(write_changed(&to.join(name), &text)?);
    }
    Ok(changed)
}

/// Writes a file unless it has these bytes already; true when it wrote.
pub fn write_changed(path: &Path, bytes: &[u8]) -> Result<bool, Fault> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    fs::write(path, bytes).map_err(|e| Fault::file(path, &e))?;
    Ok(true)
}
