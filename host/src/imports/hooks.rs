//! How a call's requests reach the wire: each with the approval that the gate gave it, and with its tenant's credentials
//! alone.
//!
//! Takes: the settings, whose call it is. Gives: [`Hooks`]. May name: authorize, config, id, imports::dial,
//! imports::inject, imports::redact.

use super::dial::{self, Approved, Wire};
use super::inject;
use super::redact::Redactor;
use crate::authorize::origin::Origin;
use crate::config::{Credential, CredentialHandle, Settings};
use crate::id::TenantId;
use std::sync::Arc;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// How this call's requests reach the wire.
pub(crate) struct Hooks {
    wire: Wire,
    settings: Arc<Settings>,
    tenant: TenantId,
    pub(super) approved: Option<Approved>,
    /// Made once for each origin that the call talks to.
    redactors: Vec<(Origin, Option<Redactor>)>,
    /// The same for all credentials of the tenant, once it was needed.
    all: Option<Option<Redactor>>,
}

impl Hooks {
    pub(crate) fn new(wire: Wire, settings: Arc<Settings>, tenant: TenantId) -> Self {
        Self { wire, settings, tenant, approved: None, redactors: Vec::new(), all: None }
    }

    /// The tenant's credential, for its own origins alone: the files were checked at load, and this is asked again
    /// because nothing else stands between a mistake and another tenant's secret.
    pub(super) fn credential(&self, handle: &CredentialHandle, origin: &Origin) -> Option<&Credential> {
        let credential = self.settings.credentials.get(handle)?;
        self.is_for(credential, origin).then_some(credential)
    }

    fn is_for(&self, credential: &Credential, origin: &Origin) -> bool {
        credential.tenant == self.tenant && credential.origins.iter().any(|p| p.matches(origin))
    }

    /// What takes every credential of the tenant that this origin may have been given out of its answers: a service can
    /// tell later, or on another path, what it was sent before.
    pub(super) fn redactor(&mut self, origin: &Origin) -> Option<Redactor> {
        if let Some((_, known)) = self.redactors.iter().find(|(known, _)| known == origin) {
            return known.clone();
        }
        let mine = self.settings.credentials.iter().filter(|(_, c)| self.is_for(c, origin));
        let secrets: Vec<_> = mine.flat_map(|(_, credential)| inject::secrets(credential)).collect();
        let made = Redactor::new(secrets.iter().map(|secret| secret.as_str()));
        self.redactors.push((origin.clone(), made.clone()));
        made
    }
}

impl Hooks {
    /// A text of the tool's without any form of any credential of the tenant. A tool is never given one; this stands where it
    /// speaks to somebody outside.
    pub(super) fn blank(&mut self, text: String) -> String {
        let all = self.all.get_or_insert_with(|| {
            let mine = self.settings.credentials.iter().filter(|(_, c)| c.tenant == self.tenant);
            let secrets: Vec<_> = mine.flat_map(|(_, credential)| inject::secrets(credential)).collect();
            Redactor::new(secrets.iter().map(|secret| secret.as_str()))
        });
        match all {
            Some(redactor) if redactor.finds(text.as_bytes()) => {
                let blanked = redactor.push(&mut bytes::BytesMut::new(), text.as_bytes(), true);
                String::from_utf8_lossy(&blanked).into_owned()
            }
            _ => text,
        }
    }
}

type Sent =
    Box<dyn Future<Output = std::result::Result<(http::Response<WasiBody>, dial::Connection), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: dial::Connection,
    ) -> Sent {
        let (wire, approved) = (self.wire.clone(), self.approved.take());
        Box::new(async move {
            // Only the gate approves, and each approval is for one request.
            let to = approved.ok_or(Error::HttpRequestDenied)?;
            dial::send(wire, to, request, options).await
        })
    }

    fn set_host_header(&mut self) -> bool {
        false
    }
}
