//! A governed call of a client of the protocol: with what it brings, what it can be asked, and what it wants to hear meanwhile.
//!
//! Takes: a caller, a function, a request's context. Gives: [`Came`]. May name: admit, config, id, identify, imports, powers, reason, serve,
//! settle.

use super::answer;
use super::asker::{self, Asker};
use super::progress::{self, Listener};
use super::surface::Surface;
use super::{logs, rounds};
use crate::admit::CallRequest;
use crate::config::Keyless;
use crate::id::TenantId;
use crate::identify::Caller;
use crate::imports::asking::{AskWay, Asking, Given};
use crate::imports::{LogSender, Severity};
use crate::powers::BoxFuture;
use crate::reason::Reason;
use crate::serve::http::Lacks;
use crate::settle::Receipt;
use rmcp::ErrorData;
use rmcp::model::{InputRequiredResult, ProtocolVersion};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A governed call that a request asks for.
pub(super) struct Wanted {
    pub(super) function: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) brought: rounds::Sent,
}

/// What came of it.
pub(super) enum Came {
    Done(Receipt),
    /// The tool asks first.
    Asks(InputRequiredResult),
}

impl Surface {
    /// One governed call, as long as its client is there.
    pub(super) async fn call(
        &self,
        caller: Caller,
        wanted: Wanted,
        context: &RequestContext<RoleServer>,
    ) -> Result<Came, ErrorData> {
        tokio::select! {
            biased;
            // The client went away or said so; the call goes with its future, and the book has it as cancelled.
            () = context.ct.cancelled() => Err(ErrorData::internal_error(Reason::Cancelled.meaning(), None)),
            came = self.run(caller, wanted, context) => came,
        }
    }

    async fn run(
        &self,
        caller: Caller,
        wanted: Wanted,
        context: &RequestContext<RoleServer>,
    ) -> Result<Came, ErrorData> {
        let Wanted { function, arguments, brought } = wanted;
        let entry = self.entry(&context.extensions)?;
        let asked = match entry.sent.with(&context.meta) {
            Ok(asked) => asked,
            Err(detail) => {
                let refused = self.room.refuse(caller, &function, Reason::ArgumentsInvalid, &detail).await;
                return Ok(Came::Done(refused));
            }
        };
        // The text of a map of JSON values; it cannot fail.
        let arguments = serde_json::to_string(&arguments).unwrap_or_default();
        let lacks = Lacks::of(&caller, &function);
        let (tenant, actor) = (caller.tenant().clone(), caller.actor().clone());
        let call =
            rounds::Call { tenant: &tenant, actor: &actor, function: &function, arguments: &arguments };
        let given = match rounds::read(&self.room, &call, brought) {
            Ok(given) => given,
            Err(why) => {
                let reason = Reason::RequestStateInvalid;
                return Err(answer::refusal(self.room.refuse(caller, &function, reason, &why).await));
            }
        };
        let mut request = CallRequest {
            function: function.clone(),
            arguments: arguments.clone(),
            idempotency_key: asked.key,
            run: asked.run,
            trace: asked.trace,
            // Most clients of the protocol have no way to send a key.
            keyless: Keyless::Derive,
            asking: self.asking(&tenant, &given, context),
            ..CallRequest::default()
        };
        let logs = self.least(context).map(|least| {
            let (sender, messages) = mpsc::channel(logs::WAITING);
            request.logs = Some(LogSender { least, sender });
            messages
        });
        let progress = context.meta.get_progress_token().map(|token| {
            let (sender, reports) = mpsc::channel(progress::WAITING);
            request.progress = Some(sender);
            (reports, Listener { peer: context.peer.clone(), token })
        });
        // In boxes: a call's future is large, and what runs beside it would hold it once more at each layer.
        let mut running: BoxFuture<'_, Receipt> = Box::pin(self.room.call_as(caller, request));
        if let Some((reports, listener)) = progress {
            running = Box::pin(progress::alongside(running, reports, listener));
        }
        if let Some(messages) = logs {
            running = Box::pin(logs::alongside(running, messages, context.peer.clone(), function.clone()));
        }
        let receipt = running.await;
        if let Some(lacks) = lacks.filter(|_| receipt.reason == Reason::PolicyDenied) {
            // The first one counts; a request has one call.
            drop(entry.lacks.set(lacks));
        }
        match receipt.reason {
            Reason::InputRequired => rounds::required(&self.room, &call, &given, &receipt).map(Came::Asks),
            // The protocol has an error of its own for it, since requests say what their client can do.
            Reason::CallerUnable if is_stateless(context) => Err(answer::unable(receipt)),
            _ => Ok(Came::Done(receipt)),
        }
    }

    /// Whether and how a tool can ask this client.
    fn asking(
        &self,
        tenant: &TenantId,
        given: &BTreeMap<String, Given>,
        context: &RequestContext<RoleServer>,
    ) -> Asking {
        let declared = context.client_capabilities().unwrap_or_default();
        let way = match (is_stateless(context), &self.session) {
            (true, _) => AskWay::Rounds(given.clone()),
            (false, Some(_)) => AskWay::Waiting(Arc::new(Asker {
                peer: context.peer.clone(),
                tenant: tenant.clone(),
                waits: self.waits.clone(),
            })),
            // Its answer would find nobody.
            (false, None) => return Asking::default(),
        };
        Asking { able: asker::able(&declared), fits: asker::fits, way }
    }

    /// The least severity of log messages that this client asked for, where the operator lets it have them.
    fn least(&self, context: &RequestContext<RoleServer>) -> Option<Severity> {
        if !self.room.settings().host.mcp.tool_messages {
            return None;
        }
        match (is_stateless(context), &self.session) {
            (true, _) => context.meta.log_level().and_then(logs::least),
            (false, session) => session.as_ref().and_then(|session| *session.least.lock()),
        }
    }
}

/// Whether a request says all that its revision of the protocol has in a session otherwise.
pub(super) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}
