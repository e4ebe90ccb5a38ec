//! Verifying a book that a host may write at the same time.
//!
//! Takes: the log's folder, public keys, a head that was kept elsewhere. Gives: what was verified. May name: nothing.

use super::{Bad, Hold, Known, Signed, Verified, verify};
use cap_std::fs::Dir;
use std::io;
use std::time::Duration;

/// How often a batch that is just being written is looked at once more.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Verifies the log as [`verify`] does, while nobody publishes; what is just being written is looked at again. It blocks.
///
/// # Errors
/// When the lock against publishing cannot be had.
pub fn verify_still(
    log: &Dir,
    known: &Known,
    witness: Option<&Signed>,
    mut progress: impl FnMut(u64, u64),
) -> io::Result<Result<Verified, Bad>> {
    let _hold = Hold::on(log)?;
    let mut attempt = 1;
    loop {
        match verify(log, known, witness, &mut progress) {
            Err(Bad::Unfinished { .. } | Bad::Missing(_) | Bad::NoHead) if attempt < ATTEMPTS => {
                attempt += 1;
                std::thread::sleep(PAUSE);
            }
            done => return Ok(done),
        }
    }
}
