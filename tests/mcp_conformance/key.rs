//! The suite has no way to show a key, so this stands between it and the program and shows one for it. All else passes as it is.

use std::net::SocketAddr;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Begins to stand before a program, and says where.
pub async fn shown(program: String, key: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (program, key) = (TcpStream::connect(&program).await.unwrap(), key.clone());
            tokio::spawn(pass(client, program, key));
        }
    });
    address
}

/// Whoever ends first ends both: a client that goes away is gone for the program, too.
async fn pass(mut client: TcpStream, mut program: TcpStream, key: String) {
    let (asking, mut told) = client.split();
    let (mut answering, mut asked) = program.split();
    let mut asking = BufReader::new(asking);
    let up = async {
        while let Some((head, length)) = head(&mut asking, &key).await {
            asked.write_all(head.as_bytes()).await?;
            tokio::io::copy(&mut (&mut asking).take(length), &mut asked).await?;
        }
        std::io::Result::Ok(())
    };
    let down = tokio::io::copy(&mut answering, &mut told);
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
}

/// The head of the next request, with the key in it, and how long its body is.
async fn head(asking: &mut (impl AsyncBufRead + Unpin), key: &str) -> Option<(String, u64)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if asking.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        assert!(!lower.starts_with("transfer-encoding:"), "the suite says how long its bodies are");
        if line == "\r\n" {
            return Some((format!("{head}authorization: Bearer {key}\r\n\r\n"), length));
        }
        head.push_str(&line);
    }
}
