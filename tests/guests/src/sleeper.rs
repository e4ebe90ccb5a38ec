//! Waits, on WASI's clock.

use std::thread::sleep;
use std::time::{Duration, Instant};

wit_bindgen::generate!({ inline: r"
    package strongroom-test:sleeper@0.1.0;
    interface sleeper {
        /// Sleeps once, and gives how many milliseconds went by.
        sleep: func(ms: u64) -> u64;
        /// Sleeps again and again, this long each time, without end.
        doze: func(ms: u64);
    }
    world guest { export sleeper; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'sleeper'\nversion = '0.1.0'\n[functions]\nsleep.effect = 'read'\ndoze.effect = 'read'\n"
);

struct Tool;
export!(Tool);

impl exports::strongroom_test::sleeper::sleeper::Guest for Tool {
    fn sleep(ms: u64) -> u64 {
        let start = Instant::now();
        sleep(Duration::from_millis(ms));
        start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn doze(ms: u64) {
        loop {
            sleep(Duration::from_millis(ms));
        }
    }
}
