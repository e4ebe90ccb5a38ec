//! Why a command ended without doing what was asked: one form for people, scripts and the exit code.
//!
//! Takes: errors of the library and of the system. Gives: [`Failure`]. May name: reason, config, room.

use miette::Diagnostic;
use std::fmt;
use std::io;
use std::path::Path;
use strongroom::reason::Reason;
use strongroom::settle::Receipt;
use strongroom::{BuildError, OperateError};

/// What stands in the brackets of `error[..]`, and the exit code that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    /// A reason code of the host.
    Reason(Reason),
    /// The command line asks for something that makes no sense.
    Usage,
    /// A file, key or switch is not there.
    NotFound,
    /// Something else went wrong on this machine.
    Failed,
    /// What was asked for was printed, and is the reason for exit code 1.
    Told,
    /// What was asked for was printed, and how a call would end is the exit code.
    Judged(Reason),
    /// Whoever reads our output has gone, and needs no message.
    Silent,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    message: String,
    help: Option<String>,
    report: Option<Box<dyn Diagnostic + Send + Sync>>,
}

impl Failure {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { code, message: message.into(), help: None, report: None }))
    }

    /// With a reason code of the host.
    pub(crate) fn reason(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Code::Reason(reason), message)
    }

    /// The command line makes no sense; exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Something that was named is not there; exit code 3.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// Anything else; exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    /// The output says it all; exit code 1, and no message.
    pub(crate) fn told() -> Self {
        Self::new(Code::Told, "")
    }

    /// The output says it all, and the exit code is that of a call which ends so; no message.
    pub(crate) fn judged(reason: Reason) -> Self {
        Self::new(Code::Judged(reason), "")
    }

    /// A file or folder could not be used.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            _ => Code::Failed,
        };
        Self::new(code, format!("{}: {error}", path.display()))
    }

    /// The output could not be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Code::Silent, ""),
            _ => Self::failed(format!("the output cannot be written: {error}")),
        }
    }

    /// With what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// A fault in a file, shown with its line.
    pub(crate) fn report(reason: Reason, report: impl Diagnostic + Send + Sync + 'static) -> Self {
        let mut failure = Self::reason(reason, report.to_string());
        failure.0.report = Some(Box::new(report));
        failure
    }

    /// What a call that did not end with `ok` says.
    pub(crate) fn of(receipt: &Receipt) -> Self {
        let mut message = receipt.message.clone().unwrap_or_else(|| receipt.reason.meaning().to_owned());
        if let Some(value) = &receipt.value {
            message = format!("{message}: {value}");
        }
        let failure = Self::reason(receipt.reason, message);
        match receipt.retry_after_ms {
            Some(ms) => failure.help(format!("try again in {ms} ms")),
            None => failure,
        }
    }

    /// What the program exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.0.code {
            Code::Reason(reason) | Code::Judged(reason) => reason.exit_code(),
            Code::Usage => 2,
            Code::NotFound => 3,
            Code::Failed | Code::Told => 1,
            Code::Silent => 0,
        }
    }

    /// The word in the brackets; `None` when nobody is there to read it.
    pub(crate) fn word(&self) -> Option<&'static str> {
        match self.0.code {
            Code::Reason(reason) => Some(reason.code()),
            Code::Usage => Some("usage"),
            Code::NotFound => Some("not_found"),
            Code::Failed => Some("failed"),
            Code::Told | Code::Judged(_) | Code::Silent => None,
        }
    }

    /// What to do about it, if anything is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The fault with its line, if there is one.
    pub(crate) fn diagnostic(&self) -> Option<&(dyn Diagnostic + Send + Sync)> {
        self.0.report.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl From<OperateError> for Failure {
    fn from(error: OperateError) -> Self {
        Self::report(error.reason(), error)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::report(error.reason(), error)
    }
}

impl From<Box<Receipt>> for Failure {
    fn from(receipt: Box<Receipt>) -> Self {
        Self::of(&receipt)
    }
}
