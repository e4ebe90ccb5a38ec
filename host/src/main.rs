//! The program `strongroom`: the composition root. The only place that opens files by their path, binds sockets and
//! reads the environment; everything else is handed what it may use.
//!
//! Takes: the command line, the environment. Gives: [`World`] to the commands, and their exit code to the system.
//! May name: cli.

mod cli;

use clap::Parser as _;
use cli::{Cli, Failure, Out};
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use strongroom::powers::Home;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use zeroize::Zeroizing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the commands may reach of the world outside.
pub(crate) struct World {
    home: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // When there is nowhere to print to, the exit code is all there is.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let plain = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let out = Out::new(cli.format, io::stderr().is_terminal(), !plain);
    let home = variable("STRONGROOM_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let world = World { home: cli.home.clone().or(home) };
    let filter = variable("STRONGROOM_LOG").and_then(|text| text.into_string().ok());
    let done = trace(filter, cli.verbose, out.colours()).and_then(|()| cli::run(cli, &world, &out));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// What the program notices on its way goes to stderr: warnings, and more with `-v` or `STRONGROOM_LOG`.
fn trace(filter: Option<String>, verbose: u8, colours: bool) -> Result<(), Failure> {
    let level = ["warn", "warn,strongroom=info", "info,strongroom=debug", "debug,strongroom=trace"];
    let level = level.get(usize::from(verbose)).copied().unwrap_or("trace");
    let filter =
        tracing_subscriber::EnvFilter::builder().parse(filter.as_deref().unwrap_or(level)).map_err(|e| {
            Failure::usage(format!("STRONGROOM_LOG: {e}")).help("write it as `info,strongroom=debug`")
        })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let subscriber = subscriber.with_ansi(colours).with_target(false).finish();
    // Whatever the filter asks for: what guests were given stays theirs.
    subscriber.with(filter_fn(strongroom::telemetry::is_tellable)).init();
    Ok(())
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl World {
    /// Opens the host's home folder, and makes it when it is not there.
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        let path = self.home_path()?;
        Home::open(&path).map_err(|e| Failure::file(&path, &e).help("name another folder with --home"))
    }

    /// Where the home folder is: `--home`, `STRONGROOM_HOME`, or the user's folder for data.
    pub(crate) fn home_path(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let base = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
        let base = base.ok_or_else(|| {
            Failure::usage("there is no folder for the host's files: HOME is not set")
                .help("name one with --home")
        })?;
        Ok(base.join("strongroom"))
    }

    /// Opens a folder that is there.
    #[expect(
        clippy::disallowed_methods,
        reason = "the composition root opens the folders that commands name"
    )]
    pub(crate) fn folder(&self, path: &Path) -> Result<cap_std::fs::Dir, Failure> {
        cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority())
            .map_err(|e| Failure::file(path, &e))
    }

    /// Opens a folder, and makes it when it is not there.
    #[expect(
        clippy::disallowed_methods,
        reason = "the composition root makes the folders that commands name"
    )]
    pub(crate) fn new_folder(&self, path: &Path) -> Result<cap_std::fs::Dir, Failure> {
        std::fs::create_dir_all(path).map_err(|e| Failure::file(path, &e))?;
        self.folder(path)
    }

    /// The whole of a file that a command names, at most `limit` bytes of it.
    #[expect(clippy::disallowed_methods, reason = "the composition root opens the files that commands name")]
    pub(crate) fn file(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
        let fault = |error: io::Error| Failure::file(path, &error);
        let bytes = Self::all(std::fs::File::open(path).map_err(fault)?, limit).map_err(fault)?;
        bytes.ok_or_else(|| Failure::usage(format!("{}: longer than {limit} bytes", path.display())))
    }

    /// The whole of the standard input, at most `limit` bytes of it.
    pub(crate) fn stdin(&self, limit: u64) -> Result<Vec<u8>, Failure> {
        let fault = |error: io::Error| Failure::file(Path::new("standard input"), &error);
        let bytes = Self::all(io::stdin().lock(), limit).map_err(fault)?;
        bytes.ok_or_else(|| Failure::usage(format!("standard input: longer than {limit} bytes")))
    }

    fn all(source: impl io::Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok((u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= limit).then_some(bytes))
    }

    /// A line that a person types when asked; `None` when there is no terminal to ask at.
    pub(crate) fn typed(&self, question: &str) -> Result<Option<String>, Failure> {
        use io::{BufRead as _, Write as _};
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        let fault = |error: io::Error| Failure::file(Path::new("the terminal"), &error);
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} ").and_then(|()| stderr.flush()).map_err(fault)?;
        let mut line = String::new();
        io::stdin().lock().take(1024).read_line(&mut line).map_err(fault)?;
        Ok(Some(line.trim().to_owned()))
    }

    /// The real, absolute path of something that is there.
    pub(crate) fn real_path(&self, path: &Path) -> Result<PathBuf, Failure> {
        std::fs::canonicalize(path).map_err(|e| Failure::file(path, &e))
    }

    /// The caller's API key from the environment, where neither other users nor the shell's history see it.
    pub(crate) fn key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        Self::shown("STRONGROOM_KEY")
    }

    /// The same for an access token.
    pub(crate) fn token(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        Self::shown("STRONGROOM_TOKEN")
    }

    fn shown(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let text = variable(name).filter(|text| !text.is_empty());
        let text =
            text.map(|text| text.into_string().map_err(|_| Failure::usage(format!("{name} is no text"))));
        Ok(text.transpose()?.map(Zeroizing::new))
    }

    /// A secret from the environment, where neither other users nor the shell's history see it.
    pub(crate) fn secret_variable(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        let fault = |what: &str| Failure::usage(format!("the variable of --from-env {what}"));
        let text = variable(name).filter(|text| !text.is_empty()).ok_or_else(|| fault("is not set"))?;
        text.into_string().map(Zeroizing::new).map_err(|_| fault("is not UTF-8 text"))
    }

    /// Whether somebody types what comes in on stdin.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Writes a file that is not there yet and that nobody but its owner may read.
    pub(crate) fn new_secret_file(&self, path: &Path, text: &str) -> Result<(), Failure> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let fault = |error: io::Error| Failure::file(path, &error);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fault)
    }

    /// This program, to be started as the compiler's own process.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        std::env::current_exe().map_err(|e| Failure::file(Path::new("this program"), &e))
    }

    /// Listens for connections.
    #[expect(clippy::disallowed_methods, reason = "the composition root binds the sockets")]
    pub(crate) async fn listen(&self, address: SocketAddr) -> Result<tokio::net::TcpListener, Failure> {
        tokio::net::TcpListener::bind(address).await.map_err(|e| {
            Failure::failed(format!("{address}: {e}"))
                .help("name another address with --listen, as 127.0.0.1:8788")
        })
    }
}
