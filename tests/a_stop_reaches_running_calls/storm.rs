//! Switches that go on and off while calls come without a pause.

use super::{acme, plan};
use strongroom::identify::Credential;
use strongroom::reason::{Outcome, Reason};
use strongroom::settle::Receipt;
use strongroom::storage::ledger::KillScope;
use strongroom_tests::{House, request_with_key};

/// Writes one after the other, each under a key of its own, until the host is closed to it for good.
async fn writes(house: &House, key: &str, row: &str, count: usize) -> Vec<(String, Receipt)> {
    let mut ended = Vec::new();
    for n in 0..count {
        let name = format!("{row}-{n}");
        let arguments = format!(r#"{{"bucket":"cart","key":"{row}","delta":1}}"#);
        let request = request_with_key("prober.kv-increment", &arguments, &name);
        let receipt = house.room.call(Credential::ApiKey(key), request).await;
        ended.push((name, receipt));
    }
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_of_calls_none_slips_through_and_every_receipt_is_true() {
    const WRITES: usize = 40;
    let house = plan("").build().await;
    let (acme_key, globex_key) = (house.key("acme").await, house.key("globex").await);
    let storm = async {
        let rows = ["a", "b", "c", "d"].map(|row| writes(&house, &acme_key, row, WRITES));
        let [a, b, c, d] = rows;
        tokio::join!(a, b, c, d, writes(&house, &globex_key, "e", WRITES))
    };
    let mut storm = std::pin::pin!(storm);
    let mut switches = 0_u32;
    let (a, b, c, d, others) = loop {
        let drill = async {
            let scope = KillScope::Tenant(acme());
            let stopped = house.room.kill(scope.clone(), "drill").await.unwrap();
            assert!(stopped.gone);
            let running = house.room.running();
            assert!(running.iter().all(|call| call.tenant.as_str() != "acme"), "{running:?}");
            house.room.revive(scope).await.unwrap();
        };
        let mut drill = std::pin::pin!(drill);
        tokio::select! {
            ended = storm.as_mut() => {
                drill.await;
                break ended;
            }
            () = drill.as_mut() => switches += 1,
        }
    };
    assert!(switches > 0);
    assert!(house.room.running().is_empty(), "nothing is left behind");
    assert!(others.iter().all(|(_, receipt)| receipt.is_ok()), "nobody touched the other tenant");
    for (row, receipts) in [("a", a), ("b", b), ("c", c), ("d", d)] {
        let (mut done, mut unknown, mut free) = (0_u64, 0_u64, 0_u64);
        for (name, receipt) in receipts {
            let arguments = format!(r#"{{"bucket":"cart","key":"{row}","delta":1}}"#);
            let again = request_with_key("prober.kv-increment", &arguments, &name);
            let again = house.room.call(Credential::ApiKey(&acme_key), again).await;
            match (receipt.reason, receipt.outcome) {
                (Reason::Ok, Outcome::Executed) => {
                    done += 1;
                    assert_eq!((again.outcome, again.value), (Outcome::Replayed, receipt.value), "{name}");
                }
                (Reason::Killed, Outcome::Unknown) => {
                    unknown += 1;
                    assert_eq!(again.reason, Reason::OutcomeUnknown, "{name}");
                }
                (Reason::Killed, Outcome::Denied | Outcome::Failed) => {
                    free += 1;
                    assert_eq!((again.reason, again.outcome), (Reason::Ok, Outcome::Executed), "{name}");
                }
                other => panic!("{name}: {other:?} {receipt:?}"),
            }
        }
        let count = request_with_key(
            "prober.kv-increment",
            &format!(r#"{{"bucket":"cart","key":"{row}","delta":0}}"#),
            &format!("{row}-sum"),
        );
        let count = house.room.call(Credential::ApiKey(&acme_key), count).await;
        let count: u64 = count.value.unwrap().trim_matches('"').parse().unwrap();
        let least = done + free;
        assert!(
            (least..=least + unknown).contains(&count),
            "{row}: {done} {unknown} {free}, {count} counted"
        );
    }
}
