//! Messages of the protocol over HTTP, written by hand: JSON answers and streams of events alike.

use crate::http_api::client::Served;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The current revision, and the last with a handshake.
pub(crate) const NEW: &str = "2026-07-28";
pub(crate) const OLD: &str = "2025-11-25";

/// A client with a key, or without.
pub(crate) struct Client<'a> {
    pub(crate) served: &'a Served,
    pub(crate) key: Option<String>,
    pub(crate) version: &'static str,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The messages, the answer last; of a refusal its document.
    pub(crate) messages: Vec<Value>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn last(&self) -> &Value {
        self.messages.last().unwrap_or(&Value::Null)
    }

    #[track_caller]
    pub(crate) fn result(&self) -> &Value {
        self.last().get("result").unwrap_or_else(|| panic!("no result: {self:?}"))
    }
}

/// A client of the current revision.
pub(crate) fn client<'a>(served: &'a Served, key: &str) -> Client<'a> {
    Client { served, key: Some(key.to_owned()), version: NEW }
}

/// A message of a method, as the revision wants it.
pub(crate) fn message(version: &str, id: u64, method: &str, mut params: Value) -> Value {
    if version == NEW {
        let meta = params.as_object_mut().unwrap().entry("_meta").or_insert(json!({}));
        meta["io.modelcontextprotocol/protocolVersion"] = json!(version);
        meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

impl Client<'_> {
    /// The bytes of a request.
    pub(crate) fn bytes(&self, message: &Value, headers: &[&str]) -> Vec<u8> {
        let mut all = vec![
            "content-type: application/json".to_owned(),
            "accept: application/json, text/event-stream".to_owned(),
            format!("mcp-protocol-version: {}", self.version),
        ];
        if self.version == NEW {
            all.push(format!("mcp-method: {}", message["method"].as_str().unwrap()));
            let name = ["name", "uri"].iter().find_map(|key| message["params"][key].as_str());
            all.extend(name.map(|name| format!("mcp-name: {name}")));
        }
        all.extend(self.key.as_ref().map(|key| format!("authorization: Bearer {key}")));
        all.extend(headers.iter().map(|&header| header.to_owned()));
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        crate::http_api::client::request("POST", "/mcp", &all, message.to_string())
    }

    /// Sends a message and stays connected.
    pub(crate) async fn begin(&self, message: &Value, headers: &[&str]) -> BufReader<TcpStream> {
        let mut stream = self.served.connect().await;
        stream.write_all(&self.bytes(message, headers)).await.unwrap();
        stream
    }

    /// Sends a message and reads its whole answer.
    pub(crate) async fn send(&self, message: &Value, headers: &[&str]) -> Answer {
        read(&mut self.begin(message, headers).await).await
    }

    pub(crate) async fn ask(&self, method: &str, params: Value) -> Answer {
        self.send(&message(self.version, 1, method, params), &[]).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// The names of the tools that are listed.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let listed = self.ask("tools/list", json!({})).await;
        let tools = listed.result()["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// The head of an answer.
pub(crate) async fn head(stream: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the connection ended: {lines:?}");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &String| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()));
    (status, lines.iter().skip(1).filter_map(header).collect())
}

/// The next piece of a chunked body; `None` at its end.
pub(crate) async fn chunk(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let length = usize::from_str_radix(line.trim(), 16).ok()?;
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await.ok()?;
    bytes.truncate(length);
    (length > 0).then(|| String::from_utf8(bytes).unwrap())
}

/// The messages in a piece of an event stream.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

pub(crate) async fn read(stream: &mut BufReader<TcpStream>) -> Answer {
    let (status, headers) = head(stream).await;
    let find = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let mut body = String::new();
    match find("content-length") {
        Some(length) => {
            let mut bytes = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut bytes).await.unwrap();
            body = String::from_utf8(bytes).unwrap();
        }
        None => {
            while let Some(piece) = chunk(stream).await {
                body.push_str(&piece);
            }
        }
    }
    let messages = match find("content-type").as_deref() {
        Some("text/event-stream") => events(&body),
        _ => serde_json::from_str(&body).into_iter().collect(),
    };
    Answer { status, headers, messages }
}
