//! Reading batches back: find, check, open.
//!
//! Owns the open files and keys of the segments being read, and one bookmark for each of the few streams
//! a publisher reads (live and backlog of each lane). No index: memory does not grow with the backlog.
//! What is not found or does not open is reported, and the next batch is returned instead.

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::directory::StoreFile;
use super::super::error::StoreError;
use super::super::lanes::LaneSet;
use super::super::sealing::OpeningKey;
use super::super::{Fault, StoredBatch};
use super::Shared;
use super::catalog::Spot;
use super::entry::{Entry, Mark};
use super::segment::{self, ENTRIES, Head};
use super::walk::Walk;

/// The reader's state.
#[derive(Debug, Default)]
pub(super) struct Reader {
    open: OpenSegments,
    bookmarks: Bookmarks,
}

impl Reader {
    pub(super) fn read_from(
        &mut self,
        shared: &Shared,
        lane: Lane,
        from: Sequence,
    ) -> Result<Option<StoredBatch>, StoreError> {
        let mut place = shared.catalog().anchor(lane, from);
        loop {
            let Some(spot) = shared.catalog().spot(lane, place) else {
                return Ok(None);
            };
            let Some(found) = self.find(shared, lane, spot)? else {
                self.missing(shared, lane, spot, spot.until);
                place = spot.until;
                continue;
            };
            let range = found.entry.range;
            if range.first().0 > spot.place {
                // What was found behind the hole may be settled: look again from there.
                self.missing(shared, lane, spot, range.first().0);
                place = range.first().0;
                continue;
            }
            if range.last() >= from {
                match self.open(shared, &found)? {
                    Ok(bytes) => return Ok(Some(StoredBatch { lane, range, bytes })),
                    Err(fault) => shared.catalog().report(lane, range, fault),
                }
            }
            place = range.last().plus(1).0;
        }
    }

    /// The first entry of a lane that ends at the place or later, within what the segment is to hold.
    fn find(
        &mut self,
        shared: &Shared,
        lane: Lane,
        spot: Spot,
    ) -> Result<Option<Found>, StoreError> {
        let Some(id) = spot.segment else {
            return Ok(None);
        };
        let file = (id, spot.life);
        let Some(segment) = self.open.find(shared, file)? else {
            return Ok(None);
        };
        let from = self.bookmarks.take_nearest(file, lane, spot.place);
        let mark = Mark::of(shared.identity.epoch, id);
        let mut walk = Walk::new(&segment.file, mark, from)?;
        while let Some((offset, entry)) = walk.next()? {
            let passed = entry.range.last().0 < spot.place;
            // Beyond its end a segment may hold what a refused commit left behind: none of it counts.
            let counts = entry.range.last().0 < spot.until;
            if entry.lane != lane || passed || !counts {
                continue;
            }
            self.bookmarks.put(Bookmark {
                file,
                lane,
                place: entry.range.first().0,
                offset,
            });
            return Ok(Some(Found {
                file,
                offset,
                entry,
            }));
        }
        Ok(None)
    }

    /// Reports the places from a spot on up to, and without, `end`.
    fn missing(&self, shared: &Shared, lane: Lane, spot: Spot, end: u64) {
        let mut open = self.open.0.iter();
        let here = open.find(|open| Some(open.which.0) == spot.segment);
        let fault = match here {
            Some(open) if open.evicted.contains(lane) => Fault::Evicted,
            Some(_) | None => Fault::Missing,
        };
        let last = end.checked_sub(1).map(Sequence);
        let range = last.map(|last| SequenceRange::between(Sequence(spot.place), last));
        if let Some(Ok(range)) = range {
            shared.catalog().report(lane, range, fault);
        }
    }

    /// The batch of an entry, or what is wrong with it.
    fn open(
        &mut self,
        shared: &Shared,
        found: &Found,
    ) -> Result<Result<Vec<u8>, Fault>, StoreError> {
        let Some(segment) = self.open.find(shared, found.file)? else {
            return Ok(Err(Fault::Missing));
        };
        let entry = &found.entry;
        let Some(sealed) = entry.read_body(&segment.file, found.offset)? else {
            return Ok(Err(Fault::Checksum));
        };
        let Some(key) = &segment.key else {
            return Ok(Err(Fault::SegmentKey));
        };
        let opened = key.open(entry.number, entry.lane, entry.range, sealed);
        Ok(opened.ok_or(Fault::Seal))
    }
}

/// The few segments being read; the last used at the end.
#[derive(Debug, Default)]
struct OpenSegments(Vec<OpenSegment>);

impl OpenSegments {
    /// The open file and key of a segment; none if there is no such file.
    fn find(&mut self, shared: &Shared, which: FileId) -> Result<Option<&OpenSegment>, StoreError> {
        if let Some(index) = self.0.iter().position(|open| open.which == which) {
            let known = self.0.remove(index);
            self.0.push(known);
            return Ok(self.0.last());
        }
        let (id, _) = which;
        let Some(file) = shared.directory.find_file(&segment::name(id))? else {
            return Ok(None);
        };
        let head = Head::read(&file, shared.identity.epoch, id)?;
        let evicted = head.as_ref().map(|head| head.facts.evicted);
        let key = head.and_then(|head| head.open(&shared.identity));
        if self.0.len() >= MOST_OPEN {
            self.0.remove(0);
        }
        self.0.push(OpenSegment {
            which,
            file,
            evicted: evicted.unwrap_or_default(),
            key,
        });
        Ok(self.0.last())
    }
}

/// A segment being read.
#[derive(Debug)]
struct OpenSegment {
    which: FileId,
    file: StoreFile,
    evicted: LaneSet,
    key: Option<OpeningKey>,
}

/// Where the streams being read stand; the last used at the end.
#[derive(Debug, Default)]
struct Bookmarks(Vec<Bookmark>);

impl Bookmarks {
    /// The best offset to look for a place from. Its bookmark is taken out: the stream moves on.
    fn take_nearest(&mut self, file: FileId, lane: Lane, place: u64) -> u64 {
        let known = self.0.iter().enumerate();
        let known = known.filter(|(_, mark)| (mark.file, mark.lane) == (file, lane));
        let known = known.filter(|(_, mark)| mark.place <= place);
        let nearest = known
            .max_by_key(|(_, mark)| mark.place)
            .map(|(index, _)| index);
        nearest.map_or(ENTRIES, |index| self.0.remove(index).offset)
    }

    fn put(&mut self, bookmark: Bookmark) {
        if self.0.len() >= MOST_BOOKMARKS {
            self.0.remove(0);
        }
        self.0.push(bookmark);
    }
}

/// Every entry of the lane before the offset ends before the place.
#[derive(Debug, Clone, Copy)]
struct Bookmark {
    file: FileId,
    lane: Lane,
    place: u64,
    offset: u64,
}

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
struct Found {
    file: FileId,
    offset: u64,
    entry: Entry,
}

/// A segment, and which of the files it has had.
type FileId = (u64, u32);

const MOST_OPEN: usize = 4;
const MOST_BOOKMARKS: usize = 16;
