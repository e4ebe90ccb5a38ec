//! A home folder of a test's own, and the program run in it.

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The component of a guest or a plugin, as `cargo xtask guests` built it.
pub(crate) fn component(name: &str) -> PathBuf {
    let place = std::env::var_os("STRONGROOM_COMPONENTS").map(PathBuf::from).unwrap_or_else(|| {
        let program = std::env::current_exe().expect("a test has a program");
        program.ancestors().nth(3).expect("target/debug/deps/<test>").join("components")
    });
    let path = place.join(format!("{name}.wasm"));
    assert!(path.exists(), "{}: run `cargo xtask guests` first", path.display());
    path
}

/// A home folder that is gone with the test.
pub(crate) struct House {
    folder: TempDir,
}

/// What a command printed and exited with.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    /// The exit code and the code in the brackets.
    pub(crate) fn failed(&self, code: i32, word: &str) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(&format!("error[{word}]")), "{self:?}");
        self
    }

    pub(crate) fn ok(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        assert_eq!(value["schema_version"], 1, "{self:?}");
        value
    }

    /// Whether stderr holds this text.
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is missing in {self:?}");
        self
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the home folder.
    pub(crate) fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, on this home folder, without anything of the machine's own environment that could matter.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.env("STRONGROOM_HOME", self.path()).env("NO_COLOR", "1");
        command.env_remove("STRONGROOM_KEY").env_remove("STRONGROOM_TOKEN").env_remove("STRONGROOM_LOG");
        command.env_remove("STRONGROOM_OPERATOR_KEY").env_remove("STRONGROOM_OPERATOR_KEY_FILE");
        command.current_dir(self.path());
        command
    }

    /// The audit log, as `audit show` prints it for programs.
    pub(crate) fn book(&self) -> String {
        self.run(["audit", "show", "--format", "json"]).ok().stdout.clone()
    }

    /// Runs a command to its end.
    pub(crate) fn run<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Told {
        told(self.command().args(arguments))
    }
}

/// Runs a command to its end.
pub(crate) fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    Told {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The words of a command, texts and paths mixed.
#[macro_export]
macro_rules! words {
    ($($word:expr),* $(,)?) => { [$(std::ffi::OsString::from($word)),*] };
}
