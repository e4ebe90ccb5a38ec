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
