//! What the test guests share: a manifest in the same file as the program, and life without std.
//!
//! Takes: text. Gives: custom sections. May name: nothing.
#![no_std]

#[cfg(target_arch = "wasm32")]
pub mod memory;

/// Embeds a text in the component, as `strongroom_sdk::tool!` does with a tool's files.
#[macro_export]
macro_rules! embed {
    ($section:literal, $text:expr) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const TEXT: &str = $text;
            #[used]
            #[unsafe(link_section = $section)]
            static SECTION: [u8; TEXT.len()] = match TEXT.as_bytes().first_chunk() {
                Some(bytes) => *bytes,
                None => [0; TEXT.len()],
            };
        };
    };
}

/// What a guest without std needs in its place: memory, and an end for panics.
#[macro_export]
macro_rules! without_std {
    () => {
        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static MEMORY: $crate::memory::Memory = $crate::memory::Memory::new();

        /// How the host puts arguments into memory; with std, WASI's C library brings it along.
        ///
        /// # Safety
        /// As the canonical ABI of the component model asks for.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn cabi_realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
            use alloc::alloc::{Layout, alloc, realloc};
            if len == 0 {
                return core::ptr::without_provenance_mut(align);
            }
            // SAFETY: `old` came from here, with this length and alignment; no length of zero comes this far.
            let place = unsafe {
                match old_len {
                    0 => alloc(Layout::from_size_align_unchecked(len, align)),
                    _ => realloc(old, Layout::from_size_align_unchecked(old_len, align), len),
                }
            };
            if place.is_null() { core::arch::wasm32::unreachable() } else { place }
        }

        #[cfg(target_arch = "wasm32")]
        #[panic_handler]
        fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
            core::arch::wasm32::unreachable()
        }
    };
}
