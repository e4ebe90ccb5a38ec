//! `strongroom demo`: two tenants, their tools, their services, and every kind of denial, for real and checked.
//!
//! Takes: where the built components are. Gives: the story as a table or as JSON, and an exit code. May name: the
//! library, World.

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

use super::{Failure, Out};
use crate::World;
use aho_corasick::AhoCorasick;
use report::Report;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strongroom::audit::ReadError;
use strongroom::powers::SystemSpawn;
use strongroom::reason::Reason;
use strongroom::serve::ServeError;
use strongroom::storage::StorageError;
use strongroom::tools::compile::Compiler;
use strongroom::{BuildError, OperateError};

/// Play the story of two tenants on real tools and services, checked step by step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of `orders.wasm`, `files.wasm` and `spin.wasm` [default: STRONGROOM_COMPONENTS, or else `components`
    /// in the program's target folder]
    #[arg(long, value_name = "DIR", env = "STRONGROOM_COMPONENTS", hide_env = true)]
    components: Option<PathBuf>,
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
    #[error("the host did not start: {0}")]
    Build(#[from] BuildError),
    #[error(transparent)]
    Operate(#[from] OperateError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Audit(#[from] ReadError),
    #[error("the host did not serve: {0}")]
    Serve(#[from] ServeError),
    #[error("the request to the host failed: {0}")]
    Client(#[from] client::ClientError),
    #[error("a tenant could not read its budgets: {0}")]
    Refused(Reason),
    #[error("the report holds a credential, so it is not shown")]
    Leak,
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Build(error) => error.into(),
            DemoError::Operate(error) => error.into(),
            DemoError::Serve(error) => Self::report(error.reason(), error),
            DemoError::Refused(reason) => Self::reason(reason, error.to_string()),
            other => Self::failed(other.to_string()),
        }
    }
}

/// Tells the story. It fails when a step did not go as it must, and names the step.
pub(crate) async fn run(args: Args, world: &World, out: &Out) -> Result<(), Failure> {
    let path = match args.components {
        Some(folder) => folder,
        None => beside(&world.program()?),
    };
    let missing = |failure: Failure| {
        failure.help("build them with `cargo xtask guests`, or say with --components where they are")
    };
    let folder = world.folder(&path).map_err(missing)?;
    let mut tools = Vec::new();
    for name in house::TOOLS {
        let file = format!("{name}.wasm");
        let component = folder.read(&file).map_err(|e| missing(Failure::file(&path.join(&file), &e)))?;
        tools.push((name, component));
    }
    let compiler = Compiler::Child { program: world.program()?, spawn: Arc::new(SystemSpawn) };
    let (report, secrets) = tell(tools, compiler).await?;

    let text = if out.is_json() {
        report.json().map_err(DemoError::from)?
    } else {
        report.text(out.colours() && io::stdout().is_terminal())
    };
    if secrets.is_match(&text) {
        return Err(DemoError::Leak.into());
    }
    let written = out.raw(text.as_bytes());
    // Told also when nobody reads on: the exit code must say it.
    report.verdict().map_err(Failure::failed)?;
    written
}

async fn tell(
    tools: Vec<(&'static str, Vec<u8>)>,
    compiler: Compiler,
) -> Result<(Report, AhoCorasick), DemoError> {
    let house = house::House::build(tools, compiler).await?;
    let steps = play::play(&house, &story::story()).await?;
    house.room.close().await?;
    Ok((Report { steps, audit: play::book(&house)? }, proof::search(&house)?))
}

/// `target/debug/strongroom` finds `target/components`.
fn beside(program: &Path) -> PathBuf {
    let target = program.parent().and_then(Path::parent);
    target.map(|target| target.join("components")).unwrap_or_default()
}
