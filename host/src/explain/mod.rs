//! What a security team asks: who reaches this, why did that call end as it did, and how would this one end.
//!
//! Takes: settings, installed tools, keys, kill switches, entries of the book. Gives: [`who_can`], [`story`],
//! [`forecast`]. May name: admit, audit, authorize, component, config, id, identify, isolate, moment, reason, storage, tools.
//!
//! Pure: no component runs, and nothing is charged, claimed or written.

mod facts;
mod forecast;
mod snapshot;
mod story;
mod target;
mod who;

pub use facts::{Facts, Spent};
pub use forecast::{Forecast, Judged, Judgement, Question, forecast};
pub use snapshot::{Snapshot, SnapshotError};
pub use story::{Stage, Step, Verdict, story};
pub use target::{InvalidTarget, Target};
pub use who::{Reach, who_can};
