//! FIFOs, sockets and devices in a granted directory: opened for nobody.
//!
//! Takes: a path, or what was opened. Gives: whether it is special. May name: nothing.
//!
//! Opening a FIFO holds the thread that opens it until somebody comes to its other end, and a device may act when it is
//! opened. A tool has no way to make either; they stand where somebody else put them.

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, HostDescriptor as _, PathFlags};

/// Why an open is refused.
pub(super) const WHY: &str = "only regular files and directories are opened";

/// Whether the path leads to something special. What cannot be looked at is not: opening it fails by itself.
pub(super) async fn leads_there(
    view: &mut WasiFilesystemCtxView<'_>,
    fd: &Resource<Descriptor>,
    flags: PathFlags,
    path: &str,
) -> bool {
    let found = view.stat_at(Resource::new_borrow(fd.rep()), flags, path.to_owned()).await;
    found.is_ok_and(|stat| {
        !matches!(
            stat.type_,
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink
        )
    })
}

/// Whether what was opened is special.
pub(super) fn is_open(descriptor: &Descriptor) -> bool {
    match descriptor {
        Descriptor::Dir(_) => false,
        Descriptor::File(file) => !file.file.metadata().is_ok_and(|found| found.is_file()),
    }
}
