//! TLS for the server's connections, with a certificate that is read again when its files change.
//!
//! Takes: `[tls]` of the operator's file, the home folder. Gives: [`Certificates`]. May name: config, room.
//!
//! TLS 1.2 and 1.3, HTTP/1.1 alone (ALPN `http/1.1`). Connections go on with the certificate that they began with; a pair of files that
//! does not fit leaves the one from before in force, with a warning.

use crate::config::TlsRule;
use crate::room::Strongroom;
use cap_std::fs::{Dir, MetadataExt as _};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// How long a handshake may take.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the files are looked at, at most, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Longest file, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// What tells one edition of a file from another.
type Stamp = (u64, u64, i64, i64);

/// The certificate in force.
pub(super) struct Certificates {
    room: Strongroom,
    rule: TlsRule,
    now: Mutex<Now>,
}

struct Now {
    acceptor: TlsAcceptor,
    stamps: [Stamp; 2],
    looked_ms: u64,
}

impl Certificates {
    /// Reads the files, when the operator's file names some.
    pub(super) fn open(room: &Strongroom) -> io::Result<Option<Self>> {
        let Some(rule) = room.settings().host.tls.clone() else { return Ok(None) };
        let (stamps, looked_ms) = (stamps(room.home(), &rule)?, room.now_ms());
        let now = Now { acceptor: acceptor(room.home(), &rule)?, stamps, looked_ms };
        Ok(Some(Self { room: room.clone(), rule, now: Mutex::new(now) }))
    }

    /// What the next connection is accepted with.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut now = self.now.lock();
        let at_ms = self.room.now_ms();
        if at_ms.abs_diff(now.looked_ms) >= LOOK_MS {
            now.looked_ms = at_ms;
            match stamps(self.room.home(), &self.rule) {
                Ok(stamps) if stamps == now.stamps => {}
                Ok(stamps) => match acceptor(self.room.home(), &self.rule) {
                    Ok(acceptor) => {
                        (now.acceptor, now.stamps) = (acceptor, stamps);
                        tracing::info!("the server's certificate was read again and is in force");
                    }
                    // Both files change, one after the other: it is tried again until they fit.
                    Err(error) => tracing::warn!("the certificate from before stays in force: {error}"),
                },
                Err(error) => tracing::warn!("the certificate from before stays in force: {error}"),
            }
        }
        now.acceptor.clone()
    }
}

fn stamps(home: &Dir, rule: &TlsRule) -> io::Result<[Stamp; 2]> {
    let stamp = |name: &str| {
        let found = home.metadata(name).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        Ok::<_, io::Error>((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    Ok([stamp(rule.cert.as_str())?, stamp(rule.key.as_str())?])
}

fn acceptor(home: &Dir, rule: &TlsRule) -> io::Result<TlsAcceptor> {
    let (cert, key) = (rule.cert.as_str(), rule.key.as_str());
    let fault = |name: &str, why: String| io::Error::other(format!("{name}: {why}"));
    let chain = read(home, cert, false)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(|error| fault(cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(fault(cert, "there is no certificate in PEM".to_owned()));
    }
    let secret = read(home, key, true)?;
    // What is wrong with it is not told: it would be a piece of the key.
    let secret = PrivateKeyDer::from_pem_slice(&secret);
    let secret = secret.map_err(|_| fault(key, "there is no private key in PEM".to_owned()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = config.map_err(|error| fault(cert, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(home: &Dir, name: &str, private: bool) -> io::Result<Zeroizing<Vec<u8>>> {
    let fault = |why: String| io::Error::other(format!("{name}: {why}"));
    // Opening a named pipe would wait for its other end.
    let found = home.metadata(name).map_err(|error| fault(error.to_string()))?;
    if !found.is_file() || found.len() > MAX_FILE {
        return Err(fault("is not a file of at most 256 KiB".to_owned()));
    }
    let file = home.open(name).map_err(|error| fault(error.to_string()))?;
    let mode = file.metadata().map_err(|error| fault(error.to_string()))?.mode() & 0o7777;
    if private && mode & 0o077 != 0 {
        return Err(fault(format!("has mode {mode:04o}: others than its owner can read it; `chmod 600` it")));
    }
    // Room for all of it at once: a buffer that grows leaves copies behind that are not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or(usize::MAX) + 64));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| fault(error.to_string()))?;
    Ok(bytes)
}
