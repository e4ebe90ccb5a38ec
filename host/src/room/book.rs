//! The book as those who administrate the host ask for it: its newest signed head, and whether it is what was signed.
//!
//! Takes: nothing. Gives: a checkpoint, a verdict. May name: audit.

use super::{OperateError, Strongroom};
use crate::audit::{self, Bad, Known, PUBLIC_FILE, SEEN, Verified};
use std::io;

impl Strongroom {
    /// The newest signed head of the book, a C2SP checkpoint; `None` before the first is published, and for a book that is in
    /// no file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn checkpoint(&self) -> Result<Option<String>, OperateError> {
        match self.room.home.read_to_string("audit/checkpoint") {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OperateError::Files(error)),
        }
    }

    /// Verifies the whole book by its public key, against the newest head that this host remembers. One at a time; it reads
    /// every entry, so it takes a while.
    ///
    /// # Errors
    /// When the public key cannot be read, or a verification runs already ([`OperateError::Busy`]).
    pub async fn verify_book(&self) -> Result<Result<Verified, Bad>, OperateError> {
        let Ok(turn) = self.room.verifying.clone().try_lock_owned() else { return Err(OperateError::Busy) };
        let home = self.room.home.try_clone().map_err(OperateError::Files)?;
        let verify = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let known = Known::parse(&home.read_to_string(PUBLIC_FILE)?);
            let known = known.ok_or_else(|| io::Error::other("book.pub holds no public keys of one log"))?;
            let log = home.open_dir("audit")?;
            let seen = match home.read(SEEN) {
                Ok(bytes) => match known.verify(&bytes) {
                    Ok(head) => Some(head),
                    Err(cause) => return Ok(Err(Bad::Head { file: SEEN.to_owned(), cause })),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            audit::verify_still(&log, &known, seen.as_ref(), |_, _| {})
        });
        let verified = verify.await.map_err(|error| OperateError::Files(io::Error::other(error)))?;
        verified.map_err(OperateError::Files)
    }
}
