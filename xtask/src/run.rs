//! Running other programs, and how that fails.
//!
//! Takes: commands. Gives: their success, or a [`Fault`] that names them. May name: paths.

use crate::paths::Paths;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why xtask stops; the message says what to do where there is something to do.
#[derive(Debug)]
pub struct Fault {
    message: String,
    code: u8,
}

impl Fault {
    /// A failure: exit status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// A wrong command line: exit status 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// A failed operation on a file or a program.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(format!("{what}: {error}"))
    }

    /// A file that could not be used.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        Self::io(path.display(), error)
    }

    /// The same failure, with the step in which it happened.
    pub fn in_step(self, step: &str) -> Self {
        Self { message: format!("step {step:?}: {}", self.message), ..self }
    }

    /// The exit status of xtask.
    pub fn exit_code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The cargo that runs xtask, in the repository, with one target directory for everything.
pub fn cargo(paths: &Paths) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&paths.root).env("CARGO_TARGET_DIR", &paths.target);
    command.env("STRONGROOM_COMPONENTS", paths.components());
    command
}

/// The same cargo for native builds of guest code, such as unit tests of plugins.
pub fn guest_cargo(paths: &Paths) -> Command {
    let mut command = cargo(paths);
    command.env("CARGO_TARGET_DIR", paths.guests_target());
    command
}

/// Runs to the end; output goes where xtask's goes. A failing program passes on its exit status.
pub fn check(name: &str, command: &mut Command) -> Result<(), Fault> {
    let status =
        command.status().map_err(|e| Fault::io(format!("{name}: cannot start {}", shown(command)), &e))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Fault { message: format!("{name} failed ({status})"), code })
}

/// Runs to the end and gives standard output; errors are shown as they come.
pub fn output(name: &str, command: &mut Command) -> Result<Vec<u8>, Fault> {
    let result = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| Fault::io(format!("{name}: cannot start {}", shown(command)), &e))?;
    if result.status.success() {
        Ok(result.stdout)
    } else {
        Err(Fault::new(format!("{name} failed ({})", result.status)))
    }
}

/// True when the program exists and succeeds; it is asked a question, so nothing is shown.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
