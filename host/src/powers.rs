//! Handles to the outside world: the clock, randomness, the network. Whoever holds none of them can do nothing.
//!
//! Takes: nothing. Gives: [`Clock`], [`Entropy`], [`Dial`] and their real forms. May name: nothing.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;

/// A boxed future, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The time. Tests set their own.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Microseconds since 1970 (UTC); may jump when the machine's clock is set.
    fn unix_us(&self) -> u64;
    /// A time that only goes forward, for durations and deadlines.
    fn monotonic(&self) -> Instant;
    /// Milliseconds since 1970 (UTC).
    fn unix_ms(&self) -> u64 {
        self.unix_us() / 1000
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn unix_us(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// Randomness for ids and secrets.
pub trait Entropy: Send + Sync + fmt::Debug + 'static {
    /// Fills the buffer with random bytes.
    ///
    /// # Errors
    /// When the system has no randomness to give; nothing may go on then.
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()>;
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        getrandom::fill(buffer).map_err(|e| io::Error::other(e.to_string()))
    }
}

/// The way out to the network: names to addresses, and connections to addresses that were checked.
/// The two are apart so that the address that is connected is the address that was checked.
pub trait Dial: Send + Sync + fmt::Debug + 'static {
    /// The addresses of a name; a literal address gives itself.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
    /// Connects to exactly this address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// The machine's network.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDial;

impl Dial for SystemDial {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that resolves names")]
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that connects")]
        Box::pin(async move { TcpStream::connect(address).await })
    }
}

/// Starting other programs: needed for one thing, compiling a component away from everything else.
pub trait Spawn: Send + Sync + fmt::Debug + 'static {
    /// Runs a program with some bytes as its input and gives its output; ends it when the time is up.
    fn run<'a>(
        &'a self,
        program: &'a std::path::Path,
        arguments: &'a [String],
        input: Vec<u8>,
        limit: Duration,
    ) -> BoxFuture<'a, io::Result<Vec<u8>>>;
}

/// The machine's processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSpawn;

impl Spawn for SystemSpawn {
    fn run<'a>(
        &'a self,
        program: &'a std::path::Path,
        arguments: &'a [String],
        input: Vec<u8>,
        limit: Duration,
    ) -> BoxFuture<'a, io::Result<Vec<u8>>> {
        Box::pin(async move {
            let mut child = tokio::process::Command::new(program)
                .args(arguments)
                .env_clear()
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("the child has no input"))?;
            let feed = async move {
                use tokio::io::AsyncWriteExt as _;
                // A child that ends early closes its input; its exit tells why.
                let _ = stdin.write_all(&input).await;
                drop(stdin);
            };
            let both = async { tokio::join!(feed, child.wait_with_output()).1 };
            let output = tokio::time::timeout(limit, both)
                .await
                .map_err(|_| io::Error::other(format!("stopped after {} s", limit.as_secs())))??;
            if output.status.success() {
                return Ok(output.stdout);
            }
            let told = String::from_utf8_lossy(&output.stderr).chars().take(2000).collect::<String>();
            let told = told.trim();
            Err(io::Error::other(if told.is_empty() { output.status.to_string() } else { told.to_owned() }))
        })
    }
}

/// The folder that a host lives in: its files, and the path under which the database and guests' directories are found.
#[derive(Debug)]
pub struct Home {
    path: std::path::PathBuf,
    dir: cap_std::fs::Dir,
}

impl Home {
    /// Opens the folder, and makes it (mode 0700) when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that opens a folder by its path")]
    pub fn open(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let path = std::fs::canonicalize(path)?;
        let dir = cap_std::fs::Dir::open_ambient_dir(&path, cap_std::ambient_authority())?;
        Ok(Self { path, dir })
    }

    /// The absolute path.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The open folder.
    #[must_use]
    pub fn dir(&self) -> &cap_std::fs::Dir {
        &self.dir
    }
}
