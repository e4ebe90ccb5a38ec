//! A receiver of webhooks on loopback that answers as the test says, and checks signatures with another library than the host.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What becomes of a request.
#[derive(Clone, Copy)]
pub enum Says {
    /// This status with these lines of the head, and no body.
    Status(u16, &'static str),
    /// Status 200, and a body without end.
    Chatter,
    /// The connection is closed without an answer.
    Break,
    /// Nothing, and the connection stays open.
    Silence,
}

/// A message as it came.
#[derive(Debug)]
pub struct Got {
    pub target: String,
    pub fields: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn id(&self) -> &str {
        &self.fields["webhook-id"]
    }

    /// The body, when one of the signatures is by this key (`whsec_…`).
    pub fn signed_with(&self, secret: &str) -> Option<Value> {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let head = format!("{}.{}.", self.id(), self.fields["webhook-timestamp"]);
        let signed = [head.as_bytes(), &self.body].concat();
        let is_right = |signature: &str| {
            let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            ring::hmac::verify(&key, &signed, &tag).is_ok()
        };
        let right = self.fields["webhook-signature"].split(' ').any(is_right);
        right.then(|| serde_json::from_slice(&self.body).unwrap())
    }

    /// The part of the limit that the alert is about.
    pub fn percent(&self) -> u64 {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["data"]["percent"].as_u64().unwrap()
    }
}

/// Starts a receiver; `says` is asked with the number of each request, from 0.
pub async fn receiver(
    says: impl Fn(usize) -> Says + Send + Sync + 'static,
) -> (SocketAddr, UnboundedReceiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, hears) = unbounded_channel();
    let says = Arc::new(says);
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((connection, _)) = listener.accept().await {
            let answer = says(number);
            number += 1;
            // That the host goes away is what some of these tests are about.
            let tell = tell.clone();
            tokio::spawn(async move { drop(serve(connection, answer, tell).await) });
        }
    });
    (address, hears)
}

async fn serve(mut to: TcpStream, says: Says, tell: UnboundedSender<Got>) -> std::io::Result<()> {
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    let got = loop {
        match to.read(&mut piece).await? {
            0 => return Ok(()),
            more => read.extend_from_slice(&piece[..more]),
        }
        if let Some(got) = whole(&read) {
            break got;
        }
    };
    drop(tell.send(got));
    match says {
        Says::Status(status, lines) => {
            let head =
                format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n{lines}connection: close\r\n\r\n");
            to.write_all(head.as_bytes()).await?;
            to.shutdown().await
        }
        Says::Chatter => {
            to.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                to.write_all(&[b'x'; 1024]).await?;
            }
        }
        Says::Break => Ok(()),
        Says::Silence => loop {
            if to.read(&mut piece).await? == 0 {
                return Ok(());
            }
        },
    }
}

/// The request, when all of it is there.
fn whole(read: &[u8]) -> Option<Got> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&read[..end]).unwrap();
    let (first, lines) = head.split_once("\r\n").unwrap();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let fields: BTreeMap<String, String> = lines.lines().map(field).collect();
    let body = &read[end + 4..];
    let length: usize = fields["content-length"].parse().unwrap();
    let target = first.strip_prefix("POST ").unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    (body.len() == length).then(|| Got { target, fields, body: body.to_vec() })
}

/// The next message; that none comes is a failure, and not a wait for ever.
pub async fn next(hears: &mut UnboundedReceiver<Got>) -> Got {
    tokio::time::timeout(Duration::from_secs(30), hears.recv()).await.expect("a message comes").unwrap()
}
