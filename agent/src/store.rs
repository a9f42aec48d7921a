//! The sealed, durable, first-in-first-out store of batches.
//!
//! Owns a directory and everything in it. Promises that a batch whose [`Store::append`] returned is there
//! after any crash, byte for byte and once, until it is acknowledged; that damage loses exactly what is
//! damaged and says so with its range; that a place is never given out twice; that nobody without the
//! store key reads a payload. Refuses a second process, another gateway's store and a key that does not
//! fit. There is no mode without encryption. The format is written down in `docs/store-format.md`.
//!
//! Calls block on the medium: use it from blocking threads. One thread appends, one reads; any may ask
//! for the usage or acknowledge.

mod cipher;
mod directory;
mod engine;
mod error;
mod fields;
mod identity;
mod key;
mod lanes;
mod log;
mod mark;
mod medium;
mod provider;
mod sealing;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

pub use cipher::Cipher;
pub use engine::EngineKind;
pub use error::{FullCause, StoreError};
pub use key::StoreKey;
pub use mark::History;
pub use provider::{Credential, KeyError, KeyFile, KeyProvider, Keys};

use directory::{Directory, StoreFile};
use engine::Engine;
use identity::Identity;
use lanes::PerLane;
use mark::{Mark, Reached};

/// An open store. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Store {
    epoch: Epoch,
    directory: Directory,
    /// How far it has come, kept elsewhere; none if nobody asked for it or it cannot be kept.
    mark: Option<Mutex<Mark>>,
    // Dropped before the lock, so that what it writes at the end is written under the lock.
    engine: Box<dyn Engine>,
    _lock: StoreFile,
}

impl Store {
    /// Opens the store in a directory, or creates it there when the directory holds none. A rotation that
    /// the provider has begun is carried out first.
    ///
    /// # Errors
    /// When another process has it open, when engine, key or gateway do not fit, or when the medium refuses.
    /// Damage is no error: it is in the [`Recovery`].
    pub fn open(
        settings: Settings,
        gateway: &GatewayId,
        provider: &dyn KeyProvider,
    ) -> Result<(Self, Recovery), StoreError> {
        let directory = Directory::open(&settings.directory)?;
        let mark = settings.mark.as_deref().map(open_mark);
        let (mut store, mut recovery) = Self::open_in(directory, settings, gateway, provider)?;
        recovery.history = store.watch(mark);
        Ok((store, recovery))
    }

    /// Holds the store to a mark kept elsewhere, and keeps it from now on.
    fn watch(&mut self, mark: Option<Result<(Mark, Option<Reached>), StoreError>>) -> History {
        let (mut mark, reached) = match mark {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => return History::Unwatched(error.to_string()),
            None => return History::Consistent,
        };
        let history = reached.map(|reached| reached.judge(&self.reached()));
        let history = history.unwrap_or_default();
        if let History::TakenBack(places) = &history {
            for (lane, range) in places {
                self.engine.advance(*lane, range.last().plus(1));
            }
        }
        match mark.settle(&self.reached()) {
            Ok(()) => self.mark = Some(Mutex::new(mark)),
            Err(error) if history == History::Consistent => {
                return History::Unwatched(error.to_string());
            }
            Err(_) => {}
        }
        history
    }

    fn reached(&self) -> Reached {
        Reached {
            epoch: self.epoch,
            next: PerLane::from_fn(|lane| self.engine.next_sequence(lane).0),
        }
    }

    fn open_in(
        directory: Directory,
        settings: Settings,
        gateway: &GatewayId,
        provider: &dyn KeyProvider,
    ) -> Result<(Self, Recovery), StoreError> {
        let lock = directory.lock(LOCK)?;
        let keys = provider.keys()?;
        let (identity, created) = Identity::establish(&directory, &settings, gateway, &keys)?;
        drop(keys);
        let epoch = identity.epoch;
        let rotating = identity.keys.is_rotating();
        let proof = identity.meta();
        let (engine, mut recovery) = settings
            .engine
            .open(directory.clone(), identity, settings)?;
        recovery.created = created;
        if rotating {
            let rotated = engine
                .rewrap()
                .and_then(|()| proof.write(&directory))
                .and_then(|()| Ok(provider.destroy_current()?));
            recovery.rotation = match rotated {
                Ok(()) => Rotation::Finished,
                // Both keys are still there: everything opens, and the next start tries again.
                Err(error) => Rotation::Unfinished(error.to_string()),
            };
        }
        Ok((
            Self {
                epoch,
                directory,
                mark: None,
                engine,
                _lock: lock,
            },
            recovery,
        ))
    }

    /// The random identity drawn when this store was created.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The place that the next record of a lane gets.
    #[must_use]
    pub fn next_sequence(&self, lane: Lane) -> Sequence {
        self.engine.next_sequence(lane)
    }

    /// Stores batches as one group: one write, one sync. They are durable when this returns.
    ///
    /// Batches of one lane follow each other without holes, from [`Store::next_sequence`] on. After an
    /// error none of them counts and the places stay free: the same batches may be given again. Should
    /// the process end before that, some of them may be found by the next start.
    ///
    /// When the budget is used up, the oldest batches make room: waves first, then events, then vitals, alarms
    /// last, and never for a group that is less important than they are. What is evicted is damage, told by
    /// [`Store::take_damage`] with [`Fault::Evicted`].
    ///
    /// # Errors
    /// [`StoreError::Full`] when budget or file system have no room; otherwise the medium refused, or the
    /// places are wrong.
    pub fn append(&self, batches: &[NewBatch<'_>]) -> Result<(), StoreError> {
        self.engine.append(batches)?;
        if let Some(mark) = &self.mark {
            let mut mark = mark.lock().unwrap_or_else(PoisonError::into_inner);
            // The batches are durable; without this note an older copy is noticed a little later or not at all.
            drop(mark.note(&self.reached()));
        }
        Ok(())
    }

    /// The first batch of a lane that is not fully acknowledged and whose range ends at `from` or later,
    /// opened and verified. What is damaged on the way is left out, counted and kept for
    /// [`Store::take_damage`].
    ///
    /// # Errors
    /// When the medium refuses in a way that says nothing about the data, such as too many open files.
    pub fn read_from(&self, lane: Lane, from: Sequence) -> Result<Option<StoredBatch>, StoreError> {
        self.engine.read_from(lane, from)
    }

    /// Notes that places of a lane are safely elsewhere; in any order, as often as one likes. Space is
    /// used again once every place of a segment is acknowledged. Places that were not given out yet are
    /// left alone.
    ///
    /// Not synced: a power cut may forget acknowledgements, and those batches are read again.
    ///
    /// # Errors
    /// When the note could not be written. It still holds until the process ends.
    pub fn acknowledge(&self, lane: Lane, ranges: &[SequenceRange]) -> Result<(), StoreError> {
        self.engine.acknowledge(lane, ranges)
    }

    /// How full the store is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.engine.usage()
    }

    /// Whether the budget is used up, so that batches are evicted for new ones, as an error for people.
    #[must_use]
    pub fn shortage(&self) -> Option<StoreError> {
        let usage = self.engine.usage();
        usage.evicting.then(|| StoreError::Full {
            path: self.directory.path().to_owned(),
            cause: FullCause::Evicting(usage.budget),
        })
    }

    /// What was found damaged, or was evicted, since the last call. The next [`Store::append`] that succeeds must carry the
    /// gaps for it: after that the places count as settled. A process that ends before finds it again.
    #[must_use]
    pub fn take_damage(&self) -> Vec<Damage> {
        self.engine.take_damage()
    }
}

/// Where a store is and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its directory; made, with mode 0700, when it is not there.
    pub directory: PathBuf,
    /// The most bytes it takes on the medium.
    pub budget: u64,
    /// Bytes of one segment; made smaller where the budget would not hold [`Settings::SEGMENTS`] of them.
    pub segment: u64,
    /// The cipher of a store that is created; one that exists keeps its own.
    pub cipher: Cipher,
    /// How it keeps its bytes; a store that exists has to be of the same engine.
    pub engine: EngineKind,
    /// A file outside the directory that remembers how far the store has come; without it, an older copy of
    /// the directory that is put back is not noticed.
    pub mark: Option<PathBuf>,
}

impl Settings {
    /// The segments a budget holds at the least.
    pub const SEGMENTS: u64 = 8;

    /// Segments of 8 MiB, and the cipher that suits this processor.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, budget: u64) -> Self {
        Self {
            directory: directory.into(),
            budget,
            segment: SEGMENT,
            cipher: Cipher::for_this_cpu(),
            engine: EngineKind::Log,
            mark: None,
        }
    }
}

/// A batch to store.
#[derive(Debug, Clone, Copy)]
pub struct NewBatch<'a> {
    /// Its lane.
    pub lane: Lane,
    /// The places of its records.
    pub range: SequenceRange,
    /// The encoded batch.
    pub bytes: &'a [u8],
}

/// A batch as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// Its lane.
    pub lane: Lane,
    /// The places of its records.
    pub range: SequenceRange,
    /// The encoded batch.
    pub bytes: Vec<u8>,
}

/// What opening a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The store is new.
    pub created: bool,
    /// What is lost, as far as opening looks: the end of the newest segment, and segments without a
    /// readable header. Handed over as by [`Store::take_damage`], and not repeated there.
    pub damage: Vec<Damage>,
    /// Bytes of entries that were begun and not finished when the last process ended.
    pub torn_tail_bytes: u64,
    /// The acknowledgements were lost: what is in the store will be sent again.
    pub acknowledgements_lost: bool,
    /// What became of the rotation of the store key.
    pub rotation: Rotation,
    /// Whether this is the store that was here before, as far as it had come.
    pub history: History,
}

/// What became of a rotation of the store key when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rotation {
    /// None was begun.
    #[default]
    None,
    /// Everything needs the new key alone, and the old one is destroyed.
    Finished,
    /// Why it is not finished. The store works with both keys, and the next start tries again.
    Unfinished(String),
}

/// Places that will never be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Their lane.
    pub lane: Lane,
    /// The places.
    pub range: SequenceRange,
    /// What was found.
    pub fault: Fault,
}

/// Why places will never be read: what was found where their batch should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing that could be recognised.
    Missing,
    /// An entry whose checksum does not hold.
    Checksum,
    /// An entry whose seal does not hold.
    Seal,
    /// An entry in a segment whose data key cannot be unwrapped.
    SegmentKey,
    /// Nothing is damaged: the batch had to make room for newer ones.
    Evicted,
    /// The store knows nothing of places that it had given out: see [`History::TakenBack`].
    TakenBack,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the entry is missing",
            Self::Checksum => "the checksum does not hold",
            Self::Seal => "the seal does not hold",
            Self::SegmentKey => "the header of the segment is damaged",
            Self::TakenBack => "the store knows nothing of them; an older copy was put back",
            Self::Evicted => "the store was full and they made room for newer ones",
        })
    }
}

/// How full a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of segments that hold something unacknowledged, in whole segments.
    pub used: u64,
    /// The most it may use.
    pub budget: u64,
    /// Each lane, in the order of [`Lane::ALL`].
    pub lanes: [LaneUsage; 4],
    /// Batches, or runs of missing ones, found damaged since the store was opened.
    pub damaged: u64,
    /// The budget is used up: old batches were evicted, and will be again.
    pub evicting: bool,
}

/// What one lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneUsage {
    /// The lane.
    pub lane: Lane,
    /// The place that the next record gets.
    pub next: Sequence,
    /// Records that are neither acknowledged nor lost.
    pub unacknowledged: u64,
    /// Batches from the oldest segment still held on; acknowledged ones among them are counted.
    pub batches: u64,
}

fn open_mark(path: &Path) -> Result<(Mark, Option<Reached>), StoreError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or(MARK);
    Mark::open(&Directory::open(folder)?, name)
}

impl Drop for Store {
    fn drop(&mut self) {
        let reached = self.reached();
        if let Some(mark) = &mut self.mark {
            let mark = mark.get_mut().unwrap_or_else(PoisonError::into_inner);
            // As after every commit: it may be missed.
            drop(mark.settle(&reached));
        }
    }
}

const MARK: &str = "store.mark";
const LOCK: &str = "lock";
const SEGMENT: u64 = 8 << 20;

#[cfg(test)]
mod tests;
