//! A server with `[tls]` on loopback, and a client of it that shows a certificate and sends what the test says.

use super::authority::{Authority, Pair};
use crate::http_api::client::listener;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use strongroom::serve::{self, Listeners};
use strongroom_tests::{House, Plan, Still, house};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// 2026-09-21.
pub(crate) const NOW_MS: u64 = 1_790_000_000_000;
pub(crate) const TENANT: &str = "[tools]\nallow = [\"echo\"]\n";

pub(crate) struct Server {
    pub(crate) house: House,
    pub(crate) clock: Arc<Still>,
    pub(crate) web: Authority,
    address: SocketAddr,
    /// Where the admin API is served.
    admin: SocketAddr,
}

pub(crate) fn write(home: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = home.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Server {
    /// With these settings, `[tls]` of them last; `files` are of the home folder.
    pub(crate) async fn start(settings: &str, files: &[(&str, &str)]) -> Self {
        let plan = house().tool("echo").tenant("acme", TENANT).tenant("globex", TENANT);
        Self::start_with(plan, settings, files).await
    }

    pub(crate) async fn start_with(plan: Plan, settings: &str, files: &[(&str, &str)]) -> Self {
        let web = Authority::new("web");
        let [cert, key] =
            web.server(&["localhost", "acme.example", "globex.example", "tools.example", "other.example"]);
        let plan = plan.file("strongroom.toml", settings);
        for (name, text) in [("tls/cert.pem", cert.as_str()), ("tls/key.pem", &key)].iter().chain(files) {
            write(plan.path(), name, text);
        }
        let clock = Still::at(NOW_MS);
        let time = clock.clone();
        let house = plan.build_with(|builder| builder.clock(time)).await;
        let (calls, admins) = (listener("127.0.0.1"), listener("127.0.0.1"));
        let (address, admin) = (calls.local_addr().unwrap(), admins.local_addr().unwrap());
        let (room, listeners) = (house.room.clone(), Listeners { calls, admin: Some(admins) });
        tokio::spawn(async move { serve::run_on(room, listeners, std::future::pending()).await.unwrap() });
        Self { house, clock, web, address, admin }
    }

    pub(crate) async fn connect(&self, shows: Option<&Pair>) -> Result<Client> {
        self.connect_to("localhost", shows).await
    }

    pub(crate) async fn connect_to(&self, name: &str, shows: Option<&Pair>) -> Result<Client> {
        self.connect_at(self.address, name, shows).await
    }

    /// To the listener of the admin API.
    pub(crate) async fn connect_admin(&self, shows: Option<&Pair>) -> Result<Client> {
        self.connect_at(self.admin, "localhost", shows).await
    }

    /// To the same without TLS.
    pub(crate) async fn connect_in_the_clear(&self) -> Result<TcpStream> {
        TcpStream::connect(self.admin).await
    }

    async fn connect_at(&self, address: SocketAddr, name: &str, shows: Option<&Pair>) -> Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(self.web.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(pair.chain.clone(), pair.key()).unwrap(),
        };
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        Ok(Client(stream))
    }

    /// The last entry of the audit log.
    pub(crate) fn last(&self) -> Value {
        serde_json::from_str(self.house.book().lines().last().unwrap()).unwrap()
    }
}

pub(crate) struct Client(TlsStream<TcpStream>);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn reason(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("strongroom-reason: "));
        line.unwrap_or_default().trim()
    }
}

impl Client {
    /// Calls `echo.nothing`.
    pub(crate) async fn call(&mut self, lines: &str) -> Result<Answer> {
        self.post("/v1/tools/echo.nothing", lines, "{}").await
    }

    /// The same by the Model Context Protocol.
    pub(crate) async fn call_mcp(&mut self, lines: &str) -> Result<Answer> {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo.nothing","arguments":{}}}"#;
        let lines = format!(
            "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n{lines}"
        );
        self.post("/mcp", &lines, body).await
    }

    pub(crate) async fn post(&mut self, path: &str, lines: &str, body: &str) -> Result<Answer> {
        let host = if lines.contains("host:") { "" } else { "host: localhost\r\n" };
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\n{host}content-type: application/json\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
        ))
        .await
    }

    pub(crate) async fn get(&mut self, path: &str, lines: &str) -> Result<Answer> {
        let host = if lines.contains("host:") { "" } else { "host: localhost\r\n" };
        self.send(&format!("GET {path} HTTP/1.1\r\n{host}{lines}\r\n")).await
    }

    pub(crate) async fn send(&mut self, request: &str) -> Result<Answer> {
        self.0.write_all(request.as_bytes()).await?;
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match self.0.read(&mut piece).await? {
                0 => return Err(Error::from(ErrorKind::UnexpectedEof)),
                read => bytes.extend_from_slice(&piece[..read]),
            }
        };
        let mut body = bytes.split_off(head);
        let head = String::from_utf8(bytes).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        while body.len() < length.unwrap_or(0) {
            match self.0.read(&mut piece).await? {
                0 => return Err(Error::from(ErrorKind::UnexpectedEof)),
                read => body.extend_from_slice(&piece[..read]),
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer { status, head, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}
