//! Handles to the outside world: the clock, randomness, the network. Whoever holds none of them can do nothing.
//!
//! Takes: nothing. Gives: [`Clock`], [`Entropy`], [`Dial`], [`Environment`] and their real forms, [`tls_client`]. May name: nothing.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
/// Texts that are wiped when they are dropped, as [`Environment`] gives them.
pub use zeroize::Zeroizing;

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

/// Bytes of an id or a nonce. So few come from a block that this thread was given at once: each call needs an id, and to ask the
/// system for it took longer than to admit the call. Longer ones, as secrets are, are asked for themselves.
const FEW: usize = 16;

thread_local! {
    /// How many are left, at the front of the block.
    static AHEAD: RefCell<(usize, [u8; 640])> = const { RefCell::new((0, [0; 640])) };
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        let ask = |buffer: &mut [u8]| getrandom::fill(buffer).map_err(|e| io::Error::other(e.to_string()));
        if buffer.len() > FEW {
            return ask(buffer);
        }
        AHEAD.with_borrow_mut(|(left, bytes)| {
            if *left < buffer.len() {
                ask(bytes)?;
                *left = bytes.len();
            }
            let rest = *left - buffer.len();
            let given = bytes.get_mut(rest..*left).unwrap_or_default();
            buffer.copy_from_slice(given);
            given.fill(0);
            *left = rest;
            Ok(())
        })
    }
}

/// What the process was given at its start. The host reads no variable but through this, and only those that the
/// operator's files name.
pub trait Environment: Send + Sync + fmt::Debug + 'static {
    /// The variable's text; `None` when it is not set.
    ///
    /// # Errors
    /// When it is not UTF-8 text. The error does not quote it.
    fn variable(&self, name: &str) -> io::Result<Option<Zeroizing<String>>>;

    /// The text with the operator's keys, which open sealed credentials; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, or when others could read it too. The error quotes nothing of it and says what to do.
    fn operator_key(&self) -> io::Result<Option<Zeroizing<String>>>;
}

/// Nothing was given.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEnvironment;

impl Environment for NoEnvironment {
    fn variable(&self, _: &str) -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }

    fn operator_key(&self) -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }
}

/// The variables of this process. The operator's key is the text of `STRONGROOM_OPERATOR_KEY`, or of the file that
/// `STRONGROOM_OPERATOR_KEY_FILE` names (mode 0600 or stricter, at most 4 KiB).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

/// Longest file with the operator's keys, in bytes.
const KEY_FILE: u64 = 4096;

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> io::Result<Option<Zeroizing<String>>> {
        let text = std::env::var_os(name).map(|text| text.into_string().map(Zeroizing::new));
        text.transpose().map_err(|_| io::Error::other("the variable is not UTF-8 text"))
    }

    fn operator_key(&self) -> io::Result<Option<Zeroizing<String>>> {
        // An empty variable is how a service manager unsets one.
        let text = self.variable("STRONGROOM_OPERATOR_KEY")?.filter(|text| !text.is_empty());
        let file = std::env::var_os("STRONGROOM_OPERATOR_KEY_FILE").filter(|path| !path.is_empty());
        match (text, file) {
            (Some(_), Some(_)) => Err(io::Error::other(
                "both STRONGROOM_OPERATOR_KEY and STRONGROOM_OPERATOR_KEY_FILE are set; keep one of them",
            )),
            (text, None) => Ok(text),
            (None, Some(path)) => key_file(path.as_ref()).map(Some),
        }
    }
}

/// Reads a file that nobody but its owner may read. No message names the path: it could be the key, set by mistake.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the operator's key")]
fn key_file(path: &std::path::Path) -> io::Result<Zeroizing<String>> {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;
    let fault = |what: String| io::Error::other(format!("the file of STRONGROOM_OPERATOR_KEY_FILE {what}"));
    let unreadable = |e: io::Error| fault(format!("cannot be read: {e}"));
    // Opening a named pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(fault("is not a file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(fault(format!("has mode {mode:04o}: others than its owner can read it; `chmod 600` it")));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(KEY_FILE).unwrap_or(4096) + 64));
    file.take(KEY_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > KEY_FILE {
        return Err(fault("is longer than 4 KiB; it holds one key a line".to_owned()));
    }
    Ok(text)
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

/// What connections by TLS are made with: whoever is asked for proves it to a root that Mozilla's list has, the machine's
/// own list counts for nothing, and no certificate is shown to them.
///
/// # Errors
/// When the list or the versions of the protocol cannot be used.
pub fn tls_client() -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    tls_client_with(rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() })
}

/// The same with other authorities to trust, and no others.
pub(crate) fn tls_client_with(
    roots: rustls::RootCertStore,
) -> Result<Arc<rustls::ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_comes_from_a_block_is_given_once() {
        let mut all = Vec::new();
        for len in [0, 1, 10, 12, FEW, FEW + 1, 32].into_iter().cycle().take(2000) {
            let mut bytes = vec![0; len];
            SystemEntropy.fill(&mut bytes).unwrap();
            all.extend(bytes);
        }
        let places: HashSet<_> = all.windows(8).collect();
        assert_eq!(places.len(), all.len() - 7, "eight bytes came twice");
        let ones: u32 = all.iter().map(|byte| byte.count_ones()).sum();
        assert!((0.49..0.51).contains(&(f64::from(ones) / (all.len() * 8) as f64)), "{ones}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn a_key_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.key");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(key_file(&path).unwrap_err().to_string().contains("cannot be read"));
        std::fs::write(&path, "canary").unwrap();
        for (bits, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            mode(bits);
            let read = key_file(&path);
            assert_eq!(read.is_ok(), fine, "{bits:o}");
            assert!(fine || !format!("{read:?}").contains("canary"));
        }
        mode(0o600);
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(key_file(&path).unwrap_err().to_string().contains("4 KiB"));
        assert!(key_file(folder.path()).unwrap_err().to_string().contains("not a file"));
    }
}
