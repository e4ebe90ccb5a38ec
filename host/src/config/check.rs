//! What one file says against what another says.
//!
//! Takes: a tenant, the credentials, the host's settings. Gives: faults, at the tenant's lines.
//! May name: nothing.

use super::credentials::Credentials;
use super::document::Document;
use super::error::ConfigError;
use super::host::HostConfig;
use super::size::ByteSize;
use super::tenant::Tenant;

/// A tenant's memory bound must fit into what the engine gives to one call.
pub(crate) fn limits(document: &Document, tenant: &Tenant, host: &HostConfig, faults: &mut Vec<ConfigError>) {
    let most = host.engine.max_memory;
    if tenant.limits.memory.is_some_and(|memory| memory > most) {
        faults.push(document.fault_at(
            &["limits", "memory"],
            format!("the engine gives a call at most {}", ByteSize(most)),
            "more than engine.max_memory",
            "lower it, or raise engine.max_memory in strongroom.toml",
        ));
    }
}

/// A grant's credential must exist, belong to this tenant, and be meant for every origin that the grant
/// binds.
pub(crate) fn credentials(
    document: &Document,
    tenant: &Tenant,
    credentials: &Credentials,
    faults: &mut Vec<ConfigError>,
) {
    for (tool, grant) in &tenant.grants {
        for (need, http) in &grant.http {
            let Some(handle) = &http.credential else { continue };
            let path = ["grants", tool.as_str(), "http", need.as_str()];
            let [a, b, c, d] = path;
            let mut fault = |key: &str, what: String, label: &str, fix: String| {
                faults.push(document.fault_at(&[a, b, c, d, key], what, label, fix));
            };
            let Some(credential) = credentials.get(handle) else {
                let fix = format!("add [{handle}] to credentials.toml, or correct the name");
                fault("credential", format!("there is no credential `{handle}`"), "unknown", fix);
                continue;
            };
            if credential.tenant != tenant.id {
                // Whose it is, is not this tenant's to know.
                let fix = format!("use a credential whose `tenant` is \"{}\"", tenant.id);
                let what = format!("the credential `{handle}` belongs to another tenant");
                fault("credential", what, "not this tenant's", fix);
                continue;
            }
            for origin in &http.origins {
                if !credential.origins.iter().any(|allowed| allowed.covers(origin)) {
                    let what = format!("the credential `{handle}` must not be sent to {origin}");
                    let fix =
                        format!("add \"{origin}\" to the credential's `origins`, or bind the need elsewhere");
                    let key = if document.has(&[a, b, c, d, "origin"]) { "origin" } else { "origins" };
                    fault(key, what, "not among the credential's origins", fix);
                }
            }
        }
    }
}
