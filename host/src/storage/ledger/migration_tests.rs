//! A ledger of an earlier schema, with budgets and leases in it, opens as today's.
//!
//! Takes: nothing. Gives: tests. May name: id.

use super::fixture::{NOON, Still, acme};
use super::schema::{BUDGETS_OF_MORE, FILE, SCHEMA};
use super::*;
use crate::storage::folder::tests::temporary;
use crate::storage::sqlite::Schema;

/// What the migrations before the one that widened budgets made.
fn before() -> Schema {
    let at = SCHEMA.migrations.iter().position(|migration| *migration == BUDGETS_OF_MORE).unwrap();
    Schema { migrations: SCHEMA.migrations.split_at(at).0, ..SCHEMA }
}

#[tokio::test]
async fn budgets_and_leases_of_the_schema_before_go_on_counting() {
    let (_guard, folder) = temporary();
    let old = sqlite::open(&folder, FILE, &before()).unwrap();
    let day = Per::Day.window_start(NOON);
    old.execute_batch(&format!(
        "INSERT INTO owners (id, opened_ms) VALUES (7, 1);
         INSERT INTO budgets VALUES ('acme', 'calls', 'day', {day}, 5), ('acme', 'fuel', 'total', 0, 77),
             ('acme', 'calls', 'minute', 60000, 3), ('globex', 'calls', 'day', {day}, 1);
         INSERT INTO leases VALUES ('acme', 'calls', 'day', 7, 20), ('acme', 'fuel', 'total', 7, 23);"
    ))
    .unwrap();
    drop(old);
    let ledger = Ledger::open(&folder, Still::at(NOON)).unwrap();
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
    let again = Ledger::open(&folder, Still::at(NOON)).unwrap();
    assert_eq!(again.usage(&acme(), &budgets).await.unwrap()[0].spent, 26);
    assert_eq!(again.counts(&acme()).unwrap().len(), 3);
}
