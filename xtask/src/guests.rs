//! Guest components: plugins, and the programs that the tests run.
//!
//! Takes: the guest workspaces and a toolchain. Gives: `<target>/components/<package>.wasm`. May name: paths, run, setup,
//! toolchain.

use crate::paths::Paths;
use crate::run::{Fault, output};
use crate::setup::write_changed;
use crate::toolchain::{TARGET, Toolchain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Builds what has changed (cargo decides) and keeps exactly the components that the workspaces name.
pub fn run(paths: &Paths, toolchain: &Toolchain) -> Result<(), Fault> {
    let mut built = BTreeMap::new();
    for workspace in paths.guest_workspaces() {
        built.extend(build(paths, *toolchain, &workspace)?);
    }
    let place = paths.components();
    fs::create_dir_all(&place).map_err(|e| Fault::file(&place, &e))?;
    remove_stale(&place, &built)?;
    let mut changed = 0;
    for (name, source) in &built {
        let bytes = fs::read(source).map_err(|e| Fault::file(source, &e))?;
        changed += usize::from(write_changed(&place.join(name), &bytes)?);
    }
    if changed > 0 {
        eprintln!("guests: {changed} of {} components are new in {}", built.len(), place.display());
    }
    Ok(())
}

/// Builds one workspace; gives the file name to keep and the file that cargo made, for each component.
fn build(paths: &Paths, toolchain: Toolchain, workspace: &Path) -> Result<BTreeMap<String, PathBuf>, Fault> {
    let (mut cargo, more) = toolchain.cargo();
    cargo.current_dir(workspace).env("CARGO_TARGET_DIR", paths.guests_target());
    cargo.args(["build", "--release", "--workspace", "--lib", "--examples", "--target", TARGET]).args(more);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let messages = output(&format!("cargo build in {}", workspace.display()), &mut cargo)?;
    Ok(String::from_utf8_lossy(&messages).lines().filter_map(component).collect())
}

/// The component that a line of cargo's messages announces, if it announces one.
fn component(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let target = message.get("target")?;
    let kinds = target.get("crate_types")?.as_array()?;
    if !kinds.iter().any(|kind| kind == "cdylib") {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    let file = files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm"))?;
    let name = target.get("name")?.as_str()?.replace('_', "-");
    Some((format!("{name}.wasm"), PathBuf::from(file)))
}

fn remove_stale(place: &Path, built: &BTreeMap<String, PathBuf>) -> Result<(), Fault> {
    for entry in fs::read_dir(place).map_err(|e| Fault::file(place, &e))? {
        let path = entry.map_err(|e| Fault::file(place, &e))?.path();
        let known = path.file_name().is_some_and(|name| built.contains_key(&*name.to_string_lossy()));
        if !known && path.extension().is_some_and(|extension| extension == "wasm") {
            fs::remove_file(&path).map_err(|e| Fault::file(&path, &e))?;
        }
    }
    Ok(())
}
