//! What a kill switch is: whom it names, what it stops, and in which words the book says so.
//!
//! Takes: names. Gives: [`Kill`], [`KillScope`], [`Order`]. May name: id, reason.

use super::token_scope::TokenScope;
use crate::id::{ActorId, Digest, TenantId, ToolName};
use crate::reason::Reason;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use std::fmt;
use std::str::FromStr;

/// Whom a kill switch names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KillScope {
    /// Every call on this host.
    Host,
    /// Every call of a tenant.
    Tenant(TenantId),
    /// Every call of one actor of a tenant; the same name in another tenant is somebody else.
    Actor(TenantId, ActorId),
    /// Every call of a tool's functions, whoever calls and whichever version of it is installed.
    Tool(ToolName),
    /// Every call of the component with this digest, whoever calls and under whatever name it is installed.
    Component(Digest),
    /// No call by itself: access tokens, which open nothing any more.
    Token(TokenScope),
}

/// What a kill switch does to calls that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KillMode {
    /// None begins, and those that run are broken off.
    Stop,
    /// Functions that write do not begin; writes that run end, and reads go on.
    Freeze,
}

/// A call, as kill switches see it.
#[derive(Debug, Clone, Copy)]
pub struct KillTarget<'a> {
    /// Whose call.
    pub tenant: &'a TenantId,
    /// Who calls for the tenant; `None` for whoever it is.
    pub actor: Option<&'a ActorId>,
    /// The tool, as far as the function's name has one.
    pub tool: Option<&'a ToolName>,
    /// The component that would run; `None` when there is none of that name.
    pub component: Option<&'a Digest>,
    /// Whether its function writes.
    pub writes: bool,
}

impl KillTarget<'_> {
    /// The scopes that name it, the widest first.
    pub(super) fn scopes(&self) -> impl Iterator<Item = KillScope> + use<> {
        let tenant = self.tenant.clone();
        [
            Some(KillScope::Host),
            Some(KillScope::Tenant(tenant.clone())),
            self.actor.cloned().map(|actor| KillScope::Actor(tenant, actor)),
            self.tool.cloned().map(KillScope::Tool),
            self.component.copied().map(KillScope::Component),
        ]
        .into_iter()
        .flatten()
    }
}

/// A text that names no scope of a kill switch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidScope(String);

impl KillScope {
    /// Whether it names this call.
    #[must_use]
    pub fn names(&self, call: &KillTarget<'_>) -> bool {
        match self {
            Self::Host => true,
            Self::Tenant(tenant) => tenant == call.tenant,
            Self::Actor(tenant, actor) => tenant == call.tenant && Some(actor) == call.actor,
            Self::Tool(tool) => Some(tool) == call.tool,
            Self::Component(component) => Some(component) == call.component,
            Self::Token(_) => false,
        }
    }

    /// The tenant whose calls alone it names; `None` when it is about those of all tenants.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Tenant(tenant) | Self::Actor(tenant, _) => Some(tenant),
            Self::Host | Self::Tool(_) | Self::Component(_) | Self::Token(_) => None,
        }
    }

    /// What kind of thing it names, and its name; none for the host.
    pub(super) fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Host => ("host", String::new()),
            Self::Tenant(tenant) => ("tenant", tenant.to_string()),
            // A tenant's id has no slash, so the first one ends it.
            Self::Actor(tenant, actor) => ("actor", format!("{tenant}/{actor}")),
            Self::Tool(tool) => ("tool", tool.to_string()),
            Self::Component(component) => ("component", component.to_string()),
            Self::Token(tokens) => ("token", tokens.to_string()),
        }
    }

    /// Reads what [`KillScope`] shows: a kind of thing and its name.
    ///
    /// # Errors
    /// [`InvalidScope`], with what is wrong.
    pub fn read(kind: &str, name: &str) -> Result<Self, InvalidScope> {
        let bad = |error: crate::id::InvalidId| InvalidScope(error.to_string());
        match (kind, name) {
            ("host", "") => Ok(Self::Host),
            ("host", name) => Err(InvalidScope(format!("{name}: a host has no name here"))),
            ("tenant", name) => TenantId::new(name).map(Self::Tenant).map_err(bad),
            ("actor", name) => {
                let (tenant, actor) = name
                    .split_once('/')
                    .ok_or_else(|| InvalidScope(format!("{name}: write `<tenant>/<actor>`")))?;
                Ok(Self::Actor(TenantId::new(tenant).map_err(bad)?, ActorId::new(actor).map_err(bad)?))
            }
            ("tool", name) => ToolName::new(name).map(Self::Tool).map_err(bad),
            ("component", name) => Digest::parse(name).map(Self::Component).ok_or_else(|| {
                InvalidScope(format!("{name}: write a component as `sha256:<64 hex digits>`"))
            }),
            ("token", name) => TokenScope::read(name).map(Self::Token).map_err(InvalidScope),
            (kind, _) => Err(InvalidScope(format!(
                "{kind:?} cannot be stopped: there are host, tenant, actor, tool, component"
            ))),
        }
    }
}

impl fmt::Display for KillScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (kind, name) if name.is_empty() => f.write_str(kind),
            (kind, name) => write!(f, "{kind} {name}"),
        }
    }
}

impl FromStr for KillScope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        match text.split_once(' ') {
            Some((kind, name)) if !name.is_empty() => Self::read(kind, name),
            _ => Self::read(text, ""),
        }
    }
}

impl Serialize for KillScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, name) = self.parts();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scope", kind)?;
        if !name.is_empty() {
            map.serialize_entry("name", &name)?;
        }
        map.end()
    }
}

impl KillMode {
    /// The stable word: `stop` or `freeze`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Freeze => "freeze",
        }
    }

    /// What an operator types for it, and what stands in the book: `kill` or `freeze`.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Stop => "kill",
            Self::Freeze => "freeze",
        }
    }
}

/// A kill switch that is on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Kill {
    /// Whom it names.
    #[serde(flatten)]
    pub scope: KillScope,
    /// What it does to their calls.
    pub mode: KillMode,
    /// Who set it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

impl Kill {
    /// How a call ends that it refuses or breaks off.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.mode {
            KillMode::Stop => Reason::Killed,
            KillMode::Freeze => Reason::WritesFrozen,
        }
    }

    /// The one of these that a call is refused by, if one is. `kills` are in the order of their scopes, as
    /// [`SqliteLedger::kills`](super::SqliteLedger::kills) gives them.
    #[must_use]
    pub fn against<'a>(kills: &'a [Self], call: &KillTarget<'_>) -> Option<&'a Self> {
        strongest(kills.iter().filter(|kill| kill.scope.names(call)), call)
    }
}

/// Of those that name the call: one that stops it goes before one that freezes it, a wider one before a narrower one.
pub(super) fn strongest<'a>(
    kills: impl Iterator<Item = &'a Kill>,
    call: &KillTarget<'_>,
) -> Option<&'a Kill> {
    kills.filter(|kill| kill.mode == KillMode::Stop || call.writes).min_by_key(|kill| kill.mode)
}

/// An order about a kill switch, as the book has it: `kill <scope>: <why>`, `freeze <scope>: <why>`, `revive <scope>`.
/// No scope has a space after its kind, so the first `: ` ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The switch is on from here; one that was on with another mode or reason is replaced.
    On {
        /// Whom it names.
        scope: KillScope,
        /// What it does.
        mode: KillMode,
        /// Why; long reasons are cut in the book.
        why: String,
    },
    /// It is off from here.
    Off {
        /// Whom it named.
        scope: KillScope,
    },
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On { scope, mode, why } => write!(f, "{} {scope}: {why}", mode.verb()),
            Self::Off { scope } => write!(f, "revive {scope}"),
        }
    }
}

impl FromStr for Order {
    type Err = InvalidScope;

    fn from_str(action: &str) -> Result<Self, InvalidScope> {
        let other = || InvalidScope(format!("{action:?} is no order about a kill switch"));
        let (verb, rest) = action.split_once(' ').ok_or_else(other)?;
        let mode = match verb {
            "revive" => return Ok(Self::Off { scope: rest.parse()? }),
            "kill" => KillMode::Stop,
            "freeze" => KillMode::Freeze,
            _ => return Err(other()),
        };
        let (scope, why) = rest.split_once(": ").ok_or_else(other)?;
        Ok(Self::On { scope: scope.parse()?, mode, why: why.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope() -> impl Strategy<Value = KillScope> {
        let (tenant, actor) = ("[a-z0-9][a-z0-9_-]{0,62}", "[!-~]{1,128}");
        prop_oneof![
            Just(KillScope::Host),
            tenant.prop_map(|t| KillScope::Tenant(TenantId::new(t).unwrap())),
            (tenant, actor)
                .prop_map(|(t, a)| KillScope::Actor(TenantId::new(t).unwrap(), ActorId::new(a).unwrap())),
            tenant.prop_map(|t| KillScope::Tool(ToolName::new(t).unwrap())),
            any::<[u8; 32]>().prop_map(|d| KillScope::Component(Digest::from_bytes(d))),
        ]
    }

    proptest! {
        #[test]
        fn what_the_book_says_of_a_switch_is_read_back(
            scope in scope(),
            mode in prop_oneof![Just(KillMode::Stop), Just(KillMode::Freeze)],
            why in "[ -~]{0,40}",
            on in any::<bool>(),
        ) {
            prop_assert_eq!(scope.to_string().parse::<KillScope>().unwrap(), scope.clone());
            let order = if on { Order::On { scope, mode, why } } else { Order::Off { scope } };
            prop_assert_eq!(order.to_string().parse::<Order>().unwrap(), order);
        }

        #[test]
        fn a_text_is_an_order_or_refused(text in "[ -~]{0,40}") {
            if let Ok(order) = text.parse::<Order>() {
                prop_assert_eq!(order.to_string(), text);
            }
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_what_is_wrong() {
        for (text, wrong) in [
            ("", "cannot be stopped: there are host, tenant"),
            ("host acme", "no name"),
            ("tenant", "is not valid"),
            ("tenant A", "is not valid"),
            ("actor acme", "write `<tenant>/<actor>`"),
            ("actor acme/", "is not valid"),
            ("actor /kim", "is not valid"),
            ("tool a/b", "is not valid"),
            ("component sha256:12", "write a component as"),
            ("function orders.get", "cannot be stopped"),
        ] {
            let refused = text.parse::<KillScope>().unwrap_err().to_string();
            assert!(refused.contains(wrong), "{text}: {refused}");
        }
        for text in ["kill host", "kill", "stop host: why", "call orders.get", "revive host: x"] {
            assert!(text.parse::<Order>().is_err(), "{text}");
        }
    }
}
