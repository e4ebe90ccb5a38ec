//! Takes memory until the host refuses.

use std::hint::black_box;

wit_bindgen::generate!({ inline: r"
    package strongroom-test:hog@0.1.0;
    interface hog {
        /// Takes memory in pieces of this many bytes until it is refused, and gives how many bytes it got.
        grow: func(piece: u32) -> u64;
        /// Takes this many bytes and gives up when it cannot have them.
        take: func(bytes: u32);
    }
    world guest { export hog; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'hog'\nversion = '0.1.0'\n[functions]\ngrow.effect = 'read'\ntake.effect = 'read'\n"
);

struct Tool;
export!(Tool);

impl exports::strongroom_test::hog::hog::Guest for Tool {
    fn grow(piece: u32) -> u64 {
        let piece = piece.max(1) as usize;
        let mut held: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = Vec::new();
            if held.try_reserve(1).is_err() || next.try_reserve_exact(piece).is_err() {
                return black_box(held).iter().map(|piece| piece.len() as u64).sum();
            }
            next.resize(piece, 1);
            held.push(next);
        }
    }

    fn take(bytes: u32) {
        black_box(vec![1_u8; bytes as usize]);
    }
}
