//! The segment log: the engine that a store uses unless told otherwise.
//!
//! Owns the segment files and the cursor file. A commit is one write and one sync of the newest segment,
//! and a note in the cursor that nobody waits for. Promises that opening reads headers and the end of the
//! newest segment only, that memory does not grow with the backlog, and that one simple rule finds every
//! loss: *a place that was given out, is not settled and is not found, is lost*.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`segment`], [`entry`], [`cursor`] | the bytes |
//! | [`catalog`] | what is known of all segments, and who may have which file |
//! | [`limits`] | the budget |
//! | [`writer`], [`walk`], [`reader`] | bytes in, bytes found, bytes out |
//! | [`evict`] | room for new batches |
//! | [`recovery`] | the catalog from what a directory holds |

mod catalog;
mod cursor;
mod entry;
mod evict;
mod limits;
mod reader;
mod recovery;
mod segment;
mod walk;
mod writer;

#[cfg(test)]
pub(super) mod inspect;

use std::sync::{Mutex, MutexGuard, PoisonError};

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::cipher::Cipher;
use super::directory::Directory;
use super::engine::Engine;
use super::error::StoreError;
use super::identity::Identity;
use super::{Damage, NewBatch, Recovery, Settings, StoredBatch, Usage};

use catalog::Catalog;
use cursor::CursorFile;
use limits::Limits;
use reader::Reader;
use writer::Writer;

/// An open log.
///
/// Locks are taken in the order of the fields of `Log` and then of [`Shared`], and the catalog is never
/// held over a call to the medium.
#[derive(Debug)]
pub(super) struct Log {
    writer: Mutex<Writer>,
    reader: Mutex<Reader>,
    shared: Shared,
}

impl Log {
    pub(super) fn open(
        directory: Directory,
        identity: Identity,
        settings: Settings,
    ) -> Result<(Self, Recovery), StoreError> {
        let limits = Limits::of(settings)?;
        let (catalog, cursor, recovery) = recovery::recover(&directory, &identity, limits)?;
        let shared = Shared {
            directory,
            identity,
            cursor: Mutex::new(cursor),
            catalog: Mutex::new(catalog),
        };
        // A medium that refuses this will say so at the first acknowledgement; reading goes on until then.
        drop(shared.settle());
        shared.sweep();
        evict::clean(&shared);
        let log = Self {
            writer: Mutex::default(),
            reader: Mutex::default(),
            shared,
        };
        Ok((log, recovery))
    }
}

impl Engine for Log {
    fn next_sequence(&self, lane: Lane) -> Sequence {
        self.shared.catalog().next(lane)
    }

    fn append(&self, batches: &[NewBatch<'_>]) -> Result<(), StoreError> {
        let mut writer = match self.writer.lock() {
            Ok(writer) => writer,
            Err(poisoned) => {
                // A commit that panicked may have left its segment half described: begin another.
                self.writer.clear_poison();
                let mut writer = poisoned.into_inner();
                writer.abandon();
                writer
            }
        };
        writer.append(&self.shared, batches)
    }

    fn read_from(&self, lane: Lane, from: Sequence) -> Result<Option<StoredBatch>, StoreError> {
        held(&self.reader).read_from(&self.shared, lane, from)
    }

    fn acknowledge(&self, lane: Lane, ranges: &[SequenceRange]) -> Result<(), StoreError> {
        self.shared.catalog().acknowledge(lane, ranges);
        self.shared.note(false)?;
        self.shared.sweep();
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.shared.catalog().usage()
    }

    fn take_damage(&self) -> Vec<Damage> {
        self.shared.catalog().take_damage()
    }

    fn advance(&self, lane: Lane, next: Sequence) {
        self.shared.catalog().advance(lane, next);
        // Told again by the next start if this is not kept: the mark says so then as well.
        drop(self.shared.settle());
    }

    fn rewrap(&self) -> Result<(), StoreError> {
        let mut writer = held(&self.writer);
        writer.abandon();
        self.shared.rewrap()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Only a hint for the next start; without it that start looks further.
        drop(self.shared.note(true));
    }
}

/// What writer, reader and acknowledgements have in common.
#[derive(Debug)]
struct Shared {
    directory: Directory,
    identity: Identity,
    cursor: Mutex<CursorFile>,
    catalog: Mutex<Catalog>,
}

impl Shared {
    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        held(&self.catalog)
    }

    /// Writes the cursor and waits for nobody; at the end of a process, waits.
    fn note(&self, last: bool) -> Result<(), StoreError> {
        let mut file = held(&self.cursor);
        let cursor = self.catalog().cursor.encode(last);
        if last {
            file.settle(&cursor)
        } else {
            file.note(&cursor)
        }
    }

    /// Makes the cursor durable: before the bytes of an acknowledged segment go.
    fn settle(&self) -> Result<(), StoreError> {
        let mut file = held(&self.cursor);
        let cursor = self.catalog().cursor.encode(false);
        file.settle(&cursor)
    }

    /// Wraps the data keys of all segments that still hold something anew. Those that hold nothing go first:
    /// what was in them must not open with the new key.
    fn rewrap(&self) -> Result<(), StoreError> {
        self.catalog().discard_settled();
        self.settle()?;
        self.sweep();
        for id in self.catalog().ids() {
            let Some(file) = self.directory.find_file(&segment::name(id))? else {
                continue;
            };
            let head = segment::Head::read(&file, self.identity.epoch, id)?;
            if let Some(head) = head {
                head.rewrap(&self.identity, &file)?;
            }
        }
        Ok(())
    }

    /// Removes files that nobody needs. One that stays is found settled by the next start.
    fn sweep(&self) {
        let unneeded = self.catalog().take_trash();
        if unneeded.is_empty() || self.settle().is_err() {
            return;
        }
        for segment in unneeded {
            drop(self.directory.remove(&segment::name(segment.id)));
        }
    }
}

/// What the segment files say of themselves, one answer a file: for a store that lost its meta file.
pub(super) fn claims(directory: &Directory) -> Result<Vec<Option<(Epoch, Cipher)>>, StoreError> {
    let mut claims = Vec::new();
    for id in segment::ids(directory)? {
        let file = directory.open_file(&segment::name(id))?;
        let head = segment::Head::read_any(&file)?;
        let claim = head.map(|head| (head.facts.epoch, head.facts.cipher));
        if claim.is_none() || !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Whether any segment was made with this key for this gateway.
pub(super) fn proves(directory: &Directory, identity: &Identity) -> Result<bool, StoreError> {
    for id in segment::ids(directory)? {
        let file = directory.open_file(&segment::name(id))?;
        if segment::Head::read_any(&file)?.is_some_and(|head| head.open(identity).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the directory still knows which places were given out.
pub(super) fn remembers(directory: &Directory, identity: &Identity) -> Result<bool, StoreError> {
    Ok(!segment::ids(directory)?.is_empty() || CursorFile::is_readable(directory, identity.epoch)?)
}

/// The lock, also after a panic elsewhere: what these guard is whole between any two statements.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
