//! The end of a call that only looks, and calls no tool: it is in the book before anything is shown.
//!
//! Takes: a caller, and what is to be shown. Gives: the same, or the receipt of a refusal. May name: audit, config, execute,
//! identify, reason, settle, storage.

use super::{OperateError, Strongroom};
use crate::config::Effect;
use crate::execute::Answer;
use crate::identify::Caller;
use crate::reason::{Outcome, Reason};
use crate::settle::Receipt;
use crate::storage::tenant::{Found, MemoryError};

impl Strongroom {
    /// Enters what the caller looked at, and gives it.
    pub(crate) async fn looked<T>(
        &self,
        caller: Caller,
        action: &str,
        seen: Result<T, OperateError>,
    ) -> Result<T, Box<Receipt>> {
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                let reason = Reason::StorageUnavailable;
                return Err(self.refuse_look(caller, action, reason, &error.to_string()).await);
            }
        };
        let (mut bracket, _) = caller.into_parts();
        bracket.does(action);
        let closed = bracket.close(Reason::Ok, Outcome::Executed, Effect::Read).await;
        match closed.reason {
            Reason::Ok => Ok(seen),
            reason => {
                let answer = Answer::failed(reason, "the audit log cannot be written");
                Err(Box::new(Receipt::of(closed, answer, Vec::new())))
            }
        }
    }

    /// Shows nothing, and enters why.
    pub(crate) async fn refuse_look(
        &self,
        caller: Caller,
        action: &str,
        reason: Reason,
        message: &str,
    ) -> Box<Receipt> {
        let (mut bracket, _) = caller.into_parts();
        bracket.does(action);
        Box::new(bracket.refuse(reason, message).close().await)
    }

    /// What [`Strongroom::retrieve`] finds, for a caller who stands for the whole tenant: without a role, and not narrowed to
    /// some tools. Ends the caller's call, as `retrieve memory`.
    ///
    /// # Errors
    /// The receipt of a refusal: `policy_denied`; `arguments_invalid` for a query that is too long; when the store cannot be
    /// read or the book cannot be written.
    pub async fn retrieve_of(
        &self,
        caller: Caller,
        query: &str,
        top_k: u32,
    ) -> Result<Vec<Found>, Box<Receipt>> {
        if !caller.is_whole() {
            let why = "the tenant's whole memory is for callers without a role and without scopes; a tool that has the \
                       right to it can retrieve for others";
            return Err(self.refuse_look(caller, RETRIEVE, Reason::PolicyDenied, why).await);
        }
        match self.retrieve(&caller, query, top_k).await {
            Ok(found) => self.looked(caller, RETRIEVE, Ok(found)).await,
            Err(MemoryError::Storage(error)) => self.looked(caller, RETRIEVE, Err(error.into())).await,
            Err(error) => {
                let why = error.to_string();
                Err(self.refuse_look(caller, RETRIEVE, Reason::ArgumentsInvalid, &why).await)
            }
        }
    }
}

const RETRIEVE: &str = "retrieve memory";
