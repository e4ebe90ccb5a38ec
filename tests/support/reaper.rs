//! The end of a process at a step that the host names: by its own hand, with SIGKILL.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use strongroom::step::TARGET;
use tracing::field::{Field, Visit};

/// Hears every step of its process, and ends the process when one is reached for the n-th time.
pub struct Reaper {
    step: String,
    left: AtomicU32,
    later: Option<Duration>,
    hears: fn(&str),
}

impl Reaper {
    /// Ends it when this step is reached for the n-th time, which counts from 1.
    pub fn at(step: &str, n: u32) -> Self {
        Self { step: step.to_owned(), left: AtomicU32::new(n), later: None, hears: |_| {} }
    }

    /// Ends nothing.
    pub fn never() -> Self {
        Self::at("", 0)
    }

    /// Lets the step go on meanwhile, and ends the process so much later.
    pub fn later(self, later: Duration) -> Self {
        Self { later: Some(later), ..self }
    }

    /// Tells each step before anything else happens there.
    pub fn hears(self, hears: fn(&str)) -> Self {
        Self { hears, ..self }
    }

    /// Begins to hear, until the process ends.
    pub fn listen(self) {
        tracing::subscriber::set_global_default(self).expect("nobody else listens in this process");
    }
}

fn die() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    // Whatever this thread would do next, it must not.
    loop {
        std::thread::park();
    }
}

impl Visit for &Reaper {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "step" {
            return;
        }
        (self.hears)(value);
        if value == self.step
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) == Ok(1)
        {
            match self.later {
                None => die(),
                Some(later) => drop(std::thread::spawn(move || {
                    let from = std::time::Instant::now();
                    // A sleep would be longer than what is waited for.
                    while from.elapsed() < later {
                        std::hint::spin_loop();
                    }
                    die();
                })),
            }
        }
    }
}

impl tracing::Subscriber for Reaper {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut &*self);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
