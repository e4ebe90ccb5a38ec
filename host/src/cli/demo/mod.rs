//! `strongroom demo`: two tenants, their tools, their services, and every kind of denial, for real and checked.
//!
//! Takes: where the built components are. Gives: the story as a table or as JSON, and an exit code. May name: nothing.

mod act;
mod client;
mod compare;
mod house;
mod play;
mod proof;
mod report;
mod services;
mod story;
mod table;

use clap::{Args, ValueEnum};
use report::Report;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use strongroom::audit::ReadError;
use strongroom::reason::Reason;
use strongroom::serve::ServeError;
use strongroom::storage::StorageError;
use strongroom::{BuildError, OperateError};

/// Arguments of `strongroom demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How the story is told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Folder with the built components `orders.wasm`, `files.wasm` and `spin.wasm` [default: `components` in the
    /// program's target folder]
    #[arg(long, value_name = "DIR", env = "STRONGROOM_COMPONENTS")]
    components: Option<PathBuf>,
}

/// How the story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table and the audit entries, for people.
    Text,
    /// One JSON document.
    Json,
}

/// Who does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// With acme's key.
    Acme,
    /// With globex's key.
    Globex,
    /// Without a key.
    Nobody,
    /// Whoever holds the home folder.
    Operator,
}

impl Who {
    fn tenant(self) -> Option<&'static str> {
        match self {
            Self::Acme => Some("acme"),
            Self::Globex => Some("globex"),
            Self::Nobody | Self::Operator => None,
        }
    }
}

/// Why the story could not be told to its end.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("the demo's folder or services failed: {0}")]
    Io(#[from] io::Error),
    #[error(
        "{file}: {error}; build the components with `cargo xtask guests`, or say where they are with --components"
    )]
    Component { file: String, error: io::Error },
    #[error("the host did not start: {0}")]
    Build(#[from] BuildError),
    #[error(transparent)]
    Operate(#[from] OperateError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Audit(#[from] ReadError),
    #[error("the request to the host failed: {0}")]
    Client(#[from] client::ClientError),
    #[error("the host did not serve: {0}")]
    Serve(#[from] ServeError),
    #[error("a tenant could not read its budgets: {0}")]
    Refused(Reason),
    #[error("the report holds a credential, so it is not shown")]
    Leak,
}

impl DemoError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Component { .. } => 3,
            Self::Build(error) => error.reason().exit_code(),
            Self::Operate(error) => error.reason().exit_code(),
            Self::Refused(reason) => reason.exit_code(),
            Self::Io(_)
            | Self::Storage(_)
            | Self::Audit(_)
            | Self::Client(_)
            | Self::Serve(_)
            | Self::Leak => 1,
        }
    }
}

/// Tells the story. Exit code 0 when every step went as it must, 1 when one did not, another when it could not be told.
pub(crate) async fn run(args: &DemoArgs) -> ExitCode {
    match tell(args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn tell(args: &DemoArgs) -> Result<bool, DemoError> {
    let components = match &args.components {
        Some(folder) => folder.clone(),
        None => beside_the_program()?,
    };
    let house = house::House::build(&components).await?;
    let steps = play::play(&house, &story::story()).await?;
    let search = proof::search(&house)?;
    house.room.close().await?;
    let report = Report { steps, audit: play::book(&house)? };
    let text = match args.format {
        Format::Text => report.text(io::stdout().is_terminal() && !no_color()),
        Format::Json => report.json()?,
    };
    if search.is_match(&text) {
        return Err(DemoError::Leak);
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads only the beginning (`| head`) is no fault of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(report.is_as_expected()),
    }
}

/// `target/debug/strongroom` finds `target/components`.
fn beside_the_program() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(|profile| profile.parent());
    Ok(target.map(|target| target.join("components")).unwrap_or_default())
}

/// <https://no-color.org>: set to anything but an empty text.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
