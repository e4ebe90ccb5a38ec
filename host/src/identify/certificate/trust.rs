//! Who vouches for certificates of clients: the authorities of each trust domain, and of no other one.
//!
//! Takes: bundles. Gives: [`Trust`], which rustls asks during handshakes. May name: config.

use super::svid::Svid;
use crate::config::{ClientRule, SpiffeId, TrustDomain};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Why a certificate is refused.
#[derive(Debug)]
struct Unfit(&'static str);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unfit {}

fn unfit(why: &'static str) -> Error {
    CertificateError::Other(OtherError(Arc::new(Unfit(why)))).into()
}

/// The authorities by trust domain.
#[derive(Debug)]
pub(crate) struct Trust {
    domains: HashMap<TrustDomain, Arc<dyn ClientCertVerifier>>,
    clients: ClientRule,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// Nobody yet.
    pub(crate) fn new(clients: ClientRule, provider: Arc<CryptoProvider>) -> Self {
        Self { domains: HashMap::new(), clients, provider }
    }

    /// Trusts these certificates of a trust domain's authorities.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn add(
        &mut self,
        domain: TrustDomain,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<(), String> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|error| error.to_string())?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), self.provider.clone());
        let verifier = verifier.build().map_err(|error| error.to_string())?;
        self.domains.insert(domain, verifier);
        Ok(())
    }

    /// The id that a chain proves at this time: the leaf is one of a workload's, and the authorities of its own trust domain
    /// vouch for it.
    pub(super) fn prove(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<SpiffeId, Error> {
        let svid = Svid::read(leaf).map_err(unfit)?;
        let domain = self.domains.get(svid.id.domain());
        let domain = domain.ok_or_else(|| unfit("its trust domain is none of this host's"))?;
        domain.verify_client_cert(leaf, others, now)?;
        Ok(svid.id)
    }
}

impl ClientCertVerifier for Trust {
    fn client_auth_mandatory(&self) -> bool {
        self.clients == ClientRule::Required
    }

    /// None: clients choose freely. Authorities of workloads often have no names that would tell them apart.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.prove(leaf, others, now).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
