//! Requests and answers, part by part.

use super::{Trail, text};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::types::filesystem_error_code;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    RequestOptions, Scheme, http_error_code,
};
use wasip2::io::streams::{InputStream, StreamError};

/// What is made before anything is sent, and what only a server would send.
pub fn local(trail: &mut Trail) {
    let listed = [("x-a".to_owned(), b"1".to_vec())];
    let Some(fields) = trail.note("from-list", Fields::from_list(&listed)) else { return };
    fields.get("x-a");
    fields.has("x-a");
    trail.note("set", fields.set("x-b", &[b"2".to_vec()]));
    trail.note("append", fields.append("x-b", b"3"));
    trail.note("delete", fields.delete("x-b"));
    fields.entries();
    let copy = fields.clone();

    let request = OutgoingRequest::new(fields);
    trail.note("set-method", request.set_method(&Method::Put));
    trail.note("set-scheme", request.set_scheme(Some(&Scheme::Http)));
    trail.note("set-authority", request.set_authority(Some("api")));
    trail.note("set-path-with-query", request.set_path_with_query(Some("/x?y")));
    request.method();
    request.scheme();
    request.authority();
    request.path_with_query();
    drop(request.headers());
    if let Some(body) = trail.note("body", request.body()) {
        drop(trail.note("write", body.write()));
        trail.note("finish", OutgoingBody::finish(body, None));
    }

    let options = RequestOptions::new();
    trail.note("set-connect-timeout", options.set_connect_timeout(Some(1)));
    trail.note("set-first-byte-timeout", options.set_first_byte_timeout(Some(1)));
    trail.note("set-between-bytes-timeout", options.set_between_bytes_timeout(Some(1)));
    options.connect_timeout();
    options.first_byte_timeout();
    options.between_bytes_timeout();

    let response = OutgoingResponse::new(copy);
    trail.note("set-status-code", response.set_status_code(201));
    response.status_code();
    drop(response.headers());
    drop(trail.note("body", response.body()));
}

/// A request that reads and one that writes, each with everything that an answer has.
pub fn exchange(trail: &mut Trail) {
    for method in [Method::Get, Method::Post] {
        let Some(answer) = trail.note("handle", sent(method, "api", "/x")) else { continue };
        answer.status();
        drop(answer.headers());
        let Some(body) = trail.note("consume", answer.consume()) else { continue };
        if let Some(stream) = trail.note("stream", body.stream()) {
            trail.note("read", drained(&stream));
        }
        let trailers = IncomingBody::finish(body);
        trailers.subscribe().block();
        trailers.get();
        // A body that is given back unread.
        if let Some(answer) = trail.note("handle", sent(Method::Get, "api", "/x")) {
            drop(trail.note("consume", answer.consume()));
        }
    }
    if let Some(Err(error)) = trail.note("handle", sent(Method::Get, "api", "/broken")).map(failing) {
        trail.note("an answer that breaks off", Err::<(), _>(error));
    }
}

/// An answer that breaks off, so that there is an error to be asked about.
fn failing(answer: IncomingResponse) -> Result<(), String> {
    let body = text(answer.consume())?;
    let stream = text(body.stream())?;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(_) => {}
            Err(StreamError::LastOperationFailed(error)) => {
                errors(&error);
                return Ok(());
            }
            Err(StreamError::Closed) => return Err("it was whole".to_owned()),
        }
    }
}

/// All that can be asked about an error.
pub fn errors(error: &wasip2::io::error::Error) {
    error.to_debug_string();
    filesystem_error_code(error);
    http_error_code(error);
}

fn sent(method: Method, authority: &str, path: &str) -> Result<IncomingResponse, String> {
    let message = OutgoingRequest::new(Fields::new());
    text(message.set_method(&method))?;
    text(message.set_scheme(Some(&Scheme::Http)))?;
    text(message.set_authority(Some(authority)))?;
    text(message.set_path_with_query(Some(path)))?;
    send(message)
}

fn send(message: OutgoingRequest) -> Result<IncomingResponse, String> {
    let future = text(handle(message, None))?;
    future.subscribe().block();
    match future.get() {
        Some(Ok(answer)) => text(answer),
        other => Err(format!("no answer: {}", other.is_some())),
    }
}

fn drained(stream: &InputStream) -> Result<u64, String> {
    let mut length = 0;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(piece) => length += piece.len() as u64,
            Err(StreamError::Closed) => return Ok(length),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}

pub fn request(
    method: &str,
    scheme: Option<String>,
    authority: Option<&str>,
    path: Option<&str>,
    headers: &[(String, String)],
) -> Result<u16, String> {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|error| format!("header {name}: {error:?}"))?;
    }
    let message = OutgoingRequest::new(fields);
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    };
    let scheme = scheme.map(|scheme| match scheme.as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => Scheme::Other(scheme),
    });
    message.set_method(&method).map_err(|()| "the method cannot be set")?;
    message.set_scheme(scheme.as_ref()).map_err(|()| "the scheme cannot be set")?;
    message.set_authority(authority).map_err(|()| "the authority cannot be set")?;
    message.set_path_with_query(path).map_err(|()| "the path cannot be set")?;
    Ok(send(message)?.status())
}

pub fn drain(path: &str) -> Result<u64, String> {
    let answer = sent(Method::Get, "api", path)?;
    let body = text(answer.consume())?;
    drained(&text(body.stream())?)
}

pub fn hold(path: &str, ms: u64) -> Result<(), String> {
    let answer = sent(Method::Get, "api", path)?;
    let body = text(answer.consume())?;
    let stream = text(body.stream())?;
    subscribe_duration(ms * 1_000_000).block();
    drop(stream);
    Ok(())
}
