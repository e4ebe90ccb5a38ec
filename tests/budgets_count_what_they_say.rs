//! A budget counts the calls that it says it counts, in the unit that it says, and everybody can see how far it is used.

use axum::Router;
use axum::routing::any;
use serde_json::{Value, json};
use strongroom::id::{ActorId, RunId, TenantId};
use strongroom::identify::Credential;
use strongroom::reason::Reason;
use strongroom::settle::Receipt;
use strongroom::storage::ledger::{BudgetMode, Of, Per, Usage};
use strongroom::{BudgetOf, NewKey, OperateError};
use strongroom_tests::{House, house, request};

const ALL: &str = "[tools]\nallow = [\"*\"]\n";

/// A tenant with these budgets: `of per limit` and what else stands in the table.
fn tenant(budgets: &[&str]) -> String {
    let budgets = budgets.iter().map(|line| {
        let mut words = line.splitn(4, ' ');
        let [of, per, limit] = [(); 3].map(|()| words.next().unwrap());
        format!(
            "[[budgets]]\nof = \"{of}\"\nper = \"{per}\"\nlimit = {limit}\n{}\n",
            words.next().unwrap_or("")
        )
    });
    format!("{ALL}{}", budgets.collect::<String>())
}

fn id(tenant: &str) -> TenantId {
    TenantId::new(tenant).unwrap()
}

async fn key_of(house: &House, tenant: &str, actor: &str) -> String {
    let actor = ActorId::new(actor).unwrap();
    let key = NewKey { tenant: id(tenant), actor, role: None, scopes: Vec::new(), expires_ms: None };
    house.room.create_key(key).await.unwrap().text.to_string()
}

async fn step(house: &House, key: &str, function: &str, run: Option<&str>) -> Receipt {
    let mut request = request(function, r#"{"value":1}"#);
    request.run = run.map(|run| RunId::new(run).unwrap());
    house.room.call(Credential::ApiKey(key), request).await
}

/// How many calls of nine pass.
async fn passing(house: &House, key: &str, function: &str, run: Option<&str>) -> usize {
    let mut passed = 0;
    for _ in 0..9 {
        let receipt = step(house, key, function, run).await;
        assert!(matches!(receipt.reason, Reason::Ok | Reason::BudgetExceeded), "{receipt:?}");
        passed += usize::from(receipt.is_ok());
    }
    passed
}

fn one(house: &House, of: Of) -> Usage {
    let all = house.room.usage(&id("acme")).unwrap();
    all.into_iter().find(|usage| usage.budget.count.of == of).unwrap()
}

#[tokio::test]
async fn actors_are_counted_apart_and_one_of_them_by_a_rule_of_its_own() {
    let budgets = ["calls total 4 actor = \"*\"", "calls day 2 actor = \"kim\""];
    let house = house().tenant("acme", &tenant(&budgets)).tool("echo").build().await;
    let (kim, lee) = (key_of(&house, "acme", "kim").await, key_of(&house, "acme", "lee").await);
    let second = key_of(&house, "acme", "lee").await;
    assert_eq!(passing(&house, &kim, "echo.echo-u8", None).await, 2);
    assert_eq!(passing(&house, &lee, "echo.echo-u8", None).await, 4);
    assert_eq!(passing(&house, &second, "echo.echo-u8", None).await, 0, "another key is no other actor");
    let used = house.room.usage(&id("acme")).unwrap();
    let who: Vec<_> = used.iter().map(|u| (u.budget.count.who.as_str().to_owned(), u.spent)).collect();
    let expected = [("actor=kim", 2), ("actor=lee", 4), ("actor=kim", 2)];
    assert_eq!(who, expected.map(|(who, spent)| (who.to_owned(), spent)));
}

#[tokio::test]
async fn a_tools_budget_leaves_other_tools_alone() {
    let budgets = ["calls total 3 tool = \"echo\""];
    let house = house().tenant("acme", &tenant(&budgets)).tool("echo").tool("prober").build().await;
    let key = house.key("acme").await;
    assert_eq!(passing(&house, &key, "echo.echo-u8", None).await, 3);
    let other = house.call_as(&key, "prober.now", "{}").await;
    assert_eq!((other.reason, other.budgets.len()), (Reason::Ok, 0));
}

#[tokio::test]
async fn steps_of_a_run_count_only_under_their_own_tenant() {
    let budgets = tenant(&["calls run 3"]);
    let house = house().tenant("acme", &budgets).tenant("globex", &budgets).tool("echo").build().await;
    let (acme, globex) = (house.key("acme").await, house.key("globex").await);
    assert_eq!(passing(&house, &acme, "echo.echo-u8", Some("r1")).await, 3);
    assert_eq!(
        passing(&house, &globex, "echo.echo-u8", Some("r1")).await,
        3,
        "the same name, another tenant's run"
    );
    assert_eq!(passing(&house, &acme, "echo.echo-u8", Some("r2")).await, 3);
    assert_eq!(passing(&house, &acme, "echo.echo-u8", None).await, 9, "a call of no run is no step of one");
    let house = house.restart().await;
    assert_eq!(passing(&house, &acme, "echo.echo-u8", Some("r1")).await, 0);
    assert_eq!(house.room.usage(&id("acme")).unwrap().len(), 2);
}

/// A house whose tool may send to a loopback service.
async fn sending(budgets: &[&str], manifest_limits: &str) -> (House, String) {
    let app = Router::new().fallback(any(|| async { "ok" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let rules = format!(
        "{}[limits]\n{manifest_limits}\n[grants.prober.http.api]\norigin = \"http://{service}\"\nallow_private = true\n",
        tenant(budgets)
    );
    let house = house().tenant("acme", &rules).tool("prober").build().await;
    let key = house.key("acme").await;
    (house, key)
}

fn post(path: &str, headers: &[(&str, &str)], body: usize) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode("b".repeat(body));
    json!({ "method": "POST", "url": format!("http://api/{path}"), "headers": headers, "body": body })
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn egress_is_what_a_call_sends_paths_headers_and_bodies() {
    let (house, key) = sending(&["egress day 1000000"], "egress = \"100KiB\"").await;
    let mut before = 0;
    let mut sent = async |arguments: String| {
        let receipt = house.call_as(&key, "prober.http", &arguments).await;
        assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
        let spent = one(&house, Of::Egress).spent;
        let of_call = spent - before;
        before = spent;
        of_call
    };
    let least = sent(post("a", &[], 0)).await;
    assert!(least > 0);
    let thousand = sent(post("a", &[], 1000)).await;
    assert_eq!(sent(post("a", &[], 3500)).await - thousand, 2500, "a body counts by its bytes");
    assert_eq!(sent(post("abcdefghijk", &[], 0)).await - least, 10, "a path by its own");
    let header = sent(post("a", &[("x-note", "12345678")], 0)).await - least;
    assert!((14..=18).contains(&header), "a header by its name and its value: {header}");
    assert_eq!(one(&house, Of::Egress).reserved, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_sends_no_more_than_its_limit_and_a_budget_admits_no_call_that_could_send_more() {
    let (house, key) = sending(&["egress total 5000"], "egress = \"2000B\"").await;
    let receipt = house.call_as(&key, "prober.http", &post("a", &[], 4000)).await;
    assert_eq!(receipt.reason, Reason::QuotaExceeded, "{receipt:?}");
    let spent = one(&house, Of::Egress).spent;
    assert!(spent <= 2000, "never more than the limit is charged: {spent}");
    for _ in 0..8 {
        let receipt = house.call_as(&key, "prober.http", &post("a", &[], 1500)).await;
        if receipt.reason == Reason::BudgetExceeded {
            let usage = &receipt.budgets[0];
            assert!(usage.left() < 2000 && usage.spent <= 5000, "{usage:?}");
            return;
        }
        assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    }
    panic!("the budget never ended");
}

/// A house whose tool may write to a directory, a bucket and the memory.
async fn storing(budgets: &[&str], limit: &str) -> (House, String) {
    let rules = format!(
        "{}[limits]\nstored = \"{limit}\"\n[grants.prober.dir.data]\npath = \"data/shared/acme\"\nmode = \"rw\"\n\
         [grants.prober.keyvalue.cart]\nmode = \"rw\"\n[grants.prober.memory]\nmode = \"rw\"\n",
        tenant(budgets),
    );
    let house = house().tenant("acme", &rules).tool("prober").build().await;
    std::fs::create_dir_all(house.path().join("data/shared/acme")).unwrap();
    let key = house.key("acme").await;
    (house, key)
}

#[tokio::test]
async fn stored_is_what_a_call_writes_to_files_keyvalue_and_memory() {
    let (house, key) = storing(&["stored day 1000000"], "100KiB").await;
    let mut before = 0;
    let mut number = 0;
    let mut wrote = async |function: &str, arguments: Value| {
        number += 1;
        let mut request = request(function, &arguments.to_string());
        request.idempotency_key = Some(strongroom::id::IdempotencyKey::new(format!("k{number}")).unwrap());
        let receipt = house.room.call(Credential::ApiKey(&key), request).await;
        assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
        let spent = one(&house, Of::Stored).spent;
        let of_call = spent - before;
        before = spent;
        of_call
    };
    let file = |text: &str| json!({ "path": "/data/a.txt", "text": text });
    let short = wrote("prober.write-file", file("")).await;
    assert_eq!(wrote("prober.write-file", file(&"x".repeat(500))).await - short, 500, "a file by its bytes");
    let value = |key: &str, value: &str| json!({ "bucket": "cart", "key": key, "value": value });
    assert_eq!(wrote("prober.kv-set", value("k", "MTIz")).await, 4, "a key and its value");
    assert_eq!(wrote("prober.kv-set", value("longer", "MTIz")).await, 9);
    let text = |text: &str| json!({ "id": "m", "text": text, "tags": [] });
    assert_eq!(wrote("prober.mem-remember", text("hello")).await, 6, "a text and its id");
    assert_eq!(
        wrote("prober.kv-get", json!({ "bucket": "cart", "key": "longer" })).await,
        0,
        "reading is free"
    );
    assert_eq!(one(&house, Of::Stored).reserved, 0);
}

#[tokio::test]
async fn a_call_stores_no_more_than_its_limit_and_a_budget_admits_no_call_that_could_store_more() {
    let (house, key) = storing(&["stored total 250"], "100B").await;
    let write = async |text: &str, number: u8| {
        let arguments = json!({ "path": "/data/a.txt", "text": text }).to_string();
        let mut request = request("prober.write-file", &arguments);
        request.idempotency_key = Some(strongroom::id::IdempotencyKey::new(format!("k{number}")).unwrap());
        house.room.call(Credential::ApiKey(&key), request).await.reason
    };
    assert_eq!(write(&"x".repeat(500), 1).await, Reason::QuotaExceeded);
    assert_eq!(
        std::fs::read(house.path().join("data/shared/acme/a.txt")).unwrap().len(),
        0,
        "what is too much is not written"
    );
    let spent = one(&house, Of::Stored).spent;
    assert!(spent <= 100, "never more than the limit is charged: {spent}");
    assert_eq!(write("yy", 2).await, Reason::Ok);
    assert_eq!(write(&"y".repeat(80), 3).await, Reason::Ok);
    assert_eq!(write("z", 4).await, Reason::BudgetExceeded);
    assert_eq!(std::fs::read(house.path().join("data/shared/acme/a.txt")).unwrap().len(), 80);
}

#[tokio::test]
async fn calls_cost_what_prices_toml_says_also_after_it_changed() {
    let prices = "[default]\ncall = 100\n[tools.echo]\ncall = 250\n";
    let house = house()
        .file("prices.toml", prices)
        .tenant("acme", &tenant(&["spend month 1000"]))
        .tool("echo")
        .tool("prober");
    let house = house.build().await;
    let key = house.key("acme").await;
    house.call_as(&key, "echo.echo-u8", r#"{"value":1}"#).await;
    let receipt = house.call_as(&key, "prober.now", "{}").await;
    assert_eq!((receipt.budgets[0].spent, receipt.budgets[0].left()), (350, 650));
    std::fs::write(house.path().join("prices.toml"), "[default]\nfuel = 1000\n[tools.echo]\ncall = 400\n")
        .unwrap();
    house.room.apply(house.read_settings()).await.unwrap();
    // What fuel may cost at most is held back: this call could cost a million.
    let dear = house.call_as(&key, "prober.now", "{}").await;
    assert_eq!(dear.reason, Reason::BudgetExceeded, "{dear:?}");
    std::fs::write(house.path().join("prices.toml"), "[tools.echo]\ncall = 400\n").unwrap();
    house.room.apply(house.read_settings()).await.unwrap();
    assert_eq!(passing(&house, &key, "echo.echo-u8", None).await, 1);
    assert_eq!(one(&house, Of::Spend).spent, 750);
    let free = house.call_as(&key, "prober.now", "{}").await;
    assert_eq!((free.reason, free.budgets[0].spent), (Reason::Ok, 750));
    std::fs::write(house.path().join("prices.toml"), "[default]\ncall = -1\n").unwrap();
    let home = strongroom::powers::Home::open(house.path()).unwrap();
    assert!(
        strongroom::config::Settings::load(home.dir()).is_err(),
        "a fault leaves the old prices in force"
    );
}

#[tokio::test]
async fn a_warning_refuses_nothing_and_alerts_are_in_the_log_once_for_two_hosts() {
    let budgets = tenant(&["calls total 5 mode = \"warn\""]);
    let house = house().tenant("acme", &budgets).tool("echo").build().await;
    let key = house.key("acme").await;
    let mut heard = house.room.alerts();
    assert_eq!(passing(&house, &key, "echo.echo-u8", None).await, 9);
    let usage = one(&house, Of::Calls);
    assert_eq!((usage.spent, usage.left(), usage.budget.mode), (9, 0, BudgetMode::Warn));
    for percent in [50, 80, 100] {
        let alert = heard.next().await.unwrap().unwrap();
        assert_eq!((alert.percent, alert.limit, alert.tenant), (percent, 5, id("acme")));
    }
    let house = house.restart().await;
    assert_eq!(passing(&house, &key, "echo.echo-u8", None).await, 9);
    house.room.close().await.unwrap();
    let book = house.book();
    let alerts: Vec<Value> = book
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|entry: &Value| {
            entry["action"].as_str().is_some_and(|action| action.starts_with("budget.alert"))
        })
        .collect();
    assert_eq!(alerts.len(), 3, "{alerts:?}");
    assert_eq!(alerts[0]["action"], "budget.alert 50 % of 5 calls in total are used");
    assert_eq!(alerts[2]["tenant_id"], "acme");
}

#[tokio::test]
async fn the_tool_sees_what_is_left_with_what_its_own_call_holds() {
    let rules = [
        "calls day 10",
        "calls total 5 actor = \"*\" \ntool = \"prober\"",
        "fuel total 5000000000 mode = \"warn\"",
    ];
    let house = house().tenant("acme", &tenant(&rules)).tool("prober").build().await;
    let key = house.key("acme").await;
    for left in [10, 9] {
        let receipt = house.call_as(&key, "prober.context", "{}").await;
        let facts: Value = serde_json::from_str(receipt.value.as_deref().unwrap()).unwrap();
        let told: Vec<_> = facts["budgets"].as_array().unwrap().iter().map(|b| b.as_str().unwrap()).collect();
        assert_eq!(told[0], format!("calls per day: {left} of 10, ends"));
        assert_eq!(told[1], format!("calls per total: {} of 5 of the actor with the tool", left - 5));
        assert!(
            told[2].starts_with("fuel per total: ") && told[2].ends_with("of 5000000000 as a warning"),
            "{}",
            told[2]
        );
    }
}

#[tokio::test]
async fn a_raise_has_an_end_a_reason_and_an_entry_and_only_for_what_is_there() {
    let house = house()
        .tenant("acme", &tenant(&["calls day 2", "calls total 1 actor = \"*\""]))
        .tool("echo")
        .build()
        .await;
    let (kim, lee) = (key_of(&house, "acme", "kim").await, key_of(&house, "acme", "lee").await);
    assert_eq!(passing(&house, &kim, "echo.echo-u8", None).await, 1);
    let now = one(&house, Of::Calls).window_start;
    let day =
        BudgetOf { tenant: id("acme"), of: Of::Calls, per: Per::Day, actor: None, tool: None, run: None };
    let of_kim = BudgetOf { per: Per::Total, actor: Some(ActorId::new("kim").unwrap()), ..day.clone() };
    let end = now + 2 * 86_400_000;
    house.room.raise_budget(&of_kim, 5, end, "a migration\nof ours").await.unwrap();
    assert_eq!(passing(&house, &kim, "echo.echo-u8", None).await, 1, "the tenant's own budget ends it");
    house.room.raise_budget(&day, 5, end, "a migration").await.unwrap();
    assert_eq!(passing(&house, &kim, "echo.echo-u8", None).await, 4);
    assert_eq!(passing(&house, &lee, "echo.echo-u8", None).await, 1, "nobody else's is raised");
    assert!(house.room.lower_budget(&day).await.unwrap());
    assert!(!house.room.lower_budget(&day).await.unwrap());
    let receipt = step(&house, &kim, "echo.echo-u8", None).await;
    assert_eq!((receipt.reason, receipt.budgets[0].left()), (Reason::BudgetExceeded, 0));
    assert_eq!(house.room.raises().len(), 1);

    let other = [
        (BudgetOf { of: Of::Spend, ..day.clone() }, 1, end),
        (BudgetOf { actor: Some(ActorId::new("kim").unwrap()), ..day.clone() }, 1, end),
        (BudgetOf { per: Per::Total, ..day.clone() }, 1, end),
        (day.clone(), 0, end),
        (day.clone(), u64::MAX, end),
        (day.clone(), 1, now),
        (day.clone(), 1, now + 400 * 86_400_000),
    ];
    for (budget, more, until) in other {
        let refused = house.room.raise_budget(&budget, more, until, "").await;
        assert!(matches!(refused, Err(OperateError::Budget(_))), "{budget:?} {more} {until}");
    }
    let stranger = BudgetOf { tenant: id("globex"), ..day };
    assert!(matches!(house.room.raise_budget(&stranger, 1, end, "").await, Err(OperateError::Tenant(_))));
    let actions: Vec<String> = house
        .book()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].as_str().unwrap().to_owned())
        .filter(|action| action.starts_with("budget.") && !action.starts_with("budget.alert"))
        .collect();
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert!(
        actions[0].starts_with("budget.raise calls per total (actor=kim) by 5 until 20"),
        "{}",
        actions[0]
    );
    assert!(actions[0].ends_with("Z: a migration of ours"), "{}", actions[0]);
    assert_eq!(actions[2], "budget.lower calls per day");
}
