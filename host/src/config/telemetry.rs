//! What the host tells those who watch it: `[telemetry]` of the operator's file.
//!
//! Takes: the table. Gives: [`TelemetryConfig`]. May name: id.
//!
//! ```toml
//! [telemetry]
//! metrics = "127.0.0.1:9464"                                # /metrics, /livez and /readyz on a listener of their own
//! otlp = "http://127.0.0.1:4318"                            # traces and metrics, as OTLP over HTTP with protobuf
//! otlp_headers = { authorization = "OTLP_AUTHORIZATION" }   # header = the variable that holds its value
//! ```

use super::limits;
use crate::id::TenantId;
use http::HeaderName;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use url::Url;

/// The most tenants that are counted by name.
pub const MAX_COUNTED_TENANTS: usize = 100;
/// The most headers that requests to the endpoint carry besides their own.
const MAX_HEADERS: usize = 16;

/// What is told, and to whom. Nothing unless the operator says so. Taken up at the start of the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// `telemetry.metrics`: where `serve` answers `/metrics` to whoever asks. Default: nowhere.
    #[serde(deserialize_with = "super::host::address")]
    pub metrics: Option<SocketAddr>,
    /// `telemetry.otlp`: the endpoint, without `/v1/traces`. Default: none.
    #[serde(deserialize_with = "endpoint")]
    pub otlp: Option<Url>,
    /// `telemetry.otlp_headers`: headers of requests there, each with the variable of the environment that holds its value.
    #[serde(deserialize_with = "headers")]
    pub otlp_headers: Vec<(HeaderName, String)>,
    /// `telemetry.every_ms`: how often metrics are sent there, in milliseconds. Default 60,000; 1,000 to 3,600,000.
    #[serde(deserialize_with = "limits::number::<1_000, 3_600_000, _>")]
    pub every_ms: u64,
    /// `telemetry.tenants`: those whose calls are also counted by their name. Default: none; at most 100.
    #[serde(deserialize_with = "tenants")]
    pub tenants: BTreeSet<TenantId>,
    /// `telemetry.tool_messages`: whether what tools write by `wasi:logging` stands in the host's log. It may hold whatever
    /// the tool knows. Default: no, and the log has only that and how much was written.
    pub tool_messages: bool,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            metrics: None,
            otlp: None,
            otlp_headers: Vec::new(),
            every_ms: 60_000,
            tenants: BTreeSet::new(),
            tool_messages: false,
        }
    }
}

fn endpoint<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(d)?;
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // What is not quoted may be a secret.
    let url = url.ok_or_else(|| {
        D::Error::custom("this is no address of an endpoint; write it as \"http://127.0.0.1:4318\"")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(D::Error::custom(
            "this address holds a user or a password; use otlp_headers for secrets",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(D::Error::custom("this address has a query; write scheme, host, port and path alone"));
    }
    Ok(Some(url))
}

/// Headers that frame or route a request, or say what is in it.
const OURS: [HeaderName; 8] =
    [HOST, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, CONNECTION, UPGRADE, TE, TRAILER];

fn headers<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<(HeaderName, String)>, D::Error> {
    let named = BTreeMap::<String, String>::deserialize(d)?;
    if named.len() > MAX_HEADERS {
        return Err(D::Error::custom(format!("more than {MAX_HEADERS} headers; write fewer")));
    }
    let read = |(name, variable): (String, String)| {
        let header = HeaderName::try_from(&name).ok().filter(|header| !OURS.contains(header));
        let header = header.ok_or_else(|| {
            D::Error::custom(
                "a name here is no header that can be chosen; write one as authorization or x-api-key",
            )
        })?;
        let first = variable.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest = variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !first || !rest || variable.len() > 128 {
            let fix = "write the name of a variable of the environment that holds the value, as \"OTLP_KEY\"";
            return Err(D::Error::custom(format!("a header's value stands here, or no name; {fix}")));
        }
        Ok((header, variable))
    };
    named.into_iter().map(read).collect()
}

fn tenants<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeSet<TenantId>, D::Error> {
    let tenants = BTreeSet::<TenantId>::deserialize(d)?;
    match tenants.len() {
        0..=MAX_COUNTED_TENANTS => Ok(tenants),
        _ => Err(D::Error::custom(format!("more than {MAX_COUNTED_TENANTS} tenants; write fewer"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::HostConfig;

    #[test]
    fn what_is_told_is_read_from_the_operators_file() {
        let text = "[telemetry]\nmetrics = \"127.0.0.1:9464\"\notlp = \"https://otlp.example/base/\"\n\
                    otlp_headers = { X-Key = \"OTLP_KEY\" }\nevery_ms = 5000\ntenants = [\"acme\"]\ntool_messages = true\n";
        let read = HostConfig::parse("strongroom.toml", text).unwrap().telemetry;
        assert_eq!(read.metrics.unwrap().port(), 9464);
        assert_eq!(read.otlp.unwrap().as_str(), "https://otlp.example/base/");
        assert_eq!(read.otlp_headers, [("x-key".parse().unwrap(), "OTLP_KEY".to_owned())]);
        assert!(read.every_ms == 5000 && read.tool_messages && read.tenants.len() == 1);
        let nothing = HostConfig::parse("strongroom.toml", "").unwrap().telemetry;
        assert_eq!(nothing, super::TelemetryConfig::default());
        assert!(nothing.metrics.is_none() && nothing.otlp.is_none() && !nothing.tool_messages);
    }

    #[test]
    fn faults_have_their_line_and_quote_no_secret() {
        for (line, what) in [
            ("otlp = \"http://a:canary@127.0.0.1:4318\"", "otlp_headers for secrets"),
            ("otlp = \"127.0.0.1:4318\"", "no address"),
            ("otlp = \"grpc://127.0.0.1:4317\"", "no address"),
            ("otlp = \"http://127.0.0.1:4318?key=canary\"", "has a query"),
            ("otlp_headers = { authorization = \"Bearer canary\" }", "name of a variable"),
            ("otlp_headers = { host = \"OTLP_HOST\" }", "no header that can be chosen"),
            ("every_ms = 10", "out of range"),
            ("metrics = \"localhost\"", "no address to listen on"),
            ("tenants = [\"Not A Tenant\"]", ""),
            ("metric = \"127.0.0.1:9464\"", "unknown key"),
        ] {
            let text = format!("[telemetry]\n{line}\n");
            let error = HostConfig::parse("strongroom.toml", &text).unwrap_err();
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
            let said = format!("{error} {help}");
            assert!(said.contains(what) || what.is_empty(), "{line}: {said}");
            assert_eq!(error.line(), Some(2), "{line}: {said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
}
