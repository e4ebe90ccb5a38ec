//! A leaf certificate as an X.509-SVID (spiffe.io, X509-SVID): whose it says to be, and the rules that RFC 5280 alone does not have.
//!
//! Takes: a certificate's DER. Gives: its id, and when it is good. May name: config.

use crate::config::SpiffeId;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// What stands in a certificate. Who vouches for it is not known by that.
pub(super) struct Svid {
    pub(super) id: SpiffeId,
}

impl Svid {
    /// Reads a leaf.
    pub(super) fn read(der: &[u8]) -> Result<Self, &'static str> {
        let leaf = parsed(der)?;
        if leaf.extensions_map().is_err() {
            return Err("an extension is there twice");
        }
        // Section 4.1, 4.2 and 4.3: it signs no certificates, and says for what its key is.
        let constraints = leaf.basic_constraints().map_err(|_| "its basic constraints cannot be read")?;
        if constraints.is_some_and(|constraints| constraints.value.ca) {
            return Err("it is an authority's");
        }
        let usage = leaf.key_usage().map_err(|_| "its key usage cannot be read")?;
        let usage = usage.ok_or("it does not say for what its key is (key usage)")?.value;
        if !usage.digital_signature() {
            return Err("its key is not for digital signatures");
        }
        if usage.key_cert_sign() || usage.crl_sign() {
            return Err("its key is for signing certificates or revocation lists");
        }
        let names = leaf.subject_alternative_name().map_err(|_| "its alternative names cannot be read")?;
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            // One that cannot be read might have been a second one.
            GeneralName::Invalid(..) => Some(""),
            _ => None,
        });
        // Section 2: exactly one, whatever other names there are.
        match (uris.next(), uris.next()) {
            (Some(uri), None) => Ok(Self { id: SpiffeId::parse(uri)? }),
            (None, _) => Err("it has no SPIFFE id (a URI among its alternative names)"),
            (Some(_), Some(_)) => Err("it has more than one URI among its alternative names"),
        }
    }
}

/// From when until when a certificate is good, both included, in seconds since 1970.
pub(crate) fn times(der: &[u8]) -> Result<(i64, i64), &'static str> {
    let certificate = parsed(der)?;
    let validity = certificate.validity();
    Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, &'static str> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err("it is no certificate that can be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, SanType};

    const ID: &str = "spiffe://prod.example/agents/support";

    fn sample() -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::URI(ID.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn one_certificate_is_read_and_nothing_behind_it() {
        let mut der = sample();
        assert_eq!(Svid::read(&der).unwrap().id.as_str(), ID);
        let (from, until) = times(&der).unwrap();
        assert!(from < until);
        der.push(0);
        assert!(Svid::read(&der).is_err() && times(&der).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
            prop_assert!(Svid::read(&bytes).is_err());
            prop_assert!(times(&bytes).is_err());
        }

        #[test]
        fn changed_certificates_are_read_or_refused(
            flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut der = sample();
            for (place, byte) in flips {
                let place = place.index(der.len());
                der[place] = byte;
            }
            if let Ok(svid) = Svid::read(&der) {
                prop_assert!(SpiffeId::parse(svid.id.as_str()).is_ok());
            }
            let cut = cut.index(der.len());
            prop_assert!(Svid::read(&der[..cut]).is_err());
        }
    }
}
