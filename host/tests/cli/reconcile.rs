//! `reconcile` after a server that was killed in the middle of writes.

use crate::house::{House, component};
use crate::server::Server;
use crate::words;
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
        let calls = ["one", "two"].map(|name| {
            let (server, key) = (&server, &key);
            scope.spawn(move || server.post("/v1/tools/prober.http", key, name, arguments))
        });
        while house.book().matches(r#""phase":"intent""#).count() < 2 {
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
    assert_eq!(unknown.len(), 2, "{listed}");
    for call in &unknown {
        assert_eq!((&call["function"], &call["actor"]), (&"prober.http".into(), &"agent".into()));
        assert!(call["announced"].as_array().is_some_and(|effects| !effects.is_empty()), "{call}");
    }
    let calls: Vec<&str> = unknown.iter().map(|call| call["call_id"].as_str().unwrap()).collect();
    let (one, two) = (calls[0], calls[1]);
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
    house.run(["reconcile", "list"]).ok().says("no write waits to be settled");
    let book = house.book();
    let act = book.lines().find(|line| line.contains("reconcile.failed prober.http")).unwrap();
    assert!(act.contains("nothing there") && act.contains(r#""actor_id":"kim""#), "{act}");
}
