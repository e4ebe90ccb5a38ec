//! Which certificates of clients count, and whom they mean here: `[[tls.trust_domains]]` of the operator's file.
//!
//! Takes: the tables. Gives: [`TrustRule`]. May name: id.
//!
//! ```toml
//! [[tls.trust_domains]]
//! name = "prod.example"
//! bundle = "tls/prod.example.pem"          # the authorities of this trust domain
//! [[tls.trust_domains.callers]]
//! path = "/ns/{tenant}/sa/{actor}"
//! [tls.trust_domains.callers.tenants]
//! acme-prod = "acme"                       # a segment that is not here names no tenant
//! ```

use super::document::Document;
use super::error::ConfigError;
use super::list;
use super::names::{RoleName, ToolPattern};
use super::spiffe::{SpiffeId, TrustDomain, is_segment};
use super::tls::HomeFile;
use crate::id::{ActorId, TenantId};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most trust domains of one host.
const MAX_DOMAINS: usize = 32;
/// The most rules of one trust domain; they are looked through at every request.
const MAX_RULES: usize = 256;
/// The most segments that a rule maps to tenants.
const MAX_MAPPED: usize = 4_096;

/// A trust domain: who vouches for its ids, and what they mean on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRule {
    /// `name`: the trust domain of the ids.
    pub name: TrustDomain,
    /// `bundle`: the certificates of its authorities, in PEM.
    pub bundle: HomeFile,
    /// `callers`: whom its ids mean. The first rule that fits an id counts; an id that none fits is refused.
    pub callers: Vec<CallerRule>,
}

/// What some ids of a trust domain mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerRule {
    path: Vec<Segment>,
    /// Whether ids may go on after the path: it ended with `/*`.
    below: bool,
    tenant: TenantOf,
    actor: Option<ActorId>,
    actor_prefix: String,
    role: Option<RoleName>,
    scopes: Option<Vec<ToolPattern>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Is(String),
    Tenant,
    Actor,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TenantOf {
    One(TenantId),
    Segment(BTreeMap<String, TenantId>),
    /// The tenant of the key or the token that comes with it.
    Companion,
}

/// What an id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Somebody.
    Caller(Named),
    /// Nobody by itself: it carries the requests of others, who show a key or a token.
    Companion,
}

/// Whom an id means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// For which tenant it acts.
    pub tenant: TenantId,
    /// Who acts.
    pub actor: ActorId,
    /// The role in the tenant's file.
    pub role: Option<RoleName>,
    /// What it is narrowed to; `None` for no narrowing.
    pub scopes: Option<Vec<ToolPattern>>,
}

impl CallerRule {
    /// What an id of the rule's trust domain stands for; `None` when the rule is not about it.
    ///
    /// # Errors
    /// Why an id that the rule is about stands for nothing.
    pub fn meaning(&self, id: &SpiffeId) -> Option<Result<Meaning, String>> {
        let (mut tenant, mut actor) = (None, None);
        let mut segments = id.segments();
        for part in &self.path {
            let segment = segments.next()?;
            match part {
                Segment::Is(text) if text == segment => {}
                Segment::Is(_) => return None,
                Segment::Tenant => tenant = Some(segment),
                Segment::Actor => actor = Some(segment),
            }
        }
        // `/*` stands for one segment or more.
        if segments.next().is_some() != self.below {
            return None;
        }
        Some(self.named(id, tenant, actor))
    }

    fn named(&self, id: &SpiffeId, tenant: Option<&str>, actor: Option<&str>) -> Result<Meaning, String> {
        let tenant = match &self.tenant {
            TenantOf::Companion => return Ok(Meaning::Companion),
            TenantOf::One(tenant) => tenant.clone(),
            TenantOf::Segment(tenants) => {
                let mapped = tenant.and_then(|segment| tenants.get(segment));
                mapped.cloned().ok_or_else(|| format!("no tenant is mapped to the segment of {id}"))?
            }
        };
        let actor = match (&self.actor, actor) {
            (Some(actor), _) => actor.clone(),
            (None, segment) => {
                let name = segment.unwrap_or(id.as_str());
                ActorId::new(format!("{}{name}", self.actor_prefix))
                    .map_err(|_| format!("{id} makes an actor's name of more than 128 bytes"))?
            }
        };
        let (role, scopes) = (self.role.clone(), self.scopes.clone());
        Ok(Meaning::Caller(Named { tenant, actor, role, scopes }))
    }
}

/// The table of a trust domain as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustTable {
    name: TrustDomain,
    bundle: HomeFile,
    #[serde(default)]
    callers: Vec<CallerTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerTable {
    path: String,
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    tenants: BTreeMap<String, TenantId>,
    #[serde(default)]
    companion: bool,
    #[serde(default)]
    actor: Option<ActorId>,
    #[serde(default)]
    actor_prefix: String,
    #[serde(default)]
    role: Option<RoleName>,
    #[serde(default, deserialize_with = "list::optional_some")]
    scopes: Option<Vec<ToolPattern>>,
}

/// Checks the tables against each other.
pub(super) fn read(document: &Document, tables: Vec<TrustTable>) -> Result<Vec<TrustRule>, ConfigError> {
    let mut rules: Vec<TrustRule> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let index = index.to_string();
        let at = |key: &str, what: &str, label: &str, fix: &str| {
            document.fault_at(&["tls", "trust_domains", &index, key], what, label, fix)
        };
        if rules.len() == MAX_DOMAINS {
            return Err(at("name", "there are more than 32 trust domains", "one too many", "remove some"));
        }
        if rules.iter().any(|rule| rule.name == table.name) {
            let fix = "put its callers into one table; a bundle may hold several authorities";
            return Err(at("name", "this trust domain is here twice", "the same as one before", fix));
        }
        if table.callers.is_empty() || table.callers.len() > MAX_RULES {
            let fix = "add [[tls.trust_domains.callers]] that say whom its ids mean, 256 at most";
            return Err(at("callers", "it has no rule for its ids, or too many", "none counts", fix));
        }
        let mut callers = Vec::new();
        for (place, caller) in table.callers.into_iter().enumerate() {
            let place = place.to_string();
            let at = |key: &str, what: &str, label: &str, fix: &str| {
                let path = ["tls", "trust_domains", &index, "callers", &place, key];
                document.fault_at(&path, what, label, fix)
            };
            callers.push(rule(caller, at)?);
        }
        rules.push(TrustRule { name: table.name, bundle: table.bundle, callers });
    }
    Ok(rules)
}

fn rule(
    table: CallerTable,
    at: impl Fn(&str, &str, &str, &str) -> ConfigError,
) -> Result<CallerRule, ConfigError> {
    let (path, below) = match table.path.strip_suffix("/*") {
        Some(above) => (above, true),
        None => (table.path.as_str(), false),
    };
    let segments = path.strip_prefix('/').map(|path| path.split('/').map(segment).collect());
    let segments: Option<Option<Vec<_>>> = match (path, below) {
        // Everything of the trust domain.
        ("", true) => Some(Some(Vec::new())),
        _ => segments,
    };
    let Some(Some(path)) = segments else {
        let fix = "write \"/agents/support\", \"/ns/{tenant}/sa/{actor}\" or \"/agents/*\"";
        return Err(at("path", "this is no path of an id", "not a path", fix));
    };
    let has = |what: &Segment| path.iter().filter(|segment| *segment == what).count();
    let (by_segment, actors) = (has(&Segment::Tenant), has(&Segment::Actor));
    if by_segment > 1 || actors > 1 {
        let fix = "write {tenant} and {actor} once each";
        return Err(at("path", "two segments say the same thing", "twice", fix));
    }
    if table.tenants.len() > MAX_MAPPED {
        return Err(at("tenants", "more than 4,096 segments are mapped", "too many", "map fewer"));
    }
    let says_who = actors > 0 || table.actor.is_some() || table.role.is_some() || table.scopes.is_some();
    let tenant = match (table.tenant, by_segment, table.tenants.is_empty()) {
        (None, 0, true) if table.companion && !says_who && table.actor_prefix.is_empty() => {
            TenantOf::Companion
        }
        _ if table.companion => {
            let fix = "remove what else the rule says: tenant, actor, role and scopes are those of the key or the token";
            return Err(at(
                "companion",
                "it says whom these ids mean, and that they mean nobody",
                "one of both",
                fix,
            ));
        }
        (Some(tenant), 0, true) => TenantOf::One(tenant),
        (None, 1, false) => TenantOf::Segment(table.tenants),
        (None, 1, true) => {
            let fix = "add [tls.trust_domains.callers.tenants] with a line `segment = \"tenant\"` for each one that counts";
            return Err(at(
                "path",
                "no segment that stands for {tenant} is a tenant's",
                "nothing is mapped",
                fix,
            ));
        }
        _ => {
            let fix = "write `tenant`, or {tenant} in `path` and [tls.trust_domains.callers.tenants]";
            return Err(at("tenant", "it does not say for which tenant these ids act", "one of both", fix));
        }
    };
    if table.actor.is_some() && (actors > 0 || !table.actor_prefix.is_empty()) {
        let fix = "write `actor` for one name, or {actor} in `path` and `actor_prefix`";
        return Err(at("actor", "it says twice who acts", "one of both", fix));
    }
    if table.actor_prefix.len() > 64 || !table.actor_prefix.bytes().all(|b| b.is_ascii_graphic()) {
        let fix = "write at most 64 visible ASCII characters, as \"spiffe:\"";
        return Err(at("actor_prefix", "this cannot stand before an actor's name", "not allowed", fix));
    }
    let CallerTable { actor, actor_prefix, role, scopes, .. } = table;
    Ok(CallerRule { path, below, tenant, actor, actor_prefix, role, scopes })
}

fn segment(text: &str) -> Option<Segment> {
    match text {
        "{tenant}" => Some(Segment::Tenant),
        "{actor}" => Some(Segment::Actor),
        _ => is_segment(text).then(|| Segment::Is(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::HostConfig;
    use super::*;

    fn parse(caller: &str) -> Result<TrustRule, String> {
        let text = format!(
            "[tls]\ncert = \"c\"\nkey = \"k\"\n[[tls.trust_domains]]\nname = \"p\"\nbundle = \"b\"\n{caller}"
        );
        let host = HostConfig::parse("strongroom.toml", &text).map_err(|error| error.to_string())?;
        Ok(host.tls.unwrap().trust_domains.remove(0))
    }

    fn caller(lines: &str) -> String {
        format!("[[tls.trust_domains.callers]]\n{lines}\n")
    }

    #[test]
    fn the_first_rule_that_fits_says_whom_an_id_means() {
        let rules = [
            caller("path = \"/a/b\"\ntenant = \"one\"\nactor = \"x\"\nrole = \"agent\""),
            caller("path = \"/a/*\"\ntenant = \"two\"\nactor_prefix = \"s:\""),
            caller("path = \"/ns/{tenant}/{actor}/*\"\n[tls.trust_domains.callers.tenants]\nt = \"three\""),
            caller("path = \"/gateway\"\ncompanion = true"),
            caller("path = \"/*\"\ntenant = \"rest\""),
        ];
        let rule = parse(&rules.concat()).unwrap();
        let named = |path: &str| {
            let id = SpiffeId::parse(&format!("spiffe://p{path}")).unwrap();
            let named = rule.callers.iter().find_map(|rule| rule.meaning(&id))?;
            Some(match named {
                Ok(Meaning::Caller(named)) => format!("{} {}", named.tenant, named.actor),
                Ok(Meaning::Companion) => "companion".to_owned(),
                Err(_) => "nobody".to_owned(),
            })
        };
        for (path, expected) in [
            ("/a/b", "one x"),
            ("/a/b/c", "two s:spiffe://p/a/b/c"),
            ("/a/c", "two s:spiffe://p/a/c"),
            ("/ns/t/kim/x/y", "three kim"),
            // The rule is about it, so no later one is asked.
            ("/ns/u/kim/x", "nobody"),
            ("/ns/t/kim", "rest spiffe://p/ns/t/kim"),
            ("/gateway", "companion"),
            ("/a", "rest spiffe://p/a"),
        ] {
            assert_eq!(named(path).as_deref(), Some(expected), "{path}");
        }
        let exact = parse(&caller("path = \"/a\"\ntenant = \"one\"")).unwrap();
        for path in ["/A", "/a/b", "/b"] {
            let id = SpiffeId::parse(&format!("spiffe://p{path}")).unwrap();
            assert!(exact.callers[0].meaning(&id).is_none(), "{path}");
        }
    }

    #[test]
    fn rules_that_say_too_little_or_too_much_are_faults() {
        for (lines, says) in [
            ("path = \"a\"\ntenant = \"t\"", "no path"),
            ("path = \"/a/\"\ntenant = \"t\"", "no path"),
            ("path = \"/a//b\"\ntenant = \"t\"", "no path"),
            ("path = \"/../b\"\ntenant = \"t\"", "no path"),
            ("path = \"/a*\"\ntenant = \"t\"", "no path"),
            ("path = \"/*/a\"\ntenant = \"t\"", "no path"),
            ("path = \"/{name}\"\ntenant = \"t\"", "no path"),
            ("path = \"\"\ntenant = \"t\"", "no path"),
            ("path = \"/a\"", "for which tenant"),
            ("path = \"/{tenant}\"", "is a tenant's"),
            ("path = \"/{tenant}\"\ntenant = \"t\"", "for which tenant"),
            ("path = \"/a\"\n[tls.trust_domains.callers.tenants]\na = \"t\"", "for which tenant"),
            ("path = \"/{actor}/{actor}\"\ntenant = \"t\"", "same thing"),
            ("path = \"/{actor}\"\ntenant = \"t\"\nactor = \"a\"", "twice who acts"),
            ("path = \"/a\"\ntenant = \"t\"\nactor_prefix = \"a b\"", "actor's name"),
            ("path = \"/a\"\ntenant = \"t\"\ncompanion = true", "mean nobody"),
            ("path = \"/{actor}\"\ncompanion = true", "mean nobody"),
            ("path = \"/a\"\nrole = \"r\"\ncompanion = true", "mean nobody"),
            ("path = \"/a\"\ncompanion = false", "for which tenant"),
            ("path = \"/a\"\ntenant = \"t\"\nscopes = []", "empty"),
            ("path = \"/a\"\ntenant = \"t\"\nwho = \"x\"", "unknown key"),
        ] {
            let error = parse(&caller(lines)).unwrap_err();
            assert!(error.contains(says), "{lines}: {error}");
        }
        assert!(parse("").unwrap_err().contains("no rule"));
        let alone = "[tls]\ncert = \"c\"\nkey = \"k\"\nclients = \"required\"\n";
        let error = HostConfig::parse("strongroom.toml", alone).unwrap_err().to_string();
        assert!(error.contains("no certificate of a client"), "{error}");
    }
}
