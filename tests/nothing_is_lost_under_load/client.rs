//! A client on one connection after another: it calls for a tenant of its choice, waits for the answer, and calls again.

use crate::http_api::client::Reply;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strongroom::reason::Reason;
use strongroom_tests::Chance;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// What it saw of one call.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) tenant: usize,
    pub(super) function: &'static str,
    /// Over `/mcp`; else over `/v1`.
    pub(super) protocol: bool,
    pub(super) reason: Reason,
    pub(super) replayed: bool,
    pub(super) call: String,
    /// Whether the program had been told to stop when the answer came.
    pub(super) late: bool,
}

pub(super) struct Client {
    address: String,
    number: u64,
    chance: Chance,
    keys: Arc<Vec<String>>,
    calls: u64,
    last: Option<Call>,
}

/// A call as it is sent.
#[derive(Clone)]
struct Call {
    tenant: usize,
    function: &'static str,
    arguments: Value,
    key: String,
    protocol: bool,
}

impl Client {
    pub(super) fn new(address: &str, number: u64, chance: Chance, keys: Arc<Vec<String>>) -> Self {
        Self { address: address.to_owned(), number, chance, keys, calls: 0, last: None }
    }

    /// Calls until the program is gone, and gives what was answered. It may go only when it was told to.
    pub(super) async fn work(mut self, stopping: Arc<AtomicBool>) -> Vec<Seen> {
        let mut all = Vec::new();
        let stops = || stopping.load(Ordering::SeqCst);
        loop {
            let Ok(stream) = TcpStream::connect(&self.address).await else {
                assert!(stops(), "a connection was refused");
                return all;
            };
            let mut stream = BufReader::new(stream);
            loop {
                let call = self.next();
                let sent = stream.write_all(&self.bytes(&call)).await;
                let reply = match sent {
                    Ok(()) => Reply::try_read(&mut stream).await,
                    Err(_) => None,
                };
                let Some(reply) = reply else {
                    assert!(stops(), "a connection broke off, and nobody stops the program");
                    break;
                };
                let closes =
                    reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                all.push(Seen { late: stops(), ..seen(call, &reply) });
                if closes {
                    break;
                }
            }
        }
    }

    fn next(&mut self) -> Call {
        self.calls += 1;
        if self.chance.percent(5)
            && let Some(last) = &self.last
        {
            return last.clone();
        }
        let tenant = usize::try_from(self.chance.below(self.keys.len() as u64)).unwrap();
        let text = json!({ "value": format!("{} of {}", self.calls, self.number) });
        let (function, arguments) = match self.chance.below(100) {
            0..40 => ("echo.echo-string", text),
            40..60 => ("prober.kv-get", json!({ "bucket": "cart", "key": "k" })),
            60..85 => ("prober.kv-increment", json!({ "bucket": "cart", "key": "n", "delta": 1 })),
            85..90 => ("prober.kv-set", json!({ "bucket": "cart", "key": "k", "value": "YQ==" })),
            90..93 => ("echo.fail", json!({ "problem": { "tag": "because", "val": "it rains" } })),
            93..96 => ("prober.env", json!({})),
            _ => ("echo.echo-string", json!({ "value": 7 })),
        };
        let key = format!("client-{}-{}", self.number, self.calls);
        let call = Call { tenant, function, arguments, key, protocol: self.chance.percent(50) };
        if function == "prober.kv-increment" {
            self.last = Some(call.clone());
        }
        call
    }

    fn bytes(&self, call: &Call) -> Vec<u8> {
        let (path, body, more) = if call.protocol {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "load", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let params = json!({ "name": call.function, "arguments": call.arguments, "_meta": meta });
            let body =
                json!({ "jsonrpc": "2.0", "id": self.calls, "method": "tools/call", "params": params });
            let more = format!(
                "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {}\r\n",
                call.function
            );
            ("/mcp".to_owned(), body.to_string(), more)
        } else {
            (format!("/v1/tools/{}", call.function), call.arguments.to_string(), String::new())
        };
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\nidempotency-key: {}\r\n\
             {more}content-length: {}\r\n\r\n{body}",
            self.keys[call.tenant],
            call.key,
            body.len()
        )
        .into_bytes()
    }
}

/// An answer without a reason code and a call's id is what must never come.
fn seen(call: Call, reply: &Reply) -> Seen {
    let (reason, id, replayed) = if call.protocol {
        let meta = reply.json()["result"]["_meta"].clone();
        let word = |name: &str| meta[name].as_str().map(ToOwned::to_owned);
        (word("strongroom/reason-code"), word("strongroom/call-id"), meta["strongroom/replayed"] == true)
    } else {
        let word = |name: &str| reply.header(name).map(ToOwned::to_owned);
        (
            word("strongroom-reason"),
            word("strongroom-call-id"),
            reply.header("idempotent-replayed") == Some("true"),
        )
    };
    let reason = reason.and_then(|code| Reason::ALL.iter().copied().find(|reason| reason.code() == code));
    let reason = reason.unwrap_or_else(|| panic!("no reason code: {reply:?}"));
    let call_id = id.unwrap_or_else(|| panic!("no call: {reply:?}"));
    Seen {
        tenant: call.tenant,
        function: call.function,
        protocol: call.protocol,
        reason,
        replayed,
        call: call_id,
        late: false,
    }
}
