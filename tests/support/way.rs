//! One call over each of the ways in to the program: its HTTP API, the Model Context Protocol over HTTP in both kinds of revision, and
//! on standard input and output. Whatever a way has no place for is left out of it.

use crate::{Serving, command};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `POST /v1/tools/<function>`.
    Http,
    /// `/mcp`, revision 2026-07-28.
    Mcp,
    /// `/mcp`, revision 2025-11-25.
    McpOld,
    /// `serve --stdio`.
    Stdio,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Http, Self::Mcp, Self::McpOld, Self::Stdio];
    /// Those on which a request says who calls.
    pub const OVER_HTTP: [Self; 3] = [Self::Http, Self::Mcp, Self::McpOld];
}

/// A call, and what a client puts beside it.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// What is called.
    pub function: &'a str,
    /// With what.
    pub arguments: Value,
    /// The idempotency key; one of its own for each call unless it is said.
    pub idempotency: Option<&'a str>,
    /// More fields of `_meta`.
    pub meta: Value,
    /// More lines of the head.
    pub headers: &'a [&'a str],
    /// What stands behind the path, with its `?`.
    pub query: &'a str,
}

impl<'a> Ask<'a> {
    /// A call with nothing beside it.
    pub fn new(function: &'a str, arguments: Value) -> Self {
        Self { function, arguments, idempotency: None, meta: json!({}), headers: &[], query: "" }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status; 200 on standard output.
    pub status: u16,
    /// All that came, byte for byte.
    pub raw: Vec<u8>,
    /// The reason code, `ok` included.
    pub reason: String,
    /// The tool's answer, or nothing.
    pub value: Value,
    /// The call's id, where there is one.
    pub call: String,
    /// Whether it was given again.
    pub replayed: bool,
}

/// A client of one tenant on one way.
pub struct Caller {
    /// The way.
    pub way: Way,
    address: String,
    key: Option<String>,
    child: Option<Stream>,
}

/// The program on the other side of standard input and output.
struct Stream {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    said: Arc<Mutex<String>>,
}

impl Caller {
    /// A client of the tenant, which has this key.
    pub fn new(way: Way, serving: &Serving, home: &Path, tenant: &str, key: &str) -> Self {
        let child = (way == Way::Stdio).then(|| Stream::start(home, tenant));
        Self { way, address: serving.address.clone(), key: Some(key.to_owned()), child }
    }

    /// A client over HTTP with another credential, or none.
    pub fn with(way: Way, serving: &Serving, key: Option<&str>) -> Self {
        Self { way, address: serving.address.clone(), key: key.map(ToOwned::to_owned), child: None }
    }

    /// What the program has said on standard error, where it is this client's own.
    pub fn said(&self) -> String {
        self.child.as_ref().map(|child| child.said.lock().unwrap().clone()).unwrap_or_default()
    }

    /// Calls.
    pub async fn call(&mut self, ask: Ask<'_>) -> Told {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let own = format!("way-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let key = ask.idempotency.unwrap_or(&own);
        if self.way == Way::Http {
            let key = format!("idempotency-key: {key}");
            let headers = [&[key.as_str()], ask.headers].concat();
            let path = format!("/v1/tools/{}{}", ask.function, ask.query);
            return Told::api(self.exchange(&path, &headers, &ask.arguments.to_string()).await);
        }
        let mut meta = ask.meta.clone();
        meta["strongroom/idempotency-key"] = json!(key);
        let params = json!({ "name": ask.function, "arguments": ask.arguments, "_meta": meta });
        self.message("tools/call", params, ask.headers, ask.query).await
    }

    /// Sends a message of the protocol's.
    pub async fn message(&mut self, method: &str, mut params: Value, headers: &[&str], query: &str) -> Told {
        if let Some(child) = &mut self.child {
            return tokio::task::block_in_place(|| Told::message(200, child.ask(7, method, &params)));
        }
        let mut all = vec!["accept: application/json, text/event-stream".to_owned()];
        if self.way == Way::Mcp {
            let meta = params.as_object_mut().unwrap().entry("_meta").or_insert(json!({}));
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            let client = &mut meta["io.modelcontextprotocol/clientInfo"];
            if client.is_null() {
                *client = json!({ "name": "test", "version": "1" });
            }
            all.push("mcp-protocol-version: 2026-07-28".to_owned());
            all.push(format!("mcp-method: {method}"));
            all.extend(params["name"].as_str().map(|name| format!("mcp-name: {name}")));
        } else {
            all.push("mcp-protocol-version: 2025-11-25".to_owned());
        }
        let all: Vec<_> = all.iter().map(String::as_str).chain(headers.iter().copied()).collect();
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
        let raw = self.exchange(&format!("/mcp{query}"), &all, &body).await;
        match status(&raw) {
            200 => Told::message(200, raw),
            _ => Told::api(raw),
        }
    }

    async fn exchange(&self, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
        // A line of a test's own takes the place of ours.
        let own = |name: &str| headers.iter().any(|line| line.to_lowercase().starts_with(name));
        let mut head =
            format!("POST {path} HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\n");
        head.push_str(&format!("content-length: {}\r\n", body.len()));
        if !own("host:") {
            head.push_str("host: localhost\r\n");
        }
        if let Some(key) = self.key.as_ref().filter(|_| !own("authorization:")) {
            head.push_str(&format!("authorization: Bearer {key}\r\n"));
        }
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        self.raw(format!("{head}\r\n{body}").as_bytes()).await
    }

    /// Sends bytes and reads until the connection ends.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        // Whoever is turned away early may not be read to the end.
        drop(stream.write_all(bytes).await);
        let mut all = Vec::new();
        drop(stream.read_to_end(&mut all).await);
        all
    }

    /// Sends messages on standard input at once and reads as many.
    pub fn stream(&mut self, messages: &[Value], answers: usize) -> Vec<Value> {
        let child = self.child.as_mut().unwrap();
        tokio::task::block_in_place(|| {
            for message in messages {
                child.send(message);
            }
            (0..answers).map(|_| serde_json::from_slice(&child.next()).unwrap()).collect()
        })
    }

    /// Ends the program of this client, if there is one, and gives what it said.
    pub fn end(mut self) -> String {
        let Some(mut stream) = self.child.take() else { return String::new() };
        drop(stream.input.take());
        let mut rest = Vec::new();
        stream.output.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "", "nothing but answers on standard output");
        assert!(stream.child.wait().unwrap().success());
        stream.said.lock().unwrap().clone()
    }
}

impl Stream {
    fn start(home: &Path, tenant: &str) -> Self {
        let mut command = command(home);
        command.args(["serve", "--stdio", "--tenant", tenant]).env("STRONGROOM_LOG", "trace");
        // A name that a client's configuration may well set.
        command.env("STRONGROOM_TENANT", "globex").env("TENANT_ID", "globex");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::<Mutex<String>>::default();
        let (all, mut stderr) = (said.clone(), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut stream = Self { child, input, output, said };
        let client = json!({ "name": "globex", "version": "1", "tenant": "globex" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client,
            "_meta": { "tenant": "globex" } });
        stream.ask(0, "initialize", &hello);
        stream.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        stream
    }

    fn next(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.output.read_until(b'\n', &mut line).unwrap();
        line
    }

    fn ask(&mut self, id: u64, method: &str, params: &Value) -> Vec<u8> {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.next()
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_ref().unwrap(), "{message}").unwrap();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A failed test leaves no program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(raw: &[u8]) -> u16 {
    let head = String::from_utf8_lossy(&raw[..raw.len().min(16)]).into_owned();
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Head and body.
fn parts(raw: &[u8]) -> (String, Value) {
    let text = String::from_utf8_lossy(raw).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

impl Told {
    fn api(raw: Vec<u8>) -> Self {
        let (head, value) = parts(&raw);
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(n, _)| *n == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        Self {
            status: status(&raw),
            reason: header("strongroom-reason"),
            call: header("strongroom-call-id"),
            replayed: header("idempotent-replayed") == "true",
            value,
            raw,
        }
    }

    /// An answer of the protocol's, with or without the head that carried it.
    fn message(status: u16, raw: Vec<u8>) -> Self {
        let mut answer = serde_json::from_slice(&raw).unwrap_or_else(|_| parts(&raw).1);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if !answer["error"].is_null() {
            let reason = word(&answer["error"]["data"]["strongroom/reason-code"]);
            return Self { status, reason, call: String::new(), replayed: false, value: Value::Null, raw };
        }
        let result = answer["result"].take();
        let content = &result["structuredContent"];
        let value = content.get("result").filter(|_| content.as_object().unwrap().len() == 1);
        Self {
            status,
            reason: word(&result["_meta"]["strongroom/reason-code"]),
            call: word(&result["_meta"]["strongroom/call-id"]),
            replayed: result["_meta"]["strongroom/replayed"] == true,
            value: value.unwrap_or(content).clone(),
            raw,
        }
    }
}
