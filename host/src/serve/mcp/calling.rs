//! A governed call of a client of the protocol: with what it brings, what it can be asked, and what it wants to hear meanwhile.
//!
//! Takes: a caller, a function, a request's context. Gives: [`Came`]. May name: admit, config, id, identify, imports, powers, reason, serve,
//! settle.

use super::answer;
use super::asked::Sent;
use super::asker::{self, Asker};
use super::entry::Entry;
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
use rmcp::model::{ClientCapabilities, InputRequiredResult, ProtocolVersion, RequestMetaObject};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// A governed call that a request asks for.
pub(super) struct Wanted {
    pub(super) function: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) brought: rounds::Sent,
}

/// What of its request a call depends on.
pub(super) struct Frame<'a> {
    /// What the headers said.
    pub(super) sent: &'a Sent,
    pub(super) meta: &'a RequestMetaObject,
    /// Whether it says all that its revision of the protocol has in a session otherwise.
    pub(super) stateless: bool,
    /// What its client declared that it can be asked for.
    pub(super) declared: ClientCapabilities,
    /// Who hears what is said before the answer, if anybody does.
    pub(super) peer: Option<&'a Peer<RoleServer>>,
    /// Where it is noted which scopes its token lacked.
    pub(super) lacks: &'a OnceLock<Lacks>,
}

impl<'a> Frame<'a> {
    fn of(entry: &'a Entry, context: &'a RequestContext<RoleServer>) -> Self {
        Self {
            sent: &entry.sent,
            meta: &context.meta,
            stateless: is_stateless(context),
            declared: context.client_capabilities().unwrap_or_default(),
            peer: Some(&context.peer),
            lacks: &entry.lacks,
        }
    }
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
        let entry = self.entry(&context.extensions)?;
        let frame = Frame::of(&entry, context);
        tokio::select! {
            biased;
            // The client went away or said so; the call goes with its future, and the book has it as cancelled.
            () = context.ct.cancelled() => Err(ErrorData::internal_error(Reason::Cancelled.meaning(), None)),
            came = self.run(caller, wanted, &frame) => came,
        }
    }

    /// One governed call, to its end.
    pub(super) async fn run(
        &self,
        caller: Caller,
        wanted: Wanted,
        frame: &Frame<'_>,
    ) -> Result<Came, ErrorData> {
        let Wanted { function, arguments, brought } = wanted;
        let asked = match frame.sent.with(frame.meta) {
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
            asking: self.asking(&tenant, &given, frame),
            ..CallRequest::default()
        };
        let logs = self.least(frame).zip(frame.peer).map(|(least, peer)| {
            let (sender, messages) = mpsc::channel(logs::WAITING);
            request.logs = Some(LogSender { least, sender });
            (messages, peer.clone())
        });
        let progress = frame.meta.get_progress_token().zip(frame.peer).map(|(token, peer)| {
            let (sender, reports) = mpsc::channel(progress::WAITING);
            request.progress = Some(sender);
            (reports, Listener { peer: peer.clone(), token })
        });
        // In boxes: a call's future is large, and what runs beside it would hold it once more at each layer.
        let mut running: BoxFuture<'_, Receipt> = Box::pin(self.room.call_as(caller, request));
        if let Some((reports, listener)) = progress {
            running = Box::pin(progress::alongside(running, reports, listener));
        }
        if let Some((messages, peer)) = logs {
            running = Box::pin(logs::alongside(running, messages, peer, function.clone()));
        }
        let receipt = running.await;
        if let Some(lacks) = lacks.filter(|_| receipt.reason == Reason::PolicyDenied) {
            // The first one counts; a request has one call.
            drop(frame.lacks.set(lacks));
        }
        match receipt.reason {
            Reason::InputRequired => rounds::required(&self.room, &call, &given, &receipt).map(Came::Asks),
            // The protocol has an error of its own for it, since requests say what their client can do.
            Reason::CallerUnable if frame.stateless => Err(answer::unable(receipt)),
            _ => Ok(Came::Done(receipt)),
        }
    }

    /// Whether and how a tool can ask this client.
    fn asking(&self, tenant: &TenantId, given: &BTreeMap<String, Given>, frame: &Frame<'_>) -> Asking {
        let way = match (frame.stateless, &self.session, frame.peer) {
            (true, _, _) => AskWay::Rounds(given.clone()),
            (false, Some(_), Some(peer)) => AskWay::Waiting(Arc::new(Asker {
                peer: peer.clone(),
                tenant: tenant.clone(),
                waits: self.waits.clone(),
            })),
            // Its answer would find nobody.
            _ => return Asking::default(),
        };
        Asking { able: asker::able(&frame.declared), fits: asker::fits, way }
    }

    /// The least severity of log messages that this client asked for, where the operator lets it have them.
    fn least(&self, frame: &Frame<'_>) -> Option<Severity> {
        if !self.room.in_force(|settings| settings.host.mcp.tool_messages) {
            return None;
        }
        match (frame.stateless, &self.session) {
            (true, _) => frame.meta.log_level().and_then(logs::least),
            (false, session) => session.as_ref().and_then(|session| *session.least.lock()),
        }
    }
}

/// Whether a request says all that its revision of the protocol has in a session otherwise.
pub(super) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}
