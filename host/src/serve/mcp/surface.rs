//! The server of the protocol, as rmcp asks for it: lists tools, calls them, tells when the list changes.
//!
//! Takes: rmcp's requests. Gives: their answers. May name: admit, config, id, identify, imports, reason, room, serve, settle.

use super::answer::{self, Form};
use super::asker::{self, Asker};
use super::entry::Entry;
use super::progress::{self, Listener};
use super::sessions::{FOLLOWED, Session};
use super::{Work, annotate, changes, logs, names, offered, rounds};
use crate::admit::CallRequest;
use crate::config::Keyless;
use crate::id::{FunctionName, TenantId};
use crate::identify::Caller;
use crate::imports::asking::{AskWay, Asking, Given};
use crate::imports::{LogSender, Severity};
use crate::reason::Reason;
use crate::room::{Listed, Strongroom};
use crate::serve::streams::Streams;
use crate::settle::Receipt;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, Extensions,
    GetPromptRequestParams, GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult,
    InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, SetLevelRequestMethod, SubscribeRequestParams,
    SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What clients and their models are told first.
const INSTRUCTIONS: &str = "Each tool runs in a sandbox with the rights that its operator granted. A call that does not \
    succeed has isError and says why: structuredContent.reason_code is a stable word, retry_after_ms when another try makes \
    sense. A function that writes may be sent again under the same idempotency key (_meta, strongroom/idempotency-key) \
    without a second effect.";

/// The server; over HTTP one for each request that stands alone, and for each session.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    pub(super) room: Strongroom,
    /// The way in for what does not come over HTTP.
    pub(super) entry: Option<Entry>,
    /// What its client has told before, when there is a handshake.
    pub(super) session: Option<Arc<Session>>,
    /// Where streams count, and calls that wait for their caller; a process of its own needs no bound.
    pub(super) streams: Option<Streams>,
    pub(super) waits: Option<Streams>,
    /// Held while anything of a request still runs.
    pub(super) _work: Work,
}

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
    /// The way in of a request.
    pub(super) fn entry(&self, extensions: &Extensions) -> Result<Entry, ErrorData> {
        let entry = Entry::of(extensions).or_else(|| self.entry.clone());
        entry.ok_or_else(|| ErrorData::internal_error("the request came in by no way", None))
    }

    pub(super) async fn enter(&self, entry: &Entry) -> Result<Caller, ErrorData> {
        entry.door.enter(&self.room).await.map_err(|receipt| answer::refusal(*receipt))
    }

    pub(super) async fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        self.enter(&self.entry(&context.extensions)?).await
    }

    /// What the caller may call; there is one page of it.
    async fn listed(
        &self,
        request: Option<PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Vec<Listed>, ErrorData> {
        let caller = self.caller(context).await?;
        if request.is_some_and(|request| request.cursor.is_some()) {
            let what = "the list has one page, and no cursor of it";
            let refused = self.room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, what).await;
            return Err(answer::refusal(refused));
        }
        self.room.list(caller).await.map_err(|receipt| answer::refusal(*receipt))
    }

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
        let asked = match self.entry(&context.extensions)?.sent.with(&context.meta) {
            Ok(asked) => asked,
            Err(detail) => {
                let refused = self.room.refuse(caller, &function, Reason::ArgumentsInvalid, &detail).await;
                return Ok(Came::Done(refused));
            }
        };
        // The text of a map of JSON values; it cannot fail.
        let arguments = serde_json::to_string(&arguments).unwrap_or_default();
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
        let running = async {
            let running = self.room.call_as(caller, request);
            match progress {
                None => running.await,
                Some((reports, listener)) => progress::alongside(running, reports, listener).await,
            }
        };
        let receipt = match logs {
            None => running.await,
            Some(messages) => {
                logs::alongside(running, messages, context.peer.clone(), function.clone()).await
            }
        };
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
fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

impl ServerHandler for Surface {
    #[expect(
        deprecated,
        reason = "SEP-2577 will take logging out of a later protocol; those of today have it"
    )]
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder().enable_tools().enable_tool_list_changed();
        let prompts = tools.enable_prompts().enable_prompts_list_changed();
        let resources = prompts.enable_resources().enable_resources_list_changed();
        let resources = resources.enable_resources_subscribe();
        let capabilities = resources.enable_completions().enable_logging().build();
        let version = env!("CARGO_PKG_VERSION");
        let server = Implementation::new("strongroom", version).with_title("Strongroom");
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.listed(request, &context).await?;
        listed.retain(|listed| listed.function.resource.is_none() && !listed.function.prompt);
        let settings = self.room.settings();
        let mut tools: Vec<_> = listed.iter().map(|listed| annotate::tool(listed, &settings)).collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        // What one caller may call is nobody else's list, and may change at any moment.
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&context).await?;
        let function = names::meant(&request.name, &self.room.settings());
        let name = FunctionName::new(&function).ok();
        let wanted = Wanted {
            function,
            arguments: request.arguments.unwrap_or_default(),
            brought: rounds::Sent { responses: request.input_responses, state: request.request_state },
        };
        let receipt = match self.call(caller, wanted, &context).await? {
            Came::Done(receipt) => receipt,
            Came::Asks(questions) => return Ok(questions.into()),
        };
        let known = name.and_then(|name| self.room.catalogue().function(&name));
        let form = known.map_or(Form::Wrapped, |(_, function)| Form::of(&function));
        Ok(answer::result(receipt, form)?.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = offered::resources(&self.listed(request, &context).await?);
        Ok(ListResourcesResult::with_all_items(resources)
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = offered::templates(&self.listed(request, &context).await?);
        let result = ListResourceTemplatesResult::with_all_items(templates);
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let brought = rounds::Sent { responses: request.input_responses, state: request.request_state };
        offered::read(self, &request.uri, brought, &context).await
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = offered::prompts(&self.listed(request, &context).await?, &self.room.settings());
        Ok(ListPromptsResult::with_all_items(prompts).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let brought = rounds::Sent { responses: request.input_responses, state: request.request_state };
        let arguments = request.arguments.unwrap_or_default();
        offered::prompt(self, &request.name, arguments, brought, &context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let listed = self.listed(None, &context).await?;
        offered::complete(&listed, &request, &self.room.settings())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        if let Some(session) = &self.session {
            // A second handshake of a session changes nothing.
            drop(session.peer.set(context.peer.clone()));
        }
        self.negotiate_initialize(&request)
    }

    #[expect(
        deprecated,
        reason = "SEP-2577 will take logging out of a later protocol; those of today have it"
    )]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match (&self.session, is_stateless(&context)) {
            (Some(session), false) => {
                *session.least.lock() = logs::least(request.level);
                Ok(())
            }
            (None, false) => Err(sessionless()),
            // There it is said with each request.
            (_, true) => Err(ErrorData::method_not_found::<SetLevelRequestMethod>()),
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let listed = self.listed(None, &context).await?;
        let Some(session) = &self.session else { return Err(sessionless()) };
        let uri = request.uri;
        if !changes::is_given(&listed, &uri) {
            let why = "there is no such resource";
            return Err(ErrorData::resource_not_found(why, Some(serde_json::json!({ "uri": uri }))));
        }
        let mut followed = session.followed.lock();
        if followed.len() >= FOLLOWED && !followed.contains(&uri) {
            let why = format!("a session follows at most {FOLLOWED} resources");
            return Err(ErrorData::invalid_params(why, None));
        }
        followed.insert(uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let Some(session) = &self.session else { return Err(sessionless()) };
        session.followed.lock().remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = requested.tools_list_changed;
        accepted.resources_list_changed = requested.resources_list_changed;
        accepted.prompts_list_changed = requested.prompts_list_changed;
        accepted.resource_subscriptions = requested
            .resource_subscriptions
            .as_ref()
            .map(|uris| uris.iter().take(FOLLOWED).cloned().collect());
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        changes::tell(self, &context).await
    }
}

/// What a session would have to remember, and there is none.
fn sessionless() -> ErrorData {
    let why =
        "this needs a session: begin with `initialize`, and send its `Mcp-Session-Id` with each request";
    ErrorData::invalid_request(why, None)
}
