//! A service on loopback that answers with bytes as the test says, also such as no library would send.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What comes after the bytes of an answer.
#[derive(Clone)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing, and the connection stays open.
    Wait,
    /// The same again, without end, as fast as it is taken.
    Repeat(Vec<u8>),
    /// The same again, without end, one piece after each pause.
    Drip(Vec<u8>, Duration),
}

/// An answer, byte for byte.
pub struct Bytes(pub Vec<u8>, pub Then);

impl Bytes {
    /// A complete answer with these lines of a head and this body.
    pub fn whole(status: &str, lines: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n");
        Self([head.as_bytes(), body].concat(), Then::Close)
    }

    /// An answer that begins with this body and goes on.
    pub fn open(body: &[u8], then: Then) -> Self {
        Self([b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", body].concat(), then)
    }
}

/// The service, and what became of it.
#[derive(Clone)]
pub struct Wire {
    /// Where it listens.
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicU64>,
}

impl Wire {
    /// `http://127.0.0.1:<port>`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests that came, in order.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Bytes that were taken from it, so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

/// Starts a service; `answer` is asked with the first line of each request.
pub async fn wire(answer: impl Fn(&str) -> Bytes + Send + Sync + 'static) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let wire = Wire { address, heads: Arc::default(), sent: Arc::default() };
    let (own, answer) = (wire.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (wire, answer) = (own.clone(), answer.clone());
            // That the other side goes away is what half of these tests are about.
            tokio::spawn(async move { drop(serve(connection, &wire, &*answer).await) });
        }
    });
    wire
}

async fn serve(
    mut to: TcpStream,
    wire: &Wire,
    answer: &(dyn Fn(&str) -> Bytes + Send + Sync),
) -> std::io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match to.read(&mut piece).await? {
            0 => return Ok(()),
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Bytes(bytes, then) = answer(head.lines().next().unwrap_or_default());
    wire.heads.lock().unwrap().push(head);
    to.write_all(&bytes).await?;
    wire.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    loop {
        let piece = match &then {
            Then::Close => return to.shutdown().await,
            Then::Wait => match to.read(&mut piece).await? {
                0 => return Ok(()),
                _ => continue,
            },
            Then::Repeat(piece) => piece,
            Then::Drip(piece, pause) => {
                tokio::time::sleep(*pause).await;
                piece
            }
        };
        let written = to.write(piece).await?;
        wire.sent.fetch_add(written as u64, Ordering::SeqCst);
    }
}
