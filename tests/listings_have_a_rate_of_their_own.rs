//! Who asks too fast what it may call is refused, over HTTP and the Model Context Protocol; its calls, and other tenants, are not.

use crate::http_api::client::Served;
use crate::mcp_api::rpc::{OLD, client, message};
use serde_json::json;
use strongroom::reason::Reason;
use strongroom_tests::{book, house};

/// Two at once, and one a second.
const SLOW: &str = "[tools]\nallow = [\"*\"]\n[list_rate]\nper_second = 1\nburst = 2\n";
const FREE: &str = "[tools]\nallow = [\"*\"]\n";

#[tokio::test]
async fn lists_are_refused_over_their_rate_and_calls_are_not() {
    let house = house().tool("echo").tenant("acme", SLOW).tenant("globex", FREE).build().await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    let served = Served::new(&house.room);
    let lists = async |key: &str| served.get("/v1/tools", &[&format!("authorization: Bearer {key}")]).await;
    let mut refused = None;
    // Some may pass while time does; not all of so many.
    for _ in 0..200 {
        let list = lists(&acme).await;
        if list.status != 200 {
            refused = Some(list);
            break;
        }
    }
    let refused = refused.expect("one is refused");
    refused.is_problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait) && refused.json()["retry_after_ms"].as_u64().unwrap() > 0, "{refused:?}");
    assert_eq!(lists(&globex).await.status, 200, "another tenant is not held up");
    for _ in 0..20 {
        assert_eq!(served.call(&acme, "echo.nothing", &[], "{}").await.status, 200, "nor are calls");
        assert_eq!(lists(&globex).await.status, 200);
    }
    let of_lists = book(house.path()).into_iter().filter(|entry| entry.action == "list tools");
    let denied: Vec<_> = of_lists.filter(|entry| entry.reason_code == Reason::RateLimited).collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0].tenant_id.as_ref().map(|tenant| tenant.as_str()), Some("acme"));
}

#[tokio::test]
async fn every_list_of_the_protocol_counts() {
    let methods = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];
    for (n, method) in methods.into_iter().enumerate() {
        let house = house().tool("echo").tenant("acme", SLOW).build().await;
        let key = house.key("acme").await;
        let served = Served::new(&house.room);
        let mut client = client(&served, &key);
        if n % 2 == 1 {
            client.version = OLD;
        }
        let mut last = None;
        for id in 0..200 {
            let answer = client.send(&message(client.version, id, method, json!({})), &[]).await;
            if answer.last().get("error").is_some() {
                last = Some(answer);
                break;
            }
        }
        let last = last.unwrap_or_else(|| panic!("{method} is never refused"));
        let error = &last.last()["error"];
        assert!(error["message"].as_str().unwrap().starts_with("rate_limited: "), "{method}: {error}");
        let told = &error["data"];
        assert_eq!(told["strongroom/reason-code"], "rate_limited", "{method}: {told}");
        assert!(told["strongroom/retry-after-ms"].as_u64().is_some_and(|ms| ms > 0), "{method}: {told}");
        let called = client.call("echo.nothing", json!({})).await;
        assert_eq!(called.result()["isError"], false, "{method}: calls go on");
    }
}
