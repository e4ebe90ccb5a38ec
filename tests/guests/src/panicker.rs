//! Ends in every way but by returning.

wit_bindgen::generate!({ inline: r"
    package strongroom-test:panicker@0.1.0;
    interface panicker {
        /// Panics with this message, which goes to standard error first.
        panic: func(message: string);
        /// Executes the instruction `unreachable`.
        trap: func();
        /// Reads past the end of memory.
        out-of-bounds: func() -> u8;
        /// Leaves as a program does; 0 means success.
        exit: func(code: u8);
    }
    world guest { export panicker; }
" });
strongroom_guests::embed!(
    "strongroom:manifest",
    "name = 'panicker'\nversion = '0.1.0'\n[functions]\npanic.effect = 'read'\ntrap.effect = 'read'\nexit.effect = 'read'\nout-of-bounds.effect = 'read'\n"
);

struct Tool;
export!(Tool);

impl exports::strongroom_test::panicker::panicker::Guest for Tool {
    fn panic(message: String) {
        panic!("{message}");
    }

    fn trap() {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable()
    }

    fn out_of_bounds() -> u8 {
        // SAFETY: there is none; the engine has to stop this.
        unsafe { std::ptr::read_volatile((u32::MAX - 8) as *const u8) }
    }

    fn exit(code: u8) {
        std::process::exit(code.into());
    }
}
