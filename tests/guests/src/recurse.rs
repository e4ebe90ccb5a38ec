//! Calls itself until the stack ends.

use std::hint::black_box;

wit_bindgen::generate!({ inline: r"
    package strongroom-test:recurse@0.1.0;
    interface recurse {
        /// Goes this many calls deep, and gives the depth.
        recurse: func(depth: u64) -> u64;
    }
    world guest { export recurse; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'recurse'\nversion = '0.1.0'\n[functions]\nrecurse.effect = 'read'\n"
);

struct Tool;
export!(Tool);

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    // The frame is used after the call, so that the call cannot become a loop.
    let frame = black_box([depth; 4]);
    if depth == 0 { 0 } else { deeper(depth - 1) + black_box(frame)[0] / depth.max(1) }
}

impl exports::strongroom_test::recurse::recurse::Guest for Tool {
    fn recurse(depth: u64) -> u64 {
        deeper(depth)
    }
}
