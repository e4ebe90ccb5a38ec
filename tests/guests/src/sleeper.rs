//! Waits, on WASI's clock.

wit_bindgen::generate!({ inline: r"
    package strongroom-test:sleeper@0.1.0;
    interface sleeper {
        /// Sleeps once, and gives how many milliseconds went by.
        sleep: func(ms: u64) -> u64;
        /// Sleeps again and again, this long each time, without end.
        doze: func(ms: u64);
        /// Stores a value in the bucket `cart` and sleeps before it ends.
        keep: func(key: string, value: string, ms: u64) -> result<_, string>;
    }
    world guest { export sleeper; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'sleeper'\nversion = '0.1.0'\n[functions]\nsleep.effect = 'read'\ndoze.effect = 'read'\n\
     keep.effect = 'write'\n[needs.keyvalue.cart]\nmode = 'rw'\n"
);

#[cfg(target_arch = "wasm32")]
mod sleeper {
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    mod raw {
        wit_bindgen::generate!({
            path: "../../wit",
            world: "strongroom:host/imports",
            type_section_suffix: "sleeper",
            generate_all,
        });
    }

    struct Tool;
    super::export!(Tool with_types_in super);

    impl super::exports::strongroom_test::sleeper::sleeper::Guest for Tool {
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

        fn keep(key: String, value: String, ms: u64) -> Result<(), String> {
            let words = |error: raw::wasi::keyvalue::store::Error| format!("{error:?}");
            let bucket = raw::wasi::keyvalue::store::open("cart").map_err(words)?;
            bucket.set(&key, value.as_bytes()).map_err(words)?;
            sleep(Duration::from_millis(ms));
            Ok(())
        }
    }
}
