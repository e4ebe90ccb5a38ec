//! Computes without end, or for as long as it is told to.

use std::hint::black_box;

wit_bindgen::generate!({ inline: r"
    package strongroom-test:spin@0.1.0;
    interface spin {
        /// Never returns.
        spin: func();
        /// Adds numbers this many times.
        burn: func(rounds: u64) -> u64;
        /// Copies this many bytes within memory, without end: few instructions, much work.
        copy: func(bytes: u32);
    }
    world guest { export spin; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'spin'\nversion = '0.1.0'\n[functions]\nspin.effect = 'read'\nburn.effect = 'read'\ncopy.effect = 'read'\n"
);

struct Tool;
export!(Tool);

impl exports::strongroom_test::spin::spin::Guest for Tool {
    fn spin() {
        loop {
            black_box(());
        }
    }

    fn burn(rounds: u64) -> u64 {
        (0..rounds).fold(0, |sum, round| black_box(sum ^ round))
    }

    fn copy(bytes: u32) {
        let mut memory = vec![1_u8; bytes as usize];
        loop {
            let half = memory.len() / 2;
            black_box(&mut memory).copy_within(..half, half);
        }
    }
}
