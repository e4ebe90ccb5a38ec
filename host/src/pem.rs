//! Certificates and private keys in PEM, from files of the home folder.
//!
//! Takes: the home folder, names of files. Gives: what is in them. May name: nothing.

use cap_std::fs::{Dir, MetadataExt as _};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{self, Read as _};
use zeroize::Zeroizing;

/// Longest file, in bytes.
const MAX_FILE: u64 = 256 * 1024;

fn fault(name: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{name}: {why}"))
}

/// The certificates of a file, one at least.
pub(crate) fn certificates(home: &Dir, name: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = read(home, name, false)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|error| fault(name, error))?;
    match all.is_empty() {
        true => Err(fault(name, "there is no certificate in PEM")),
        false => Ok(all),
    }
}

/// The same as authorities to trust.
pub(crate) fn authorities(home: &Dir, name: &str) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(home, name)? {
        roots.add(authority).map_err(|error| fault(name, error))?;
    }
    Ok(roots)
}

/// The private key of a file that is its owner's alone.
pub(crate) fn private_key(home: &Dir, name: &str) -> io::Result<PrivateKeyDer<'static>> {
    let secret = read(home, name, true)?;
    // What is wrong with it is not told: it would be a piece of the key.
    PrivateKeyDer::from_pem_slice(&secret).map_err(|_| fault(name, "there is no private key in PEM"))
}

fn read(home: &Dir, name: &str, private: bool) -> io::Result<Zeroizing<Vec<u8>>> {
    // Opening a named pipe would wait for its other end.
    let found = home.metadata(name).map_err(|error| fault(name, error))?;
    if !found.is_file() || found.len() > MAX_FILE {
        return Err(fault(name, "is not a file of at most 256 KiB"));
    }
    let file = home.open(name).map_err(|error| fault(name, error))?;
    let mode = file.metadata().map_err(|error| fault(name, error))?.mode() & 0o7777;
    if private && mode & 0o077 != 0 {
        return Err(fault(
            name,
            format!("has mode {mode:04o}: others than its owner can read it; `chmod 600` it"),
        ));
    }
    // Room for all of it at once: a buffer that grows leaves copies behind that are not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or(usize::MAX) + 64));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| fault(name, error))?;
    Ok(bytes)
}
