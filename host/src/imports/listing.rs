//! How much a listing of a directory is, before it is read.
//!
//! Takes: an open directory. Gives: the number of its entries. May name: nothing.

use std::io;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// Entries that the host holds for all listings of a call at the same time: at most about 20 MiB.
pub(super) const MOST: u64 = 65_536;
/// Bytes that an entry counts for, beside its name, which is counted when it is given.
pub(super) const ENTRY: u64 = 64;

/// The number of entries; of more than [`MOST`], some number above it.
pub(super) async fn count(directory: &Descriptor) -> FsResult<u64> {
    let Descriptor::Dir(directory) = directory else { return Err(ErrorCode::NotDirectory.into()) };
    let directory = directory.dir.clone();
    let counted = tokio::task::spawn_blocking(move || {
        let directory = cap_std::fs::Dir::from_std_file(directory.try_clone()?);
        let mut count = 0_u64;
        for entry in directory.entries()? {
            entry?;
            count = count.saturating_add(1);
            if count > MOST {
                break;
            }
        }
        Ok::<_, io::Error>(count)
    });
    Ok(counted.await.map_err(io::Error::other).flatten()?)
}
