//! A request cannot be spelled so that the host reads one place and the wire another: what is not plain is refused, and
//! what is sent names the host that was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use strongroom::powers::{BoxFuture, Dial};
use strongroom::reason::Reason;
use strongroom_tests::{Bytes, House, Wire, house, wire};
use tokio::net::TcpStream;

/// A network where literal addresses are what they say and every name is a public address; all lead to one service.
#[derive(Debug)]
struct Network {
    service: SocketAddr,
    connected: Mutex<Vec<SocketAddr>>,
}

impl Dial for Network {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let address = host.parse().unwrap_or(IpAddr::from([93, 184, 216, 34]));
        Box::pin(async move { Ok(vec![SocketAddr::new(address, port)]) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.connected.lock().unwrap().push(address);
        let service = self.service;
        Box::pin(async move { TcpStream::connect(service).await })
    }
}

async fn set_up(grant: &str) -> (House, String, Arc<Network>, Wire) {
    let wire = wire(|_| Bytes::whole("200 OK", "", b"an answer")).await;
    let network = Arc::new(Network { service: wire.address, connected: Mutex::default() });
    let rules = format!("[tools]\nallow = [\"*\"]\n[grants.every.http.api]\n{grant}\n");
    let dial = network.clone();
    let house = house().tenant("acme", &rules).tool("every").build_with(|b| b.dial(dial)).await;
    let key = house.key("acme").await;
    (house, key, network, wire)
}

/// A request as the guest builds it: method, scheme, authority, path.
async fn send(house: &House, key: &str, parts: [&str; 4], headers: &[(&str, &str)]) -> (Reason, String) {
    let [method, scheme, authority, path] = parts;
    let arguments = serde_json::json!({
        "method": method, "scheme": scheme, "authority": authority, "path": path, "headers": headers,
    });
    let receipt = house.call_as(key, "every.request", &arguments.to_string()).await;
    (receipt.reason, format!("{:?} {:?}", receipt.value, receipt.message))
}

const GRANT: &str = "origins = [\"http://api.example.com\", \"https://*.wild.example.com\"]";

#[tokio::test]
async fn authorities_that_are_not_plain_lead_nowhere() {
    let (house, key, network, _) = set_up(GRANT).await;
    for authority in [
        "user@api.example.com",
        "user:pass@api.example.com",
        "api.example.com@evil.example",
        "api.example.com:80@evil.example",
        "evil.example\\api.example.com",
        "evil.example\\@api.example.com",
        "evil.example/api.example.com",
        "evil.example?api.example.com",
        "evil.example#api.example.com",
        "api.example.com.",
        "api.example.com..",
        "api.example.com:81",
        "api.example.com:",
        "api.example.com:80:80",
        "api.example.com ",
        " api.example.com",
        "api.example.com\t",
        "api.example.com\r\nhost: evil.example",
        "api.example.com\0",
        "api%2eexample.com",
        "api.example.com%00.evil.example",
        "аpi.example.com", // a Cyrillic letter
        "xn--pi-7ka.example.com",
        "api.exаmple.com", // another one
        "evil-api.example.com",
        "example.com",
        "wild.example.com",
        "a.wild.example.com",
        "evil-wild.example.com",
        "api.example.com.evil.example",
        "*.example.com",
        "*",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "",
    ] {
        let (reason, told) = send(&house, &key, ["GET", "http", authority, "/x"], &[]).await;
        assert!(
            matches!(reason, Reason::CapabilityDenied | Reason::ToolError),
            "{authority:?}: {reason} {told}"
        );
    }
    assert!(network.connected.lock().unwrap().is_empty());
}

#[tokio::test]
async fn other_schemes_and_methods_are_other_requests() {
    let (house, key, network, _) = set_up(GRANT).await;
    for [method, scheme] in [
        ["GET", "https"],
        ["GET", "ftp"],
        ["GET", "file"],
        ["GET", "gopher"],
        ["CONNECT", "http"],
        ["TRACE", "http"],
        ["PURGE", "http"],
        ["GET / HTTP/1.1\r\nhost: evil.example\r\n\r\nGET", "http"],
        ["get", "http"],
        ["", "http"],
    ] {
        let (reason, told) = send(&house, &key, [method, scheme, "api.example.com", "/x"], &[]).await;
        assert!(matches!(reason, Reason::CapabilityDenied | Reason::ToolError), "{method} {scheme}: {told}");
    }
    assert!(network.connected.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_sent_names_the_host_that_was_checked_whatever_the_path_says() {
    let (house, key, network, wire) = set_up(GRANT).await;
    for path in [
        "http://evil.example/x",
        "https://evil.example/x",
        "//evil.example/x",
        "///evil.example/x",
        "/\\evil.example/x",
        "\\\\evil.example\\x",
        "evil.example:443",
        "*",
        "@evil.example/x",
        "/x HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        "/x\r\n",
        "/x\0",
        "/x y",
        "/../x",
        "/%2e%2e/x",
        "/x/..%2fy",
        "/x#fragment",
        "",
    ] {
        let before = wire.heads().len();
        let (reason, told) = send(&house, &key, ["GET", "http", "api.example.com", path], &[]).await;
        let sent = wire.heads().split_off(before);
        assert!(
            matches!(reason, Reason::CapabilityDenied | Reason::ToolError) || !sent.is_empty(),
            "{path:?}: {reason} {told}"
        );
        for head in sent {
            let mut lines = head.lines();
            let first = lines.next().unwrap();
            assert!(first.starts_with("GET /") && first.ends_with(" HTTP/1.1"), "{path:?} became {first:?}");
            assert!(!first.starts_with("GET //") && !first.contains(".."), "{path:?} became {first:?}");
            let hosts: Vec<_> = lines.filter(|line| line.to_lowercase().starts_with("host:")).collect();
            assert_eq!(hosts, ["host: api.example.com"], "{path:?}");
        }
    }
    assert!(network.connected.lock().unwrap().iter().all(|to| to.ip() == IpAddr::from([93, 184, 216, 34])));
}

#[tokio::test]
async fn headers_of_the_host_are_not_the_tools_to_set() {
    let (house, key, network, wire) = set_up(GRANT).await;
    for header in [
        ("host", "evil.example"),
        ("Host", "evil.example"),
        ("connection", "upgrade"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("proxy-connection", "keep-alive"),
        ("keep-alive", "300"),
        ("x-a", "b\r\nhost: evil.example"),
        ("x-a", "b\nhost: evil.example"),
        ("x-a", "b\r"),
        ("x-a", "b\0"),
        ("x-a\r\nhost", "evil.example"),
        ("x-a: b\r\nx-c", "d"),
        ("x a", "b"),
        (":authority", "evil.example"),
        ("", "b"),
    ] {
        let (reason, told) = send(&house, &key, ["GET", "http", "api.example.com", "/x"], &[header]).await;
        assert_eq!(reason, Reason::ToolError, "{header:?}: {told}");
    }
    assert!(network.connected.lock().unwrap().is_empty() && wire.heads().is_empty());
    let good = send(&house, &key, ["GET", "http", "api.example.com", "/x"], &[("x-a", "b")]).await;
    assert_eq!(good.0, Reason::Ok, "{}", good.1);
    let head = wire.heads().concat().to_lowercase();
    assert!(head.contains("x-a: b\r\n") && head.matches("host:").count() == 1, "{head}");
}

#[tokio::test]
async fn addresses_inside_stay_closed_however_they_are_spelled() {
    // The origin itself is granted; what is missing is the leave to go inside.
    for host in [
        "127.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fd12::1]",
    ] {
        let (house, key, network, _) = set_up(&format!("origin = \"http://{host}\"")).await;
        let spellings: &[&str] = match host {
            "127.0.0.1" => {
                &["127.0.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "api"]
            }
            "[::1]" => &["[::1]", "[0:0:0:0:0:0:0:1]", "api"],
            other => &[other, "api"],
        };
        for authority in spellings {
            let (reason, told) = send(&house, &key, ["GET", "http", authority, "/x"], &[]).await;
            assert_eq!(reason, Reason::CapabilityDenied, "{authority}: {told}");
        }
        assert!(network.connected.lock().unwrap().is_empty(), "{host}");
    }
}

#[tokio::test]
async fn services_that_hand_out_the_machines_identity_are_closed_to_everybody() {
    for host in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[::]",
        "[ff02::1]",
    ] {
        let (house, key, network, _) =
            set_up(&format!("origin = \"http://{host}\"\nallow_private = true")).await;
        let (reason, told) = send(&house, &key, ["GET", "http", "api", "/latest/meta-data"], &[]).await;
        assert_eq!(reason, Reason::CapabilityDenied, "{host}: {told}");
        assert!(network.connected.lock().unwrap().is_empty(), "{host}");
    }
}
