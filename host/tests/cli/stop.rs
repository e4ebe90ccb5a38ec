//! `kill`, `freeze` and `revive` against a server that runs calls, from a process of their own.

use crate::house::{House, component};
use crate::server::Server;
use crate::words;

fn with_sleeper() -> (House, String) {
    let house = House::new();
    house.file(
        "tenants/acme.toml",
        "[tools]\nallow = [\"*\"]\n[grants.sleeper.keyvalue.cart]\nmode = \"rw\"\n",
    );
    house.run(words!["install", component("sleeper")]).ok();
    let made = house.run(["key", "create", "--tenant", "acme", "--actor", "agent"]);
    let key = made.ok().stdout.trim().to_owned();
    (house, key)
}

/// Waits until the book has an entry with this text.
fn book_has(house: &House, text: &str) -> String {
    for _ in 0..400 {
        let book = house.book();
        if let Some(line) = book.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{text} is not in {}", house.book());
}

#[test]
fn a_kill_from_another_process_ends_calls_that_run_and_outlives_the_server() {
    let (house, key) = with_sleeper();
    let mut server = Server::start(&house);
    let arguments = r#"{"key":"k","value":"v","ms":60000}"#;
    std::thread::scope(|scope| {
        let call = scope.spawn(|| server.post("/v1/tools/sleeper.keep", &key, "one", arguments));
        // A call that stores what it is given is in the book when it ends and not before: the order is repeated until it
        // finds the call among those that run.
        let order = || house.run(["kill", "actor", "acme/agent", "--why", "leaked key", "--by", "kim"]);
        let found = (0..400).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let found = order().ok().says("stopped: actor acme/agent").stderr.contains("broke off 1 call");
            if !found {
                house.run(["revive", "actor", "acme/agent", "--by", "kim"]).ok();
            }
            found || call.is_finished()
        });
        assert!(found);
        let answer = call.join().unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains(r#""reason_code":"killed""#) && !answer.contains("leaked"), "{answer}");
    });
    let order = book_has(&house, "kill actor acme/agent: leaked key");
    assert!(order.contains(r#""actor_id":"kim""#) && order.contains(r#""tenant_id":"acme""#), "{order}");
    server.signal("TERM");
    server.until("another signal stops at once");
    drop(server);

    let server = Server::start(&house);
    let refused = server.post("/v1/tools/sleeper.sleep", &key, "two", r#"{"ms":1}"#);
    assert!(refused.contains(r#""reason_code":"killed""#), "{refused}");
    house.run(["revive", "actor", "acme/agent", "--by", "lee"]).ok().says("goes on: actor acme/agent");
    // What another process has lifted is lifted here a moment later.
    let ended = (0..400).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        server.post("/v1/tools/sleeper.keep", &key, "one", r#"{"key":"k","value":"v","ms":0}"#)
    });
    let again = ended.into_iter().find(|answer| !answer.contains(r#""reason_code":"killed""#)).unwrap();
    assert!(again.starts_with("HTTP/1.1 200"), "nothing was kept, and its key is free: {again}");
}

#[test]
fn writes_are_frozen_and_reads_go_on() {
    let (house, key) = with_sleeper();
    let digest = house.run(["tools", "--format", "json"]).ok().json()["functions"][0]["component"].clone();
    let digest = digest.as_str().unwrap().to_owned();
    let call = |function: &str, arguments: &str| {
        let mut command = house.command();
        crate::house::told(command.env("STRONGROOM_KEY", &key).args(["call", function, arguments]))
    };
    let keep = r#"{"key":"k","value":"v","ms":0}"#;
    for scope in [&["host"][..], &["tenant", "acme"], &["tool", "sleeper"], &["component", &digest]] {
        let order = house.run(["freeze"].iter().chain(scope).chain(&["--why", "migration"]));
        order.ok().says("writes are frozen: ").says("writes that run may end").says("no other process");
        assert!(!order.stderr.contains("none of this name"), "{order:?}");
        call("sleeper.keep", keep).failed(8, "writes_frozen").says("reads go on");
        call("sleeper.sleep", r#"{"ms":0}"#).ok();
        let listed = house.run(["kills"]).ok().stdout.clone();
        assert!(listed.contains(&scope.join(" ")) && listed.contains("freeze"), "{listed}");
        house.run(["kill"].iter().chain(scope).chain(&["--why", "worse"])).ok();
        call("sleeper.sleep", r#"{"ms":0}"#).failed(8, "killed");
        let kills = house.run(["kills", "--format", "json"]).ok().json();
        assert_eq!(kills["kills"].as_array().unwrap().len(), 1, "the stop replaced the freeze");
        assert_eq!((&kills["kills"][0]["mode"], &kills["kills"][0]["by"]), (&"stop".into(), &"local".into()));
        house.run(["revive"].iter().chain(scope)).ok();
    }
    call("sleeper.keep", keep).ok();
    house.run(["freeze", "actor", "acme/misspelt", "--why", "x"]).ok().says("none of this name");
    house.run(["kill", "actor", "acme", "--why", "x"]).failed(2, "usage").says("write `<tenant>/<actor>`");
    house
        .run(["kill", "component", "sha256:12", "--why", "x"])
        .failed(2, "usage")
        .says("write a component as");
    assert_eq!(house.run(["freeze", "component", &digest]).says("--why").code, 2);
    let standing = |house: &House| house.run(["tenant", "list"]).ok().stdout.clone();
    house.run(["freeze", "tenant", "acme", "--why", "x"]).ok();
    assert!(standing(&house).contains("frozen"), "{}", standing(&house));
}
