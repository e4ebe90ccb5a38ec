//! A ledger of an earlier schema, with budgets, leases and answers in it, opens as today's.
//!
//! Takes: nothing. Gives: tests. May name: id, reason.

use super::fixture::{NOON, Still, acme, call};
use super::schema::{ANSWERS_IN_FILES, BUDGETS_OF_MORE, FILE, SCHEMA};
use super::*;
use crate::storage::folder::tests::temporary;
use crate::storage::sqlite::Schema;

/// What the migrations before one of them made.
fn before(migration: &str) -> Schema {
    let at = SCHEMA.migrations.iter().position(|other| *other == migration).unwrap();
    Schema { migrations: SCHEMA.migrations.split_at(at).0, ..SCHEMA }
}

#[tokio::test]
async fn budgets_and_leases_of_the_schema_before_go_on_counting() {
    let (_guard, folder) = temporary();
    let old = sqlite::open(&folder, FILE, &before(BUDGETS_OF_MORE)).unwrap();
    let day = Per::Day.window_start(NOON);
    old.execute_batch(&format!(
        "INSERT INTO owners (id, opened_ms) VALUES (7, 1);
         INSERT INTO budgets VALUES ('acme', 'calls', 'day', {day}, 5), ('acme', 'fuel', 'total', 0, 77),
             ('acme', 'calls', 'minute', 60000, 3), ('globex', 'calls', 'day', {day}, 1);
         INSERT INTO leases VALUES ('acme', 'calls', 'day', 7, 20), ('acme', 'fuel', 'total', 7, 23);"
    ))
    .unwrap();
    drop(old);
    let ledger = SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
    let budgets = [
        Budget::new(Of::Calls, Per::Day, 100),
        Budget::new(Of::Fuel, Per::Total, 1000),
        Budget::new(Of::Calls, Per::Minute, 9),
    ];
    let spent = ledger.usage(&acme(), &budgets).await.unwrap().iter().map(|u| u.spent).collect::<Vec<_>>();
    // The process that had the leases is dead, so all of them count; the minute was over long ago.
    assert_eq!(spent, [25, 100, 0]);
    let globex = crate::id::TenantId::new("globex").unwrap();
    assert_eq!(ledger.usage(&globex, &budgets).await.unwrap()[0].spent, 1);
    ledger.reserve(&acme(), &budgets, Amounts::call(900)).await.unwrap().commit().settle(Amounts::call(1));
    assert!(ledger.reserve(&acme(), &budgets, Amounts::call(900)).await.is_err());
    ledger.close().await.unwrap();
    drop(ledger);
    let again = SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
    assert_eq!(again.usage(&acme(), &budgets).await.unwrap()[0].spent, 26);
    assert_eq!(again.counts(&acme()).unwrap().len(), 3);
}

#[tokio::test]
async fn an_answer_of_the_schema_before_is_given_again() {
    let (_guard, folder) = temporary();
    let old = sqlite::open(&folder, FILE, &before(ANSWERS_IN_FILES)).unwrap();
    let scope = |key: &[u8]| ClaimScope {
        tenant: acme(),
        function: crate::id::FunctionName::new("orders.pay").unwrap(),
        key: Digest::of(key),
    };
    // Longer than what stands in a row today: it stays where it is.
    let body = vec![b'x'; 2 * super::answers::IN_ROW];
    for (key, body) in [(b"answered", Some(&body)), (b"was lost", None)] {
        old.execute(
            "INSERT INTO claims (tenant, function, key, fingerprint, call_id, owner, state, at_ms, reason, fuel, body, sealed,
             until_ms, kept_ms) VALUES ('acme', 'orders.pay', ?1, ?2, ?3, 1, 'done', ?4, 'ok', 5, ?5, 1, ?4 + 1000, 1000)",
            (scope(key).key.to_string(), [7u8; 32], call(1).as_bytes(), stored(NOON), body),
        )
        .unwrap();
    }
    drop(old);
    for _ in 0..2 {
        let ledger = SqliteLedger::open(&folder, Still::at(NOON)).unwrap();
        let ask = async |key: &[u8]| ledger.claim(scope(key), [7; 32], call(2)).await.unwrap();
        let Claimed::Replay { answer, call_id } = ask(b"answered").await else { panic!("it was answered") };
        assert_eq!((answer.body, answer.fuel, answer.at_unix_ms, call_id), (body.clone(), 5, NOON, call(1)));
        let lost = ask(b"was lost").await;
        assert!(matches!(lost, Claimed::Lost { reason: crate::reason::Reason::Ok, .. }), "{lost:?}");
    }
}
