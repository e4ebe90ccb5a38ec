//! What may be looked at, with the proof that somebody may.
//!
//! Takes: [`Leave`] to read. Gives: what there is, and its call in the book. May name: audit, id, isolate, reason, room,
//! settle, storage, tools.

use super::door;
use super::leave::{Leave, OfHost, OfSelf, OfTenant, Read};
use crate::audit::{Bad, Verified};
use crate::id::{ActorId, CallId, KeyId, TenantId};
use crate::isolate::RunningCall;
use crate::room::{Health, OperateError, Page, TenantReport, TenantSummary, UnknownCall};
use crate::settle::Receipt;
use crate::storage::ledger::{Kill, KillScope, StoredKey, Usage};
use crate::tools::Tool;
use std::sync::Arc;

/// What was looked at, and the call that the book has of it.
pub(crate) type Seen<T> = Result<(CallId, T), Box<Receipt>>;

impl Leave<Read, OfSelf> {
    /// Who asks: the role's word, the key and its owner, and the tenant where it is one tenant's.
    pub(crate) async fn oneself(self) -> Seen<(&'static str, KeyId, ActorId, Option<TenantId>)> {
        let (role, id, actor) = door::role(&self.key);
        let tenant = self.key.role.tenant().cloned();
        self.shown(Ok((role, id, actor, tenant))).await
    }
}

impl Leave<Read, OfHost> {
    pub(crate) async fn health(self) -> Seen<Health> {
        let health = self.room.health().await;
        self.shown(Ok(health)).await
    }

    pub(crate) async fn tenants(self) -> Seen<Vec<TenantSummary>> {
        let tenants = self.room.tenants();
        self.shown(tenants).await
    }

    pub(crate) async fn running(self) -> Seen<Vec<RunningCall>> {
        let running = self.room.running();
        self.shown(Ok(running)).await
    }

    pub(crate) async fn switches(self) -> Seen<Vec<Kill>> {
        let kills = self.room.kills();
        self.shown(Ok(kills)).await
    }

    pub(crate) async fn tools(self) -> Seen<Vec<Arc<Tool>>> {
        let tools = self.room.catalogue().tools();
        self.shown(Ok(tools)).await
    }

    pub(crate) async fn unknown(self) -> Seen<Vec<UnknownCall>> {
        let writes = self.room.unknown_writes(None).await;
        self.shown(writes).await
    }

    /// Entries of the whole book.
    pub(crate) async fn entries(self, from: Option<&str>, most: usize) -> Seen<Page> {
        let page = self.room.page(None, from, most).await;
        self.shown(page).await
    }

    /// The newest signed head, as C2SP writes it; `None` before there is one.
    pub(crate) async fn checkpoint(self) -> Seen<Option<String>> {
        let checkpoint = self.room.checkpoint();
        self.shown(checkpoint).await
    }

    /// Whether the book is what was signed.
    pub(crate) async fn verified(self) -> Seen<Result<Verified, Bad>> {
        let verified = self.room.verify_book().await;
        self.shown(verified).await
    }
}

impl Leave<Read, OfTenant> {
    pub(crate) async fn report(self) -> Seen<TenantReport> {
        let report = self.room.tenant(self.tenant()).await;
        self.shown(report).await
    }

    pub(crate) async fn keys(self) -> Seen<Vec<Arc<StoredKey>>> {
        let keys = self.room.keys(Some(self.tenant()));
        self.shown(Ok(keys)).await
    }

    pub(crate) async fn usage(self) -> Seen<(TenantId, Vec<Usage>)> {
        let tenant = self.tenant().clone();
        let usage = self.room.usage(&tenant).map(|usage| (tenant, usage));
        self.shown(usage).await
    }

    pub(crate) async fn running(self) -> Seen<Vec<RunningCall>> {
        let mut running = self.room.running();
        running.retain(|call| call.tenant == *self.tenant());
        self.shown(Ok(running)).await
    }

    /// The switches of the tenant and of its actors.
    pub(crate) async fn switches(self) -> Seen<Vec<Kill>> {
        let mut kills = self.room.kills();
        kills.retain(|kill| kill.scope.tenant() == Some(self.tenant()));
        self.shown(Ok(kills)).await
    }

    pub(crate) async fn unknown(self) -> Seen<Vec<UnknownCall>> {
        let writes = self.room.unknown_writes(Some(self.tenant())).await;
        self.shown(writes).await
    }

    pub(crate) async fn entries(self, from: Option<&str>, most: usize) -> Seen<Page> {
        let page = self.room.page(Some(self.tenant().clone()), from, most).await;
        self.shown(page).await
    }
}

/// What nobody finds.
pub(super) fn not_there(what: &str) -> OperateError {
    OperateError::NotThere(what.to_owned())
}

/// Whether a scope is about the tokens of an issuer.
pub(crate) fn is_of_tokens(kill: &Kill) -> bool {
    matches!(kill.scope, KillScope::Token(_))
}
