//! Futures in turns.

use super::*;
use crate::powers::SystemClock;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;

fn turns(workers: usize) -> Arc<Turns> {
    Turns::new(workers, Arc::new(SystemClock))
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// Pauses so often, as a guest does that computes.
async fn pauses(times: usize, mut each: impl FnMut()) {
    let mut left = times;
    poll_fn(|context| {
        each();
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn turned<F: Future>(seat: &mut Seat, future: F) -> F::Output {
    seat.run(pin!(future)).await
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_free(turns: &Turns) -> bool {
    let mut rota = turns.rota();
    let seat = rota.enter(&tenant("probe"), 1, Arc::new(Bell::new()));
    let free = rota.ask(seat);
    rota.leave(seat);
    free
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_are_polled_at_once_than_there_are_turns() {
    let (turns, now, most) = (turns(3), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..60 {
        let mut seat = turns.seat(&tenant(&format!("t{}", task % 3)), 4);
        let (now, most) = (now.clone(), most.clone());
        tasks.spawn(async move {
            let future = pauses(50, || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::hint::black_box((0..2000).fold(0_u64, |sum, n| sum ^ n));
                now.fetch_sub(1, Ordering::SeqCst);
            });
            seat.run(pin!(future)).await;
            // And once more with something to wait for.
            seat.run(pin!(tokio::time::sleep(std::time::Duration::from_millis(1)))).await;
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
    assert!(is_free(&turns));
}

#[test]
fn a_pause_goes_back_to_the_worker_only_when_nobody_waits() {
    let turns = turns(1);
    let (mine, others) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (my_waker, others_waker) = (Waker::from(mine.clone()), Waker::from(others.clone()));
    let (mut first, mut second) = (turns.seat(&tenant("a"), 4), turns.seat(&tenant("b"), 4));
    let mut waits = Box::pin(turned(&mut second, pauses(0, || ())));
    let mut step = 0;
    let mut runs = Box::pin(turned(
        &mut first,
        pauses(3, || {
            step += 1;
            if step == 2 {
                // While this one computes, the other one asks.
                assert!(waits.as_mut().poll(&mut Context::from_waker(&others_waker)).is_pending());
            }
        }),
    ));
    let mut context = Context::from_waker(&my_waker);
    assert!(runs.as_mut().poll(&mut context).is_pending());
    assert_eq!(mine.0.load(Ordering::Relaxed), 1, "alone it goes on");
    assert!(runs.as_mut().poll(&mut context).is_pending());
    assert_eq!((mine.0.load(Ordering::Relaxed), others.0.load(Ordering::Relaxed)), (1, 1), "it is parked");
    assert!(runs.as_mut().poll(&mut context).is_pending(), "polled for another reason, it has no turn");
    drop(runs);
    assert_eq!(step, 2);
    drop(first);
    assert!(waits.as_mut().poll(&mut Context::from_waker(&others_waker)).is_ready());
    drop(waits);
    drop(second);
    assert!(is_free(&turns));
}

#[test]
fn a_turn_is_not_held_while_something_is_waited_for_and_not_lost_by_who_goes_away() {
    let turns = turns(1);
    let mut context = Context::from_waker(Waker::noop());
    let mut seat = turns.seat(&tenant("a"), 4);
    let mut waits = Box::pin(turned(&mut seat, pending::<()>()));
    assert!(waits.as_mut().poll(&mut context).is_pending());
    assert!(is_free(&turns));

    // One that panics, in the middle of its turn.
    let mut panics = turns.seat(&tenant("b"), 4);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut boxed = Box::pin(turned(&mut panics, async { panic!("as a test") }));
        let _ = boxed.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }));
    assert!(caught.is_err());
    assert!(!is_free(&turns));
    drop(panics);
    assert!(is_free(&turns));

    // One that was given a turn and goes away before it takes it up.
    let (mut holder, mut given) = (turns.seat(&tenant("c"), 4), turns.seat(&tenant("d"), 4));
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut gone = Box::pin(turned(&mut given, pending::<()>()));
    let mut held = Box::pin(turned(
        &mut holder,
        poll_fn(|_| {
            assert!(gone.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            Poll::Ready(())
        }),
    ));
    assert!(held.as_mut().poll(&mut context).is_ready());
    drop(held);
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "it was told");
    assert!(!is_free(&turns));
    drop(gone);
    drop(given);
    assert!(is_free(&turns));
}

#[test]
fn a_wake_from_outside_wakes_the_task() {
    let turns = turns(1);
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut inner = None;
    let mut seat = turns.seat(&tenant("a"), 4);
    let mut future = Box::pin(turned(
        &mut seat,
        poll_fn(|context| {
            inner = Some(context.waker().clone());
            Poll::<()>::Pending
        }),
    ));
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(future);
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    inner.unwrap().wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}
