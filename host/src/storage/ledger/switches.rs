//! The kill switches in force, in memory and in the file.
//!
//! Takes: orders of an operator. Gives: whether a call is stopped, from memory. May name: id.

use super::SqliteLedger;
use super::kill::{Kill, KillMode, KillScope, KillTarget, strongest};
use super::schema::damaged;
use super::token_scope::TokenTarget;
use super::watched::{Watched, generation};
use crate::storage::StorageError;
use crate::storage::sqlite::{counted, stored};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// The kill switches that are on, as of one change of them.
#[derive(Debug)]
pub struct Switches {
    on: HashMap<KillScope, Kill>,
    /// How often the table was changed until then.
    pub(super) generation: i64,
}

impl Default for Switches {
    /// None, as before the table was read.
    fn default() -> Self {
        Self { on: HashMap::new(), generation: -1 }
    }
}

impl Switches {
    /// The switch that refuses this call, if one does. One that stops it goes before one that freezes it, a wider one
    /// before a narrower one.
    #[must_use]
    pub fn against(&self, call: &KillTarget<'_>) -> Option<&Kill> {
        if self.on.is_empty() {
            return None;
        }
        strongest(call.scopes().filter_map(|scope| self.on.get(&scope)), call)
    }

    /// The order that revokes this token, if one does.
    fn revoked(&self, token: &TokenTarget<'_>) -> Option<&Kill> {
        if self.on.is_empty() {
            return None;
        }
        token.scopes().find_map(|scope| {
            let which = scope.which.clone();
            self.on.get(&KillScope::Token(scope)).filter(|kill| token.is_hit(&which, kill.at_unix_ms))
        })
    }

    pub(super) fn all(&self) -> Vec<Kill> {
        let mut all: Vec<_> = self.on.values().cloned().collect();
        all.sort_by(|a, b| a.scope.cmp(&b.scope));
        all
    }
}

/// Reads the table. Inside a transaction, so that the rows are those of the generation.
pub(super) fn load(c: &Connection) -> Result<Switches, StorageError> {
    let mut on = HashMap::new();
    let generation = generation(c, "kills")?;
    let mut rows = c.prepare_cached("SELECT scope, name, mode, by, why, at_ms FROM kills")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        let scope = KillScope::read(&kind, &name).map_err(damaged)?;
        let mode = match row.get::<_, String>(2)?.as_str() {
            "stop" => KillMode::Stop,
            "freeze" => KillMode::Freeze,
            other => return Err(damaged(format!("a kill switch has the mode {other:?}"))),
        };
        let (by, why, at_unix_ms) = (row.get(3)?, row.get(4)?, counted(row.get(5)?));
        on.insert(scope.clone(), Kill { scope, mode, by, why, at_unix_ms });
    }
    Ok(Switches { on, generation })
}

/// Writes one; it replaces the one of the same scope. The caller counts the change.
pub(super) fn put(c: &Connection, kill: &Kill) -> Result<(), StorageError> {
    let Kill { scope, mode, by, why, at_unix_ms } = kill;
    let (kind, name) = scope.parts();
    c.prepare_cached(
        "INSERT OR REPLACE INTO kills (scope, name, mode, by, why, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![kind, name, mode.as_str(), by, why, stored(*at_unix_ms)])?;
    Ok(())
}

/// Whether a switch of this scope is on that was turned on by somebody whose name does not begin so.
fn is_others(c: &Connection, scope: &KillScope, own: Option<&str>) -> Result<bool, StorageError> {
    let Some(own) = own else { return Ok(false) };
    let (kind, name) = scope.parts();
    let sql = "SELECT 1 FROM kills WHERE scope = ?1 AND name = ?2 AND substr(by, 1, length(?3)) <> ?3";
    Ok(c.prepare_cached(sql)?.exists([kind, name.as_str(), own])?)
}

impl SqliteLedger {
    /// Turns a kill switch on, durably; when one of this scope is on already, the new mode and reason replace the old
    /// ones. This process obeys when the future is ready, other processes on the same ledger within some milliseconds.
    /// Gives how many calls that run in this process were told to stop.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    pub async fn kill(
        &self,
        scope: KillScope,
        mode: KillMode,
        by: &str,
        why: &str,
    ) -> Result<usize, StorageError> {
        Ok(self.kill_over(scope, mode, by, why, None).await?.unwrap_or(0))
    }

    /// The same, but not over a switch of this scope that somebody else has turned on whose name does not begin as `own` says:
    /// `None` then, and it is as it was.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    pub async fn kill_over(
        &self,
        scope: KillScope,
        mode: KillMode,
        by: &str,
        why: &str,
        own: Option<&'static str>,
    ) -> Result<Option<usize>, StorageError> {
        let (by, why, at_unix_ms) = (by.to_owned(), why.to_owned(), self.inner.clock.unix_ms());
        let kill = Kill { scope, mode, by, why, at_unix_ms };
        let change = move |c: &Connection| {
            let free = !is_others(c, &kill.scope, own)?;
            if free {
                put(c, &kill)?;
            }
            Ok(free)
        };
        let (done, stopped) = self.change_kills(change).await?;
        Ok(done.then_some(stopped))
    }

    /// Turns a kill switch off, durably. `false` when it was not on.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    pub async fn revive(&self, scope: KillScope) -> Result<bool, StorageError> {
        self.revive_own(scope, None).await
    }

    /// The same, but not a switch that somebody else has turned on whose name does not begin as `own` says.
    ///
    /// # Errors
    /// [`StorageError`]; the switch is as it was.
    pub async fn revive_own(
        &self,
        scope: KillScope,
        own: Option<&'static str>,
    ) -> Result<bool, StorageError> {
        let change = move |c: &Connection| {
            if is_others(c, &scope, own)? {
                return Ok(false);
            }
            let (kind, name) = scope.parts();
            Ok(c.execute("DELETE FROM kills WHERE scope = ?1 AND name = ?2", [kind, name.as_str()])? > 0)
        };
        Ok(self.change_kills(change).await?.0)
    }

    async fn change_kills(
        &self,
        change: impl FnOnce(&Connection) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<(bool, usize), StorageError> {
        self.change_watched("kills", change, load, Watched::switch).await
    }

    /// Says who stops the calls that run in this process: it is called with the switches whenever they have changed, on
    /// a thread of the ledger, and gives how many calls it told to stop. It must not ask this ledger anything.
    pub fn on_switches(&self, listener: impl Fn(&Switches) -> usize + Send + Sync + 'static) {
        self.inner.watched.on_switches(Box::new(listener));
    }

    /// The kill switch that refuses this call, if one does. Reads memory only.
    #[must_use]
    pub fn killed(&self, call: &KillTarget<'_>) -> Option<Kill> {
        self.inner.watched.kills.read().against(call).cloned()
    }

    /// The order that revokes this token, if one does. Reads memory only.
    pub(crate) fn revoked(&self, token: &TokenTarget<'_>) -> Option<Kill> {
        self.inner.watched.kills.read().revoked(token).cloned()
    }

    /// Every kill switch that is on, in the order host, tenants, actors, tools, components.
    #[must_use]
    pub fn kills(&self) -> Vec<Kill> {
        self.inner.watched.kills.read().all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOON, acme, on_disk};
    use super::super::schema;
    use super::*;
    use crate::id::{ActorId, Digest, TenantId, ToolName};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn tool(name: &str) -> ToolName {
        ToolName::new(name).unwrap()
    }

    /// Who stops each of eight calls: of two tenants, of two tools, reading and writing.
    fn stopped(ledger: &SqliteLedger, actor: &str, component: Digest) -> [Option<String>; 8] {
        let (globex, actor) = (TenantId::new("globex").unwrap(), ActorId::new(actor).unwrap());
        std::array::from_fn(|i| {
            let tenant = if i & 4 == 0 { acme() } else { globex.clone() };
            let tool = tool(if i & 2 == 0 { "orders" } else { "files" });
            let call = KillTarget {
                tenant: &tenant,
                actor: Some(&actor),
                tool: Some(&tool),
                component: (i & 2 == 0).then_some(&component),
                writes: i & 1 == 1,
            };
            let kill = ledger.killed(&call);
            assert_eq!(kill.as_ref(), Kill::against(&ledger.kills(), &call), "memory and list agree");
            kill.map(|kill| format!("{} {}", kill.mode.as_str(), kill.scope))
        })
    }

    fn hits(found: [Option<String>; 8]) -> String {
        found.iter().map(|hit| if hit.is_some() { 'x' } else { '.' }).collect()
    }

    #[tokio::test]
    async fn a_switch_stops_what_it_names_until_it_is_lifted() {
        let (_guard, folder, clock, ledger) = on_disk();
        let component = Digest::of(b"orders 1");
        let actor = KillScope::Actor(acme(), ActorId::new("kim").unwrap());
        let scopes = [
            (KillScope::Host, "xxxxxxxx", ".x.x.x.x"),
            (KillScope::Tenant(acme()), "xxxx....", ".x.x...."),
            (actor.clone(), "xxxx....", ".x.x...."),
            (KillScope::Tool(tool("orders")), "xx..xx..", ".x...x.."),
            (KillScope::Component(component), "xx..xx..", ".x...x.."),
        ];
        for (scope, stops, freezes) in scopes {
            for (mode, expected) in [(KillMode::Stop, stops), (KillMode::Freeze, freezes)] {
                ledger.kill(scope.clone(), mode, "lee", "drill").await.unwrap();
                assert_eq!(hits(stopped(&ledger, "kim", component)), expected, "{mode:?} {scope}");
                assert_eq!(ledger.kills().len(), 1, "the other mode was replaced");
            }
            let other = hits(stopped(&ledger, "pat", Digest::of(b"orders 2")));
            let alone = matches!(scope, KillScope::Actor(..) | KillScope::Component(_));
            assert_eq!(other == "........", alone, "{scope}: {other}");
            assert!(ledger.revive(scope.clone()).await.unwrap());
            assert!(!ledger.revive(scope).await.unwrap());
        }
        assert_eq!(hits(stopped(&ledger, "kim", component)), "........");

        ledger.kill(KillScope::Tool(tool("orders")), KillMode::Stop, "kim", "wrong prices").await.unwrap();
        ledger.kill(KillScope::Tenant(acme()), KillMode::Freeze, "kim", "leaked key").await.unwrap();
        let expected = |found: [Option<String>; 8]| {
            let (tool, tenant) = (Some("stop tool orders".to_owned()), Some("freeze tenant acme".to_owned()));
            assert_eq!(found, [tool.clone(), tool.clone(), None, tenant, tool.clone(), tool, None, None]);
        };
        expected(stopped(&ledger, "kim", component));
        drop(ledger);
        let ledger = SqliteLedger::open(&folder, clock).unwrap();
        expected(stopped(&ledger, "kim", component));
        let kill = ledger.kills().remove(0);
        assert_eq!((kill.by.as_str(), kill.why.as_str(), kill.at_unix_ms), ("kim", "leaked key", NOON));
        ledger.kill(actor, KillMode::Stop, "kim", "x").await.unwrap();
        let json = serde_json::to_value(ledger.kills()).unwrap();
        assert_eq!((&json[0]["mode"], &json[0]["name"]), (&"freeze".into(), &"acme".into()));
        assert_eq!((&json[1]["scope"], &json[1]["name"]), (&"actor".into(), &"acme/kim".into()));
        assert_eq!((&json[2]["mode"], &json[2]["name"]), (&"stop".into(), &"orders".into()));
    }

    #[tokio::test]
    async fn another_process_obeys_soon_and_tells_who_stops_calls() {
        let (_guard, folder, clock, ledger) = on_disk();
        let other = SqliteLedger::open(&folder, clock).unwrap();
        let told = Arc::new(AtomicUsize::new(0));
        let seen = told.clone();
        other.on_switches(move |switches| {
            seen.store(switches.all().len(), Ordering::SeqCst);
            0
        });
        ledger.on_switches(|switches| switches.all().len());
        assert_eq!(ledger.kill(KillScope::Host, KillMode::Stop, "kim", "test").await.unwrap(), 1);
        let orders = tool("orders");
        let tenant = acme();
        let call =
            KillTarget { tenant: &tenant, actor: None, tool: Some(&orders), component: None, writes: false };
        while other.killed(&call).is_none() || told.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_switch_from_before_there_were_modes_stops() {
        let (_guard, folder) = crate::storage::folder::tests::temporary();
        let before =
            crate::storage::sqlite::Schema { migrations: &schema::SCHEMA.migrations[..2], ..schema::SCHEMA };
        let old = crate::storage::sqlite::open(&folder, schema::FILE, &before).unwrap();
        let insert = "INSERT INTO kills VALUES ('tenant', 'acme', 'kim', 'leaked key', 7)";
        assert_eq!(old.execute(insert, []).unwrap(), 1);
        drop(old);
        let kills = SqliteLedger::open(&folder, Arc::new(crate::powers::SystemClock)).unwrap().kills();
        let (scope, mode) = (KillScope::Tenant(acme()), KillMode::Stop);
        let (by, why) = ("kim".to_owned(), "leaked key".to_owned());
        assert_eq!(kills, [Kill { scope, mode, by, why, at_unix_ms: 7 }]);
    }

    #[tokio::test]
    async fn an_older_table_never_replaces_a_newer_one() {
        let (_guard, _folder, _clock, ledger) = on_disk();
        ledger.kill(KillScope::Host, KillMode::Stop, "kim", "test").await.unwrap();
        assert_eq!(ledger.inner.watched.switch(Switches::default()), 0);
        assert_eq!(ledger.kills().len(), 1);
    }
}
