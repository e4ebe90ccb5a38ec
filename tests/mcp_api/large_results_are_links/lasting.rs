//! A linked result lasts an hour and no longer, over restarts and in every process; it goes with its tenant, and is given as it was or not at all.

use super::*;
use std::path::PathBuf;
use std::sync::Arc;
use strongroom::id::TenantId;
use strongroom::reason::Reason;
use strongroom_tests::Still;

/// Some time in 2027.
const THEN: u64 = 1_800_000_000_000;

fn files(house: &House, tenant: &str) -> Vec<PathBuf> {
    match std::fs::read_dir(house.path().join("answers").join(tenant)) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_repeat_is_given_the_same_link_and_one_result_is_kept() {
    // Without a word about its functions, each of them writes.
    let writes = "name = \"echo\"\nversion = \"0.1.0\"\ndescription = \"Writes\"\n";
    let plan = house().tool_with("echo", writes).file("strongroom.toml", HOST).tenant("acme", TENANT);
    let house = plan.build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let mut uris = Vec::new();
    for version in [NEW, OLD, NEW] {
        let client = Client { version, ..of(&served, &key) };
        let params = json!({ "name": "echo.echo-string", "arguments": { "value": "x".repeat(100_000) },
            "_meta": { "strongroom/idempotency-key": "one" } });
        let told = client.send(&message(version, 1, "tools/call", params), &[]).await;
        let replayed = &told.result()["_meta"]["strongroom/replayed"];
        assert_eq!(*replayed == true, !uris.is_empty(), "{told:?}");
        uris.push(uri(&told));
        assert_eq!(
            only(&fetch(&client, uris.last().unwrap()).await)["text"].as_str().unwrap().len(),
            100_000
        );
    }
    assert!(uris.iter().all(|uri| uri == &uris[0]), "{uris:?}");
    // One file of the idempotent answer, one of the result, both for their user alone.
    let files = files(&house, "acme");
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn it_is_kept_for_an_hour_over_restarts_and_by_every_process() {
    let clock = Still::at(THEN);
    let with = |clock: &Arc<Still>| {
        let clock = clock.clone();
        move |builder: strongroom::Builder| builder.clock(clock)
    };
    let house = plan().build_with(with(&clock)).await;
    let key = house.key("acme").await;
    let mut uris = Vec::new();
    {
        let served = Served::new(&house.room);
        // One that stands in the ledger, and one that is a file.
        for length in [5_000, 100_000] {
            uris.push((uri(&say(&of(&served, &key), &"x".repeat(length)).await), length));
        }
        let builder = strongroom::Strongroom::builder(Home::open(house.path()).unwrap());
        let beside = builder.clock(clock.clone()).build().await.unwrap();
        let served = Served::new(&beside);
        for (uri, length) in &uris {
            assert_eq!(only(&fetch(&of(&served, &key), uri).await)["text"].as_str().unwrap().len(), *length);
        }
    }
    let house = house.between(async |_| {}, with(&clock)).await;
    let served = Served::new(&house.room);
    let client = of(&served, &key);
    clock.pass(HOUR_MS - 1);
    for (uri, length) in &uris {
        assert_eq!(only(&fetch(&client, uri).await)["text"].as_str().unwrap().len(), *length);
    }
    clock.pass(1);
    for (uri, length) in &uris {
        let told = heard(&fetch(&client, uri).await, uri);
        let never = format!("{PREFIX}{}", "0".repeat(32));
        assert_eq!(told, heard(&fetch(&client, &never).await, &never), "{length}");
    }
    // The same result again is kept anew, from now.
    let again = uri(&say(&client, &"x".repeat(100_000)).await);
    assert_eq!(again, uris[1].0);
    clock.pass(HOUR_MS - 1);
    assert_eq!(only(&fetch(&client, &again).await)["text"].as_str().unwrap().len(), 100_000);
    assert_eq!(uri(&say(&client, &"x".repeat(100_000)).await), again);
    clock.pass(HOUR_MS - 1);
    assert_eq!(only(&fetch(&client, &again).await)["text"].as_str().unwrap().len(), 100_000);
}

#[tokio::test]
async fn it_goes_with_its_tenant() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    let read = json!({ "bytes": 100_000 });
    let (ours, theirs) = (
        uri(&of(&served, &acme).call("mcp.large", read.clone()).await),
        uri(&of(&served, &globex).call("mcp.large", read.clone()).await),
    );
    let tenant = TenantId::new("acme").unwrap();
    let deleted = house.room.delete_tenant(&tenant).await.unwrap();
    assert_eq!((deleted.traces.results, files(&house, "acme").len()), (1, 0));
    assert_eq!(fetch(&of(&served, &acme), &ours).await.status, 401);
    assert_eq!(only(&fetch(&of(&served, &globex), &theirs).await)["mimeType"], "image/png");
    // Whoever comes by the same names afterwards finds nothing of it.
    std::fs::write(house.path().join("tenants/acme.toml"), TENANT).unwrap();
    reload(&house).await;
    let acme = house.key("acme").await;
    let told = fetch(&of(&served, &acme), &ours).await;
    assert_eq!(told.last()["error"]["message"], "there is no such resource", "{told:?}");
}

#[tokio::test]
async fn what_cannot_be_kept_is_in_its_answer_and_what_is_damaged_is_not_given() {
    let house = plan().build().await;
    let served = Served::new(&house.room);
    let key = house.key("acme").await;
    let client = of(&served, &key);
    let large = json!({ "bytes": 100_000 });
    let there = uri(&client.call("mcp.large", large.clone()).await);
    let whole = std::fs::read(&files(&house, "acme")[0]).unwrap();
    for damaged in [whole.to_ascii_uppercase(), whole[1..].to_vec()] {
        let [file] = files(&house, "acme").try_into().unwrap();
        std::fs::write(&file, damaged).unwrap();
        let told = fetch(&client, &there).await;
        assert_eq!(told.last()["error"]["message"], "there is no such resource", "{told:?}");
        let entry = calls_of(&house).pop().unwrap();
        assert_eq!((entry.action.as_str(), entry.reason_code), ("read result mcp.large", Reason::NotFound));
        // The next call makes it whole again.
        assert_eq!(uri(&client.call("mcp.large", large.clone()).await), there);
        assert_eq!(only(&fetch(&client, &there).await)["mimeType"], "image/png");
        let [file] = files(&house, "acme").try_into().unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), whole);
    }
    let answers = house.path().join("answers/acme");
    std::fs::remove_dir_all(&answers).unwrap();
    std::fs::write(&answers, "in the way").unwrap();
    let told = client.call("mcp.large", json!({ "bytes": 90_000 })).await;
    assert_eq!(told.result()["content"][1]["type"], "image", "what was done is not lost for its length");
    assert_eq!(told.result()["_meta"].get("strongroom/linked"), None);
}
