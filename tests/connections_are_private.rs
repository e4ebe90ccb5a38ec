//! With `[tls]` the server speaks by TLS alone, and takes up another certificate without breaking a connection off.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use strongroom::reason::Reason;
use strongroom::serve::{self, ServeError};
use strongroom_tests::{House, Still, house};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const ONE: [&[u8]; 2] =
    [include_bytes!("connections_are_private/one.pem"), include_bytes!("connections_are_private/one.key")];
const TWO: [&[u8]; 2] =
    [include_bytes!("connections_are_private/two.pem"), include_bytes!("connections_are_private/two.key")];
const SETTINGS: &str = "[tls]\ncert = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n";

fn put(home: &Path, [cert, key]: [&[u8]; 2]) {
    std::fs::create_dir_all(home.join("tls")).unwrap();
    std::fs::write(home.join("tls/cert.pem"), cert).unwrap();
    std::fs::write(home.join("tls/key.pem"), key).unwrap();
    std::fs::set_permissions(home.join("tls/key.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

struct Server {
    house: House,
    clock: Arc<Still>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), ServeError>>,
}

async fn server() -> Server {
    let clock = Still::at(1_790_000_000_000);
    let plan = house().file("strongroom.toml", SETTINGS);
    put(plan.path(), ONE);
    let time = clock.clone();
    let house = plan.build_with(|builder| builder.clock(time)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(serve::run(house.room.clone(), listener, async move { drop(stopped.await) }));
    Server { house, clock, address, stop, done }
}

async fn connect(address: SocketAddr, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(include_bytes!("connections_are_private/ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

fn certificate(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "the connection ended");
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let server = server().await;
    let der = |pem: &[u8]| CertificateDer::from_pem_slice(pem).unwrap().to_vec();
    let mut old = connect(server.address, &[b"http/1.1"]).await.unwrap();
    assert_eq!(certificate(&old), der(ONE[0]));
    assert_eq!(old.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(ask(&mut old).await.starts_with("HTTP/1.1 200 OK"));
    // A key that does not fit changes nothing.
    put(server.house.path(), [ONE[0], TWO[1]]);
    server.clock.pass(1_000);
    assert_eq!(certificate(&connect(server.address, &[]).await.unwrap()), der(ONE[0]));
    put(server.house.path(), TWO);
    server.clock.pass(1_000);
    let mut new = connect(server.address, &[]).await.unwrap();
    assert_eq!(certificate(&new), der(TWO[0]));
    for stream in [&mut old, &mut new] {
        assert!(ask(stream).await.starts_with("HTTP/1.1 200 OK"));
    }
    drop((old, new));
    server.stop.send(()).unwrap();
    server.done.await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_served_in_the_clear() {
    let server = server().await;
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    match plain.read_to_end(&mut answer).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // A client that speaks another protocol alone is refused, and the next one is served.
    assert!(connect(server.address, &[b"h2"]).await.is_err());
    assert!(connect(server.address, &[b"h2", b"http/1.1"]).await.is_ok());
}

#[tokio::test]
async fn files_that_cannot_be_used_are_a_clear_error() {
    for (name, files, open, says) in [
        ("a key that others can read", ONE, true, "chmod 600"),
        ("a key of another certificate", [ONE[0], TWO[1]], false, "tls/cert.pem"),
        ("no certificate", [&b"x"[..], ONE[1]], false, "no certificate"),
        ("no key", [ONE[0], ONE[0]], false, "no private key"),
    ] {
        let plan = house().file("strongroom.toml", SETTINGS);
        put(plan.path(), files);
        if open {
            let key = plan.path().join("tls/key.pem");
            std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let house = plan.build().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = serve::run(house.room.clone(), listener, std::future::pending()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ConfigInvalid, "{name}");
        assert!(error.to_string().contains(says), "{name}: {error}");
    }
}
