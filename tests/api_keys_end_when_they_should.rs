//! An API key opens until it ends, is revoked, or the time beside its successor is over.

use strongroom::id::KeyId;
use strongroom::reason::Reason;
use strongroom_tests::{House, Still, house};

const NOW: u64 = 1_790_000_000_000;
const TENANT: &str = "[tools]\nallow = [\"echo\"]\n";

fn id(key: &str) -> KeyId {
    KeyId::new(key.split('_').nth(2).unwrap()).unwrap()
}

async fn opens(house: &House, key: &str) -> bool {
    let receipt = house.call_as(key, "echo.nothing", "{}").await;
    assert!([Reason::Ok, Reason::TenantUnknown].contains(&receipt.reason), "{receipt:?}");
    receipt.reason == Reason::Ok
}

#[tokio::test]
async fn an_old_key_goes_on_for_its_grace_and_the_new_one_is_no_wider() {
    let clock = Still::at(NOW);
    let time = clock.clone();
    let house = house().tool("echo").tenant("acme", TENANT).build_with(|builder| builder.clock(time)).await;
    let old = house.key_for("acme", None, &["echo.nothing"]).await;
    let new = house.room.rotate_key(&id(&old), 60_000).await.unwrap();
    assert!(opens(&house, &old).await && opens(&house, &new.text).await);
    let other = house.call_as(&new.text, "echo.fail", "{}").await;
    assert_eq!(other.reason, Reason::PolicyDenied);
    clock.pass(59_999);
    assert!(opens(&house, &old).await);
    clock.pass(1);
    assert!(!opens(&house, &old).await && opens(&house, &new.text).await);
    // What has ended is not made anew.
    assert!(house.room.rotate_key(&id(&old), 60_000).await.is_err());
    // At once, and over a restart.
    let newest = house.room.rotate_key(&new.id, 0).await.unwrap();
    assert!(!opens(&house, &new.text).await);
    house.room.revoke_key(&newest.id).await.unwrap();
    assert!(!opens(&house, &newest.text).await);
    assert!(house.room.rotate_key(&newest.id, 0).await.is_err());
    let book = house.book();
    assert!(book.contains(&format!("key.rotate {}", id(&old))) && !book.contains(&*newest.text));
    let time = clock.clone();
    let house = house.between(async |_| {}, |builder| builder.clock(time)).await;
    for key in [&*old, &*new.text, &*newest.text] {
        assert!(!opens(&house, key).await);
    }
}
