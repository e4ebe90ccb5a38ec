//! The server of the protocol, as rmcp asks for it: lists tools, calls them, tells when the list changes.
//!
//! Takes: rmcp's requests. Gives: their answers. May name: id, identify, reason, room, serve, settle.

use super::answer::{self, Form};
use super::calling::{Came, Frame, Wanted, is_stateless};
use super::entry::Entry;
use super::sessions::{FOLLOWED, Session, URI};
use super::{Work, annotate, changes, links, logs, names, offered, rounds};
use crate::id::FunctionName;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::{Listed, Strongroom};
use crate::serve::streams::Streams;
use crate::settle::Receipt;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams,
    CompleteResult, Extensions, GetPromptRequestParams, GetPromptResponse, Implementation,
    InitializeRequestParams, InitializeResult, InputRequiredResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, SetLevelRequestMethod,
    SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Map, Value};
use std::ops::Deref;
use std::sync::Arc;

/// What clients and their models are told first.
const INSTRUCTIONS: &str = "Each tool runs in a sandbox with the rights that its operator granted. A call that does not \
    succeed has isError and says why: structuredContent.reason_code is a stable word, retry_after_ms when another try makes \
    sense. A function that writes may be sent again under the same idempotency key (_meta, strongroom/idempotency-key) \
    without a second effect.";

/// What all requests to a server have in common. In one piece: processors that count the same copies wait for each other.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) room: Strongroom,
    /// Where streams count, and calls that wait for their caller; a process of its own needs no bound.
    pub(super) streams: Option<Streams>,
    pub(super) waits: Option<Streams>,
    /// Held while anything of a request still runs.
    pub(super) work: Work,
}

/// The server; over HTTP one for each request that stands alone, and for each session.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    pub(super) shared: Arc<Shared>,
    /// The way in for what does not come through rmcp's transport over HTTP.
    pub(super) entry: Option<Entry>,
    /// What its client has told before, when there is a handshake.
    pub(super) session: Option<Arc<Session>>,
}

impl Deref for Surface {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// What a call of a tool came to.
pub(super) enum Answered {
    /// Its receipt, and the form in which its function answers.
    Told(Receipt, Form),
    /// Its result is too large for its answer.
    Linked(CallToolResult),
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

    /// One call of a tool, by the name that clients have for it.
    async fn tool(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Answered, ErrorData> {
        let caller = self.caller(context).await?;
        let function = self.room.in_force(|settings| names::meant(&request.name, settings));
        let name = FunctionName::new(&function).ok();
        let arguments = request.arguments.unwrap_or_default();
        let brought = rounds::Sent { responses: request.input_responses, state: request.request_state };
        let came = self.call(caller, Wanted { function, arguments, brought }, context).await?;
        self.answered(name, came).await
    }

    /// The same for a request that has neither a context of rmcp's nor anything to say before its answer.
    pub(super) async fn tool_alone(
        &self,
        caller: Caller,
        name: &str,
        arguments: Map<String, Value>,
        frame: &Frame<'_>,
    ) -> Result<Answered, ErrorData> {
        let function = self.room.in_force(|settings| names::meant(name, settings));
        let name = FunctionName::new(&function).ok();
        let wanted = Wanted { function, arguments, brought: rounds::Sent::default() };
        let came = self.run(caller, wanted, frame).await?;
        self.answered(name, came).await
    }

    async fn answered(&self, name: Option<FunctionName>, came: Came) -> Result<Answered, ErrorData> {
        let receipt = match came {
            Came::Done(receipt) => receipt,
            Came::Asks(questions) => return Ok(Answered::Asks(questions)),
        };
        let known = name.and_then(|name| self.room.catalogue().function(&name));
        let form = known.as_ref().map_or(Form::Wrapped, |(_, function)| Form::of(function));
        let is_long = |_: &_| self.room.in_force(|settings| links::is_long(&receipt, &settings.host.mcp));
        if let Some((_, function)) = known.filter(is_long) {
            // In a box, so that no other call's future is larger for it.
            return Ok(Box::pin(links::answered(self, receipt, form, &function)).await);
        }
        Ok(Answered::Told(receipt, form))
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
        match self.tool(request, &context).await? {
            Answered::Told(receipt, form) => Ok(answer::result(&receipt, form)?.into()),
            Answered::Linked(result) => Ok(result.into()),
            Answered::Asks(questions) => Ok(questions.into()),
        }
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
        if uri.len() > URI || !changes::is_given(&listed, &uri) {
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
            .map(|uris| uris.iter().filter(|uri| uri.len() <= URI).take(FOLLOWED).cloned().collect());
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
