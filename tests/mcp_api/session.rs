//! A client with a handshake: its session, and what comes on its streams.

use super::rpc::{Answer, Client, OLD, chunk, client as of, events, head, message};
use crate::http_api::client::{Served, request};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A session, with its name.
pub(super) struct Session<'a> {
    pub(super) client: Client<'a>,
    pub(super) name: String,
}

impl<'a> Session<'a> {
    pub(super) async fn begin(served: &'a Served, key: &str, capabilities: Value) -> Session<'a> {
        let client = Client { version: OLD, ..of(served, key) };
        let hello = json!({ "protocolVersion": OLD, "capabilities": capabilities,
            "clientInfo": { "name": "test", "version": "1" } });
        let answer = client.ask("initialize", hello).await;
        let name = answer.header("mcp-session-id").expect("a session").to_owned();
        let session = Session { client, name };
        let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(session.send(&told).await.status, 202);
        session
    }

    pub(super) fn header(&self) -> String {
        format!("mcp-session-id: {}", self.name)
    }

    pub(super) async fn send(&self, message: &Value) -> Answer {
        self.client.send(message, &[&self.header()]).await
    }

    pub(super) async fn call(&self, tool: &str) -> BufReader<TcpStream> {
        let message = message(OLD, 7, "tools/call", json!({ "name": tool, "arguments": {} }));
        let mut stream = self.client.begin(&message, &[&self.header()]).await;
        let (status, headers) = head(&mut stream).await;
        assert_eq!(status, 200, "{headers:?}");
        stream
    }

    pub(super) async fn open(&self, method: &str) -> (u16, BufReader<TcpStream>) {
        let key = format!("authorization: Bearer {}", self.client.key.as_ref().unwrap());
        let headers =
            [key.as_str(), &self.header(), "accept: text/event-stream", "mcp-protocol-version: 2025-11-25"];
        let mut stream = self.client.served.connect().await;
        stream.write_all(&request(method, "/mcp", &headers, "")).await.unwrap();
        let (status, _) = head(&mut stream).await;
        (status, stream)
    }
}

/// The next message of a stream.
pub(super) async fn next(stream: &mut BufReader<TcpStream>) -> Value {
    loop {
        let piece = chunk(stream).await.expect("an event");
        if let Some(event) = events(&piece).pop() {
            return event;
        }
    }
}
