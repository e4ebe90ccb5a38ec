//! Who may issue access tokens for this host, and what their claims mean here: `[[issuers]]` of the operator's file.
//!
//! Takes: the tables. Gives: [`IssuerRule`]. May name: id.
//!
//! ```toml
//! [[issuers]]
//! url = "https://login.example.com"            # equal to the claim `iss`, byte for byte
//! audiences = ["https://tools.example.com"]    # left out: `public_url`
//! tenant_claim = "org_id"
//! scope_prefix = "tools:"
//! [issuers.tenants]
//! org_2f9c = "acme"                            # a value that is not here names no tenant
//! ```

use super::document::Document;
use super::error::ConfigError;
use super::hosts::HostNames;
use super::limits;
use super::list;
use super::names::RoleName;
use super::tls::HomeFile;
use super::url::WebUrl;
use crate::id::TenantId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// The most issuers of one host.
pub const MAX_ISSUERS: usize = 32;
/// The most values that claims of one issuer may map to tenants or roles.
const MAX_MAPPED: usize = 4_096;

/// One issuer of access tokens, and what its claims mean on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerRule {
    /// `url`: what the claim `iss` must be, byte for byte.
    pub url: WebUrl,
    /// `audiences`: the claim `aud` must name one of them. Default: the host's `public_url`, and that with `/mcp`.
    pub audiences: Vec<ClaimText>,
    /// `algorithms`: how its tokens may be signed. Default RS256, ES256, EdDSA.
    pub algorithms: Vec<TokenAlgorithm>,
    /// `jwks_uri`: where its keys are; found by its discovery document when left out.
    pub jwks_uri: Option<WebUrl>,
    /// `ca`: the authorities that its own server's certificate is from, in PEM; instead of those that the public web trusts.
    pub ca: Option<HomeFile>,
    /// `types`: which `typ` a token may have. Default `at+jwt` and `JWT`; a token without one counts as `JWT`.
    pub types: Vec<TokenType>,
    /// `tenant`, or `tenant_claim` and `[issuers.tenants]`: whose tokens these are.
    pub tenant: TenantRule,
    /// `actor_claim`: the claim that says who acts. Default `sub`.
    pub actor_claim: ClaimName,
    /// `actor_prefix`: stands before what that claim says, so that no token speaks for an actor of another issuer's or of an API key.
    pub actor_prefix: String,
    /// `role`: the role of its tokens in the tenant's file. Default: none, the whole of what the tenant may do.
    pub role: Option<RoleName>,
    /// `role_claim` and `[issuers.roles]`: the claim that says the role, and what its values mean.
    pub roles: Option<(ClaimName, BTreeMap<String, RoleName>)>,
    /// `scope_claim`: the claim with the scopes. Default `scope`.
    pub scope_claim: ClaimName,
    /// `scope_prefix`: scopes that begin so name tools and functions, and a token may call those alone. Left out, scopes mean nothing here.
    pub scope_prefix: Option<String>,
    /// `leeway`: by how many seconds the issuer's clock may differ, 0 to 300. Default 60.
    pub leeway: u64,
    /// `keys_ttl`: for how many seconds keys are used when they cannot be fetched again, 60 to 86,400. Default 3,600.
    pub keys_ttl: u64,
}

/// Whose tokens an issuer gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRule {
    /// All of them are one tenant's.
    One(TenantId),
    /// A claim says whose, and the operator says which tenant that is.
    Claim(ClaimName, BTreeMap<String, TenantId>),
}

impl TenantRule {
    /// The tenants that its tokens can name.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        let (one, many) = match self {
            Self::One(tenant) => (Some(tenant), None),
            Self::Claim(_, tenants) => (None, Some(tenants)),
        };
        one.into_iter().chain(many.into_iter().flat_map(BTreeMap::values))
    }
}

/// How a token may be signed. There is no `none` and nothing with a shared secret among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "these are names of RFC 7518 and RFC 8037")]
pub enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl TokenAlgorithm {
    const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];
    const DEFAULT: [Self; 3] = [Self::RS256, Self::ES256, Self::EdDSA];

    /// Its name in a token's header; names are compared byte for byte.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.to_string() == name)
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl TryFrom<String> for TokenAlgorithm {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::named(&text).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(ToString::to_string).collect();
            let shown: String = text.chars().take(40).collect();
            format!(
                "{shown:?} is not an algorithm that tokens may be signed with; write one of {}",
                all.join(", ")
            )
        })
    }
}

/// What kind of token it says to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt`: an access token (RFC 9068).
    AccessToken,
    /// `JWT`, or nothing: it could be an identity token, which only its audience tells apart.
    Jwt,
}

impl TryFrom<String> for TokenType {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "at+jwt" => Ok(Self::AccessToken),
            "JWT" => Ok(Self::Jwt),
            _ => Err("write \"at+jwt\" or \"JWT\"".to_owned()),
        }
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                match !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control) {
                    true => Ok(Self(text)),
                    false => Err($rule.to_owned()),
                }
            }
        }
    };
}

text!(
    /// The name of a claim at the top of a token, as it is written there.
    ClaimName,
    "the name of a claim is 1 to 512 bytes without control characters"
);
text!(
    /// A value that a claim must have.
    ClaimText,
    "write 1 to 512 bytes without control characters"
);

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerTable {
    url: WebUrl,
    #[serde(default, deserialize_with = "list::optional_some")]
    audiences: Option<Vec<ClaimText>>,
    #[serde(default, deserialize_with = "list::optional_some")]
    algorithms: Option<Vec<TokenAlgorithm>>,
    #[serde(default)]
    jwks_uri: Option<WebUrl>,
    #[serde(default)]
    ca: Option<HomeFile>,
    #[serde(default, deserialize_with = "list::optional_some")]
    types: Option<Vec<TokenType>>,
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    tenant_claim: Option<ClaimName>,
    #[serde(default)]
    tenants: BTreeMap<String, TenantId>,
    #[serde(default)]
    actor_claim: Option<ClaimName>,
    #[serde(default)]
    actor_prefix: String,
    #[serde(default)]
    role: Option<RoleName>,
    #[serde(default)]
    role_claim: Option<ClaimName>,
    #[serde(default)]
    roles: BTreeMap<String, RoleName>,
    #[serde(default)]
    scope_claim: Option<ClaimName>,
    #[serde(default)]
    scope_prefix: Option<String>,
    #[serde(default, deserialize_with = "limits::optional::<0, 300, _>")]
    leeway: Option<u64>,
    #[serde(default, deserialize_with = "limits::optional::<60, 86_400, _>")]
    keys_ttl: Option<u64>,
}

/// Checks the tables against each other.
pub(super) fn read(
    document: &Document,
    tables: Vec<IssuerTable>,
    public_url: Option<&WebUrl>,
    hosts: &HostNames,
) -> Result<Vec<IssuerRule>, ConfigError> {
    let mut rules: Vec<IssuerRule> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let index = index.to_string();
        let at = |key: &str, what: &str, label: &str, fix: &str| {
            document.fault_at(&["issuers", &index, key], what, label, fix)
        };
        if rules.len() == MAX_ISSUERS {
            return Err(at("url", "there are more than 32 issuers", "one too many", "remove some"));
        }
        if rules.iter().any(|rule| rule.url == table.url) {
            let fix = "put what it says about claims into one table";
            return Err(at("url", "this issuer is here twice", "the same as one before", fix));
        }
        rules.push(rule(table, public_url, hosts, at)?);
    }
    Ok(rules)
}

/// The host under each of its names, and its part for clients of the Model Context Protocol, which ask for tokens for that URL.
fn own_audiences(url: &WebUrl, hosts: &HostNames) -> Vec<ClaimText> {
    let of_names = hosts.names().filter_map(|(name, _)| hosts.url(url, name));
    let audiences = std::iter::once(url.clone()).chain(of_names).flat_map(|url| {
        let mcp = format!("{}/mcp", url.as_str().trim_end_matches('/'));
        [ClaimText(url.as_str().to_owned()), ClaimText(mcp)]
    });
    audiences.collect()
}

fn rule(
    table: IssuerTable,
    public_url: Option<&WebUrl>,
    hosts: &HostNames,
    at: impl Fn(&str, &str, &str, &str) -> ConfigError,
) -> Result<IssuerRule, ConfigError> {
    let audiences = table.audiences.or_else(|| public_url.map(|url| own_audiences(url, hosts)));
    let audiences = audiences.ok_or_else(|| {
        let fix =
            "add `audiences`, or `public_url` at the top: a token for anybody else must not be good here";
        at("url", "it does not say for whom its tokens must be meant", "no `audiences`", fix)
    })?;
    if table.tenants.len() > MAX_MAPPED || table.roles.len() > MAX_MAPPED {
        let key = if table.tenants.len() > MAX_MAPPED { "tenants" } else { "roles" };
        return Err(at(key, "more than 4,096 values are mapped", "too many", "map fewer"));
    }
    let tenant = match (table.tenant, table.tenant_claim) {
        (Some(tenant), None) if table.tenants.is_empty() => TenantRule::One(tenant),
        (None, Some(claim)) if !table.tenants.is_empty() => TenantRule::Claim(claim, table.tenants),
        (None, Some(_)) => {
            let fix = "add [issuers.tenants] with a line `value = \"tenant\"` for each value that counts";
            return Err(at("tenant_claim", "no value of this claim is a tenant's", "nothing is mapped", fix));
        }
        _ => {
            let fix = "write `tenant` when all its tokens are one tenant's, else `tenant_claim` and [issuers.tenants]";
            return Err(at(
                "tenant",
                "it does not say whose its tokens are",
                "neither one nor the other",
                fix,
            ));
        }
    };
    let roles = match (table.role_claim, table.roles.is_empty()) {
        (None, true) => None,
        (Some(claim), false) => Some((claim, table.roles)),
        (claim, _) => {
            let key = if claim.is_some() { "role_claim" } else { "roles" };
            let fix = "write both `role_claim` and [issuers.roles], or neither";
            return Err(at(key, "a claim for the role and its values belong together", "alone", fix));
        }
    };
    let visible = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| b.is_ascii_graphic());
    if !visible(&table.actor_prefix, 64) {
        let fix = "write at most 64 visible ASCII characters, as \"okta:\"";
        return Err(at("actor_prefix", "this cannot stand before an actor's name", "not allowed", fix));
    }
    if table.scope_prefix.as_ref().is_some_and(|prefix| prefix.is_empty() || !visible(prefix, 64)) {
        let fix = "write 1 to 64 visible ASCII characters, as \"tools:\"";
        return Err(at("scope_prefix", "no scope begins so", "not allowed", fix));
    }
    let named =
        |claim: Option<ClaimName>, default: &str| claim.unwrap_or_else(|| ClaimName(default.to_owned()));
    Ok(IssuerRule {
        url: table.url,
        audiences,
        algorithms: table.algorithms.unwrap_or_else(|| TokenAlgorithm::DEFAULT.to_vec()),
        jwks_uri: table.jwks_uri,
        ca: table.ca,
        types: table.types.unwrap_or_else(|| vec![TokenType::AccessToken, TokenType::Jwt]),
        tenant,
        actor_claim: named(table.actor_claim, "sub"),
        actor_prefix: table.actor_prefix,
        role: table.role,
        roles,
        scope_claim: named(table.scope_claim, "scope"),
        scope_prefix: table.scope_prefix,
        leeway: table.leeway.unwrap_or(60),
        keys_ttl: table.keys_ttl.unwrap_or(3_600),
    })
}
