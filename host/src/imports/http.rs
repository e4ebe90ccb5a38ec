//! `wasi:http`, gated: requests go only to granted origins, methods and paths.
//!
//! Takes: the call's rights and credentials. Gives: the gated views. May name: authorize, config, imports::gate,
//! imports::dial, imports::hooks, imports::inject.

use super::dial::Approved;
use super::gate::{Audited, FromStop, Handle, Leads, Stop, rep};
use super::hooks::Hooks;
use super::inject::{self, Carried};
use super::table;
use crate::authorize::method::Method;
use crate::authorize::origin::Scheme;
use crate::authorize::rights::Rights;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::{HeaderError, HeaderResult, HttpError, HttpResult};
use wasmtime_wasi_http::{FieldMap, WasiHttpCtx, WasiHttpCtxView};

impl FromStop for HttpError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => types::ErrorCode::HttpRequestDenied.into(),
            stop => Self::trap(wasmtime::Error::new(stop)),
        }
    }
}

impl FromStop for HeaderError {
    fn from_stop(stop: Stop) -> Self {
        Self::trap(wasmtime::Error::new(stop))
    }
}

/// What the interfaces need: the call's rights beside the parts of the inner view.
pub(crate) struct Http<'a> {
    pub(crate) rights: &'a Rights,
    pub(crate) hooks: &'a mut Hooks,
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) ctx: &'a mut WasiHttpCtx,
}

impl Http<'_> {
    fn view(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: self.hooks, table: self.table, ctx: self.ctx }
    }
}

type Request = Resource<types::OutgoingRequest>;
type Future_ = Resource<types::FutureIncomingResponse>;

impl outgoing_handler::Host for Audited<'_, Http<'_>> {
    fn handle(
        &mut self,
        request: Request,
        options: Option<Resource<types::RequestOptions>>,
    ) -> HttpResult<Future_> {
        let http = &mut self.inner;
        let asked = http.table.get(&request)?;
        let method = method_text(&asked.method);
        let scheme = match &asked.scheme {
            Some(types::Scheme::Http) => "http",
            Some(types::Scheme::Https) | None => "https",
            Some(types::Scheme::Other(other)) => other.as_str(),
        };
        let authority = asked.authority.as_deref().unwrap_or_default();
        let path = asked.path_with_query.as_deref().unwrap_or("/");
        let body = asked.body.is_some() && sends_body(method, &asked.headers);
        let row = if is_safe(method) && !body { &table::HTTP_READ } else { &table::HTTP_WRITE };
        let target = match http.rights.http(method, scheme, authority, path) {
            Ok(target) => target,
            Err(refusal) => {
                let shown = shown(scheme, authority, path);
                let method = Method::new(method).ok().map(|method| method.as_str().into());
                let stop = self.gate.deny_method(row, Some(shown), method, &refusal.to_string());
                return Err(HttpError::from_stop(stop));
            }
        };
        let shown: Arc<str> = target.display.as_str().into();
        let credential = match &target.credential {
            None => None,
            Some(handle) => {
                let refused = match http.hooks.credential(handle, &target.origin) {
                    None => Err("the credential of this grant is missing or not meant for this origin"),
                    Some(credential) if inject::has_parameter(credential, path) => {
                        Err("the query has the parameter that carries the credential of this grant already")
                    }
                    Some(credential) => {
                        Carried::new(credential).ok_or("the credential of this grant cannot be sent")
                    }
                };
                match refused {
                    Ok(carried) => Some(carried),
                    Err(why) => return Err(HttpError::from_stop(self.gate.deny(row, Some(shown), why))),
                }
            }
        };
        let redactor = http.hooks.redactor(&target.origin);
        let fields: usize = asked.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let head = u64::try_from(path.len().saturating_add(fields)).unwrap_or(u64::MAX);
        self.gate.send(head).map_err(HttpError::from_stop)?;
        let end = (None, Some(shown.clone()), 0);
        let notice = self.gate.effect(row, [end]).map_err(HttpError::from_stop)?;
        http.hooks.approved = Some(Approved {
            https: target.origin.scheme() == Scheme::Https,
            host: target.origin.dial_host(),
            port: target.origin.port(),
            authority: target.origin.authority().to_owned(),
            allow_private: target.allow_private,
            credential,
            redactor,
            body,
            notice,
        });
        let number = rep(&request);
        // The inner handler reads scheme and authority for its own checks: they are the approved ones from here on.
        let asked = http.table.get_mut(&request)?;
        asked.scheme = Some(if target.origin.scheme() == Scheme::Https {
            types::Scheme::Https
        } else {
            types::Scheme::Http
        });
        asked.authority = Some(target.origin.authority().to_owned());
        let future = outgoing_handler::Host::handle(&mut http.view(), request, options)?;
        self.gate.sent(number, &shown);
        self.gate.hold(rep(&future), Handle { target: Some(shown), ..Handle::default() });
        Ok(future)
    }
}

/// Why a request to a granted origin was refused at the address that its name leads to.
pub(crate) const LEADS_INSIDE: &str =
    "the host resolves to an address inside, and the grant does not allow private addresses";

/// What stands in a target for the userinfo of a URL, which may be a password.
pub(crate) const USERINFO: &str = "(userinfo)@";

/// A target for the log, from what the guest asked: never a query string, never more than 1,024 characters.
fn shown(scheme: &str, authority: &str, path: &str) -> Arc<str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((_, host)) => (USERINFO, host),
        None => ("", authority),
    };
    format!("{scheme}://{userinfo}{host}{path}").chars().take(1024).collect::<String>().into()
}

/// Whether a method asks for nothing to be changed.
fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Whether a request whose body was opened is sent with it. Libraries open the body of every request, also of one that has
/// none; such a one is told by its missing length, and its body is left out when it is sent.
fn sends_body(method: &str, headers: &http::HeaderMap) -> bool {
    let length = headers.get_all(http::header::CONTENT_LENGTH).iter();
    !is_safe(method) || length.into_iter().any(|length| length.as_bytes().trim_ascii() != b"0")
}

fn method_text(method: &types::Method) -> &str {
    match method {
        types::Method::Get => "GET",
        types::Method::Head => "HEAD",
        types::Method::Post => "POST",
        types::Method::Put => "PUT",
        types::Method::Delete => "DELETE",
        types::Method::Connect => "CONNECT",
        types::Method::Options => "OPTIONS",
        types::Method::Trace => "TRACE",
        types::Method::Patch => "PATCH",
        types::Method::Other(other) => other,
    }
}

gated! { impl types::Host as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn http_error_code(error: Resource<types::IoError>) -> Result<Option<types::ErrorCode>> = HTTP_ERROR_CODE;
    @ {
        fn convert_error_code(&mut self, error: HttpError) -> Result<types::ErrorCode> {
            types::Host::convert_error_code(&mut self.inner.view(), error)
        }
        fn convert_header_error(&mut self, error: HeaderError) -> Result<types::HeaderError> {
            types::Host::convert_header_error(&mut self.inner.view(), error)
        }
    }
}}

type Fields = Resource<FieldMap>;

gated! { impl types::HostFields as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn new() -> Result<Fields> = FIELDS_NEW;
    sync fn from_list(list: Vec<(String, Vec<u8>)>) -> HeaderResult<Fields> = FIELDS_FROM_LIST, in list;
    drop fn drop(this: Fields) -> Result<()> = FIELDS_DROP;
    sync fn get(this: Fields, name: String) -> Result<Vec<Vec<u8>>> = FIELDS_GET, in name;
    sync fn has(this: Fields, name: String) -> Result<bool> = FIELDS_HAS, in name;
    sync fn set(this: Fields, name: String, values: Vec<Vec<u8>>) -> HeaderResult<()> = FIELDS_SET, in values;
    sync fn delete(this: Fields, name: String) -> HeaderResult<()> = FIELDS_DELETE, in name;
    sync fn append(this: Fields, name: String, value: Vec<u8>) -> HeaderResult<()> = FIELDS_APPEND, in value;
    sync fn entries(this: Fields) -> Result<Vec<(String, Vec<u8>)>> = FIELDS_ENTRIES;
    sync fn clone(this: Fields) -> Result<Fields> = FIELDS_CLONE;
}}

type InRequest = Resource<types::IncomingRequest>;
type InBody = Resource<types::IncomingBody>;

gated! { impl types::HostIncomingRequest as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn method(this: InRequest) -> Result<types::Method> = IN_REQUEST_METHOD;
    sync fn path_with_query(this: InRequest) -> Result<Option<String>> = IN_REQUEST_PATH;
    sync fn scheme(this: InRequest) -> Result<Option<types::Scheme>> = IN_REQUEST_SCHEME;
    sync fn authority(this: InRequest) -> Result<Option<String>> = IN_REQUEST_AUTHORITY;
    sync fn headers(this: InRequest) -> Result<Fields> = IN_REQUEST_HEADERS;
    sync fn consume(this: InRequest) -> Result<std::result::Result<InBody, ()>> = IN_REQUEST_CONSUME;
    drop fn drop(this: InRequest) -> Result<()> = IN_REQUEST_DROP;
}}

type OutBody = Resource<types::OutgoingBody>;
type Unit = std::result::Result<(), ()>;

gated! { impl types::HostOutgoingRequest as WasiHttpCtxView<'_>, held by Http<'_> {
    drop fn drop(this: Request) -> Result<()> = REQUEST_DROP;
    sync fn method(this: Request) -> Result<types::Method> = REQUEST_METHOD;
    sync fn set_method(this: Request, method: types::Method) -> Result<Unit> = REQUEST_SET_METHOD, in method;
    sync fn path_with_query(this: Request) -> Result<Option<String>> = REQUEST_PATH;
    sync fn set_path_with_query(this: Request, path: Option<String>) -> Result<Unit> = REQUEST_SET_PATH, in path;
    sync fn scheme(this: Request) -> Result<Option<types::Scheme>> = REQUEST_SCHEME;
    sync fn set_scheme(this: Request, scheme: Option<types::Scheme>) -> Result<Unit> = REQUEST_SET_SCHEME, in scheme;
    sync fn authority(this: Request) -> Result<Option<String>> = REQUEST_AUTHORITY;
    sync fn set_authority(this: Request, authority: Option<String>) -> Result<Unit> = REQUEST_SET_AUTHORITY, in authority;
    sync fn headers(this: Request) -> Result<Fields> = REQUEST_HEADERS;
    sync fn body(this: Request) -> Result<std::result::Result<OutBody, ()>> = REQUEST_BODY, on this;
    @ {
        fn new(&mut self, headers: Fields) -> Result<Request> {
            self.gate.enter(&table::REQUEST_NEW, None, None, 0).map_err(wasmtime::Error::from_stop)?;
            let request = types::HostOutgoingRequest::new(&mut self.inner.view(), headers)?;
            // Its body may be written before it is sent: until then nobody knows where it goes, and nothing leaves. What is
            // written later waits until the request is sent, and that waits until it is announced.
            let (target, request_of) = (Some("(not sent)".into()), Some(rep(&request)));
            let handle =
                Handle { target, request: request_of, covered: true, leads: Leads::Network, ..Handle::default() };
            self.gate.hold(rep(&request), handle);
            Ok(request)
        }
    }
}}

type Outparam = Resource<types::ResponseOutparam>;
type OutResponse = Resource<types::OutgoingResponse>;

gated! { impl types::HostResponseOutparam as WasiHttpCtxView<'_>, held by Http<'_> {
    drop fn drop(this: Outparam) -> Result<()> = OUTPARAM_DROP;
    sync fn set(this: Outparam, response: std::result::Result<OutResponse, types::ErrorCode>) -> Result<()> = OUTPARAM_SET;
    sync fn send_informational(this: Outparam, status: u16, headers: Fields) -> HttpResult<()> = OUTPARAM_INFO;
}}

type InResponse = Resource<types::IncomingResponse>;
type Trailers = Resource<types::FutureTrailers>;

gated! { impl types::HostIncomingResponse as WasiHttpCtxView<'_>, held by Http<'_> {
    drop fn drop(this: InResponse) -> Result<()> = RESPONSE_DROP;
    sync fn status(this: InResponse) -> Result<types::StatusCode> = RESPONSE_STATUS, on this;
    sync fn headers(this: InResponse) -> Result<Fields> = RESPONSE_HEADERS, on this;
    sync fn consume(this: InResponse) -> Result<std::result::Result<InBody, ()>> = RESPONSE_CONSUME, on this;
}}

type TrailersGiven = Option<std::result::Result<std::result::Result<Option<Fields>, types::ErrorCode>, ()>>;

gated! { impl types::HostFutureTrailers as WasiHttpCtxView<'_>, held by Http<'_> {
    drop fn drop(this: Trailers) -> Result<()> = TRAILERS_DROP;
    sync fn subscribe(this: Trailers) -> Result<Resource<DynPollable>> = TRAILERS_SUBSCRIBE, on this;
    sync fn get(this: Trailers) -> Result<TrailersGiven> = TRAILERS_GET, on this;
}}

gated! { impl types::HostIncomingBody as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn stream(this: InBody) -> Result<std::result::Result<Resource<DynInputStream>, ()>> = IN_BODY_STREAM, on this;
    sync fn finish(this: InBody) -> Result<Trailers> = IN_BODY_FINISH, on this;
    drop fn drop(this: InBody) -> Result<()> = IN_BODY_DROP;
}}

gated! { impl types::HostOutgoingResponse as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn new(headers: Fields) -> Result<OutResponse> = OUT_RESPONSE_NEW;
    sync fn status_code(this: OutResponse) -> Result<types::StatusCode> = OUT_RESPONSE_STATUS;
    sync fn set_status_code(this: OutResponse, status: types::StatusCode) -> Result<Unit> = OUT_RESPONSE_SET_STATUS;
    sync fn headers(this: OutResponse) -> Result<Fields> = OUT_RESPONSE_HEADERS;
    drop fn drop(this: OutResponse) -> Result<()> = OUT_RESPONSE_DROP;
    @ {
        fn body(&mut self, this: OutResponse) -> Result<std::result::Result<OutBody, ()>> {
            self.gate.enter(&table::OUT_RESPONSE_BODY, None, None, 0).map_err(wasmtime::Error::from_stop)?;
            let given = types::HostOutgoingResponse::body(&mut self.inner.view(), this)?;
            if let Ok(body) = &given {
                // No tool is given a request that it could answer.
                self.gate.hold_to_nowhere(rep(body));
            }
            Ok(given)
        }
    }
}}

type ResponseGiven = Option<std::result::Result<std::result::Result<InResponse, types::ErrorCode>, ()>>;

gated! { impl types::HostFutureIncomingResponse as WasiHttpCtxView<'_>, held by Http<'_> {
    drop fn drop(this: Future_) -> Result<()> = FUTURE_DROP;
    sync fn subscribe(this: Future_) -> Result<Resource<DynPollable>> = FUTURE_SUBSCRIBE, on this;
    @ {
        fn get(&mut self, this: Future_) -> Result<ResponseGiven> {
            let number = rep(&this);
            self.gate
                .enter(&table::FUTURE_GET, Some(number), None, 0)
                .map_err(wasmtime::Error::from_stop)?;
            let given = types::HostFutureIncomingResponse::get(&mut self.inner.view(), this)?;
            if self.gate.is_unannounced() {
                // The request was not sent. To the guest that is no error of the service, which it could go on after.
                return Err(wasmtime::Error::from_stop(Stop::Unannounced));
            }
            self.gate.leave(Some(number), &given).map_err(wasmtime::Error::from_stop)?;
            if let Some(Ok(Err(types::ErrorCode::DestinationIpProhibited))) = &given {
                // The address is known only after the name was resolved: the refusal is recorded when it is told.
                self.gate.deny_handle(&table::HTTP_READ, number, LEADS_INSIDE);
            }
            Ok(given)
        }
    }
}}

gated! { impl types::HostOutgoingBody as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn write(this: OutBody) -> Result<std::result::Result<Resource<DynOutputStream>, ()>> = OUT_BODY_WRITE, on this;
    sync fn finish(this: OutBody, trailers: Option<Fields>) -> HttpResult<()> = OUT_BODY_FINISH, on this;
    drop fn drop(this: OutBody) -> Result<()> = OUT_BODY_DROP;
}}

type Options = Resource<types::RequestOptions>;

gated! { impl types::HostRequestOptions as WasiHttpCtxView<'_>, held by Http<'_> {
    sync fn new() -> Result<Options> = OPTIONS_NEW;
    sync fn connect_timeout(this: Options) -> Result<Option<types::Duration>> = OPTIONS_CONNECT;
    sync fn set_connect_timeout(this: Options, limit: Option<types::Duration>) -> Result<Unit> = OPTIONS_SET_CONNECT;
    sync fn first_byte_timeout(this: Options) -> Result<Option<types::Duration>> = OPTIONS_FIRST;
    sync fn set_first_byte_timeout(this: Options, limit: Option<types::Duration>) -> Result<Unit> = OPTIONS_SET_FIRST;
    sync fn between_bytes_timeout(this: Options) -> Result<Option<types::Duration>> = OPTIONS_BETWEEN;
    sync fn set_between_bytes_timeout(this: Options, limit: Option<types::Duration>) -> Result<Unit> = OPTIONS_SET_BETWEEN;
    drop fn drop(this: Options) -> Result<()> = OPTIONS_DROP;
}}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};

    #[test]
    fn a_safe_method_has_a_body_when_it_says_how_long() {
        for (method, lengths, expected) in [
            ("GET", &[][..], false),
            ("GET", &["0"], false),
            ("GET", &["5"], true),
            ("HEAD", &["0", "5"], true),
            ("OPTIONS", &[""], true),
            ("POST", &[], true),
            ("get", &[], true),
        ] {
            let mut headers = HeaderMap::new();
            for length in lengths {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(length));
            }
            assert_eq!(sends_body(method, &headers), expected, "{method} {lengths:?}");
        }
    }
}
