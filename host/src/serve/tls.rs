//! TLS for the server's connections, with files that are read again when they change.
//!
//! Takes: `[tls]` of the operator's settings, the home folder. Gives: [`Certificates`]. May name: config, identify, pem, room.
//!
//! TLS 1.2 and 1.3, HTTP/1.1 alone (ALPN `http/1.1`). Connections go on with the certificate that they began with; files that
//! do not fit leave the ones from before in force, with a warning. Who vouches for certificates of clients counts at once, also on
//! connections that are open.

use super::arrival::Arrival;
use crate::config::TlsRule;
use crate::identify::{Certificate, Trust, Vouching};
use crate::pem;
use crate::room::Strongroom;
use cap_std::fs::{Dir, MetadataExt as _};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::TimeProvider;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at, at most, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// What tells one edition of a file from another.
type Stamp = (u64, u64, i64, i64);

/// The certificate in force, and who vouches for those of clients.
#[derive(Clone)]
pub(super) struct Certificates(Arc<Shared>);

struct Shared {
    room: Strongroom,
    vouching: Vouching,
    now: Mutex<Now>,
}

struct Now {
    rule: TlsRule,
    acceptor: TlsAcceptor,
    stamps: Vec<Stamp>,
    looked_ms: u64,
}

impl Certificates {
    /// Reads the files, when the operator's file names some.
    pub(super) fn open(room: &Strongroom) -> io::Result<Option<Self>> {
        let Some(rule) = room.settings().host.tls.clone() else { return Ok(None) };
        let (stamps, looked_ms) = (stamps(room.home(), &rule)?, room.now_ms());
        let (acceptor, trust) = read(room, &rule)?;
        let now = Mutex::new(Now { rule, acceptor, stamps, looked_ms });
        Ok(Some(Self(Arc::new(Shared { room: room.clone(), vouching: Vouching::new(trust), now }))))
    }

    /// What the next connection is accepted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.look();
        self.0.now.lock().acceptor.clone()
    }

    /// How a connection has arrived, once its handshake is done.
    pub(super) fn arrived(&self, stream: &TlsStream<TcpStream>) -> Result<Arrival, String> {
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().filter(|chain| !chain.is_empty());
        let certificate =
            shown.map(|chain| Certificate::of(chain, &self.0.vouching, self.0.room.now_ms())).transpose()?;
        Ok(Arrival { certificate: certificate.map(Arc::new), name: session.server_name().map(Into::into) })
    }

    /// Looks at the files, when it is a while ago.
    pub(super) fn look(&self) {
        let Shared { room, vouching, now } = &*self.0;
        let mut now = now.lock();
        let at_ms = room.now_ms();
        if at_ms.abs_diff(now.looked_ms) < LOOK_MS {
            return;
        }
        now.looked_ms = at_ms;
        // Settings without the table wait for the next start.
        let rule = room.settings().host.tls.clone().unwrap_or_else(|| now.rule.clone());
        match stamps(room.home(), &rule) {
            Ok(stamps) if stamps == now.stamps && rule == now.rule => {}
            Ok(stamps) => match read(room, &rule) {
                Ok((acceptor, trust)) => {
                    vouching.replace(trust);
                    (now.acceptor, now.stamps, now.rule) = (acceptor, stamps, rule);
                    tracing::info!("the files of [tls] were read again and are in force");
                }
                // Files change one after the other: it is tried again until they fit.
                Err(error) => tracing::warn!("the files of [tls] from before stay in force: {error}"),
            },
            Err(error) => tracing::warn!("the files of [tls] from before stay in force: {error}"),
        }
    }
}

fn stamps(home: &Dir, rule: &TlsRule) -> io::Result<Vec<Stamp>> {
    let stamp = |name: &str| {
        let found = home.metadata(name).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        Ok((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    let bundles = rule.trust_domains.iter().map(|domain| &domain.bundle);
    [&rule.cert, &rule.key].into_iter().chain(bundles).map(|file| stamp(file.as_str())).collect()
}

/// Reads all files of `[tls]`, and says what is wrong with them.
///
/// # Errors
/// With the file's name.
pub(super) fn read(room: &Strongroom, rule: &TlsRule) -> io::Result<(TlsAcceptor, Arc<Trust>)> {
    let home = room.home();
    let fault = |name: &str, why: String| io::Error::other(format!("{name}: {why}"));
    let chain = pem::certificates(home, rule.cert.as_str())?;
    let secret = pem::private_key(home, rule.key.as_str())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut trust = Trust::new(rule.clients, provider.clone());
    for domain in &rule.trust_domains {
        let bundle = domain.bundle.as_str();
        let authorities = pem::certificates(home, bundle)?;
        trust.add(domain.name.clone(), authorities).map_err(|error| fault(bundle, error))?;
    }
    let trust = Arc::new(trust);
    let builder = ServerConfig::builder_with_details(provider, Arc::new(HostTime(room.clone())))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(rule.cert.as_str(), error.to_string()))?;
    let builder = match rule.trust_domains.is_empty() {
        true => builder.with_no_client_auth(),
        false => builder.with_client_cert_verifier(trust.clone()),
    };
    let config = builder.with_single_cert(chain, secret);
    let mut config = config.map_err(|error| fault(rule.cert.as_str(), error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if !rule.trust_domains.is_empty() {
        // A session that is taken up again shows no proof of the client's key, and its chain is not verified.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok((TlsAcceptor::from(Arc::new(config)), trust))
}

/// The host's own clock, by which everything else of it is judged too.
#[derive(Debug)]
struct HostTime(Strongroom);

impl TimeProvider for HostTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now_ms())))
    }
}
