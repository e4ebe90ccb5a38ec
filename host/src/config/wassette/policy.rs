//! The form of wassette's `policy.yaml`, version 1, and what its single entries mean.
//!
//! Takes: YAML. Gives: its values. May name: authorize.

use super::{is_inner, visible};
use crate::authorize::address::{Reach, reach};
use crate::authorize::origin::OriginPattern;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) version: String,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    pub(super) permissions: Permissions,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Permissions {
    pub(super) storage: Option<Rules<Storage>>,
    pub(super) network: Option<Rules<Network>>,
    pub(super) environment: Option<Allowed<Variable>>,
    pub(super) runtime: Option<Runtime>,
    pub(super) resources: Option<Resources>,
    pub(super) ipc: Option<Rules<Pipe>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules<T> {
    #[serde(default = "none")]
    pub(super) allow: Option<Vec<T>>,
    #[serde(default = "none")]
    pub(super) deny: Option<Vec<T>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allowed<T> {
    #[serde(default = "none")]
    pub(super) allow: Option<Vec<T>>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self { allow: None, deny: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    pub(super) uri: String,
    pub(super) access: Vec<Access>,
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Access {
    Read,
    Write,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variable {
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pipe {
    pub(super) uri: String,
}

/// Whatever other runtimes are told; none of it reaches a tool here.
#[derive(Deserialize)]
pub(super) struct Runtime(pub(super) BTreeMap<String, serde_norway::Value>);

/// `cpu` in percent, `memory` in megabytes, `io` in operations a second; or `limits` as Kubernetes writes them.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Resources {
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<u64>,
    pub(super) io: Option<u64>,
    pub(super) limits: Option<KubernetesLimits>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KubernetesLimits {
    pub(super) cpu: Option<serde_norway::Value>,
    pub(super) memory: Option<Memory>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Memory {
    Megabytes(u64),
    Text(String),
}

impl Memory {
    /// Rounded down to whole KiB, so that the limit is never wider.
    pub(super) fn bytes(&self) -> Option<u64> {
        let bytes = match self {
            Self::Megabytes(megabytes) => megabytes.checked_mul(1_000_000),
            Self::Text(text) => {
                let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)];
                let (number, shift) =
                    units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
                number.parse::<u64>().ok()?.checked_mul(1 << shift)
            }
        };
        bytes.map(|bytes| bytes & !1023)
    }
}

/// One of `host`, `cidr` and `defaults`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Network {
    host: Option<String>,
    cidr: Option<String>,
    defaults: Option<bool>,
}

impl Network {
    /// How a message names it.
    pub(super) fn named(&self) -> String {
        match (&self.host, &self.cidr) {
            (Some(host), _) => format!("network {:?}", visible(host, 80)),
            (None, Some(cidr)) => format!("network {:?}", visible(cidr, 80)),
            (None, None) => "network `defaults`".to_owned(),
        }
    }

    /// The origin that it is here.
    pub(super) fn origin(&self) -> Result<OriginPattern, String> {
        let Self { host: Some(host), cidr: None, defaults: None } = self else {
            return Err(match self.cidr {
                Some(_) => "grants name hosts; a range of addresses has no equal".to_owned(),
                None => "a list that is not in the file; name the hosts that the tool needs".to_owned(),
            });
        };
        if host == "*" {
            return Err("every host there is; name those that the tool needs".to_owned());
        }
        let text = match host.contains("://") {
            true => host.strip_suffix('/').unwrap_or(host).to_owned(),
            false => format!("https://{host}"),
        };
        let origin = OriginPattern::parse(&text).map_err(|e| e.to_string())?;
        if is_inner(&origin) {
            return Err(
                "a private or local address: write this grant by hand, with scheme, port and `allow_private`"
                    .into(),
            );
        }
        Ok(origin)
    }

    /// What it takes away; `None` for what nobody has here anyway.
    pub(super) fn denied(&self) -> Option<Denied> {
        match (&self.host, &self.cidr) {
            // What is not granted is denied: this is every host's last rule.
            (Some(host), None) if host == "*" => None,
            (Some(host), None) => Some(match OriginPattern::parse(&format!("https://{}", bare(host))) {
                // In the form in which allowed hosts stand, so that another spelling is no way around it.
                Ok(origin) => Denied::Host(bare(&origin.to_string())),
                Err(_) => Denied::Anything(visible(&self.named(), 100)),
            }),
            (None, Some(cidr)) if matches!(cidr.as_str(), "0.0.0.0/0" | "::/0") => None,
            (None, Some(cidr)) if is_private(cidr) => None,
            _ => Some(Denied::Anything(visible(&self.named(), 100))),
        }
    }
}

/// Whether a range lies within one of the private ones, which no grant without `allow_private` reaches.
fn is_private(cidr: &str) -> bool {
    let Some((address, bits)) = cidr.split_once('/') else { return false };
    let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>()) else { return false };
    let least = match address {
        IpAddr::V4(v4) if matches!(v4.octets(), [10 | 127, ..]) => 8,
        IpAddr::V4(v4) if matches!(v4.octets(), [172, 16..=31, ..]) => 12,
        IpAddr::V4(v4) if matches!(v4.octets(), [192, 168, ..] | [169, 254, ..]) => 16,
        _ => return false,
    };
    bits >= least && reach(address) != Reach::Public
}

/// Something that the policy takes away from what it allows.
pub(super) enum Denied {
    /// A host, or with `*.` all below it.
    Host(String),
    /// What could be anything.
    Anything(String),
}

impl Denied {
    /// Whether an allowed origin could be one of these, or one of these one of the allowed.
    pub(super) fn meets(&self, allowed: &OriginPattern) -> bool {
        let Self::Host(denied) = self else { return true };
        let host = bare(&allowed.to_string());
        let name = |text: &str| text.strip_prefix("*.").unwrap_or(text).to_owned();
        let (a, b) = (name(denied), name(&host));
        let below =
            |inner: &str, outer: &str| inner.strip_suffix(outer).is_some_and(|rest| rest.ends_with('.'));
        a == b || (host != b && below(&a, &b)) || (*denied != a && below(&b, &a))
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{:?}", visible(host, 80)),
            Self::Anything(what) => f.write_str(what),
        }
    }
}

/// A host without scheme, port and path.
fn bare(host: &str) -> String {
    let rest = host.split_once("://").map_or(host, |(_, rest)| rest);
    let end = rest.find(['/', ':']).unwrap_or(rest.len());
    rest.get(..end).unwrap_or(rest).trim_end_matches('.').to_ascii_lowercase()
}
