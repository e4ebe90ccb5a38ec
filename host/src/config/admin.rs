//! Where the admin API is served: `[admin]` of the operator's file.
//!
//! Takes: the table. Gives: [`AdminRule`]. May name: nothing.
//!
//! ```toml
//! [admin]
//! listen = "127.0.0.1:8788"   # never where `listen` is; from other machines with [tls] alone
//! ```

use super::document::Document;
use super::error::ConfigError;
use super::tls::TlsRule;
use serde::Deserialize;
use std::net::SocketAddr;

/// `[admin]`. Nothing is served for admins unless the operator says so. Taken up at the start of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminRule {
    /// `admin.listen`: where `serve` answers admins. Default: nowhere.
    #[serde(deserialize_with = "super::host::address")]
    pub listen: Option<SocketAddr>,
}

impl AdminRule {
    /// Checks it against where the host listens for calls, and whether it has a certificate.
    pub(super) fn check(
        &self,
        document: &Document,
        calls: SocketAddr,
        tls: Option<&TlsRule>,
    ) -> Result<(), ConfigError> {
        let Some(address) = self.listen else { return Ok(()) };
        if address.port() != 0 && address == calls {
            return Err(document.fault_at(
                &["admin", "listen"],
                "the admin API is never served where tools are called",
                "the address of `listen`",
                "give it a port of its own",
            ));
        }
        if !address.ip().to_canonical().is_loopback() && tls.is_none() {
            return Err(document.fault_at(
                &["admin", "listen"],
                "the keys of admins would pass through the network in the clear",
                "can be reached from other machines",
                "write an address of 127.0.0.1, or give the host a certificate with [tls]",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::HostConfig;

    fn read(text: &str) -> Result<HostConfig, String> {
        HostConfig::parse("strongroom.toml", text).map_err(|error| {
            assert_eq!(error.line(), Some(2), "{text}: {error}");
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
            format!("{error} {help}")
        })
    }

    #[test]
    fn the_admin_api_is_off_and_listens_on_an_address_of_its_own() {
        assert_eq!(read("").unwrap().admin.listen, None);
        let here = read("[admin]\nlisten = \"127.0.0.1:8788\"\n").unwrap();
        assert_eq!(here.admin.listen.unwrap().port(), 8788);
        let tls = "[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\n";
        let there = read(&format!("[admin]\nlisten = \"0.0.0.0:8788\"\n{tls}")).unwrap();
        assert!(there.admin.listen.is_some() && there.tls.is_some());
        for (line, what) in [
            ("listen = \"0.0.0.0:8788\"", "in the clear"),
            ("listen = \"127.0.0.1:8787\"", "never served where tools are called"),
            ("listen = \"localhost\"", "no address to listen on"),
            ("port = 8788", "unknown key"),
        ] {
            let said = read(&format!("[admin]\n{line}\n")).unwrap_err();
            assert!(said.contains(what), "{line}: {said}");
        }
    }
}
