//! What the store asks of a medium, and nothing more.
//!
//! Owns the two traits between the engines and the place where bytes live: [`Medium`] is one directory,
//! [`MediumFile`] one file in it. Promises nothing of its own: `docs/store-format.md` says what is assumed
//! of an implementation. Errors are the system's, without words; [`super::directory`] adds those.

pub(super) mod disk;

use std::fmt;
use std::io;

/// A directory: names, and what makes changes of names durable.
pub(super) trait Medium: fmt::Debug + Send + Sync {
    /// The names in it; what is no text is none of ours.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing.
    fn open(&self, name: &str, opening: Opening) -> io::Result<Box<dyn MediumFile>>;

    /// Gives a file another name; a file that had it is gone. Atomic, not yet durable.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away; not yet durable.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    fn sync(&self) -> io::Result<()>;

    /// The identity of this boot, if the system tells: what was written and not synced does not outlive it.
    fn boot(&self) -> Option<[u8; 16]>;
}

/// What becomes of a file that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// It is there, and stays as it is.
    Existing,
    /// It is made if it is not there.
    Lasting,
    /// It is made, and empty also where one was.
    Empty,
}

/// One file.
pub(super) trait MediumFile: fmt::Debug + Send + Sync {
    /// Bytes in it.
    fn length(&self) -> io::Result<u64>;

    /// Reads some bytes; 0 only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of the bytes; after an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the written bytes durable.
    fn sync(&self) -> io::Result<()>;

    /// Gives the file this length and, where the medium can, room for it.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Bytes from the start that were written before: writing there again takes no room.
    fn written(&self) -> io::Result<u64>;

    /// Asks to read no further than told to. Advice only.
    fn expect_random_reads(&self);

    /// Takes the lock for as long as the file is open; false if another process has it.
    fn try_lock(&self) -> io::Result<bool>;
}
