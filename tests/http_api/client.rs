//! A host that serves on a loopback port, and a client that writes its requests by hand: nothing between the test and
//! the bytes.

use serde_json::Value;
use std::net::SocketAddr;
use strongroom::powers::Home;
use strongroom::serve::{self, ServeError};
use strongroom::{Strongroom, audit};
use strongroom_tests::House;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A listener on a free port.
pub(crate) fn listener(host: &str) -> TcpListener {
    let listener = std::net::TcpListener::bind((host, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    TcpListener::from_std(listener).unwrap()
}

/// A host that serves.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    done: JoinSet<Result<(), ServeError>>,
}

impl Served {
    pub(crate) fn new(room: &Strongroom) -> Self {
        Self::on(room, listener("127.0.0.1"))
    }

    pub(crate) fn on(room: &Strongroom, listener: TcpListener) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        let (stop, stopped) = oneshot::channel();
        let mut done = JoinSet::new();
        done.spawn(serve::run(room.clone(), listener, async move { drop(stopped.await) }));
        Self { address, stop: Some(stop), done }
    }

    /// Gives the sign to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until serving has ended.
    pub(crate) async fn ended(mut self) {
        self.done.join_next().await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn connect(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpSocket::new_v4().unwrap().connect(self.address).await.unwrap())
    }

    /// Sends bytes on a connection of their own and reads the answer.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        Reply::read(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Reply {
        self.raw(request("GET", path, headers, "")).await
    }

    /// Calls a function with a key.
    pub(crate) async fn call(&self, key: &str, function: &str, headers: &[&str], arguments: &str) -> Reply {
        self.raw(call(key, function, headers, arguments)).await
    }
}

/// A request's bytes.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut text =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// A call's bytes.
pub(crate) fn call(key: &str, function: &str, headers: &[&str], arguments: &str) -> Vec<u8> {
    let authorization = format!("authorization: Bearer {key}");
    let headers: Vec<_> = headers.iter().copied().chain([authorization.as_str()]).collect();
    request("POST", &format!("/v1/tools/{function}"), &headers, arguments)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) async fn read(stream: &mut BufReader<TcpStream>) -> Self {
        Self::try_read(stream).await.expect("an answer")
    }

    /// `None` when the connection ends before there is an answer.
    pub(crate) async fn try_read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines.first()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &String| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()));
        let headers: Vec<_> = lines.iter().skip(1).filter_map(header).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        stream.read_exact(&mut body).await.ok()?;
        Some(Self { status, headers, body: String::from_utf8(body).unwrap() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Whether it is the problem of this status and reason, in header and body alike.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, reason: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("strongroom-reason"), Some(reason), "{self:?}");
        let body = self.json();
        assert_eq!(body["reason_code"], reason);
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:strongroom:reason:{reason}"));
        assert_eq!(body["call_id"], self.header("strongroom-call-id").unwrap());
        assert!(body["detail"].is_string());
    }
}

/// What the book has of a call.
pub(crate) fn entries(house: &House, call_id: &str) -> Vec<audit::Entry> {
    let mut all = book(house);
    all.retain(|entry| entry.call_id.is_some_and(|id| id.to_string() == call_id));
    all
}

/// The whole book.
pub(crate) fn book(house: &House) -> Vec<audit::Entry> {
    let dir = Home::open(house.path().join("audit")).unwrap();
    audit::read(dir.dir(), audit::Filter::default()).unwrap().map(Result::unwrap).collect()
}
