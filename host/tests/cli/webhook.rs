//! The webhook of `serve`: a killed server's turn passes on to the next one, and a receiver that says nothing delays no end.

use crate::house::{House, component};
use crate::server::Server;
use crate::words;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

const ACME: &str =
    "[tools]\nallow = [\"*\"]\n[[budgets]]\nof = \"calls\"\nper = \"total\"\nlimit = 2\nmode = \"warn\"\n";

/// The next connection and the id of the message that came over it, which nobody answers.
fn message(receiver: &TcpListener) -> (TcpStream, String) {
    let mut waits = 0..600;
    let mut connection = loop {
        match receiver.accept() {
            Ok((connection, _)) => break connection,
            Err(error) => assert!(waits.next().is_some(), "no message comes: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut read, mut piece) = (String::new(), [0; 4096]);
    while !read.contains("budget.alert") {
        let more = connection.read(&mut piece).unwrap();
        assert!(more > 0, "{read}");
        read.push_str(std::str::from_utf8(&piece[..more]).unwrap());
    }
    let id = read.lines().find_map(|line| line.strip_prefix("webhook-id: ")).unwrap().to_owned();
    (connection, id)
}

#[test]
fn a_killed_servers_turn_passes_on_and_the_end_of_the_next_is_not_delayed() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let to = receiver.local_addr().unwrap();
    let house = House::new();
    house.file("tenants/acme.toml", ACME);
    let secret = house.file("alerts.secret", "whsec_Y2FuYXJ5LW9mLXRoZS1hbGVydHMtc2VjcmV0LTE=\n");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = format!(
        "[alerts]\nwebhook = \"http://{to}/\"\nsecret_file = \"alerts.secret\"\ntimeout_ms = 60_000\n"
    );
    house.file("strongroom.toml", &settings);
    house.run(words!["install", component("echo")]).ok();
    let key = house.run(["key", "create", "--tenant", "acme", "--actor", "kim"]).ok().stdout.clone();
    let key = house.file("key", key.trim());
    let first = Server::start(&house);
    // In a process of its own, which sends nothing itself.
    house.run(words!["call", "echo.echo-u8", "{\"value\":1}", "--key-file", key]).ok();
    let (_open, id) = message(&receiver);
    let mut second = Server::start(&house);
    first.signal("KILL");
    let (_open, again) = message(&receiver);
    assert_eq!(again, id);
    second.signal("TERM");
    second.until("another signal stops at once");
    assert_eq!(second.ended(), Some(0));
}
