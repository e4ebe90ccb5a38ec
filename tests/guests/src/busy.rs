//! Calls one cheap import again and again: what is measured is the way to the host and back.

wit_bindgen::generate!({ inline: r"
    package strongroom-test:busy@0.1.0;
    interface busy {
        /// Calls nothing.
        nothing: func(times: u32) -> u64;
        /// Reads the monotonic clock.
        clock: func(times: u32) -> u64;
        /// Draws a random number.
        random: func(times: u32) -> u64;
        /// Reads one key of the bucket `cart`.
        get: func(times: u32) -> u64;
    }
    world guest { export busy; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'busy'\nversion = '0.1.0'\n[functions]\nnothing.effect = 'read'\nclock.effect = 'read'\n\
     random.effect = 'read'\nget.effect = 'read'\n[needs.keyvalue.cart]\nmode = 'ro'\n"
);

#[cfg(target_arch = "wasm32")]
mod busy {
    use std::hint::black_box;
    use wasip2::clocks::monotonic_clock::now;
    use wasip2::random::random::get_random_u64;

    mod raw {
        wit_bindgen::generate!({
            path: "../../wit",
            world: "strongroom:host/imports",
            type_section_suffix: "busy",
            generate_all,
        });
    }

    struct Tool;
    super::export!(Tool with_types_in super);

    impl super::exports::strongroom_test::busy::busy::Guest for Tool {
        fn nothing(times: u32) -> u64 {
            (0..times).fold(0, |sum, time| black_box(sum ^ u64::from(time)))
        }

        fn clock(times: u32) -> u64 {
            (0..times).fold(0, |sum, _| black_box(sum ^ now()))
        }

        fn random(times: u32) -> u64 {
            (0..times).fold(0, |sum, _| black_box(sum ^ get_random_u64()))
        }

        fn get(times: u32) -> u64 {
            let Ok(bucket) = raw::wasi::keyvalue::store::open("cart") else { return 0 };
            (0..times).fold(0, |sum, _| match bucket.get("key") {
                Ok(Some(value)) => sum + value.len() as u64,
                _ => sum,
            })
        }
    }
}
