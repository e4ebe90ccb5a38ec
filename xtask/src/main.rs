//! Set-up, guests, demo, tests and bench: what a cargo alias cannot hold.
//!
//! Takes: the command line. Gives: processes run one after another, with their exit status. May name: setup, toolchain,
//! guests, clients, conformance, test, run, paths.

mod clients;
mod conformance;
mod guests;
mod npm;
mod paths;
mod run;
mod setup;
mod test;
mod toolchain;

use paths::Paths;
use run::{Fault, cargo, check};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
Usage: cargo xtask <command>

  setup          fetch WASI's WIT texts and the guest toolchain (quiet when there is nothing to do)
  guests         build plugins and test guests to <target>/components/<name>.wasm
  conformance    install the suite that judges the Model Context Protocol, by npm into the target directory
  clients        install the official client SDKs of the same protocol, by npm and pip into the target directory
  demo [ARGS]    run the demo: two tenants, their tools and every kind of denial
  test           run everything that must pass: fmt, clippy, unit, integration and doc tests
  load [S,T,C]   load the program for S seconds by T tenants on C connections (60,100,64), stop it in the middle, and audit it
  bench [--release] [ARGS]
                 measure the governed call against the bare engine, the audit log by itself, the server from outside";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    match Paths::find().and_then(|paths| dispatch(&paths, &command, &rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("xtask: {fault}");
            ExitCode::from(fault.exit_code())
        }
    }
}

fn dispatch(paths: &Paths, command: &str, rest: &[String]) -> Result<(), Fault> {
    match command {
        "setup" => setup::run(paths).map(drop),
        "guests" => guests::run(paths, &setup::run(paths)?),
        "conformance" => conformance::run(paths),
        "clients" => clients::run(paths),
        "demo" => demo(paths, rest),
        "test" => test::run(paths),
        "load" => load(paths, rest),
        "bench" => bench(paths, rest),
        "" | "help" | "-h" | "--help" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(Fault::usage(format!("no command {other:?}\n\n{USAGE}"))),
    }
}

/// The story that the project exists for, on real tools.
fn demo(paths: &Paths, rest: &[String]) -> Result<(), Fault> {
    guests::run(paths, &setup::run(paths)?)?;
    // In two steps, so that a long build shows how it goes and the program's own output stands alone.
    let program = ["--package", "strongroom", "--bin", "strongroom"];
    check("demo", cargo(paths).arg("build").args(program))?;
    check("demo", cargo(paths).args(["run", "--quiet"]).args(program).args(["--", "demo"]).args(rest))
}

/// The promise about load that the tests keep in small, in full.
fn load(paths: &Paths, rest: &[String]) -> Result<(), Fault> {
    guests::run(paths, &setup::run(paths)?)?;
    check("load", cargo(paths).args(["build", "--workspace", "--bins"]))?;
    let size = rest.first().map_or("60,100,64", String::as_str);
    let mut command = cargo(paths);
    command.env("STRONGROOM_LOAD", size).args(["test", "--quiet", "--workspace", "--test", "promises", "--"]);
    check("load", command.args(["nothing_is_lost_under_load", "--nocapture"]))
}

/// The bench is an example of the host, built with optimised code of our own over the dependencies that tests share; after
/// `--release` as its users build the program, with link-time optimisation, which takes several times as long to build.
fn bench(paths: &Paths, rest: &[String]) -> Result<(), Fault> {
    guests::run(paths, &setup::run(paths)?)?;
    let (profile, folder, rest) = match rest.split_first() {
        Some((first, rest)) if first == "--release" => (Some("--release"), "release", rest),
        _ => (None, "debug", rest),
    };
    let build = |kind: &str, name: &str| {
        let mut command = cargo(paths);
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "3").env("CARGO_INCREMENTAL", "0");
        // As in a release: fewer and larger units, and without the checks that are compiled into all that is generic.
        command
            .env("CARGO_PROFILE_DEV_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false");
        check("bench", command.args(["build", "--workspace", kind, name]).args(profile))
    };
    // The server that is measured from outside is the program itself.
    build("--bin", "strongroom")?;
    build("--example", "bench")?;
    let bench = paths.target.join(folder).join("examples/bench");
    check("bench", Command::new(bench).env("STRONGROOM_COMPONENTS", paths.components()).args(rest))
}
