//! Calls that wait, are told, go away, and give their places back.

use super::*;
use crate::id::TenantId;
use crate::powers::SystemClock;

/// So few may wait.
const LENGTH: u64 = 4;

fn wait_at_most(places: &Places, longest_wait_ms: u64) {
    places.queue_by(QueueRules { length: LENGTH, longest_wait_ms });
}

fn ask(tenant: &str, calls: u32) -> Ask {
    Ask { tenant: TenantId::new(tenant).unwrap(), weight: 4, calls, tool: None }
}

fn places(places: u32) -> Places {
    let places = Places::new(places, Arc::new(SystemClock));
    wait_at_most(&places, 60_000);
    places
}

/// Whether all places are free: as many calls can be admitted as there are places, and no trace is left of others.
async fn all_free(places: &Places) {
    let mut held = Vec::new();
    places.queue_by(QueueRules { length: 0, longest_wait_ms: 1 });
    for place in 0..places.all() {
        held.push(places.take(ask(&format!("probe{place}"), 1)).await.map_err(|full| full.text()).unwrap());
    }
}

#[tokio::test]
async fn a_call_waits_for_its_place_and_no_longer_than_the_longest_wait() {
    let places = places(1);
    let first = places.take(ask("a", 9)).await.ok().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn({
        let places = places.clone();
        async move { places.take(ask("b", 9)).await.is_ok() }
    });
    tokio::task::yield_now().await;
    drop(first);
    assert!(tasks.join_next().await.unwrap().unwrap());

    let held = places.take(ask("a", 9)).await.ok().unwrap();
    wait_at_most(&places, 1);
    let full = places.take(ask("b", 9)).await.err().unwrap();
    assert_eq!(full.lack, Lack::Host);
    assert!((10..=10_000).contains(&full.retry_after_ms()));
    drop(held);
    all_free(&places).await;
}

#[tokio::test]
async fn who_goes_away_leaves_the_line_and_passes_its_place_on() {
    let places = places(1);
    let first = places.take(ask("a", 9)).await.ok().unwrap();
    let mut gone = Vec::new();
    for tenant in ["b", "c"] {
        let mut waits = Box::pin(places.take(ask(tenant, 9)));
        assert!(look(waits.as_mut()).is_none());
        gone.push(waits);
    }
    let mut last = Box::pin(places.take(ask("d", 9)));
    assert!(look(last.as_mut()).is_none());
    drop(gone.remove(0));
    drop(first);
    // The place is on its way to `c`, which is dropped before it looks.
    drop(gone);
    assert!(matches!(look(last.as_mut()), Some(Ok(_))));
    all_free(&places).await;
}

#[tokio::test]
async fn a_flood_pays_for_itself() {
    let places = places(1);
    let held = places.take(ask("noisy", 9)).await.ok().unwrap();
    let mut flood: Vec<_> = (0..4).map(|_| Box::pin(places.take(ask("noisy", 9)))).collect();
    assert!(flood.iter_mut().all(|call| look(call.as_mut()).is_none()));
    let refused = places.take(ask("noisy", 9)).await.err().unwrap();
    assert_eq!(refused.lack, Lack::Host);

    let mut quiet = Box::pin(places.take(ask("quiet", 9)));
    assert!(look(quiet.as_mut()).is_none(), "the queue was full and it waits all the same");
    let newest = flood.pop().unwrap();
    assert!(newest.await.is_err(), "for its sake the newest of the flood has to go");
    drop(held);
    assert!(matches!(look(quiet.as_mut()), Some(Ok(_))), "and it goes first");
    drop((flood, quiet));
    all_free(&places).await;
}

#[tokio::test]
async fn a_tenant_at_its_limit_is_told_so_and_nothing_of_others() {
    let places = places(10);
    let _held = places.take(ask("a", 1)).await.ok().unwrap();
    wait_at_most(&places, 1);
    let full = places.take(ask("a", 1)).await.err().unwrap();
    assert_eq!(full.text(), "the tenant runs as many calls at once as it may (1)");
    assert!(places.take(ask("b", 1)).await.is_ok(), "others have their places");
}

/// Polls once.
fn look<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
