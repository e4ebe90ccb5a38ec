//! Functions that a manifest offers as resources and prompts: listed as such, and asked by the same governed calls.
//!
//! Takes: functions, URIs and names. Gives: rmcp's resources and prompts. May name: config, id, identify, reason, room, serve, settle,
//! tools, typed.

use super::answer::{self, Form};
use super::calling::{Came, Wanted};
use super::surface::Surface;
use super::{annotate, content, links, names, rounds};
use crate::config::Settings;
use crate::id::FunctionName;
use crate::identify::Caller;
use crate::reason::Reason;
use crate::room::{Listed, RESULT_GONE};
use crate::settle::Receipt;
use crate::tools::ToolFunction;
use crate::typed::{Item, Kind, Shape};
use rmcp::ErrorData;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, GetPromptResponse, GetPromptResult,
    Prompt, PromptArgument, PromptMessage, ReadResourceResponse, ReadResourceResult, Reference, Resource,
    ResourceContents, ResourceTemplate, Role,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Those whose URI stands as it is.
pub(super) fn resources(listed: &[Listed]) -> Vec<Resource> {
    let all = listed.iter().filter_map(|listed| {
        let function = &listed.function;
        let rule = function.resource.as_ref().filter(|rule| rule.uri.parameters().next().is_none())?;
        let mut shown = Resource::new(rule.uri.to_string(), function.name.to_string());
        shown.title = function.signature.docs().and_then(annotate::title);
        shown.description = function.signature.docs().map(str::to_owned);
        shown.mime_type = rule.mime_type.clone();
        Some(shown)
    });
    all.collect()
}

/// Those whose URI has parameters.
pub(super) fn templates(listed: &[Listed]) -> Vec<ResourceTemplate> {
    let all = listed.iter().filter_map(|listed| {
        let function = &listed.function;
        let rule = function.resource.as_ref().filter(|rule| rule.uri.parameters().next().is_some())?;
        let mut shown = ResourceTemplate::new(rule.uri.to_string(), function.name.to_string());
        shown.title = function.signature.docs().and_then(annotate::title);
        shown.description = function.signature.docs().map(str::to_owned);
        shown.mime_type = rule.mime_type.clone();
        Some(shown)
    });
    all.collect()
}

/// Reads a resource: calls its function.
pub(super) async fn read(
    surface: &Surface,
    uri: &str,
    brought: rounds::Sent,
    context: &RequestContext<RoleServer>,
) -> Result<ReadResourceResponse, ErrorData> {
    let mut caller = surface.caller(context).await?;
    if let Some(place) = links::place(uri) {
        return linked(surface, uri, place, caller).await;
    }
    let gives = |function: &ToolFunction| {
        let rule = function.resource.as_ref();
        rule.is_some_and(|rule| rule.uri.read(uri).is_some())
    };
    let tools = surface.room.catalogue().tools();
    let all = tools.iter().flat_map(|tool| tool.functions()).filter(|function| gives(function));
    let mut found: Vec<Arc<ToolFunction>> = all.cloned().collect();
    if found.len() > 1 {
        // Tools that a caller may not call hide nothing from it.
        let listed = surface.room.list(caller).await.map_err(|receipt| answer::refusal(*receipt))?;
        found.retain(|function| listed.iter().any(|listed| listed.function.name == function.name));
        caller = surface.caller(context).await?;
    }
    let ([function], Some(rule)) = (found.as_slice(), found.first().and_then(|f| f.resource.as_ref())) else {
        let why = match found.len() {
            0 => RESULT_GONE,
            // Which of two is meant is nobody's guess.
            _ => "several tools say that this resource is theirs",
        };
        drop(surface.room.refuse(caller, "/mcp", Reason::ToolUnknown, why).await);
        return Err(ErrorData::resource_not_found(why, Some(json!({ "uri": uri }))));
    };
    let parameters = rule.uri.read(uri).unwrap_or_default().into_iter();
    let arguments = parameters.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let wanted = Wanted { function: function.name.to_string(), arguments, brought };
    let receipt = match surface.call(caller, wanted, context).await? {
        Came::Done(receipt) => receipt,
        Came::Asks(questions) => return Ok(questions.into()),
    };
    let contents = match value(receipt)? {
        Value::String(data) if is_bytes(function) => vec![ResourceContents::blob(data, uri)],
        Value::String(text) => vec![ResourceContents::text(text, uri)],
        value if Form::of(function) == Form::Content => documents(value, uri)?,
        value => vec![ResourceContents::text(value.to_string(), uri).with_mime_type("application/json")],
    };
    let typed = contents.into_iter().map(|contents| match &rule.mime_type {
        Some(mime_type) => contents.with_mime_type(mime_type.clone()),
        None => contents,
    });
    Ok(shown(typed.collect()))
}

/// Reads a result that was given as a link. Where there is none for the caller, it hears what it would of any other resource.
async fn linked(
    surface: &Surface,
    uri: &str,
    place: Option<links::Place>,
    caller: Caller,
) -> Result<ReadResourceResponse, ErrorData> {
    let caller = match place {
        None => caller,
        Some(place) => match links::read(surface, uri, place, caller).await {
            Ok(read) => return Ok(shown(vec![read?])),
            Err(caller) => *caller,
        },
    };
    drop(surface.room.refuse(caller, "/mcp", Reason::ToolUnknown, RESULT_GONE).await);
    Err(links::gone(uri))
}

fn shown(contents: Vec<ResourceContents>) -> ReadResourceResponse {
    let mut result = ReadResourceResult::new(contents);
    result.ttl_ms = Some(0);
    result.cache_scope = Some(rmcp::model::CacheScope::Private);
    result.into()
}

/// The prompts, with their parameters as arguments.
pub(super) fn prompts(listed: &[Listed], settings: &Settings) -> Vec<Prompt> {
    let prompts = listed.iter().map(|listed| &listed.function).filter(|function| function.prompt);
    let shown = prompts.map(|function| {
        let arguments = function.signature.params().iter().map(|param| {
            let mut argument = PromptArgument::new(param.name.to_string());
            argument.description = param.docs.as_deref().map(str::to_owned);
            argument.required = Some(!matches!(param.value.kind(), Kind::Option(_)));
            argument
        });
        let name = names::shown(&function.name, settings).to_owned();
        let mut prompt = Prompt::new(name, function.signature.docs(), Some(arguments.collect()));
        prompt.title = function.signature.docs().and_then(annotate::title);
        prompt
    });
    shown.collect()
}

/// Gets a prompt: calls its function.
pub(super) async fn prompt(
    surface: &Surface,
    name: &str,
    arguments: Map<String, Value>,
    brought: rounds::Sent,
    context: &RequestContext<RoleServer>,
) -> Result<GetPromptResponse, ErrorData> {
    let caller = surface.caller(context).await?;
    let meant = FunctionName::new(names::meant(name, &surface.room.settings())).ok();
    let found = meant.and_then(|name| surface.room.catalogue().function(&name));
    let Some((_, function)) = found.filter(|(_, function)| function.prompt) else {
        let refused = surface.room.refuse(caller, name, Reason::ToolUnknown, "there is no such prompt").await;
        return Err(answer::refusal(refused));
    };
    let arguments = arguments.into_iter().map(|(name, value)| (parameter(&function, &name), value)).collect();
    let wanted = Wanted { function: function.name.to_string(), arguments, brought };
    let receipt = match surface.call(caller, wanted, context).await? {
        Came::Done(receipt) => receipt,
        Came::Asks(questions) => return Ok(questions.into()),
    };
    let blocks = match value(receipt)? {
        Value::String(text) => vec![ContentBlock::text(text)],
        value if Form::of(&function) == Form::Content => content::blocks(value).map_err(unreadable)?,
        value => vec![ContentBlock::text(value.to_string())],
    };
    let messages = blocks.into_iter().map(|block| PromptMessage::new(Role::User, block)).collect();
    let mut result = GetPromptResult::new(messages);
    result.description = function.signature.docs().map(str::to_owned);
    Ok(result.into())
}

/// The parameter that an argument is for; clients write `orderId` or `order_id` for WIT's `order-id`.
fn parameter(function: &ToolFunction, argument: &str) -> String {
    let params = function.signature.params();
    if params.find(argument, 0).is_some() {
        return argument.to_owned();
    }
    let bare = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let same = params.iter().find(|param| bare(&param.name) == bare(argument));
    same.map_or(argument, |param| &*param.name).to_owned()
}

/// What may stand for an argument of a prompt: the words of its enum.
pub(super) fn complete(
    listed: &[Listed],
    request: &CompleteRequestParams,
    settings: &Settings,
) -> Result<CompleteResult, ErrorData> {
    let mut values = Vec::new();
    if let Reference::Prompt(prompt) = &request.r#ref {
        let mut prompts = listed.iter().map(|listed| &listed.function).filter(|function| function.prompt);
        let meant = prompts.find(|function| names::shown(&function.name, settings) == prompt.name);
        let param = meant.and_then(|function| {
            let name = parameter(function, &request.argument.name);
            function.signature.params().iter().find(|param| *param.name == *name)
        });
        values = param.map(words).unwrap_or_default();
        values.retain(|word| word.starts_with(&request.argument.value));
    }
    values.truncate(CompletionInfo::MAX_VALUES);
    let info = CompletionInfo::new(values).map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(info))
}

fn words(param: &Item<Shape>) -> Vec<String> {
    let kind = match param.value.kind() {
        Kind::Option(inner) => inner.kind(),
        kind => kind,
    };
    match kind {
        Kind::Enum(labels) => labels.iter().map(|label| label.name.to_string()).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn is_bytes(function: &ToolFunction) -> bool {
    let result = function.signature.result().map(|result| match result.kind() {
        Kind::Result(Some(ok), _) => ok.kind(),
        kind => kind,
    });
    matches!(result, Some(Kind::Bytes))
}

/// The documents among the content; other blocks have no place in a resource.
fn documents(value: Value, uri: &str) -> Result<Vec<ResourceContents>, ErrorData> {
    let blocks = content::blocks(value).map_err(unreadable)?.into_iter();
    let contents = blocks.filter_map(|block| match block {
        ContentBlock::Text(text) => Some(ResourceContents::text(text.text, uri)),
        ContentBlock::Image(image) => {
            Some(ResourceContents::blob(image.data, uri).with_mime_type(image.mime_type))
        }
        ContentBlock::Audio(audio) => {
            Some(ResourceContents::blob(audio.data, uri).with_mime_type(audio.mime_type))
        }
        ContentBlock::Resource(document) => Some(document.resource),
        _ => None,
    });
    Ok(contents.collect())
}

/// The result of a call that did what was asked.
fn value(receipt: Receipt) -> Result<Value, ErrorData> {
    if receipt.reason != Reason::Ok {
        return Err(answer::refusal(receipt));
    }
    serde_json::from_str(receipt.value.as_deref().unwrap_or("null")).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> ErrorData {
    tracing::error!("an answer cannot be read: {error}");
    ErrorData::internal_error("the answer cannot be read", None)
}
