//! The server as clients see it: requests a second and how long each takes, with 1, 16 and 64 connections that are kept open.
//!
//! The server is the program `strongroom serve`, a process of its own with a home folder on disk; the clients are one thread of
//! this process, as a load generator has it, and share the machine with it. Every answer's status is checked, and that it is the
//! one for this request.

use crate::{ARGUMENTS, ECHO, house};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const CONNECTIONS: [usize; 3] = [1, 16, 64];

pub(crate) fn run(window: Duration) {
    for mode in ["synced", "buffered"] {
        let (home, key) = home(mode);
        let server = Server::start(&home);
        for (surface, request) in [("/v1/tools", http(&key)), ("/mcp", mcp(&key))] {
            let request = Arc::new(request);
            for connections in CONNECTIONS {
                // Shorter, to warm up.
                drop(load(server.address, &request, connections, window / 5));
                let (mut times, took) = load(server.address, &request, connections, window);
                report(&format!("{surface}, audit {mode}, {connections} connections"), &mut times, took);
            }
        }
    }
    println!("  goals over /mcp: synced ≥ 5,100/s at 64; buffered ≤ 200 µs median at 1 and ≥ 15,000/s at 64");
}

/// A home folder with a tenant, its key, and the tool.
fn home(mode: &str) -> (PathBuf, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut home = PathBuf::new();
    let key = runtime.block_on(async {
        let settings = async |folder: &Path| {
            home = folder.to_owned();
            std::fs::write(folder.join("strongroom.toml"), format!("[audit]\nmode = \"{mode}\"\n")).unwrap();
        };
        let (room, key) = house("echo", Some(ECHO), "", |builder| builder, settings).await;
        room.close().await.unwrap();
        key
    });
    (home, key)
}

/// `strongroom serve`, from beside this program.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(home: &Path) -> Self {
        let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("strongroom");
        // Nobody else takes the port in the moment between: it was the system's to choose.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(&program);
        command.arg("--home").arg(home).args(["serve", "--listen", &address.to_string()]);
        let process = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn();
        let process =
            process.unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask bench`", program.display()));
        let mut server = Self { process, address };
        while std::net::TcpStream::connect(address).is_err() {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "the server has ended: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn report(name: &str, times: &mut [Duration], took: Duration) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = times.len() as f64 / took.as_secs_f64();
    println!("{name:<46} {rate:>8.0}/s   {:>8.0} µs median   {:>8.0} µs p99", at(50), at(99));
}

fn http(key: &str) -> String {
    format!(
        "POST /v1/tools/echo.echo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{ARGUMENTS}",
        ARGUMENTS.len()
    )
}

fn mcp(key: &str) -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo.echo","arguments":{ARGUMENTS},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n\
         mcp-name: echo.echo\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// All connections at once, each asking again as soon as it has its answer.
fn load(
    address: SocketAddr,
    request: &Arc<String>,
    connections: usize,
    window: Duration,
) -> (Vec<Duration>, Duration) {
    let request = request.clone();
    let clients = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let began = Instant::now();
            let tasks: Vec<_> = (0..connections)
                .map(|_| {
                    let request = request.clone();
                    tokio::spawn(async move {
                        let stream = TcpStream::connect(address).await.unwrap();
                        stream.set_nodelay(true).unwrap();
                        let (mut stream, mut times) = (BufReader::new(stream), Vec::new());
                        let mut line = String::new();
                        while began.elapsed() < window {
                            let asked = Instant::now();
                            stream.write_all(request.as_bytes()).await.unwrap();
                            answer(&mut stream, &mut line).await;
                            times.push(asked.elapsed());
                        }
                        times
                    })
                })
                .collect();
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.unwrap());
            }
            (all, began.elapsed())
        })
    });
    clients.join().unwrap()
}

/// Reads one answer, and checks that it is a good one.
async fn answer(stream: &mut BufReader<TcpStream>, line: &mut String) {
    let mut length = 0;
    let mut first = true;
    loop {
        line.clear();
        assert!(stream.read_line(line).await.unwrap() > 0, "the server closed the connection");
        let text = line.trim_end();
        if first {
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            first = false;
        }
        if text.is_empty() {
            break;
        }
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("update order #918") && !body.contains("\"isError\":true"), "{body}");
}
