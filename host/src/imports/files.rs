//! `wasi:filesystem`, gated: granted directories only, each read-only or read-write.
//!
//! Takes: the call's directories. Gives: the gated view. May name: imports::gate, imports::listing, imports::special.
//!
//! A directory that the tool needs and the tenant has not granted is shown as an empty one whose every use is
//! refused, so that the refusal is seen and recorded instead of looking like a missing file.

use super::gate::{FromStop, Stop, rep};
use super::yields::Count;
use super::{listing, special, table};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, IoError, ReaddirIterator};

type Fd = Resource<Descriptor>;
type Entries = Resource<ReaddirIterator>;
type View<'a> = WasiFilesystemCtxView<'a>;

impl FromStop for FsError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => ErrorCode::NotPermitted.into(),
            Stop::NotForWriting => ErrorCode::BadDescriptor.into(),
            stop => Self::trap(wasmtime::Error::new(stop)),
        }
    }
}

gated! { impl preopens::Host as WasiFilesystemCtxView<'_> {
    @ {
        fn get_directories(&mut self) -> Result<Vec<(Fd, String)>> {
            self.gate
                .enter(&table::PREOPENS, None, None, 0)
                .map_err(wasmtime::Error::from_stop)?;
            let given = preopens::Host::get_directories(&mut self.inner)?;
            for (fd, path) in &given {
                self.gate.hold_directory(rep(fd), path);
            }
            Ok(given)
        }
    }
}}

gated! { impl types::Host as WasiFilesystemCtxView<'_> {
    sync fn filesystem_error_code(error: Resource<IoError>) -> Result<Option<ErrorCode>> = FS_ERROR_CODE;
    @ {
        fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
            types::Host::convert_error_code(&mut self.inner, error)
        }
    }
}}

gated! { impl types::HostDescriptor as WasiFilesystemCtxView<'_> {
    wait fn advise(fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> FsResult<()> = FS_ADVISE, on fd;
    wait fn sync_data(fd: Fd) -> FsResult<()> = FS_SYNC_DATA, on fd;
    wait fn get_flags(fd: Fd) -> FsResult<DescriptorFlags> = FS_GET_FLAGS, on fd;
    wait fn get_type(fd: Fd) -> FsResult<DescriptorType> = FS_GET_TYPE, on fd;
    wait fn set_size(fd: Fd, size: Filesize) -> FsResult<()> = FS_SET_SIZE, on fd;
    wait fn set_times(fd: Fd, atime: NewTimestamp, mtime: NewTimestamp) -> FsResult<()> = FS_SET_TIMES, on fd;
    wait fn read(fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> = FS_READ, on fd;
    wait fn write(fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> = FS_WRITE, on fd, in bytes;
    wait fn sync(fd: Fd) -> FsResult<()> = FS_SYNC, on fd;
    wait fn create_directory_at(fd: Fd, path: String) -> FsResult<()> = FS_CREATE_DIRECTORY, on fd at path, in path;
    wait fn stat(fd: Fd) -> FsResult<DescriptorStat> = FS_STAT, on fd;
    wait fn stat_at(fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> = FS_STAT_AT, on fd at path, in path;
    wait fn set_times_at(fd: Fd, flags: PathFlags, path: String, atime: NewTimestamp, mtime: NewTimestamp) -> FsResult<()> = FS_SET_TIMES_AT, on fd at path, in path;
    wait fn readlink_at(fd: Fd, path: String) -> FsResult<String> = FS_READLINK_AT, on fd at path, in path;
    wait fn remove_directory_at(fd: Fd, path: String) -> FsResult<()> = FS_REMOVE_DIRECTORY, on fd at path, in path;
    wait fn symlink_at(fd: Fd, from: String, to: String) -> FsResult<()> = FS_SYMLINK_AT, on fd at to, in to;
    wait fn unlink_file_at(fd: Fd, path: String) -> FsResult<()> = FS_UNLINK, on fd at path, in path;
    sync fn read_via_stream(fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> = FS_READ_STREAM, on fd;
    sync fn write_via_stream(fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> = FS_WRITE_STREAM, on fd;
    sync fn append_via_stream(fd: Fd) -> FsResult<Resource<DynOutputStream>> = FS_APPEND_STREAM, on fd;
    wait fn is_same_object(fd: Fd, other: Fd) -> Result<bool> = FS_IS_SAME, on fd;
    wait fn metadata_hash(fd: Fd) -> FsResult<MetadataHashValue> = FS_HASH, on fd;
    wait fn metadata_hash_at(fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> = FS_HASH_AT, on fd at path, in path;
    drop fn drop(fd: Fd) -> Result<()> = FS_DROP;
    @ {
        async fn open_at(
            &mut self,
            fd: Fd,
            flags: PathFlags,
            path: String,
            open: OpenFlags,
            mode: DescriptorFlags,
        ) -> FsResult<Fd> {
            let writes = open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
                || mode.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY);
            let row = if writes { &table::FS_CREATE_AT } else { &table::FS_OPEN_AT };
            let (parent, target) = (rep(&fd), self.gate.under(rep(&fd), &path));
            if self.gate.would_pass(row, parent) && special::leads_there(&mut self.inner, &fd, flags, &path).await {
                return Err(FsError::from_stop(self.gate.deny(row, target, special::WHY)));
            }
            let bytes = super::yields::Yields::bytes(&path);
            let notice = self.gate.effect(row, [(Some(parent), target.clone(), bytes)]);
            notice.map_err(FsError::from_stop)?.durable().await.map_err(FsError::from_stop)?;
            let given =
                types::HostDescriptor::open_at(&mut self.inner, fd, flags, path, open, mode).await?;
            // Somebody else may have changed what stands there in between.
            if special::is_open(self.inner.table.get(&given)?) {
                self.inner.table.delete(given)?;
                return Err(FsError::from_stop(self.gate.deny(row, target, special::WHY)));
            }
            // What is done with the descriptor itself was announced with its opening, when that was for writing. A stream
            // on one that was not is refused by the gate, and by the system, which opened it for reading.
            self.gate.hold_under(rep(&given), parent, target, writes);
            Ok(given)
        }
        async fn read_directory(&mut self, fd: Fd) -> FsResult<Entries> {
            let number = rep(&fd);
            self.gate
                .enter(&table::FS_READ_DIRECTORY, Some(number), None, 0)
                .map_err(FsError::from_stop)?;
            // The inner implementation reads the whole directory at once: how much that is, is known and paid before.
            let entries = listing::count(self.inner.table.get(&fd)?).await?;
            if self.gate.listed().saturating_add(entries) > listing::MOST {
                return Err(ErrorCode::InsufficientMemory.into());
            }
            let bytes = Count(entries.saturating_mul(listing::ENTRY));
            self.gate.leave(None, &bytes).map_err(FsError::from_stop)?;
            let given = types::HostDescriptor::read_directory(&mut self.inner, fd).await?;
            self.gate.hold_listing(rep(&given), number, entries);
            Ok(given)
        }
        async fn link_at(
            &mut self,
            fd: Fd,
            flags: PathFlags,
            from: String,
            other: Fd,
            to: String,
        ) -> FsResult<()> {
            self.both(&table::FS_LINK_AT, &fd, &from, &other, &to).await?;
            types::HostDescriptor::link_at(&mut self.inner, fd, flags, from, other, to).await
        }
        async fn rename_at(&mut self, fd: Fd, from: String, other: Fd, to: String) -> FsResult<()> {
            self.both(&table::FS_RENAME_AT, &fd, &from, &other, &to).await?;
            types::HostDescriptor::rename_at(&mut self.inner, fd, from, other, to).await
        }
    }
}}

impl super::gate::Audited<'_, View<'_>> {
    /// An effect on two directories needs the right to both: each end is asked and recorded by itself, and both are
    /// announced together.
    async fn both(
        &mut self,
        row: &'static table::Import,
        fd: &Fd,
        from: &str,
        other: &Fd,
        to: &str,
    ) -> FsResult<()> {
        let ends = [(fd, from), (other, to)].map(|(fd, path)| {
            let bytes = u64::try_from(path.len()).unwrap_or(u64::MAX);
            (Some(rep(fd)), self.gate.under(rep(fd), path), bytes)
        });
        let notice = self.gate.effect(row, ends).map_err(FsError::from_stop)?;
        notice.durable().await.map_err(FsError::from_stop)
    }
}

gated! { impl types::HostDirectoryEntryStream as WasiFilesystemCtxView<'_> {
    wait fn read_directory_entry(this: Entries) -> FsResult<Option<DirectoryEntry>> = FS_NEXT_ENTRY, on this;
    drop fn drop(this: Entries) -> Result<()> = FS_ENTRIES_DROP;
}}
