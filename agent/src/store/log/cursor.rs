//! What must not be forgotten when segments are used again: places given out, places settled.
//!
//! Owns the `cursor` file: two slots, allocated and written full at creation, so that a full disk can
//! still acknowledge. Notes go to one slot and wait for nobody; the slot that was synced last is left
//! alone until the other one is synced, so a power cut in the middle of a note costs the note and not
//! both. Losing notes is harmless: acknowledged batches are sent again.

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::super::directory::{Directory, StoreFile};
use super::super::error::StoreError;
use super::super::fields::{Fields, frame, unframe};
use super::super::identity::FORMAT;
use super::super::lanes::PerLane;

/// What the cursor file remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    /// The segment of the last commit and where that commit ended.
    pub(super) segment: u64,
    pub(super) end: u64,
    /// The number of the next segment.
    pub(super) next_segment: u64,
    /// The place that the next record of a lane gets.
    pub(super) next: PerLane<u64>,
    /// Batches of a lane stored so far.
    pub(super) batches: PerLane<u64>,
    /// Places acknowledged, or reported lost for good.
    pub(super) settled: PerLane<SequenceSet>,
}

impl Cursor {
    /// `last`: nothing will be committed after this note.
    pub(super) fn encode(&self, last: bool) -> Vec<u8> {
        let mut bytes = vec![u8::from(last)];
        for number in [self.segment, self.end, self.next_segment] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for counts in [&self.next, &self.batches] {
            bytes.extend(counts.values().flat_map(|count| count.to_le_bytes()));
        }
        for settled in self.settled.values() {
            let runs: Vec<_> = settled.runs().collect();
            let count = u32::try_from(runs.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&count.to_le_bytes());
            for run in runs {
                bytes.extend_from_slice(&run.first().0.to_le_bytes());
                bytes.extend_from_slice(&run.last().0.to_le_bytes());
            }
        }
        bytes
    }

    fn decode(mut fields: Fields<'_>) -> Option<(Self, bool)> {
        let last = fields.u8()? == 1;
        let cursor = Self {
            segment: fields.u64()?,
            end: fields.u64()?,
            next_segment: fields.u64()?,
            next: PerLane::try_from_fn(|_| fields.u64())?,
            batches: PerLane::try_from_fn(|_| fields.u64())?,
            settled: PerLane::try_from_fn(|_| {
                let mut set = SequenceSet::new();
                for _ in 0..fields.u32()? {
                    let (first, last) = (Sequence(fields.u64()?), Sequence(fields.u64()?));
                    set.insert(SequenceRange::between(first, last).ok()?);
                }
                Some(set)
            })?,
        };
        Some((cursor, last))
    }

    /// Settles places; not if that would take more runs than a slot holds. Then they stay unacknowledged,
    /// are sent again and acknowledged again.
    pub(super) fn settle(&mut self, lane: Lane, range: SequenceRange) -> bool {
        let runs: usize = self.settled.values().map(|set| set.runs().count()).sum();
        let set = self.settled.of_mut(lane);
        if runs >= MOST_RUNS && !touches(set, range) {
            return false;
        }
        set.insert(range);
        true
    }
}

/// Whether a range overlaps or adjoins a run, so that adding it adds no run.
fn touches(set: &SequenceSet, range: SequenceRange) -> bool {
    let first = Sequence(range.first().0.saturating_sub(1));
    SequenceRange::between(first, range.last().plus(1)).is_ok_and(|wider| set.overlaps(wider))
}

/// The file.
#[derive(Debug)]
pub(super) struct CursorFile {
    file: StoreFile,
    epoch: Epoch,
    boot: Option<[u8; 16]>,
    generation: u64,
    synced: Slot,
}

/// What a cursor file held when it was opened.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) cursor: Cursor,
    /// No commit can have come after this note: the store was closed in order, or this is still the boot
    /// whose page cache took every note, and no note is torn.
    pub(super) current: bool,
    /// It was written in this boot: what is read may be in the page cache alone.
    pub(super) cached: bool,
}

impl CursorFile {
    /// Opens it, or makes it. The content is none when there was nothing readable.
    pub(super) fn open(
        directory: &Directory,
        epoch: Epoch,
    ) -> Result<(Self, Option<Found>), StoreError> {
        let boot = directory.boot();
        let existing = directory.find_file(NAME)?;
        let existing = match existing {
            Some(file) if file.length()? >= 2 * SLOT_BYTES => Some(file),
            _ => None,
        };
        let Some(file) = existing else {
            let file = directory.create_file(NAME)?;
            file.allocate(2 * SLOT_BYTES)?;
            file.write_at(&[0; SLOT], 0)?;
            file.write_at(&[0; SLOT], SLOT_BYTES)?;
            file.sync()?;
            directory.sync()?;
            let new = Self {
                file,
                epoch,
                boot,
                generation: 0,
                synced: Slot::Second,
            };
            return Ok((new, None));
        };
        let slots = read_slots(&file, epoch)?;
        let torn = slots
            .iter()
            .any(|(_, content)| matches!(content, Content::Unreadable));
        let newest = slots
            .into_iter()
            .filter_map(|(slot, content)| match content {
                Content::Note(note) => Some((slot, note)),
                Content::Blank | Content::Unreadable => None,
            })
            .max_by_key(|(_, note)| note.generation);
        let (synced, generation, found) = match newest {
            Some((slot, note)) => {
                let same_boot = boot.is_some() && note.boot == boot;
                let found = Found {
                    current: !torn && (note.last || same_boot),
                    cached: boot.is_none() || same_boot,
                    cursor: note.cursor,
                };
                if found.cached {
                    // A medium that refuses this will say so at the first acknowledgement.
                    drop(confirm(&file, slot));
                }
                (slot, note.generation, Some(found))
            }
            None => (Slot::Second, 0, None),
        };
        let opened = Self {
            file,
            epoch,
            boot,
            generation,
            synced,
        };
        Ok((opened, found))
    }

    /// Whether the directory has a cursor of this epoch.
    pub(in super::super) fn is_readable(
        directory: &Directory,
        epoch: Epoch,
    ) -> Result<bool, StoreError> {
        let Some(file) = directory.find_file(NAME)? else {
            return Ok(false);
        };
        let slots = read_slots(&file, epoch)?;
        Ok(slots
            .iter()
            .any(|(_, content)| matches!(content, Content::Note(_))))
    }

    /// Writes an encoded cursor beside the one that was synced last.
    pub(super) fn note(&mut self, cursor: &[u8]) -> Result<(), StoreError> {
        self.generation = self.generation.saturating_add(1);
        let mut payload = FORMAT.to_le_bytes().to_vec();
        payload.extend_from_slice(self.epoch.as_bytes());
        payload.extend_from_slice(&self.generation.to_le_bytes());
        payload.extend_from_slice(&self.boot.unwrap_or_default());
        payload.extend_from_slice(cursor);
        self.file
            .write_at(&frame(MAGIC, &payload), self.synced.other().offset())
    }

    /// Writes an encoded cursor and makes it durable.
    pub(super) fn settle(&mut self, cursor: &[u8]) -> Result<(), StoreError> {
        self.note(cursor)?;
        self.file.sync()?;
        self.synced = self.synced.other();
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    First,
    Second,
}

impl Slot {
    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    const fn offset(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => SLOT_BYTES,
        }
    }
}

enum Content {
    Blank,
    Unreadable,
    Note(Box<Note>),
}

struct Note {
    generation: u64,
    boot: Option<[u8; 16]>,
    last: bool,
    cursor: Cursor,
}

impl Note {
    fn parse(payload: &[u8], epoch: Epoch) -> Option<Self> {
        let mut fields = Fields::of(payload);
        if fields.u16()? != FORMAT || Epoch::from_bytes(fields.array()?) != epoch {
            return None;
        }
        let generation = fields.u64()?;
        let boot = Some(fields.array()?).filter(|boot| *boot != [0; 16]);
        let (cursor, last) = Cursor::decode(fields)?;
        Some(Self {
            generation,
            boot,
            last,
            cursor,
        })
    }
}

/// Writes what is in a slot once more, and syncs. A process that was killed may have written it and not synced
/// it, or synced it in vain; should the power go now, it is as it was or the other slot is.
fn confirm(file: &StoreFile, slot: Slot) -> Result<(), StoreError> {
    let mut bytes = vec![0; SLOT];
    file.read_at(&mut bytes, slot.offset())?;
    file.write_at(&bytes, slot.offset())?;
    file.sync()
}

fn read_slots(file: &StoreFile, epoch: Epoch) -> Result<[(Slot, Content); 2], StoreError> {
    let read = |slot: Slot| -> Result<(Slot, Content), StoreError> {
        let mut bytes = vec![0; SLOT];
        file.read_at(&mut bytes, slot.offset())?;
        let note = unframe(MAGIC, &bytes).and_then(|payload| Note::parse(payload, epoch));
        let content = match note {
            Some(note) => Content::Note(Box::new(note)),
            None if bytes.iter().all(|byte| *byte == 0) => Content::Blank,
            None => Content::Unreadable,
        };
        Ok((slot, content))
    };
    Ok([read(Slot::First)?, read(Slot::Second)?])
}

const NAME: &str = "cursor";
const MAGIC: [u8; 8] = *b"WLCURSOR";
const SLOT: usize = 16 << 10;
const SLOT_BYTES: u64 = 16 << 10;
/// Runs of all lanes together; 16 bytes each, beside about 200 of everything else.
pub(super) const MOST_RUNS: usize = 1000;
/// Bytes of the file.
pub(super) const BYTES: u64 = 2 * SLOT_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_cursor_fits_its_slot_and_comes_back() {
        let mut cursor = Cursor::default();
        for place in 0.. {
            let range = SequenceRange::starting(Sequence(place * 2), 1).unwrap();
            if !cursor.settle(Lane::Vital, range) {
                break;
            }
        }
        let runs = cursor.settled.of(Lane::Vital).runs().count();
        assert_eq!(runs, MOST_RUNS);
        let encoded = cursor.encode(false);
        assert!(encoded.len() + 200 < SLOT, "{} bytes", encoded.len());
        let (decoded, last) = Cursor::decode(Fields::of(&encoded)).unwrap();
        assert_eq!((decoded, last), (cursor.clone(), false));

        // What fills a hole is still taken, or an endless outage could never be acknowledged.
        let hole = SequenceRange::starting(Sequence(1), 1).unwrap();
        assert!(cursor.settle(Lane::Vital, hole));
        assert_eq!(cursor.settled.of(Lane::Vital).runs().count(), MOST_RUNS - 1);
    }
}
