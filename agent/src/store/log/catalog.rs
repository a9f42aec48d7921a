//! What is known of all segments, without knowing their entries.
//!
//! Owns which places are given out, settled or lost, and which file is in use, free or to be removed.
//! Promises that a file is handed out for writing only when every place in it is settled, and that a loss
//! is reported once. Memory: some bytes a segment, and runs of places.

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::super::error::StoreError;
use super::super::lanes::PerLane;
use super::super::{Damage, Fault, LaneUsage, NewBatch, Usage};
use super::cursor::Cursor;
use super::entry;
use super::limits::{Limits, OVERHEAD};
use super::segment::Segment;

/// The state that writer, reader and acknowledgements agree on.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) cursor: Cursor,
    limits: Limits,
    /// By number; the last may be the one being written, and stays until it has a successor.
    segments: Vec<Segment>,
    free: Vec<Segment>,
    trash: Vec<Segment>,
    lost: PerLane<SequenceSet>,
    damage: Vec<Damage>,
    /// Taken by the caller, and settled by the commit that carries the gaps.
    reported: Vec<Damage>,
    damaged: u64,
    /// Something was evicted since there was room last.
    evicting: bool,
}

/// Where a reader has to look for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// The first place that is neither settled nor lost.
    pub(super) place: u64,
    /// The segment it is in, if any segment is.
    pub(super) segment: Option<u64>,
    /// Which file of that segment: see [`Segment::life`].
    pub(super) life: u32,
    /// The first place that is not in that segment.
    pub(super) until: u64,
}

/// A file to write.
#[derive(Debug)]
pub(super) enum Claim {
    /// One that is allocated and settled.
    Recycle(Segment),
    /// A new one of this many bytes.
    Create(u64),
    /// None before this is evicted.
    Evict(Victim),
}

/// The batches of one lane in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) segment: u64,
    pub(super) lane: Lane,
    /// Its places in the segment: the first, and the first behind.
    pub(super) places: (u64, u64),
}

impl Catalog {
    pub(super) fn new(cursor: Cursor, limits: Limits, segments: Vec<Segment>) -> Self {
        let mut catalog = Self {
            cursor,
            limits,
            segments,
            free: Vec::new(),
            trash: Vec::new(),
            lost: PerLane::default(),
            damage: Vec::new(),
            reported: Vec::new(),
            damaged: 0,
            evicting: false,
        };
        for lane in Lane::ALL {
            catalog.release(lane, 0, u64::MAX);
        }
        catalog
    }

    pub(super) fn next(&self, lane: Lane) -> Sequence {
        Sequence(*self.cursor.next.of(lane))
    }

    /// Gives out no place before `next` any more.
    pub(super) fn advance(&mut self, lane: Lane, next: Sequence) {
        let known = self.cursor.next.of_mut(lane);
        let last = next.0.checked_sub(1).map(Sequence);
        let unknown = last.map(|last| SequenceRange::between(Sequence(*known), last));
        if let Some(Ok(range)) = unknown {
            *known = next.0;
            self.report(lane, range, Fault::TakenBack);
        }
    }

    /// Checks that batches take the places that are next; gives the bytes that the group takes.
    pub(super) fn admit(&self, batches: &[NewBatch<'_>]) -> Result<u64, StoreError> {
        let mut next = self.cursor.next;
        let mut bytes = 0_u64;
        for batch in batches {
            let lane = batch.lane;
            let expected = Sequence(*next.of(lane));
            let found = batch.range.first();
            if found != expected || batch.range.last().0 == u64::MAX {
                return Err(StoreError::Place {
                    lane,
                    expected,
                    found,
                });
            }
            *next.of_mut(lane) = batch.range.last().plus(1).0;
            let counted = u32::try_from(batch.range.count()).ok();
            let size = counted.and_then(|_| entry::size_of(batch.bytes));
            bytes = size
                .and_then(|size| bytes.checked_add(size))
                .ok_or_else(|| self.limits.too_large(u64::MAX))?;
        }
        Ok(bytes)
    }

    /// Notes a commit that is durable.
    pub(super) fn commit(&mut self, batches: &[NewBatch<'_>], segment: u64, end: u64) {
        for batch in batches {
            *self.cursor.next.of_mut(batch.lane) = batch.range.last().plus(1).0;
            *self.cursor.batches.of_mut(batch.lane) += 1;
        }
        (self.cursor.segment, self.cursor.end) = (segment, end);
        let reported = std::mem::take(&mut self.reported);
        for damage in reported {
            if !self.settle(damage.lane, damage.range) {
                self.reported.push(damage);
            }
        }
    }

    pub(super) fn acknowledge(&mut self, lane: Lane, ranges: &[SequenceRange]) {
        let Some(highest) = self.cursor.next.of(lane).checked_sub(1).map(Sequence) else {
            return;
        };
        for range in ranges {
            // What was not given out cannot have arrived, whatever an acknowledgement says.
            let last = range.last().min(highest);
            if let Ok(range) = SequenceRange::between(range.first(), last) {
                self.settle(lane, range);
            }
        }
    }

    fn settle(&mut self, lane: Lane, range: SequenceRange) -> bool {
        let settled = self.cursor.settle(lane, range);
        if settled {
            self.lost.of_mut(lane).remove(range);
            self.release(lane, range.first().0, range.last().0);
        }
        settled
    }

    /// Where to begin for a batch that ends at `from` or later: before `from` only if a batch that is not
    /// fully settled may reach over it.
    pub(super) fn anchor(&self, lane: Lane, from: Sequence) -> u64 {
        match self.run_over(lane, from.0) {
            Some(run) => run.first().0.saturating_sub(1),
            None => from.0,
        }
    }

    /// Where the first place from `place` on is that still matters; none when there is none.
    pub(super) fn spot(&self, lane: Lane, place: u64) -> Option<Spot> {
        let place = self.open_place(lane, place)?;
        let next = *self.cursor.next.of(lane);
        if place >= next {
            return None;
        }
        let after = self.after(lane, place);
        let before = after
            .checked_sub(1)
            .and_then(|index| self.segments.get(index));
        let until = self.segments.get(after).map_or(next, |s| *s.start.of(lane));
        Some(Spot {
            place,
            segment: before.map(|segment| segment.id),
            life: before.map_or(0, |segment| segment.life),
            until,
        })
    }

    /// Notes places as lost, but for those that are settled or known to be lost.
    pub(super) fn report(&mut self, lane: Lane, range: SequenceRange, fault: Fault) {
        let mut place = range.first().0;
        while place <= range.last().0 {
            if let Some(run) = self.run_over(lane, place) {
                let Some(after) = run.last().0.checked_add(1) else {
                    return;
                };
                place = after;
                continue;
            }
            let sets = [self.cursor.settled.of(lane), self.lost.of(lane)];
            let later = sets.into_iter().flat_map(SequenceSet::runs);
            let barrier = later
                .map(|run| run.first().0)
                .filter(|first| *first > place);
            let end = barrier.min().map_or(u64::MAX, |first| first - 1);
            let last = range.last().min(Sequence(end));
            if let Ok(range) = SequenceRange::between(Sequence(place), last) {
                self.lost.of_mut(lane).insert(range);
                self.note_damage(Damage { lane, range, fault });
            }
            let Some(after) = last.0.checked_add(1) else {
                return;
            };
            place = after;
        }
    }

    /// Adds to what the caller has not taken yet; what continues the last note becomes part of it.
    fn note_damage(&mut self, damage: Damage) {
        self.damaged += 1;
        let last = self.damage.last_mut().filter(|last| {
            (last.lane, last.fault) == (damage.lane, damage.fault)
                && last.range.last().plus(1) == damage.range.first()
        });
        let joined = last.and_then(|last| {
            let range = SequenceRange::between(last.range.first(), damage.range.last()).ok()?;
            last.range = range;
            Some(())
        });
        if joined.is_none() {
            self.damage.push(damage);
        }
    }

    pub(super) fn take_damage(&mut self) -> Vec<Damage> {
        let damage = std::mem::take(&mut self.damage);
        self.reported.extend_from_slice(&damage);
        damage
    }

    /// A file with room for a group and the header before it. `most` is the most important lane of the group.
    pub(super) fn claim(&mut self, bytes: u64, most: Lane) -> Result<Claim, StoreError> {
        let length = self.limits.length_for(bytes)?;
        loop {
            let lowest =
                (0..self.free.len()).min_by_key(|index| self.free.get(*index).map(|s| s.id));
            if length == self.limits.segment
                && let Some(index) = lowest
            {
                return Ok(Claim::Recycle(self.free.swap_remove(index)));
            }
            if self.bytes_on_medium().saturating_add(length) <= self.limits.room {
                return Ok(Claim::Create(length));
            }
            if let Some(idle) = self.free.pop() {
                self.trash.push(idle);
            } else if let Some(last) = self
                .segments
                .len()
                .checked_sub(1)
                .filter(|i| self.is_settled(*i))
            {
                // Nothing is being written when a file is claimed, so the newest may go as well.
                let segment = self.segments.remove(last);
                self.retire(segment);
            } else {
                let victim = self.victim(most).ok_or_else(|| self.limits.full())?;
                return Ok(Claim::Evict(victim));
            }
        }
    }

    /// The oldest batches of the least important lane that has any; of none more important than `most`, and
    /// not in the newest segment, from whose end the next start knows which places were given out.
    fn victim(&self, most: Lane) -> Option<Victim> {
        let lanes = EVICTION.into_iter().take_while(|lane| *lane != most);
        lanes.chain([most]).find_map(|lane| {
            let held = self.segments.windows(2).find_map(|pair| {
                let [segment, next] = pair else { return None };
                let places = (*segment.start.of(lane), *next.start.of(lane));
                let open = self.open_place(lane, places.0)?;
                (open < places.1).then_some((segment.id, places))
            });
            held.map(|(segment, places)| Victim {
                segment,
                lane,
                places,
            })
        })
    }

    /// Notes that a lane was evicted from a segment, whose file is shorter now.
    pub(super) fn evicted(&mut self, victim: Victim, length: u64) {
        let mut segments = self.segments.iter_mut();
        if let Some(segment) = segments.find(|segment| segment.id == victim.segment) {
            segment.length = length;
            segment.life = segment.life.wrapping_add(1);
        }
        self.lose(victim, Fault::Evicted);
    }

    /// Every place of these batches that is neither settled nor lost is lost now.
    pub(super) fn lose(&mut self, victim: Victim, fault: Fault) {
        self.evicting = true;
        let (first, end) = victim.places;
        let last = Sequence(end.saturating_sub(1));
        if let Ok(range) = SequenceRange::between(Sequence(first), last) {
            self.report(victim.lane, range, fault);
        }
    }

    /// Whether any place of a range still matters.
    pub(super) fn is_open(&self, lane: Lane, range: SequenceRange) -> bool {
        let open = self.open_place(lane, range.first().0);
        open.is_some_and(|open| open <= range.last().0)
    }

    /// Whether this much more stays within the budget.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.bytes_on_medium().saturating_add(bytes) <= self.limits.budget
    }

    pub(super) fn full(&self) -> StoreError {
        self.limits.full()
    }

    /// A number no segment ever had.
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.cursor.next_segment;
        self.cursor.next_segment = number.saturating_add(1);
        number
    }

    /// A new newest segment, about to be written.
    pub(super) fn begin(&mut self, id: u64, length: u64) -> Segment {
        let segment = Segment {
            id,
            start: self.cursor.next,
            batches: self.cursor.batches,
            length,
            life: 0,
            failed: false,
        };
        self.segments.push(segment.clone());
        let before = self.segments.len().checked_sub(2);
        if let Some(index) = before.filter(|index| self.is_settled(*index)) {
            let settled = self.segments.remove(index);
            self.retire(settled);
        }
        segment
    }

    /// The medium refused a write to the newest segment.
    pub(super) fn fail(&mut self, id: u64) {
        if let Some(segment) = self.segments.last_mut().filter(|segment| segment.id == id) {
            segment.failed = true;
        }
    }

    /// Gives back a file that was claimed and not used.
    pub(super) fn put_back(&mut self, segment: Segment) {
        self.free.push(segment);
    }

    /// Takes in a file that holds nothing.
    pub(super) fn discard(&mut self, unused: Segment) {
        self.retire(unused);
    }

    /// Keeps no file in which everything is settled. Nothing may be being written.
    pub(super) fn discard_settled(&mut self) {
        self.trash.append(&mut self.free);
        for index in (0..self.segments.len()).rev() {
            if self.is_settled(index) {
                let segment = self.segments.remove(index);
                self.trash.push(segment);
            }
        }
    }

    /// The segments, the newest last.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.segments.iter().map(|segment| segment.id).collect()
    }

    pub(super) fn take_trash(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.trash)
    }

    pub(super) fn usage(&self) -> Usage {
        let oldest = self.segments.first();
        let lanes = Lane::ALL.map(|lane| {
            let next = *self.cursor.next.of(lane);
            let gone = self.cursor.settled.of(lane).count() + self.lost.of(lane).count();
            let total = *self.cursor.batches.of(lane);
            let before = oldest.map_or(total, |segment| *segment.batches.of(lane));
            LaneUsage {
                lane,
                next: Sequence(next),
                unacknowledged: next.saturating_sub(gone),
                batches: total.saturating_sub(before),
            }
        });
        let held: u64 = self.segments.iter().map(|segment| segment.length).sum();
        Usage {
            used: held.saturating_add(OVERHEAD),
            budget: self.limits.budget,
            lanes,
            damaged: self.damaged,
            evicting: self.evicting && !self.has_room(),
        }
    }

    /// The index of the first segment that begins after a place.
    fn after(&self, lane: Lane, place: u64) -> usize {
        self.segments
            .partition_point(|segment| *segment.start.of(lane) <= place)
    }

    /// Frees the segments around some places that are settled as a whole; never the newest.
    fn release(&mut self, lane: Lane, first: u64, last: u64) {
        let mut index = self.after(lane, first).saturating_sub(1);
        while index + 1 < self.segments.len() {
            let begins = self
                .segments
                .get(index)
                .map(|segment| *segment.start.of(lane));
            if begins.is_none_or(|start| start > last) {
                break;
            }
            if self.is_settled(index) {
                let segment = self.segments.remove(index);
                self.retire(segment);
            } else {
                index += 1;
            }
        }
    }

    fn retire(&mut self, segment: Segment) {
        let useful = !segment.failed && segment.length == self.limits.segment;
        if useful && self.free.len() < KEPT_FREE {
            self.free.push(segment);
        } else {
            self.trash.push(segment);
        }
    }

    fn is_settled(&self, index: usize) -> bool {
        let Some(segment) = self.segments.get(index) else {
            return false;
        };
        let end = self
            .segments
            .get(index + 1)
            .map_or(&self.cursor.next, |s| &s.start);
        Lane::ALL.into_iter().all(|lane| {
            let last = end.of(lane).checked_sub(1).map(Sequence);
            let held =
                last.map(|last| SequenceRange::between(Sequence(*segment.start.of(lane)), last));
            match held {
                Some(Ok(range)) => self.cursor.settled.of(lane).covers(range),
                Some(Err(_)) | None => true,
            }
        })
    }

    /// The first place from one on that is neither settled nor lost; also beyond those given out.
    fn open_place(&self, lane: Lane, mut place: u64) -> Option<u64> {
        while let Some(run) = self.run_over(lane, place) {
            place = run.last().0.checked_add(1)?;
        }
        Some(place)
    }

    /// The run of settled or lost places that a place is in.
    fn run_over(&self, lane: Lane, place: u64) -> Option<SequenceRange> {
        let over = |run: &SequenceRange| run.first().0 <= place && place <= run.last().0;
        let settled = self.cursor.settled.of(lane).runs().find(over);
        settled.or_else(|| self.lost.of(lane).runs().find(over))
    }

    /// Whether another segment fits without eviction.
    fn has_room(&self) -> bool {
        let another = self.limits.segment;
        !self.free.is_empty() || self.bytes_on_medium().saturating_add(another) <= self.limits.room
    }

    fn bytes_on_medium(&self) -> u64 {
        let files = self.segments.iter().chain(&self.free);
        files
            .map(|segment| segment.length)
            .fold(OVERHEAD, u64::saturating_add)
    }
}

/// Settled files kept for writing again; more are removed, so that a drained store is small.
const KEPT_FREE: usize = 2;
/// The order in which lanes make room.
const EVICTION: [Lane; 4] = [Lane::Wave, Lane::Event, Lane::Vital, Lane::Alarm];
