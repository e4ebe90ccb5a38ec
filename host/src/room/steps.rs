//! The pipeline for embedders: in one call, or step by step for a loop that decides in between.
//!
//! Takes: proofs. Gives: the next proof, or a [`Receipt`] of the refusal, which is in the book by then.
//! May name: every stage.

use super::{Builder, Strongroom};
use crate::admit::{Admission, CallRequest, admit};
use crate::audit::bracket::{Bracket, Refused};
use crate::authorize::policy::{self, Moment, Question, Standing};
use crate::authorize::{Authorized, Grant, authorize};
use crate::config::Effect;
use crate::execute::{Ended, execute};
use crate::id::TenantId;
use crate::identify::{self, Caller, Credential, Whose, identify};
use crate::isolate::Cell;
use crate::isolate::cell::isolate;
use crate::powers::Home;
use crate::reason::{Outcome, Reason};
use crate::settle::{Receipt, settle};
use crate::storage::StorageError;
use crate::storage::ledger::{Amounts, Usage};
use crate::storage::tenant::{Found, KvError, MemoryError};
use crate::tools::{Tool, ToolFunction};
use std::sync::Arc;
use tokio::sync::watch;

/// A function that a caller may call.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The tool.
    pub tool: Arc<Tool>,
    /// The function.
    pub function: Arc<ToolFunction>,
}

/// Changes of tools and settings, as they come.
pub(crate) struct Changes {
    tools: watch::Receiver<()>,
    rules: watch::Receiver<()>,
}

impl Changes {
    /// Waits for the next; for ever when the host is gone.
    pub(crate) async fn next(&mut self) {
        let heard = tokio::select! {
            heard = self.tools.changed() => heard,
            heard = self.rules.changed() => heard,
        };
        if heard.is_err() {
            std::future::pending().await
        }
    }
}

impl Strongroom {
    /// Begins to put a host together.
    #[must_use]
    pub fn builder(home: Home) -> Builder {
        Builder::new(home)
    }

    /// Runs one governed call, from the credential to the receipt.
    pub async fn call(&self, credential: Credential<'_>, request: CallRequest) -> Receipt {
        crate::call::call(&self.room, credential, request).await
    }

    /// Runs the rest of a governed call after [`Strongroom::identify`], from the caller to the receipt.
    pub async fn call_as(&self, caller: Caller, request: CallRequest) -> Receipt {
        crate::call::call_as(&self.room, caller, request).await
    }

    /// Ends a caller's call before it was admitted, because what it asks cannot be read. The refusal is in the book.
    pub(crate) async fn refuse(
        &self,
        caller: Caller,
        function: &str,
        reason: Reason,
        message: &str,
    ) -> Receipt {
        let (mut bracket, _) = caller.into_parts();
        bracket.wants(function);
        bracket.refuse(reason, message).close().await
    }

    /// Refuses a caller who came by a host name of another tenant. The refusal is in the book.
    pub(crate) async fn mismatched(&self, caller: Caller) -> Receipt {
        caller.mismatched("the credential is of another tenant than this host name").close().await
    }

    /// Refuses a request whose credential is not looked at. The refusal is in the book.
    pub(crate) async fn turn_away(&self, reason: Reason, message: &str) -> Receipt {
        match Bracket::open(&self.room) {
            Ok(bracket) => bracket.refuse(reason, message).close().await,
            Err(refused) => refused.close().await,
        }
    }

    /// First step: who asks.
    ///
    /// # Errors
    /// The receipt of a refusal: `tenant_missing`, `tenant_unknown`, `token_invalid`, `issuer_unavailable`, `certificate_invalid`,
    /// `tenant_mismatch`, `tenant_suspended`, `audit_unavailable`.
    pub async fn identify(&self, credential: Credential<'_>) -> Result<Caller, Box<Receipt>> {
        told(identify(&self.room, credential).await).await
    }

    /// Why a credential stands no more for whom it stood for; `None` as long as it does.
    pub(crate) async fn lapsed(
        &self,
        credential: Credential<'_>,
        who: &identify::Standing,
    ) -> Option<Reason> {
        identify::lapsed(&self.room, credential, who).await
    }

    /// First step for a process that the operator has started at the home for one tenant: the tenant's rules decide on the
    /// operator as on everybody without a role.
    pub(crate) async fn operator(&self, tenant: &TenantId) -> Result<Caller, Box<Receipt>> {
        told(identify::operator(&self.room, tenant)).await
    }

    /// Hears of what may change who may call what.
    pub(crate) fn changes(&self) -> Changes {
        Changes { tools: self.room.catalogue.changes(), rules: self.room.changed.subscribe() }
    }

    /// Second step: may the call begin. See [`admit`](crate::admit) for what it holds from then on.
    ///
    /// # Errors
    /// The receipt of a refusal.
    pub async fn admit(&self, caller: Caller, request: CallRequest) -> Result<Admission, Box<Receipt>> {
        told(admit(&self.room, caller, request).await).await
    }

    /// Third step: with which rights.
    ///
    /// # Errors
    /// The receipt of a refusal: `tool_unknown`, `policy_denied`, `arguments_invalid`.
    pub async fn authorize(&self, admission: Admission) -> Result<Authorized, Box<Receipt>> {
        told(authorize(&self.room, admission)).await
    }

    /// Fourth step: a fresh store.
    ///
    /// # Errors
    /// The receipt of a refusal: `killed`, `writes_frozen`, `policy_denied` and `tenant_suspended` when the tenant's rules changed since,
    /// `storage_unavailable`, `audit_unavailable`.
    pub async fn isolate(&self, grant: Grant) -> Result<Cell, Box<Receipt>> {
        told(isolate(&self.room, grant).await).await
    }

    /// Fifth step: the call itself. What came of it is not an error here: settling it says so.
    pub async fn execute(&self, cell: Cell) -> Ended {
        execute(cell, &self.room.json_limits).await
    }

    /// Sixth step, and with it the seventh: charge, keep, and close the book.
    pub async fn settle(&self, ended: Ended) -> Receipt {
        settle(&self.room, ended).await
    }

    /// Gives an earlier answer again, after [`Authorized::Again`].
    pub async fn replay(&self, earlier: crate::authorize::Replay) -> Receipt {
        crate::settle::replay(earlier).await
    }

    /// What is left of the caller's budgets.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn budgets(&self, caller: &Caller) -> Result<Vec<Usage>, StorageError> {
        let whose = Whose { actor: Some(caller.actor()), tool: None, run: None };
        self.room.ledger.usage(caller.tenant(), &caller.tenant.budgets(whose)).await
    }

    /// What the caller's tenant keeps under a key of a bucket.
    ///
    /// # Errors
    /// When the tenant's store cannot be read.
    pub async fn recall(&self, caller: &Caller, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        self.room.stores.open(caller.tenant()).await?.get(bucket, key)
    }

    /// What the caller's tenant remembers and fits the query best, by BM25: at most `top_k` entries, and never more than
    /// 100. The query is plain words, at most 4,096 bytes; an entry holds at least one of them. What running calls have
    /// not committed yet is not among them.
    ///
    /// # Errors
    /// When the query is too long, or the tenant's store cannot be read.
    pub async fn retrieve(
        &self,
        caller: &Caller,
        query: &str,
        top_k: u32,
    ) -> Result<Vec<Found>, MemoryError> {
        self.room.stores.open(caller.tenant()).await?.retrieve(query, top_k).await
    }

    /// The functions that the caller may call at the moment, in the order of their names. Ends the caller's call, as
    /// `list tools`. It has a rate of its own (`list_rate` of the tenant's file), and takes nothing of that of calls.
    ///
    /// # Errors
    /// The receipt of a refusal, `rate_limited`; also when the book cannot be written, or a budget that policies look at cannot be
    /// read.
    pub async fn list(&self, caller: Caller) -> Result<Vec<Listed>, Box<Receipt>> {
        if let Err(ms) = caller.tenant.list_rate.take() {
            let (mut bracket, _) = caller.into_parts();
            bracket.lists();
            let why = format!("the tenant asks for lists faster than its rate allows; try again in {ms} ms");
            return told(Err(bracket.refuse(Reason::RateLimited, why).retry_after(ms))).await;
        }
        self.list_again(caller).await
    }

    /// The same for a client that was told before, and is told anew because something has changed: it did not ask.
    pub(crate) async fn list_again(&self, caller: Caller) -> Result<Vec<Listed>, Box<Receipt>> {
        let (mut bracket, caller) = caller.into_parts();
        bracket.lists();
        let whose = Whose { actor: Some(&caller.actor), tool: None, run: None };
        let left = match caller.tenant.left(&self.room.ledger, whose, Amounts::default()) {
            Ok(left) => left,
            Err(error) => {
                return told(Err(bracket.refuse(Reason::StorageUnavailable, error.to_string()))).await;
            }
        };
        let moment = Moment { unix_ms: self.room.clock.unix_ms(), left: &left };
        let standing = Standing { role: caller.role.as_deref(), scopes: caller.scopes.as_deref() };
        let (tenant, actor) = (&caller.tenant.config, &caller.actor);
        let mut listed = Vec::new();
        for tool in self.room.catalogue.tools() {
            for function in tool.functions() {
                let (name, effect) = (&function.name, function.effect);
                let question = Question { tenant, actor, standing, function: name, effect, moment };
                if policy::decide(&question).is_ok() {
                    listed.push(Listed { tool: tool.clone(), function: function.clone() });
                }
            }
        }
        let closed = bracket.close(Reason::Ok, Outcome::Executed, Effect::Read).await;
        match closed.reason {
            Reason::Ok => Ok(listed),
            reason => {
                let answer = crate::execute::Answer::failed(reason, "the audit log cannot be written");
                Err(Box::new(Receipt::of(closed, answer, Vec::new())))
            }
        }
    }
}

async fn told<T>(step: Result<T, Refused>) -> Result<T, Box<Receipt>> {
    match step {
        Ok(proof) => Ok(proof),
        Err(refused) => Err(Box::new(refused.close().await)),
    }
}
