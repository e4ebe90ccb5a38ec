//! The allocator of guests without std, which begins with memory that the program has from its start.
//!
//! Takes: nothing. Gives: [`Memory`]. May name: nothing.
//!
//! WASI's C library, which guests with std have, allocates from the rest of the last page first. A guest that asks for a page
//! of its own in each call makes its host change mappings in each call, which a tool as people write it does not.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, unreachable};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use dlmalloc::{Allocator, Dlmalloc};

const PAGE: usize = 64 * 1024;

/// The allocator.
pub struct Memory(UnsafeCell<Dlmalloc<Pages>>);

// SAFETY: a component's instance has one thread.
unsafe impl Sync for Memory {}

impl Memory {
    /// Without any memory yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made once, as a static")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Dlmalloc::new_with_allocator(Pages { begun: AtomicBool::new(false) })))
    }

    #[expect(clippy::mut_from_ref, reason = "one thread, and nothing in the allocator calls it again")]
    fn inner(&self) -> &mut Dlmalloc<Pages> {
        // SAFETY: as above.
        unsafe { &mut *self.0.get() }
    }
}

// SAFETY: all of it is dlmalloc's.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's word.
        unsafe { self.inner().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's word.
        unsafe { self.inner().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's word.
        unsafe { self.inner().free(place, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's word.
        unsafe { self.inner().realloc(place, layout.size(), layout.align(), size) }
    }
}

/// Where it has its memory from.
struct Pages {
    begun: AtomicBool,
}

/// What it begins with.
struct First(UnsafeCell<[u8; PAGE]>);

// SAFETY: it is given away once.
unsafe impl Sync for First {}

static FIRST: First = First(UnsafeCell::new([0; PAGE]));

// SAFETY: each region is given once, and is as long as it says.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if size <= PAGE && !self.begun.swap(true, Relaxed) {
            return (FIRST.0.get().cast(), PAGE, 0);
        }
        let pages = size.div_ceil(PAGE);
        match memory_grow(0, pages) {
            usize::MAX => (core::ptr::null_mut(), 0, 0),
            before => match before.checked_mul(PAGE) {
                Some(start) => (core::ptr::with_exposed_provenance_mut(start), pages * PAGE, 0),
                None => unreachable(),
            },
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        core::ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}
