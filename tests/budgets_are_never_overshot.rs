//! A thousand calls at once cannot spend more than the budget, and book and ledger agree to the unit.

use std::collections::HashMap;
use std::sync::Arc;
use strongroom::audit::{MemoryJournal, Phase};
use strongroom::identify::Credential;
use strongroom::reason::Reason;
use strongroom_tests::{house, request};

const POOR: &str = r#"
[tools]
allow = ["*"]
[[budgets]]
of = "calls"
per = "total"
limit = 137
[[budgets]]
of = "fuel"
per = "total"
limit = 1_000_000_000_000
"#;

const RICH: &str = r#"
[tools]
allow = ["*"]
[[budgets]]
of = "calls"
per = "total"
limit = 100_000
[[budgets]]
of = "fuel"
per = "total"
limit = 1_000_000_000_000_000
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_of_two_tenants_with_one_budget_ending_midway() {
    let book = Arc::new(MemoryJournal::new());
    let house = house()
        .file("strongroom.toml", "[engine]\nmax_concurrent_calls = 1000\n")
        .tenant("poor", POOR)
        .tenant("rich", RICH)
        .tool("echo")
        .build_with(|builder| builder.journal(book.clone()))
        .await;
    let keys = [house.key("poor").await, house.key("rich").await];
    let calls: Vec<_> = (0..1000)
        .map(|n| {
            let (room, key) = (house.room.clone(), keys[n % 2].clone());
            tokio::spawn(async move {
                let request = request("echo.echo-u64", &format!("{{\"value\":{n}}}"));
                room.call(Credential::ApiKey(&key), request).await
            })
        })
        .collect();
    let mut reasons: HashMap<(String, Reason), u64> = HashMap::new();
    let mut fuel: HashMap<String, u64> = HashMap::new();
    for call in calls {
        let receipt = call.await.unwrap();
        let tenant = receipt.tenant.expect("identified").to_string();
        *fuel.entry(tenant.clone()).or_default() += receipt.fuel;
        *reasons.entry((tenant, receipt.reason)).or_default() += 1;
    }
    let count = |tenant: &str, reason| reasons.get(&(tenant.to_owned(), reason)).copied().unwrap_or(0);
    assert_eq!(count("poor", Reason::Ok), 137, "{reasons:?}");
    assert_eq!(count("poor", Reason::BudgetExceeded), 500 - 137, "{reasons:?}");
    assert_eq!(count("rich", Reason::Ok), 500, "{reasons:?}");

    for (tenant, key) in ["poor", "rich"].iter().zip(&keys) {
        let caller = house.room.identify(Credential::ApiKey(key)).await.unwrap();
        let usage = house.room.budgets(&caller).await.unwrap();
        drop(caller);
        let entries = book.entries();
        let outcomes: Vec<_> = entries
            .iter()
            .filter(|e| {
                e.phase == Phase::Outcome && e.tenant_id.as_ref().is_some_and(|t| t.as_str() == *tenant)
            })
            .filter(|e| e.reason_code == Reason::Ok && e.action.starts_with("call "))
            .collect();
        let booked: u64 = outcomes.iter().map(|e| e.fuel).sum();
        assert_eq!(usage[0].spent, u64::try_from(outcomes.len()).unwrap(), "{tenant}: calls");
        assert_eq!(usage[1].spent, booked, "{tenant}: fuel in ledger and book");
        assert_eq!(usage[1].spent, fuel[*tenant], "{tenant}: fuel in ledger and receipts");
        assert!(usage.iter().all(|u| u.reserved == 0), "{tenant}: nothing is left reserved: {usage:?}");
    }

    let house = house.restart().await;
    let caller = house.room.identify(Credential::ApiKey(&keys[0])).await.unwrap();
    let usage = house.room.budgets(&caller).await.unwrap();
    assert_eq!((usage[0].spent, usage[0].left()), (137, 0), "a restart forgets nothing and invents nothing");
    let receipt = house.call_as(&keys[0], "echo.echo-u8", r#"{"value":1}"#).await;
    assert_eq!(receipt.reason, Reason::BudgetExceeded);
}
