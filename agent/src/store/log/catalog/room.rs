//! Which file may be written, and what has to go for it.
//!
//! Owns the way of a file through the catalog: free, written, held until all in it is settled, free again or
//! removed. Promises that a file is handed out only when every place in it is settled, that the budget holds,
//! and that what makes room is the oldest of the least important lane.

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::super::Fault;
use super::super::super::error::StoreError;
use super::super::limits::OVERHEAD;
use super::super::segment::Segment;
use super::Catalog;

/// A file to write.
#[derive(Debug)]
pub(in crate::store) enum Claim {
    /// One that is allocated and settled.
    Recycle(Segment),
    /// A new one of this many bytes.
    Create(u64),
    /// None before this is evicted.
    Evict(Victim),
}

/// The batches of one lane in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Victim {
    pub(in crate::store) segment: u64,
    pub(in crate::store) lane: Lane,
    /// Its places in the segment: the first, and the first behind.
    pub(in crate::store) places: (u64, u64),
}

impl Catalog {
    /// A file with room for a group and the header before it. `most` is the most important lane of the group.
    pub(in crate::store) fn claim(&mut self, bytes: u64, most: Lane) -> Result<Claim, StoreError> {
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
    pub(in crate::store) fn evicted(&mut self, victim: Victim, length: u64) {
        let mut segments = self.segments.iter_mut();
        if let Some(segment) = segments.find(|segment| segment.id == victim.segment) {
            segment.length = length;
            segment.life = segment.life.wrapping_add(1);
        }
        self.lose(victim, Fault::Evicted);
    }

    /// Every place of these batches that is neither settled nor lost is lost now.
    pub(in crate::store) fn lose(&mut self, victim: Victim, fault: Fault) {
        self.evicting = true;
        let (first, end) = victim.places;
        let last = Sequence(end.saturating_sub(1));
        if let Ok(range) = SequenceRange::between(Sequence(first), last) {
            self.report(victim.lane, range, fault);
        }
    }

    /// Whether this much more stays within the budget.
    pub(in crate::store) fn has_room_for(&self, bytes: u64) -> bool {
        self.bytes_on_medium().saturating_add(bytes) <= self.limits.budget
    }

    pub(in crate::store) fn full(&self) -> StoreError {
        self.limits.full()
    }

    /// A new newest segment, about to be written.
    pub(in crate::store) fn begin(&mut self, id: u64, length: u64) -> Segment {
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
    pub(in crate::store) fn fail(&mut self, id: u64) {
        if let Some(segment) = self.segments.last_mut().filter(|segment| segment.id == id) {
            segment.failed = true;
        }
    }

    /// Gives back a file that was claimed and not used.
    pub(in crate::store) fn put_back(&mut self, segment: Segment) {
        self.free.push(segment);
    }

    /// Takes in a file that holds nothing.
    pub(in crate::store) fn discard(&mut self, unused: Segment) {
        self.retire(unused);
    }

    /// Keeps no file in which everything is settled. Nothing may be being written.
    pub(in crate::store) fn discard_settled(&mut self) {
        self.trash.append(&mut self.free);
        for index in (0..self.segments.len()).rev() {
            if self.is_settled(index) {
                let segment = self.segments.remove(index);
                self.trash.push(segment);
            }
        }
    }

    /// The segments, the newest last.
    pub(in crate::store) fn ids(&self) -> Vec<u64> {
        self.segments.iter().map(|segment| segment.id).collect()
    }

    pub(in crate::store) fn take_trash(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.trash)
    }

    /// Frees the segments around some places that are settled as a whole; never the newest.
    pub(super) fn release(&mut self, lane: Lane, first: u64, last: u64) {
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

    pub(super) fn retire(&mut self, segment: Segment) {
        let useful = !segment.failed && segment.length == self.limits.segment;
        if useful && self.free.len() < self.limits.kept {
            self.free.push(segment);
        } else {
            self.trash.push(segment);
        }
    }

    /// Whether another segment fits without eviction.
    pub(super) fn has_room(&self) -> bool {
        let another = self.limits.segment;
        !self.free.is_empty() || self.bytes_on_medium().saturating_add(another) <= self.limits.room
    }

    pub(super) fn bytes_on_medium(&self) -> u64 {
        let files = self.segments.iter().chain(&self.free);
        files
            .map(|segment| segment.length)
            .fold(OVERHEAD, u64::saturating_add)
    }
}

/// The order in which lanes make room.
const EVICTION: [Lane; 4] = [Lane::Wave, Lane::Event, Lane::Vital, Lane::Alarm];
