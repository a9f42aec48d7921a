//! What arrived, each place once: the monitor's database.
//!
//! Owns one SQLite file (`monitor.sqlite`, write-ahead log, `synchronous=FULL`). The opened batches are kept
//! byte for byte as the truth; beside them stand only what counting and export need. Promises that a place
//! (gateway, epoch, lane, sequence) is stored once and never replaced, that a batch is in as a whole or not
//! at all, and that what was committed survives a power cut. One writer; readers disturb nobody.

mod error;
mod gaps;
mod heads;
mod held;
mod insert;
mod notes;
mod records;
mod schema;
mod summary;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

pub use error::ArchiveError;
pub use gaps::HeldGap;
pub use heads::HeldHead;
pub use insert::Inserted;
pub use notes::{Note, Refusal};
pub use records::{HeldRecord, Place, StreamKey};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
pub use summary::{GatewaySummary, LaneSummary, Summary};
use wardlink_wire::batch::Batch;

/// The archive of one monitor.
#[derive(Debug)]
pub struct Archive {
    connection: Connection,
    /// Held as long as this archive writes.
    _lock: Option<File>,
}

impl Archive {
    /// Opens the archive in a directory for writing, making both if they are missing.
    ///
    /// # Errors
    /// When another monitor writes here, the file is no archive of this version, or the system refuses.
    pub fn open(directory: &Path) -> Result<Self, ArchiveError> {
        let failed = |error| ArchiveError::io(directory, error);
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = File::create(directory.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ArchiveError::Busy(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut connection = Connection::open(directory.join(FILE))?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        schema::prepare(&mut connection)?;
        Ok(Self {
            connection,
            _lock: Some(lock),
        })
    }

    /// Opens the archive in a directory for reading, also while a monitor writes.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn read_only(directory: &Path) -> Result<Self, ArchiveError> {
        let path = directory.join(FILE);
        if !path.is_file() {
            return Err(ArchiveError::Missing(directory.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        schema::check(&connection)?;
        Ok(Self {
            connection,
            _lock: None,
        })
    }

    /// A name for this archive that stays the same for its life.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn name(&self) -> Result<String, ArchiveError> {
        let mut find = self.connection.prepare_cached("SELECT name FROM archive")?;
        Ok(find.query_row([], |row| row.get(0))?)
    }

    /// Begins a group of changes that become durable together.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn group(&mut self) -> Result<Group<'_>, ArchiveError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        Ok(Group { transaction })
    }

    /// Stores one batch, durably.
    ///
    /// # Errors
    /// As [`Group::insert`] and [`Group::commit`].
    pub fn insert(
        &mut self,
        batch: &Batch,
        bytes: &[u8],
        received_ns: i64,
    ) -> Result<Inserted, ArchiveError> {
        let mut group = self.group()?;
        let inserted = group.insert(batch, bytes, received_ns)?;
        group.commit()?;
        Ok(inserted)
    }

    /// Holds on to what is committed now: until the guard is dropped, reading sees no later change.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, ArchiveError> {
        Ok(Snapshot(self.connection.unchecked_transaction()?))
    }

    fn gateway_id(&self, name: &str) -> Result<Option<i64>, ArchiveError> {
        let mut find = self
            .connection
            .prepare_cached("SELECT id FROM gateway WHERE name = ?1")?;
        Ok(find.query_row([name], |row| row.get(0)).optional()?)
    }
}

/// Changes that become durable together; dropped without commit, they never were.
#[derive(Debug)]
pub struct Group<'a> {
    transaction: Transaction<'a>,
}

impl Group<'_> {
    /// Makes the changes durable.
    ///
    /// # Errors
    /// When the medium refuses; then none of them is in.
    pub fn commit(self) -> Result<(), ArchiveError> {
        Ok(self.transaction.commit()?)
    }
}

/// A view that later changes do not move.
#[derive(Debug)]
pub struct Snapshot<'a>(
    #[expect(dead_code, reason = "held for what dropping it ends")] Transaction<'a>,
);

const FILE: &str = "monitor.sqlite";
const LOCK: &str = "monitor.lock";
/// How long to wait for a checkpoint or another process before giving up.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
