//! `serve`: it answers, reloads, drains and ends.

use crate::house::{House, component};
use crate::words;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

pub(crate) struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl Server {
    pub(crate) fn start(house: &House) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("STRONGROOM_HOME", house.path())
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut server =
            Self { stderr: BufReader::new(child.stderr.take().unwrap()), child, address: String::new() };
        let line = server.until("http://");
        server.address = line.split("http://").nth(1).unwrap().trim().to_owned();
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Reads messages up to the one that has this text; the test ends when the server does.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "the server ended after: {seen}");
            seen.push_str(&line);
            if line.contains(text) {
                return seen;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end, and gives the exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Calls a function, under this idempotency key.
    pub(crate) fn post(&self, path: &str, key: &str, name: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, body.len());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {name}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str, key: Option<&str>) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let address = &self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{key}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test leaves no server behind; one that has ended cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_serves_reloads_and_drains() {
    let house = House::new();
    house.run(words!["install", component("echo")]).ok();
    let mut server = Server::start(&house);
    assert!(server.get("/readyz", None).starts_with("HTTP/1.1 200"));
    assert!(server.get("/v1/tools", None).contains("echo.echo-bool"));

    // A file at fault changes nothing and is told with its line.
    house.file("tenants/acme.toml", "[tools]\nalow = [\"echo\"]\n");
    server.signal("HUP");
    let told = server.until("stay in force");
    assert!(told.contains("error[config_invalid]") && told.contains("tenants/acme.toml:2"), "{told}");
    assert!(server.get("/v1/tools", None).starts_with("HTTP/1.1 200"));

    house.file("tenants/acme.toml", "[tools]\nallow = [\"echo.echo-bool\"]\n");
    server.signal("HUP");
    server.until("were read again and are in force");
    assert!(server.get("/v1/tools", None).starts_with("HTTP/1.1 401"));
    // A key that another process makes opens this one as soon as it has looked, a few times a second.
    let made = house.run(["key", "create", "--tenant", "acme", "--actor", "agent"]);
    let key = made.ok().stdout.trim();
    let listed = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        Some(server.get("/v1/tools", Some(key))).filter(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    let listed = listed.expect("the key never opened");
    assert!(listed.contains("echo.echo-bool") && !listed.contains("echo.echo-list"), "{listed}");

    // Another version of a tool serves from the next reload on.
    let manifest = house.file("echo.toml", "name = \"echo\"\nversion = \"2.0.0\"\n");
    house.run(words!["install", component("plain"), "--manifest", manifest, "--accept"]).ok();
    house.file("tenants/acme.toml", "[tools]\nallow = [\"echo\"]\n");
    server.signal("HUP");
    server.until("were read again and are in force");
    let listed = server.get("/v1/tools", Some(key));
    assert!(listed.contains("echo.archive.get") && !listed.contains("echo.echo-bool"), "{listed}");

    server.signal("TERM");
    server.until("another signal stops at once");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    // Behind it, the log tells the heads of tenants' trees that have changed.
    let last = house.run(["audit", "show", "--last", "2"]);
    assert!(last.ok().stdout.contains("close"), "{last:?}");
}

#[test]
fn it_takes_up_what_changes_without_being_told() {
    let house = House::new();
    let mut server = Server::start(&house);
    assert!(server.get("/readyz", None).contains(r#""config":"current""#));
    house.run(words!["install", component("echo")]).ok();
    server.until("echo 0.1.0 serves new calls");
    assert!(server.get("/v1/tools", None).contains("echo.echo-bool"));

    house.file("tenants/new", "[tools]\nallow = [\"echo.echo-bool\"]\n");
    std::fs::rename(house.path().join("tenants/new"), house.path().join("tenants/acme.toml")).unwrap();
    server.until("the settings on disk changed and are in force");
    assert!(server.get("/v1/tools", None).starts_with("HTTP/1.1 401"));

    house.file("tenants/acme.toml", "[tools]\nalow = [\"echo\"]\n");
    let told = server.until("the settings from before stay in force");
    assert!(told.contains("error[config_invalid]") && told.contains("tenants/acme.toml:2"), "{told}");
    let ready = server.get("/readyz", None);
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#""config":"stale""#), "{ready}");
    assert!(ready.contains("stale_since_unix_ms") && !ready.contains("acme"), "{ready}");

    house.file("strongroom.toml", "[engine]\nmax_concurrent_calls = 7\n");
    house.file("tenants/acme.toml", "[tools]\nallow = [\"echo\"]\n");
    let told = server.until("engine.max_concurrent_calls changed");
    assert!(told.contains("changed and are in force"), "{told}");
    assert!(server.get("/readyz", None).contains(r#""config":"current""#));

    server.signal("TERM");
    server.until("another signal stops at once");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let book = house.run(["audit", "show", "--last", "20"]);
    let book = &book.ok().stdout;
    assert!(book.contains("load echo") && book.contains("config_invalid"), "{book}");
}

#[test]
fn a_host_without_tenants_is_for_this_machine_only() {
    let house = House::new();
    house.run(["serve", "--listen", "0.0.0.0:0"]).failed(2, "config_invalid").says("listen on 127.0.0.1");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    house.run(["serve", "--listen", &address]).failed(1, "failed").says("--listen");
}

#[test]
fn a_tenant_that_another_process_deletes_is_nobody_here_at_once() {
    let house = House::new();
    house.file("tenants/acme.toml", "[tools]\nallow = [\"*\"]\n");
    house.file("tenants/globex.toml", "[tools]\nallow = [\"*\"]\n");
    let key = |tenant: &str| {
        let made = house.run(["key", "create", "--tenant", tenant, "--actor", "agent"]);
        made.ok().stdout.trim().to_owned()
    };
    let (acme, globex) = (key("acme"), key("globex"));
    let server = Server::start(&house);
    assert!(server.get("/v1/tools", Some(&acme)).starts_with("HTTP/1.1 200"));
    house.run(["tenant", "delete", "acme", "--yes"]).ok();
    let refused = (0..100).find(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.get("/v1/tools", Some(&acme)).starts_with("HTTP/1.1 401")
    });
    assert!(refused.is_some(), "the key of a deleted tenant still opens");
    assert!(server.get("/v1/tools", Some(&globex)).starts_with("HTTP/1.1 200"));
}

#[test]
fn the_audit_log_is_verified_and_keeps_its_key_while_the_server_runs() {
    let house = House::new();
    house.run(words!["install", component("echo")]).ok();
    let server = Server::start(&house);
    house.run(["audit", "verify"]).ok();
    let key = house.run(["audit", "keys", "list"]).ok().stdout.clone();
    house.run(["audit", "keys", "rotate"]).failed(8, "audit_unavailable").says("stop the server");
    assert_eq!(house.run(["audit", "keys", "list"]).ok().stdout, key);
    drop(server);
}
