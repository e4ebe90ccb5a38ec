//! An agent's loop, step by step: resolve the tenant, check the budget, read what the tenant remembers, decide,
//! authorize, execute with the granted rights, and see the outcome in the book, denied or executed.
//!
//! `cargo run -p strongroom --example agent_loop -- path/to/components` (the folder that holds `prober.wasm`)

use strongroom::admit::CallRequest;
use strongroom::audit::{Filter, read};
use strongroom::authorize::Authorized;
use strongroom::identify::Credential;
use strongroom::powers::Home;
use strongroom::{NewKey, Strongroom};

const TENANT: &str = r#"
[tools]
allow = ["prober.kv-set", "prober.kv-get"]
[[budgets]]
of = "calls"
per = "hour"
limit = 100
[grants.prober.keyvalue.cart]
bucket = "notes"
mode = "rw"
"#;

/// What the agent decides; a model would stand here.
fn decide(remembered: Option<&[u8]>) -> (&'static str, &'static str) {
    match remembered {
        None => ("prober.kv-set", r#"{"bucket":"cart","key":"seen","value":"b3JkZXIgOTE4"}"#),
        Some(_) => ("prober.random", r#"{"bytes":4}"#), // not in the allowlist: it will be denied
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let components = Home::open(std::env::args().nth(1).ok_or("usage: agent_loop <components folder>")?)?;
    let folder = tempfile::tempdir()?;
    let home = Home::open(folder.path())?;
    home.dir().create_dir("tenants")?;
    home.dir().write("tenants/acme.toml", TENANT)?;
    let room = Strongroom::builder(home).build().await?;
    room.install(components.dir().read("prober.wasm")?, "prober", None).await?;
    let key = NewKey {
        tenant: "acme".parse()?,
        actor: "agent-7".parse()?,
        role: None,
        scopes: Vec::new(),
        expires_ms: None,
    };
    let key = room.create_key(key).await?;

    for turn in 1..=2 {
        // A refusal of any step is a receipt that is in the book already.
        let caller = match room.identify(Credential::ApiKey(&key.text)).await {
            Ok(caller) => caller,
            Err(denied) => return Err(denied.reason.meaning().into()),
        };
        let budgets = room.budgets(&caller).await?;
        let left = budgets.iter().map(strongroom::storage::ledger::Usage::left).min();
        let remembered = room.recall(&caller, "notes", "seen").await?;
        let (function, arguments) = decide(remembered.as_deref());
        println!(
            "turn {turn}: {} for {}, {left:?} calls left, decides on {function}",
            caller.actor(),
            caller.tenant()
        );

        let request = CallRequest {
            function: function.into(),
            arguments: arguments.into(),
            idempotency_key: Some(format!("turn-{turn}").parse()?),
            ..CallRequest::default()
        };
        let receipt = async {
            let admission = room.admit(caller, request).await?;
            let grant = match room.authorize(admission).await? {
                Authorized::Fresh(grant) => grant,
                Authorized::Again(earlier) => return Ok(room.replay(earlier).await),
            };
            println!("  may reach: {:?}", grant.rights().kv);
            let cell = room.isolate(grant).await?;
            Ok::<_, Box<strongroom::settle::Receipt>>(room.settle(room.execute(cell).await).await)
        };
        let receipt = receipt.await.unwrap_or_else(|denied| *denied);
        println!("  {} {}", receipt.outcome, receipt.reason);
    }
    room.close().await?;

    for entry in read(Home::open(folder.path().join("audit"))?.dir(), Filter::default())? {
        let entry = entry?;
        println!("book: {:>2} {:<24} {:<16} {}", entry.seq, entry.action, entry.reason_code, entry.outcome);
    }
    Ok(())
}
