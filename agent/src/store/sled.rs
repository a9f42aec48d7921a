//! sled 0.34.7 behind the store's promises: asked for by name, and chosen with `store.engine = "sled"`.
//!
//! Owns one sled directory a segment and a header file beside each; catalog, cursor, header and seals are
//! the log's own. sled alone keeps none of the promises (measured; `docs/design.md` and the bench `peers`):
//! its `flush()` is not durable, its space does not come back, its memory follows its file, and damage makes
//! it panic. Hence: one value a batch, `fdatasync` on an own handle after every `flush()`, blob files synced
//! one by one, a directory left behind at 64 MiB and removed once acknowledged, every call behind
//! [`tree::Tree`], and a directory that cannot be read set aside (`quarantine-*`, the last one only).
//!
//! What it cannot do, and the log can:
//! * start on a full disk: sled writes when it opens. The error says so, and nothing is lost;
//! * lose only the damaged batch: what sled cannot read any more is lost from there to the end of that segment
//!   in that lane, and named place by place;
//! * promise that a damaged directory never blocks: sled may wait for ever inside one of its own calls.

mod entry;
mod evict;
mod folder;
mod reader;
mod recovery;
pub(super) mod tree;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::cipher::Cipher;
use super::directory::Directory;
use super::engine::Engine;
use super::error::StoreError;
use super::identity::Identity;
use super::log::catalog::Catalog;
use super::log::cursor::CursorFile;
use super::log::limits::Limits;
use super::log::segment::Head;
use super::{Damage, NewBatch, Recovery, Settings, StoredBatch, Usage};

use reader::Reader;
use tree::Trees;
use writer::Writer;

/// An open store of sled directories. Locks are taken in the order of the fields of `Sled` and then of
/// [`Shared`].
#[derive(Debug)]
pub(super) struct Sled {
    writer: Mutex<Writer>,
    reader: Mutex<Reader>,
    shared: Shared,
}

impl Sled {
    pub(super) fn open(
        directory: Directory,
        identity: Identity,
        settings: Settings,
    ) -> Result<(Self, Recovery), StoreError> {
        let limits = Limits::of_folders(settings, folder::SHARES)?;
        let (catalog, cursor, recovery) = recovery::recover(&directory, &identity, limits)?;
        let shared = Shared {
            directory,
            identity,
            trees: Mutex::default(),
            cursor: Mutex::new(cursor),
            catalog: Mutex::new(catalog),
        };
        drop(shared.settle(false));
        shared.sweep();
        evict::clean(&shared);
        let sled = Self {
            writer: Mutex::default(),
            reader: Mutex::default(),
            shared,
        };
        Ok((sled, recovery))
    }
}

impl Engine for Sled {
    fn next_sequence(&self, lane: Lane) -> Sequence {
        self.shared.catalog().next(lane)
    }

    fn append(&self, batches: &[NewBatch<'_>]) -> Result<(), StoreError> {
        held(&self.writer).append(&self.shared, batches)
    }

    fn read_from(&self, lane: Lane, from: Sequence) -> Result<Option<StoredBatch>, StoreError> {
        held(&self.reader).read_from(&self.shared, lane, from)
    }

    fn acknowledge(&self, lane: Lane, ranges: &[SequenceRange]) -> Result<(), StoreError> {
        self.shared.catalog().acknowledge(lane, ranges);
        self.shared.note()?;
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
    }

    /// Headers lie beside the sled directories, so that no sled has to be opened for this. What sled's own
    /// log keeps of acknowledged batches goes with the directory they are in.
    fn rewrap(&self) -> Result<(), StoreError> {
        held(&self.writer).abandon();
        let shared = &self.shared;
        shared.catalog().discard_settled();
        shared.settle(false)?;
        shared.sweep();
        for id in shared.catalog().ids() {
            let Some(file) = shared.directory.find_file(&folder::head_name(id))? else {
                continue;
            };
            if let Some(head) = Head::read(&file, shared.identity.epoch, id)? {
                head.rewrap(&shared.identity, &file)?;
            }
        }
        Ok(())
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        // Only a hint for the next start; without it that start looks further.
        drop(self.shared.settle(true));
    }
}

/// What writer, reader and acknowledgements have in common.
#[derive(Debug)]
struct Shared {
    directory: Directory,
    identity: Identity,
    trees: Mutex<Trees>,
    cursor: Mutex<CursorFile>,
    catalog: Mutex<Catalog>,
}

impl Shared {
    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        held(&self.catalog)
    }

    fn trees(&self) -> MutexGuard<'_, Trees> {
        held(&self.trees)
    }

    /// Writes the cursor and waits for nobody.
    fn note(&self) -> Result<(), StoreError> {
        let mut file = held(&self.cursor);
        let cursor = self.catalog().cursor.encode(false);
        file.note(&cursor)
    }

    /// Makes the cursor durable: after every commit, because a sled directory may refuse to say which places
    /// it holds. `last`: nothing will be committed after this.
    fn settle(&self, last: bool) -> Result<(), StoreError> {
        let mut file = held(&self.cursor);
        let cursor = self.catalog().cursor.encode(last);
        file.settle(&cursor)
    }

    /// Removes directories that nobody needs. One that stays is found settled by the next start.
    fn sweep(&self) {
        let unneeded = self.catalog().take_trash();
        if unneeded.is_empty() || self.settle(false).is_err() {
            return;
        }
        for segment in unneeded {
            self.trees().forget(segment.id);
            drop(folder::remove(&self.directory, segment.id));
        }
    }
}

/// What the headers say of themselves, one answer a header: for a store that lost its meta file.
pub(super) fn claims(directory: &Directory) -> Result<Vec<Option<(Epoch, Cipher)>>, StoreError> {
    let mut claims = Vec::new();
    for id in folder::ids(directory)? {
        let file = directory.find_file(&folder::head_name(id))?;
        let head = file
            .map(|file| Head::read_any(&file))
            .transpose()?
            .flatten();
        let claim = head.map(|head| (head.facts.epoch, head.facts.cipher));
        if claim.is_none() || !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Whether any header was made with this key for this gateway.
pub(super) fn proves(directory: &Directory, identity: &Identity) -> Result<bool, StoreError> {
    for id in folder::ids(directory)? {
        let file = directory.find_file(&folder::head_name(id))?;
        let head = file
            .map(|file| Head::read_any(&file))
            .transpose()?
            .flatten();
        if head.is_some_and(|head| head.open(identity).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the directory still knows which places were given out.
pub(super) fn remembers(directory: &Directory, identity: &Identity) -> Result<bool, StoreError> {
    Ok(!folder::ids(directory)?.is_empty() || CursorFile::is_readable(directory, identity.epoch)?)
}

/// The lock, also after a panic elsewhere: what these guard is whole between any two statements.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
