//! A file layer in memory that fails when a test says so.
//!
//! Takes: what shall fail. Gives: a [`LogFile`]. May name: nothing.

use super::LogFile;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// What the disk does wrong.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) bytes: Vec<u8>,
    /// Bytes that still fit; `None` for any number.
    pub(super) room: Option<usize>,
    pub(super) fail_sync: bool,
    pub(super) fail_truncate: bool,
    pub(super) locked: bool,
    /// The files that were ended before the one that is written, and the number of this one's first entry.
    pub(super) ended: Vec<(u64, Vec<u8>)>,
    pub(super) first: u64,
    pub(super) aside: Vec<(u64, Vec<u8>)>,
    pub(super) syncs: usize,
}

/// A handle to a [`Disk`].
#[derive(Debug, Clone, Default)]
pub(super) struct Faulty(pub(super) Arc<Mutex<Disk>>);

impl Faulty {
    pub(super) fn with(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Disk { bytes: bytes.to_vec(), ..Disk::default() })))
    }
}

impl LogFile for Faulty {
    fn lock(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock();
        assert!(!disk.locked, "the lock is held by this process already");
        disk.locked = true;
        Ok(())
    }

    fn unlock(&mut self) -> io::Result<()> {
        self.0.lock().locked = false;
        Ok(())
    }

    fn size(&mut self) -> io::Result<u64> {
        Ok(self.0.lock().bytes.len() as u64)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.0.lock();
        let from = disk.bytes.get(offset as usize..).unwrap_or_default();
        let n = from.len().min(buffer.len());
        buffer[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock();
        assert!(disk.locked);
        let room = disk.room.unwrap_or(usize::MAX).min(bytes.len());
        disk.bytes.extend_from_slice(&bytes[..room]);
        disk.room = disk.room.map(|r| r - room);
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.syncs += 1;
        if disk.fail_sync { Err(io::Error::other("sync failed")) } else { Ok(()) }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock();
        assert!(disk.locked);
        if disk.fail_truncate {
            return Err(io::Error::other("truncate failed"));
        }
        disk.bytes.truncate(len as usize);
        Ok(())
    }

    fn set_aside(&mut self, seq: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().aside.push((seq, bytes.to_vec()));
        Ok(())
    }

    fn rotate(&mut self, first: u64) -> io::Result<()> {
        let mut disk = self.0.lock();
        assert!(disk.locked);
        let ended = (std::mem::replace(&mut disk.first, first), std::mem::take(&mut disk.bytes));
        disk.ended.push(ended);
        Ok(())
    }

    fn follow(&mut self, _: u64) -> io::Result<bool> {
        Ok(false)
    }
}
