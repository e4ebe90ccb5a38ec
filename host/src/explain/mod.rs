//! What a security team asks: who reaches this, and why did that call end as it did.
//!
//! Takes: settings, installed tools, keys, kill switches, entries of the book. Gives: [`who_can`], [`story`]. May name:
//! audit, authorize, config, id, identify, reason, storage, tools.
//!
//! Pure: no component runs, and nothing is charged, claimed or written.

mod story;
mod target;
mod who;

pub use story::{Stage, Step, Verdict, story};
pub use target::{InvalidTarget, Target};
pub use who::{Facts, Reach, who_can};
