//! The server of the protocol, as rmcp asks for it: lists tools, calls them, tells when the list changes.
//!
//! Takes: rmcp's requests. Gives: their answers. May name: admit, config, id, identify, reason, room, serve, settle.

use super::answer::{self, Form};
use super::asked::{Asked, Sent};
use super::door::Door;
use super::progress::{self, Listener};
use super::{Work, annotate, changes, names, offered};
use crate::admit::CallRequest;
use crate::config::Keyless;
use crate::id::FunctionName;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::{Listed, Strongroom};
use crate::serve::http::Lacks;
use crate::serve::streams::Streams;
use crate::settle::Receipt;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, SubscriptionFilter,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// What clients and their models are told first.
const INSTRUCTIONS: &str = "Each tool runs in a sandbox with the rights that its operator granted. A call that does not \
    succeed has isError and says why: structuredContent.reason_code is a stable word, retry_after_ms when another try makes \
    sense. A function that writes may be sent again under the same idempotency key (_meta, strongroom/idempotency-key) \
    without a second effect.";

/// The server; over HTTP one for each request.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    pub(super) room: Strongroom,
    pub(super) door: Arc<Door>,
    pub(super) sent: Sent,
    /// Where streams count; a process of its own needs no bound.
    pub(super) streams: Option<Streams>,
    /// Scopes that the request's token would need beside its own, when that is why its call was refused.
    pub(super) lacks: Arc<OnceLock<Lacks>>,
    /// Held while anything of a request still runs.
    pub(super) _work: Work,
}

impl Surface {
    pub(super) async fn caller(&self) -> Result<Caller, ErrorData> {
        self.door.enter(&self.room).await.map_err(|receipt| answer::refusal(*receipt))
    }

    /// What the caller may call; there is one page of it.
    async fn listed(&self, request: Option<PaginatedRequestParams>) -> Result<Vec<Listed>, ErrorData> {
        let caller = self.caller().await?;
        if request.is_some_and(|request| request.cursor.is_some()) {
            let what = "the list has one page, and no cursor of it";
            let refused = self.room.refuse(caller, "/mcp", Reason::ArgumentsInvalid, what).await;
            return Err(answer::refusal(refused));
        }
        self.room.list(caller).await.map_err(|receipt| answer::refusal(*receipt))
    }

    /// One governed call, for what is asked in other ways than as a tool.
    pub(super) async fn ask(
        &self,
        caller: Caller,
        function: &FunctionName,
        arguments: Map<String, Value>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Receipt, ErrorData> {
        let request = CallToolRequestParams::new(function.to_string()).with_arguments(arguments);
        match self.sent.with(&context.meta) {
            Ok(asked) => self.attended(caller, asked, request, function.to_string(), context).await,
            Err(detail) => {
                let refused =
                    self.room.refuse(caller, function.as_str(), Reason::ArgumentsInvalid, &detail).await;
                Err(answer::refusal(refused))
            }
        }
    }

    /// Runs a call as long as its client is there.
    async fn attended(
        &self,
        caller: Caller,
        asked: Asked,
        request: CallToolRequestParams,
        function: String,
        context: &RequestContext<RoleServer>,
    ) -> Result<Receipt, ErrorData> {
        let lacks = Lacks::of(&caller, &function);
        tokio::select! {
            biased;
            // The client went away or said so; the call goes with its future, and the book has it as cancelled.
            () = context.ct.cancelled() => Err(ErrorData::internal_error(Reason::Cancelled.meaning(), None)),
            receipt = self.run(caller, asked, request, function, context) => {
                let lacks = lacks.filter(|_| receipt.reason == Reason::PolicyDenied);
                // The first one counts; a request has one call.
                lacks.into_iter().for_each(|lacks| drop(self.lacks.set(lacks)));
                Ok(receipt)
            }
        }
    }

    async fn run(
        &self,
        caller: Caller,
        asked: Asked,
        request: CallToolRequestParams,
        function: String,
        context: &RequestContext<RoleServer>,
    ) -> Receipt {
        // The text of a map of JSON values; it cannot fail.
        let arguments = serde_json::to_string(&request.arguments.unwrap_or_default()).unwrap_or_default();
        let mut request = CallRequest {
            function,
            arguments,
            idempotency_key: asked.key,
            run: asked.run,
            // Most clients of the protocol have no way to send a key.
            keyless: Keyless::Derive,
            ..CallRequest::default()
        };
        let Some(token) = context.meta.get_progress_token() else {
            return self.room.call_as(caller, request).await;
        };
        let (sender, reports) = mpsc::channel(progress::WAITING);
        request.progress = Some(sender);
        let listener = Listener { peer: context.peer.clone(), token };
        progress::alongside(self.room.call_as(caller, request), reports, listener).await
    }
}

impl ServerHandler for Surface {
    fn get_info(&self) -> ServerConfig {
        let tools = ServerCapabilities::builder().enable_tools().enable_tool_list_changed();
        let prompts = tools.enable_prompts().enable_prompts_list_changed();
        let resources = prompts.enable_resources().enable_resources_list_changed();
        let capabilities = resources.enable_completions().build();
        let version = env!("CARGO_PKG_VERSION");
        let server = Implementation::new("strongroom", version).with_title("Strongroom");
        ServerConfig::new(capabilities).with_server_info(server).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.listed(request).await?;
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
        let caller = self.caller().await?;
        let function = names::meant(&request.name, &self.room.settings());
        let asked = match self.sent.with(&context.meta) {
            Ok(asked) => asked,
            Err(detail) => {
                let refused = self.room.refuse(caller, &function, Reason::ArgumentsInvalid, &detail).await;
                return Ok(answer::result(refused, Form::Nothing)?.into());
            }
        };
        let name = FunctionName::new(&function).ok();
        let receipt = self.attended(caller, asked, request, function, &context).await?;
        let known = name.and_then(|name| self.room.catalogue().function(&name));
        let form = known.map_or(Form::Wrapped, |(_, function)| Form::of(&function));
        Ok(answer::result(receipt, form)?.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = offered::resources(&self.listed(request).await?);
        Ok(ListResourcesResult::with_all_items(resources)
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = offered::templates(&self.listed(request).await?);
        let result = ListResourceTemplatesResult::with_all_items(templates);
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        offered::read(self, &request.uri, &context).await.map(Into::into)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = offered::prompts(&self.listed(request).await?, &self.room.settings());
        Ok(ListPromptsResult::with_all_items(prompts).with_ttl_ms(0).with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        offered::prompt(self, &request.name, arguments, &context).await.map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let listed = self.listed(None).await?;
        offered::complete(&listed, &request, &self.room.settings())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = requested.tools_list_changed;
        accepted.resources_list_changed = requested.resources_list_changed;
        accepted.prompts_list_changed = requested.prompts_list_changed;
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        changes::tell(self, &context).await
    }
}
