//! The compiler for guests: rustup's target first, Debian's packages second, else one message that says what to install.
//!
//! Takes: what is installed. Gives: a [`Toolchain`] that makes cargo commands for `wasm32-wasip2`. May name: run.

use crate::run::{Fault, check, output, succeeds};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The target of all guests; a `cdylib` built for it is a component at once.
pub const TARGET: &str = "wasm32-wasip2";

const PACKAGES: [&str; 6] =
    ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22", "wasi-libc"];
const REACTOR: &str = "/usr/lib/wasm32-wasi/crt1-reactor.o";
const HELP: &str = "\
no toolchain for guests (wasm32-wasip2). One of these is needed:
  rustup target add wasm32-wasip2
  apt-get install rustc-web cargo-web rust-web-src rust-web-llvm lld-22 wasi-libc   (Debian, as root)
then run the command again";

/// Which compiler builds the guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The running toolchain, with the target's standard library installed.
    Installed,
    /// Debian's Rust, which builds the standard library from its sources.
    Debian,
}

impl Toolchain {
    /// A cargo that is ready for `build --target wasm32-wasip2`, and the arguments that must follow `build`.
    ///
    /// Flags for the machine's own code (`RUSTFLAGS`) do not reach guests.
    pub fn cargo(self) -> (Command, &'static [&'static str]) {
        let mut command = match self {
            Self::Installed => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian => Command::new("/usr/bin/cargo"),
        };
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        if self == Self::Installed {
            return (command, &[]);
        }
        // rustup's shims and the libraries of the cargo that runs us must not get between Debian's cargo and its rustc.
        for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("/usr/bin:{path}")).env("RUSTC_BOOTSTRAP", "1");
        command.env(
            "RUSTFLAGS",
            format!("-Clink-self-contained=no -L/usr/lib/wasm32-wasi -Clink-arg={REACTOR}"),
        );
        (command, &["-Zbuild-std=std,panic_abort"])
    }
}

/// Finds a toolchain, or installs one and says so.
pub fn find_or_install(root: &Path) -> Result<Toolchain, Fault> {
    if target_installed(root) {
        return Ok(Toolchain::Installed);
    }
    if debian_installed() {
        return Ok(Toolchain::Debian);
    }
    if succeeds(Command::new("rustup").arg("--version")) {
        eprintln!("setup: rustup target add {TARGET}");
        let added = check("rustup", Command::new("rustup").current_dir(root).args(["target", "add", TARGET]));
        if added.is_ok() && target_installed(root) {
            return Ok(Toolchain::Installed);
        }
    }
    if succeeds(Command::new("apt-get").arg("--version")) && is_root() {
        eprintln!("setup: apt-get install {}", PACKAGES.join(" "));
        let installed = apt(&["update"]).and_then(|()| {
            apt(&[&["install", "-y", "--no-install-recommends"], PACKAGES.as_slice()].concat())
        });
        if installed.is_ok() && debian_installed() {
            return Ok(Toolchain::Debian);
        }
    }
    Err(Fault::new(HELP))
}

/// Sees to it that the running cargo can check form and lints, which a minimal profile of rustup leaves out.
pub fn find_components(root: &Path) -> Result<(), Fault> {
    let missing = |name: &str| !succeeds(cargo(root).args([name, "--version"]));
    if missing("fmt") || missing("clippy") {
        eprintln!("setup: rustup component add rustfmt clippy");
        let mut rustup = Command::new("rustup");
        check("rustup", rustup.current_dir(root).args(["component", "add", "rustfmt", "clippy"]))?;
    }
    Ok(())
}

/// The triple of the machine that builds, as the running rustc names it.
pub fn host_triple(root: &Path) -> Result<String, Fault> {
    let text = output("rustc -vV", rustc(root).arg("-vV"))?;
    let text = String::from_utf8_lossy(&text);
    let triple = text.lines().find_map(|line| line.strip_prefix("host: "));
    triple.map(str::to_owned).ok_or_else(|| Fault::new("rustc -vV does not name its host"))
}

/// The standard library for the target lies with the running rustc, whoever put it there.
fn target_installed(root: &Path) -> bool {
    let answer = rustc(root).args(["--print", "target-libdir", "--target", TARGET]).output();
    let Ok(answer) = answer else { return false };
    let place = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    answer.status.success()
        && fs::read_dir(place).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        })
}

/// Debian's parts are all there. The files are asked for too: a removed package may still be known to dpkg.
fn debian_installed() -> bool {
    Path::new(REACTOR).exists()
        && Path::new("/usr/bin/cargo").exists()
        && succeeds(Command::new("dpkg").arg("--status").args(PACKAGES))
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

fn rustc(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(root);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|answer| answer.stdout.trim_ascii() == b"0")
}

fn apt(args: &[&str]) -> Result<(), Fault> {
    check("apt-get", Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args))
}
