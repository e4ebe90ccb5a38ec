//! Everything that must pass before a change is merged, in the order in which it is cheapest to fail.
//!
//! Takes: the repository. Gives: success, or the name of the first step that failed. May name: clients, conformance, guests, paths,
//! run, setup, toolchain.

use crate::paths::Paths;
use crate::run::{Fault, cargo, check, guest_cargo};
use crate::toolchain::{TARGET, Toolchain};
use crate::{clients, conformance, guests, setup, toolchain};
use std::process::Command;
use std::time::Instant;

/// Workspaces of guest code: they build natively for their unit tests, and to WebAssembly.
const GUESTS: [&str; 3] = ["guest-sdk", "plugins", "tests/guests"];

/// Runs the steps, each announced with a line and its time at the end.
pub fn run(paths: &Paths) -> Result<(), Fault> {
    let toolchain = step("setup", || {
        toolchain::find_components(&paths.root)?;
        setup::run(paths)
    })?;
    step("fmt", || fmt(paths))?;
    step("guests", || guests::run(paths, &toolchain))?;
    step("conformance", || conformance::run(paths))?;
    step("clients", || clients::run(paths))?;
    for workspace in GUESTS {
        step(&format!("clippy in {workspace}"), || clippy_guest(paths, toolchain, workspace))?;
    }
    for workspace in ["guest-sdk", "plugins"] {
        step(&format!("test in {workspace}"), || {
            check(
                "cargo test",
                guest_cargo(paths).current_dir(paths.root.join(workspace)).args(["test", "--workspace"]),
            )
        })?;
    }
    step("clippy", || check("cargo clippy", strict(cargo(paths).arg("clippy"))))?;
    step("doc", || {
        let mut command = cargo(paths);
        command.env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--quiet",
            "--workspace",
            "--lib",
            "--no-deps",
        ]);
        check("cargo doc", &mut command)
    })?;
    step("test", || check("cargo test", cargo(paths).args(["test", "--workspace"])))
}

fn fmt(paths: &Paths) -> Result<(), Fault> {
    for workspace in [".", "guest-sdk", "plugins", "tests/guests"] {
        let mut command = cargo(paths);
        command.current_dir(paths.root.join(workspace)).args(["fmt", "--all", "--check"]);
        check(&format!("cargo fmt in {workspace}"), &mut command)?;
    }
    Ok(())
}

/// Native code with its tests, and the code that only a guest has; Debian's toolchain has no clippy for the latter.
fn clippy_guest(paths: &Paths, toolchain: Toolchain, workspace: &str) -> Result<(), Fault> {
    let folder = paths.root.join(workspace);
    check("cargo clippy", strict(guest_cargo(paths).current_dir(&folder).arg("clippy")))?;
    if toolchain == Toolchain::Debian {
        return Ok(());
    }
    let mut command = guest_cargo(paths);
    command.current_dir(&folder).args(["clippy", "--workspace", "--lib", "--examples", "--target", TARGET]);
    command.args(["--", "-D", "warnings"]);
    check("cargo clippy for guests", &mut command)
}

fn strict(command: &mut Command) -> &mut Command {
    command.args(["--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    eprintln!("── {name}");
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64();
    let end = if result.is_ok() { "ok" } else { "FAILED" };
    eprintln!("── {name}: {end} after {seconds:.1} s");
    result.map_err(|fault| fault.in_step(name))
}
