//! `wasi:io`, gated: a stream is audited as a read or write of what it was opened from.
//!
//! Takes: the call's handles. Gives: the gated view. May name: imports::gate.

use super::gate::{FromStop, Stop};
use super::yields::Count;
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::io::{error, poll, streams};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, StreamError, StreamResult};

impl FromStop for StreamError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => Self::LastOperationFailed(wasmtime::Error::new(stop)),
            stop => Self::Trap(wasmtime::Error::new(stop)),
        }
    }
}

gated! { impl error::Host as &mut ResourceTable {} }

gated! { impl error::HostError as &mut ResourceTable {
    sync fn to_debug_string(this: Resource<IoError>) -> Result<String> = IO_ERROR_TEXT;
    drop fn drop(this: Resource<IoError>) -> Result<()> = IO_ERROR_DROP;
}}

gated! { impl poll::Host as &mut ResourceTable {
    wait fn poll(list: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> = POLL, in list;
}}

gated! { impl poll::HostPollable as &mut ResourceTable {
    wait fn block(this: Resource<DynPollable>) -> Result<()> = POLL_BLOCK;
    wait fn ready(this: Resource<DynPollable>) -> Result<bool> = POLL_READY;
    drop fn drop(this: Resource<DynPollable>) -> Result<()> = POLL_DROP;
}}

gated! { impl streams::Host as &mut ResourceTable {
    @ {
        fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
            streams::Host::convert_stream_error(&mut self.inner, error)
        }
    }
}}

type In = Resource<DynInputStream>;
type Out = Resource<DynOutputStream>;

gated! { impl streams::HostInputStream as &mut ResourceTable {
    sync fn read(this: In, len: u64) -> StreamResult<Vec<u8>> = IN_READ, on this;
    wait fn blocking_read(this: In, len: u64) -> StreamResult<Vec<u8>> = IN_BLOCKING_READ, on this;
    sync fn skip(this: In, len: u64) -> StreamResult<u64> = IN_SKIP, on this;
    wait fn blocking_skip(this: In, len: u64) -> StreamResult<u64> = IN_BLOCKING_SKIP, on this;
    sync fn subscribe(this: In) -> Result<Resource<DynPollable>> = IN_SUBSCRIBE, on this;
    waitdrop fn drop(this: In) -> Result<()> = IN_DROP;
}}

gated! { impl streams::HostOutputStream as &mut ResourceTable {
    sync fn check_write(this: Out) -> StreamResult<u64> = OUT_CHECK, on this;
    sync fn write(this: Out, bytes: Vec<u8>) -> StreamResult<()> = OUT_WRITE, on this, in bytes;
    wait fn blocking_write_and_flush(this: Out, bytes: Vec<u8>) -> StreamResult<()> = OUT_BLOCKING_WRITE, on this, in bytes;
    sync fn flush(this: Out) -> StreamResult<()> = OUT_FLUSH, on this;
    wait fn blocking_flush(this: Out) -> StreamResult<()> = OUT_BLOCKING_FLUSH, on this;
    sync fn subscribe(this: Out) -> Result<Resource<DynPollable>> = OUT_SUBSCRIBE, on this;
    sync fn write_zeroes(this: Out, len: u64) -> StreamResult<()> = OUT_ZEROES, on this, in Count(len);
    wait fn blocking_write_zeroes_and_flush(this: Out, len: u64) -> StreamResult<()> = OUT_BLOCKING_ZEROES, on this, in Count(len);
    sync fn splice(this: Out, from: In, len: u64) -> StreamResult<u64> = OUT_SPLICE, on this, in Count(len.min(64 * 1024));
    wait fn blocking_splice(this: Out, from: In, len: u64) -> StreamResult<u64> = OUT_BLOCKING_SPLICE, on this, in Count(len.min(64 * 1024));
    waitdrop fn drop(this: Out) -> Result<()> = OUT_DROP;
}}
