//! One HTTP request over `wasi:http`.
//!
//! Takes: a finished request. Gives: [`send`]. May name: http.

use crate::http::{Error, Method, Request, Response, split};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method as WasiMethod, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasip2::io::streams::StreamError;

/// The most that `blocking-write-and-flush` accepts at once.
const WRITE_CHUNK: usize = 4096;
const READ_CHUNK: u64 = 64 * 1024;

/// Sends, waits, and reads the whole body, up to the request's own limit.
pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let message = OutgoingRequest::new(fields(&request)?);
    let (https, authority, path) = split(&request.url)?;
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    let refused = |what: &str| Error::Invalid(format!("{what} of {:?}", request.url));
    message.set_method(&method(request.method)).map_err(|()| refused("method"))?;
    message.set_scheme(Some(&scheme)).map_err(|()| refused("scheme"))?;
    message.set_authority(Some(authority)).map_err(|()| refused("host"))?;
    message.set_path_with_query(Some(&path)).map_err(|()| refused("path"))?;
    let body = message.body().map_err(|()| refused("body"))?;

    let future = outgoing_handler::handle(message, None).map_err(failed)?;
    write(body, &request.body)?;
    future.subscribe().block();
    // The future is ready now, and its answer is taken once: the outer two layers say just that.
    let answer = match future.get() {
        Some(Ok(answer)) => answer.map_err(failed)?,
        _ => return Err(Error::Unreachable("the host gave no answer".to_owned())),
    };
    read(&answer, request.max_body)
}

fn fields(request: &Request) -> Result<Fields, Error> {
    let fields = Fields::new();
    let append = |name: &str, value: &str| {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| Error::Invalid(format!("header {name:?}: {error}")))
    };
    for (name, value) in &request.headers {
        append(name, value)?;
    }
    if !request.body.is_empty() && request.header_value("content-length").is_none() {
        append("content-length", &request.body.len().to_string())?;
    }
    Ok(fields)
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    if !bytes.is_empty() {
        let stream =
            body.write().map_err(|()| Error::Unreachable("the body cannot be written".to_owned()))?;
        for chunk in bytes.chunks(WRITE_CHUNK) {
            // A service may answer before it has read everything; its answer tells more than the broken stream.
            if stream.blocking_write_and_flush(chunk).is_err() {
                return Ok(());
            }
        }
    }
    OutgoingBody::finish(body, None).map_err(failed)
}

fn read(answer: &IncomingResponse, limit: usize) -> Result<Response, Error> {
    let lossy = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    let headers = answer.headers().entries().into_iter().map(|(name, value)| (name, lossy(value))).collect();
    let broken = |()| Error::Unreachable("the response has no body".to_owned());
    let body = answer.consume().map_err(broken)?;
    let bytes = read_body(&body, limit)?;
    Ok(Response { status: answer.status(), headers, body: bytes })
}

fn read_body(body: &IncomingBody, limit: usize) -> Result<Vec<u8>, Error> {
    let stream = body.stream().map_err(|()| Error::Unreachable("the body cannot be read".to_owned()))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_CHUNK) {
            Ok(chunk) if bytes.len() + chunk.len() > limit => return Err(Error::TooLarge(limit)),
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(Error::Unreachable(error.to_debug_string()));
            }
        }
    }
}

fn method(method: Method) -> WasiMethod {
    match method {
        Method::Get => WasiMethod::Get,
        Method::Head => WasiMethod::Head,
        Method::Post => WasiMethod::Post,
        Method::Put => WasiMethod::Put,
        Method::Patch => WasiMethod::Patch,
        Method::Delete => WasiMethod::Delete,
        Method::Options => WasiMethod::Options,
    }
}

fn failed(code: ErrorCode) -> Error {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied,
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Error::Timeout,
        ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong => Error::Invalid(format!("{code:?}")),
        other => Error::Unreachable(format!("{other:?}")),
    }
}
