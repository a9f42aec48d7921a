//! A mark outside the store of how far it has come, so that an older copy put back in its place is noticed.
//!
//! Owns one small file in another directory: epoch and the next place of each lane, in two slots. It is
//! written behind every commit and waits for nobody, so it may know less than the store after a power cut and
//! never more. Promises nothing against somebody who can write both directories: for them the receiver is
//! there, which sees places given out again.

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::directory::{Directory, StoreFile};
use super::error::StoreError;
use super::fields::{Fields, frame, unframe};
use super::identity::FORMAT;
use super::lanes::PerLane;

/// How far a store has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) epoch: Epoch,
    /// The place that the next record of each lane gets.
    pub(super) next: PerLane<u64>,
}

/// What the mark says of a store that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum History {
    /// Nothing against it: the store is as far as the mark or further, or there is no mark.
    #[default]
    Consistent,
    /// The store had come further: these places were given out and it knows nothing of them. They are not
    /// given out again, and are reported as damage.
    TakenBack(Vec<(Lane, SequenceRange)>),
    /// Another store was here before.
    Replaced {
        /// Its epoch.
        epoch: Epoch,
        /// Records it had stored.
        records: u64,
    },
    /// The mark cannot be kept, for this reason: an older copy would not be noticed.
    Unwatched(String),
}

/// The file.
#[derive(Debug)]
pub(super) struct Mark {
    file: StoreFile,
    generation: u64,
}

impl Mark {
    /// Opens it, or makes it; with what it says, if anything.
    pub(super) fn open(
        directory: &Directory,
        name: &str,
    ) -> Result<(Self, Option<Reached>), StoreError> {
        let file = match directory.find_file(name)? {
            Some(file) => file,
            None => {
                let file = directory.create_file(name)?;
                file.allocate(2 * SLOT_BYTES)?;
                file.write_at(&[0; 2 * SLOT], 0)?;
                file.sync()?;
                directory.sync()?;
                file
            }
        };
        let mut newest = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT];
            file.read_at(&mut bytes, slot * SLOT_BYTES)?;
            let found = unframe(MAGIC, &bytes).and_then(parse);
            newest = later(newest, found);
        }
        let generation = newest.map_or(0, |(generation, _)| generation);
        let reached = newest.map(|(_, reached)| reached);
        Ok((Self { file, generation }, reached))
    }

    /// Writes over the older of both slots, and waits for nobody.
    pub(super) fn note(&mut self, reached: &Reached) -> Result<(), StoreError> {
        self.generation = self.generation.saturating_add(1);
        let mut payload = FORMAT.to_le_bytes().to_vec();
        payload.extend_from_slice(&self.generation.to_le_bytes());
        payload.extend_from_slice(reached.epoch.as_bytes());
        payload.extend(reached.next.values().flat_map(|next| next.to_le_bytes()));
        let slot = self.generation % 2;
        self.file
            .write_at(&frame(MAGIC, &payload), slot * SLOT_BYTES)
    }

    /// Writes it and waits until it is durable.
    pub(super) fn settle(&mut self, reached: &Reached) -> Result<(), StoreError> {
        self.note(reached)?;
        self.file.sync()
    }
}

impl Reached {
    /// What this says of a store that knows as much as `now`.
    pub(super) fn judge(&self, now: &Self) -> History {
        if self.epoch != now.epoch {
            let epoch = self.epoch;
            let records = self.next.values().sum();
            return History::Replaced { epoch, records };
        }
        let unknown = Lane::ALL.into_iter().filter_map(|lane| {
            let last = self.next.of(lane).checked_sub(1).map(Sequence)?;
            let range = SequenceRange::between(Sequence(*now.next.of(lane)), last).ok()?;
            Some((lane, range))
        });
        let unknown: Vec<_> = unknown.collect();
        if unknown.is_empty() {
            History::Consistent
        } else {
            History::TakenBack(unknown)
        }
    }
}

type Found = Option<(u64, Reached)>;

fn later(one: Found, other: Found) -> Found {
    let generation = |found: &Found| found.map(|(generation, _)| generation);
    if generation(&other) > generation(&one) {
        other
    } else {
        one
    }
}

fn parse(payload: &[u8]) -> Found {
    let mut fields = Fields::of(payload);
    if fields.u16()? != FORMAT {
        return None;
    }
    let generation = fields.u64()?;
    let epoch = Epoch::from_bytes(fields.array()?);
    let next = PerLane::try_from_fn(|_| fields.u64())?;
    Some((generation, Reached { epoch, next }))
}

const MAGIC: [u8; 8] = *b"WLSTMARK";
const SLOT: usize = 4096;
const SLOT_BYTES: u64 = 4096;
