//! Kill switches: stop everything, one tenant, or one tool, at once and until somebody lifts it.
//!
//! Takes: orders of an operator. Gives: whether a call is stopped, from memory. May name: id.

use super::Ledger;
use super::watched::changed;
use crate::id::{TenantId, ToolName};
use crate::storage::StorageError;
use crate::storage::batch;
use crate::storage::sqlite::{counted, stored};
use rusqlite::{Connection, params};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// What a kill switch stops.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "scope", content = "name", rename_all = "snake_case")]
pub enum KillScope {
    /// Every call on this host.
    Host,
    /// Every call of a tenant.
    Tenant(TenantId),
    /// Every call of a tool's functions, whoever calls.
    Tool(ToolName),
}

impl KillScope {
    /// Whether it stops calls of this tool by this tenant.
    #[must_use]
    pub fn stops(&self, tenant: &TenantId, tool: &ToolName) -> bool {
        match self {
            Self::Host => true,
            Self::Tenant(stopped) => stopped == tenant,
            Self::Tool(stopped) => stopped == tool,
        }
    }

    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Host => ("host", ""),
            Self::Tenant(tenant) => ("tenant", tenant.as_str()),
            Self::Tool(tool) => ("tool", tool.as_str()),
        }
    }

    fn from_parts(scope: &str, name: &str) -> Result<Self, StorageError> {
        let damaged = |detail: String| StorageError::Damaged { file: super::schema::FILE.into(), detail };
        match scope {
            "host" => Ok(Self::Host),
            "tenant" => TenantId::new(name).map(Self::Tenant).map_err(|e| damaged(e.to_string())),
            "tool" => ToolName::new(name).map(Self::Tool).map_err(|e| damaged(e.to_string())),
            other => Err(damaged(format!("a kill switch has the scope {other:?}"))),
        }
    }
}

impl fmt::Display for KillScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (scope, "") => f.write_str(scope),
            (scope, name) => write!(f, "{scope} {name}"),
        }
    }
}

/// A kill switch that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kill {
    /// What it stops.
    #[serde(flatten)]
    pub scope: KillScope,
    /// Who set it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// The switches in memory.
#[derive(Debug, Default)]
pub(super) struct KillTable {
    host: Option<Kill>,
    tenants: HashMap<TenantId, Kill>,
    tools: HashMap<ToolName, Kill>,
}

impl KillTable {
    fn hit(&self, tenant: &TenantId, tool: &ToolName) -> Option<&Kill> {
        self.host.as_ref().or_else(|| self.tenants.get(tenant)).or_else(|| self.tools.get(tool))
    }

    pub(super) fn all(&self) -> Vec<Kill> {
        let mut all: Vec<_> =
            self.host.iter().chain(self.tenants.values()).chain(self.tools.values()).cloned().collect();
        all.sort_by(|a, b| a.scope.cmp(&b.scope));
        all
    }
}

pub(super) fn load(c: &Connection) -> Result<KillTable, StorageError> {
    let mut table = KillTable::default();
    let mut rows = c.prepare_cached("SELECT scope, name, by, why, at_ms FROM kills")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let scope = KillScope::from_parts(
            row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
            &row.get::<_, String>(1)?,
        )?;
        let kill = Kill { scope, by: row.get(2)?, why: row.get(3)?, at_unix_ms: counted(row.get(4)?) };
        match kill.scope.clone() {
            KillScope::Host => table.host = Some(kill),
            KillScope::Tenant(tenant) => drop(table.tenants.insert(tenant, kill)),
            KillScope::Tool(tool) => drop(table.tools.insert(tool, kill)),
        }
    }
    Ok(table)
}

impl Ledger {
    /// Turns a kill switch on, durably; when it is on already, the new reason replaces the old one. This process obeys
    /// when the future is ready, other processes on the same ledger within half a second.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    pub async fn kill(&self, scope: KillScope, by: &str, why: &str) -> Result<(), StorageError> {
        let (by, why, at) = (by.to_owned(), why.to_owned(), stored(self.inner.clock.unix_ms()));
        self.change_kills(move |c| {
            let (scope, name) = scope.parts();
            c.execute(
                "INSERT OR REPLACE INTO kills (scope, name, by, why, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![scope, name, by, why, at],
            )?;
            Ok(true)
        })
        .await
        .map(drop)
    }

    /// Turns a kill switch off, durably. `false` when it was not on.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    pub async fn revive(&self, scope: KillScope) -> Result<bool, StorageError> {
        self.change_kills(move |c| {
            let (scope, name) = scope.parts();
            Ok(c.execute("DELETE FROM kills WHERE scope = ?1 AND name = ?2", [scope, name])? > 0)
        })
        .await
    }

    async fn change_kills(
        &self,
        change: impl FnOnce(&Connection) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<bool, StorageError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let watched = self.inner.watched.clone();
        let work = move |c: &Connection| {
            let done = change(c)?;
            changed(c, "kills")?;
            Ok((done, load(c)?))
        };
        let finish = move |result: Result<(bool, KillTable), StorageError>| {
            let result = result.map(|(done, table)| {
                *watched.kills.write() = table;
                done
            });
            drop(reply.send(result));
        };
        self.inner.writer()?.post(batch::job(work, finish));
        answer.await.unwrap_or(Err(StorageError::Closed))
    }

    /// The kill switch that stops calls of this tool by this tenant, if one is on: the host's before the tenant's
    /// before the tool's. Reads memory only.
    #[must_use]
    pub fn is_killed(&self, tenant: &TenantId, tool: &ToolName) -> Option<Kill> {
        self.inner.watched.kills.read().hit(tenant, tool).cloned()
    }

    /// Every kill switch that is on, in the order host, tenants, tools.
    #[must_use]
    pub fn kills(&self) -> Vec<Kill> {
        self.inner.watched.kills.read().all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, acme, on_disk};
    use super::*;

    #[tokio::test]
    async fn a_switch_stops_what_it_names_until_it_is_lifted() {
        let (_guard, folder, clock, ledger) = on_disk();
        let (globex, orders, files) = (
            TenantId::new("globex").unwrap(),
            ToolName::new("orders").unwrap(),
            ToolName::new("files").unwrap(),
        );
        let stopped = |l: &Ledger| {
            [(&acme(), &orders), (&acme(), &files), (&globex, &orders), (&globex, &files)].map(
                |(tenant, tool)| {
                    let stopped = l.is_killed(tenant, tool);
                    assert_eq!(stopped, l.kills().into_iter().find(|kill| kill.scope.stops(tenant, tool)));
                    stopped.map(|k| k.scope.to_string())
                },
            )
        };
        assert_eq!(stopped(&ledger), [None, None, None, None]);
        ledger.kill(KillScope::Tool(orders.clone()), "kim", "wrong prices").await.unwrap();
        ledger.kill(KillScope::Tenant(acme()), "kim", "leaked key").await.unwrap();
        let (tenant, tool) = (Some("tenant acme".to_owned()), Some("tool orders".to_owned()));
        assert_eq!(stopped(&ledger), [tenant.clone(), tenant.clone(), tool.clone(), None]);
        drop(ledger);
        let ledger = Ledger::open(&folder, clock).unwrap();
        assert_eq!(stopped(&ledger), [tenant.clone(), tenant, tool, None]);
        let kill = ledger.kills().remove(0);
        assert_eq!((kill.by.as_str(), kill.why.as_str(), kill.at_unix_ms), ("kim", "leaked key", NOON));
        assert!(ledger.revive(KillScope::Tenant(acme())).await.unwrap());
        assert!(!ledger.revive(KillScope::Tenant(acme())).await.unwrap());
        ledger.kill(KillScope::Host, "kim", "upgrade").await.unwrap();
        assert_eq!(stopped(&ledger), [const { "host" }; 4].map(|h| Some(h.to_owned())));
        assert_eq!(serde_json::to_value(&ledger.kills()[1]).unwrap()["name"], "orders");
    }

    #[tokio::test]
    async fn another_process_obeys_soon() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = Ledger::open(&folder, clock).unwrap();
        ledger.kill(KillScope::Host, "kim", "test").await.unwrap();
        while other.is_killed(&acme(), &ToolName::new("orders").unwrap()).is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}
