//! `reconcile` after a server that was killed in the middle of writes.

use crate::house::{House, component};
use crate::server::Server;
use crate::words;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn writes_of_a_killed_server_are_listed_and_settled() {
    let house = House::new();
    // A service that takes the calls and never answers.
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", service.local_addr().unwrap());
    house.file(
        "tenants/acme.toml",
        &format!("[tools]\nallow = [\"*\"]\n[grants.prober.http.api]\norigin = \"{origin}\"\nallow_private = true\n"),
    );
    house.run(words!["install", component("prober")]).ok();
    let made = house.run(["key", "create", "--tenant", "acme", "--actor", "agent"]);
    let key = made.ok().stdout.trim().to_owned();
    house.run(["reconcile", "list"]).ok().says("no write waits to be settled");

    let server = Server::start(&house);
    let arguments = r#"{"method":"POST","url":"http://api/pay","headers":[],"body":""}"#;
    std::thread::scope(|scope| {
        let calls = ["one", "two", "three"].map(|name| {
            let (server, key) = (&server, &key);
            scope.spawn(move || server.post("/v1/tools/prober.http", key, name, arguments))
        });
        while house.book().matches(r#""phase":"intent""#).count() < 3 {
            std::thread::sleep(Duration::from_millis(20));
        }
        house.run(["reconcile", "list"]).ok().says("no write waits to be settled");
        server.signal("KILL");
        // They hear nothing, or that the connection broke.
        calls.into_iter().for_each(|call| drop(call.join()));
    });
    drop(server);

    let listed = house.run(["reconcile", "list", "--tenant", "acme", "--format", "json"]).ok().json();
    let unknown = listed["unknown"].as_array().unwrap().clone();
    assert_eq!(unknown.len(), 3, "{listed}");
    for call in &unknown {
        assert_eq!((&call["function"], &call["actor"]), (&"prober.http".into(), &"agent".into()));
        assert!(call["announced"].as_array().is_some_and(|effects| !effects.is_empty()), "{call}");
    }
    let calls: Vec<&str> = unknown.iter().map(|call| call["call_id"].as_str().unwrap()).collect();
    let (one, two, three) = (calls[0], calls[1], calls[2]);
    let table = house.run(["reconcile", "list"]).ok().stdout.clone();
    assert!(table.contains(one) && table.contains("/pay"), "{table}");

    house.run(["reconcile", "failed", one]).says("--why");
    house
        .run(["reconcile", "failed", one, "--why", "nothing there", "--by", "kim"])
        .ok()
        .says("the key is free");
    house.run(["reconcile", "done", two, "--why", "seen", "--answer", "{"]).says("error");
    house.run(["reconcile", "done", two, "--why", "seen"]).ok().says("is not run");
    house.run(["reconcile", "done", two, "--why", "seen"]).says("no write of");

    let rerun = |call: &str, arguments: &str| {
        house.run(words![
            "reconcile",
            "rerun",
            call,
            "--arguments",
            arguments,
            "--why",
            "nothing there",
            "--by",
            "kim"
        ])
    };
    rerun(three, &arguments.replace("pay", "buy")).says("other arguments");
    rerun(one, arguments).says("no write of");
    house.run(["freeze", "host", "--why", "drill"]).ok();
    rerun(three, arguments).says("nothing was changed");
    house.run(["revive", "host"]).ok();
    // Now the service answers: to the connections of before, and to one more.
    let answers = std::thread::spawn(move || {
        for connection in service.incoming().take(4) {
            let mut connection = connection.unwrap();
            let mut request = [0; 1024];
            if connection.read(&mut request).is_ok_and(|n| n > 0) {
                drop(connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npaid"));
            }
        }
    });
    let again = rerun(three, &arguments.replace(",", ", ")).ok().stdout.clone();
    answers.join().unwrap();
    assert!(again.contains("200"), "{again}");
    rerun(three, arguments).says("no write of");
    house.run(["reconcile", "list"]).ok().says("no write waits to be settled");
    let book = house.book();
    let act = book.lines().find(|line| line.contains("reconcile.rerun prober.http")).unwrap();
    assert!(act.contains("nothing there") && act.contains(r#""actor_id":"kim""#), "{act}");
    let act = book.lines().find(|line| line.contains("reconcile.failed prober.http")).unwrap();
    assert!(act.contains("nothing there") && act.contains(r#""actor_id":"kim""#), "{act}");
}
