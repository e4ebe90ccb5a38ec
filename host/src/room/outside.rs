//! What of the settings others decide on, asked for once: the issuers' keys, and until when certificates are good.
//!
//! Takes: the settings in force. Gives: what was found. May name: config, identify, moment, pem.

use super::Strongroom;
use crate::config::{IssuerRule, WebUrl};
use crate::identify::{Outside, ask, times};
use crate::moment;
use crate::pem;
use futures::future::join_all;

impl Strongroom {
    /// Asks every issuer for its keys, all at once, at most five seconds: how many keys of each tokens may be signed with, or why
    /// they cannot be had.
    pub async fn ask_issuers(&self) -> Vec<(WebUrl, Result<usize, String>)> {
        let settings = self.room.settings();
        let out = Outside { wire: &self.room.wire, home: &self.room.home };
        let asked = async |rule: &IssuerRule| (rule.url.clone(), ask(out, rule).await);
        join_all(settings.host.issuers.iter().map(asked)).await
    }

    /// Until when the certificates of `[tls]` are good that are in its files now: its own chain and every trust domain's
    /// authorities, a line each. Nothing without `[tls]`.
    ///
    /// # Errors
    /// With the file's name, when it cannot be used or is not good at this time.
    pub fn look_at_certificates(&self) -> Vec<Result<String, String>> {
        let settings = self.room.settings();
        let Some(tls) = &settings.host.tls else { return Vec::new() };
        let pair = pem::private_key(self.home(), tls.key.as_str()).map_err(|error| error.to_string());
        let own = pair.and_then(|_| self.good(tls.cert.as_str(), 1));
        let bundles = tls.trust_domains.iter().map(|domain| {
            let good = self.good(domain.bundle.as_str(), usize::MAX)?;
            Ok(format!("{}: {good}", domain.name))
        });
        std::iter::once(own).chain(bundles).collect()
    }

    /// Whether the first certificates of a file are good now.
    fn good(&self, file: &str, first: usize) -> Result<String, String> {
        let all = pem::certificates(self.home(), file).map_err(|error| error.to_string())?;
        let now = i64::try_from(self.now_ms() / 1000).unwrap_or(i64::MAX);
        let utc = |seconds: i64| moment::utc(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000));
        let mut until = i64::MAX;
        for one in all.iter().take(first) {
            let (begins, ends) = times(one).map_err(|why| format!("{file}: {why}"))?;
            if now < begins || now > ends {
                return Err(format!("{file}: a certificate is good from {} to {}", utc(begins), utc(ends)));
            }
            until = until.min(ends);
        }
        Ok(format!("{file} is good until {}", utc(until)))
    }
}
