//! Every call on a stream.

use super::Trail;
use wasip2::cli::{stdin, stdout};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

/// The streams that every call has.
pub fn standard(trail: &mut Trail) {
    let (input, output) = (stdin::get_stdin(), stdout::get_stdout());
    read(trail, &input);
    write(trail, &output);
    splice(trail, &output, &input);
}

/// An end is no failure.
fn ended<T: Default>(result: Result<T, StreamError>) -> Result<T, StreamError> {
    match result {
        Err(StreamError::Closed) => Ok(T::default()),
        other => other,
    }
}

pub fn read(trail: &mut Trail, stream: &InputStream) {
    stream.subscribe().block();
    trail.note("read", ended(stream.read(1)));
    trail.note("blocking-read", ended(stream.blocking_read(1)));
    trail.note("skip", ended(stream.skip(1)));
    trail.note("blocking-skip", ended(stream.blocking_skip(1)));
}

/// Each write is asked for first: one that was not is a trap.
pub fn write(trail: &mut Trail, stream: &OutputStream) {
    let ready = |trail: &mut Trail| {
        stream.subscribe().block();
        trail.note("check-write", stream.check_write());
    };
    ready(trail);
    trail.note("write", stream.write(b"a"));
    trail.note("blocking-flush", stream.blocking_flush());
    ready(trail);
    trail.note("write-zeroes", stream.write_zeroes(1));
    trail.note("flush", stream.flush());
    ready(trail);
    trail.note("blocking-write-and-flush", stream.blocking_write_and_flush(b"b"));
    trail.note("blocking-write-zeroes-and-flush", stream.blocking_write_zeroes_and_flush(1));
}

pub fn splice(trail: &mut Trail, to: &OutputStream, from: &InputStream) {
    to.subscribe().block();
    trail.note("splice", ended(to.splice(from, 1)));
    to.subscribe().block();
    trail.note("blocking-splice", ended(to.blocking_splice(from, 1)));
}
