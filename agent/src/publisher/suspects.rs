//! Batches that seem to end the connection: found, cut, and at last set aside.
//!
//! A broker that does not want a message (too large for it, most often) can only close the connection, in
//! MQTT 3.1.1, and would close it again for ever. A batch that was on its way at two breaks in a row goes
//! alone the next time; if the connection ends right after that time after time, smaller pieces are tried,
//! and what is small and still ends it is set aside. What went joined with others is sent batch by batch
//! first, and no larger joins are made than this broker is known to take. Promises that a batch set aside is
//! not deleted and that its lane goes on; whether it was the batch's fault is never certain, so it is tried
//! again, an alarm soon.

use std::collections::BTreeMap;

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

/// What is held against batches.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    strikes: BTreeMap<(Lane, u64, u64), Strikes>,
    /// The largest message worth trying, as far as breaks taught, and the batch that taught it.
    largest: Option<usize>,
    cut: Option<(Lane, SequenceRange)>,
    aside: BTreeMap<Lane, SequenceSet>,
    /// What was on its way joined at a break: goes batch by batch until somebody has it.
    apart: BTreeMap<Lane, SequenceSet>,
    /// The largest message taken since the last break, and the largest that is worth making of several
    /// batches.
    proven: usize,
    ceiling: Option<usize>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Strikes {
    together: u8,
    alone: u8,
}

/// What was on its way when a connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caught {
    pub(super) lane: Lane,
    pub(super) range: SequenceRange,
    pub(super) bytes: usize,
    /// It holds several batches.
    pub(super) joined: bool,
    /// The connection broke soon after it was sent.
    pub(super) soon: bool,
}

impl Suspects {
    /// A connection broke with these unacknowledged by the broker; gives back what is now set aside.
    pub(super) fn broken(&mut self, caught: &[Caught]) -> Option<Caught> {
        for one in caught.iter().filter(|one| one.joined) {
            self.apart.entry(one.lane).or_default().insert(one.range);
            if one.soon && one.bytes > self.proven.max(HARMLESS) {
                self.ceiling = Some(self.proven.max(HARMLESS));
            }
        }
        self.proven = 0;
        if let [alone] = caught
            && !alone.joined
        {
            let mut strikes = self.strikes_of(alone.lane, alone.range);
            strikes.together = strikes.together.saturating_add(1);
            if strikes.together > TOGETHER && alone.soon {
                strikes.alone = strikes.alone.saturating_add(1);
            }
            self.strikes.insert(key(alone.lane, alone.range), strikes);
            if strikes.alone >= ALONE {
                self.strikes.remove(&key(alone.lane, alone.range));
                return self.convicted(*alone);
            }
            return None;
        }
        for one in caught.iter().filter(|one| !one.joined) {
            let strikes = self.strikes.entry(key(one.lane, one.range)).or_default();
            strikes.together = strikes.together.saturating_add(1);
        }
        // Those that are acknowledged leave one by one; a link that never holds must not fill memory.
        while self.strikes.len() > MOST {
            self.strikes.pop_last();
        }
        None
    }

    fn convicted(&mut self, caught: Caught) -> Option<Caught> {
        if caught.bytes > HARMLESS && self.largest.is_none_or(|largest| largest > HARMLESS) {
            self.largest = Some((caught.bytes / 2).max(HARMLESS));
            self.cut = Some((caught.lane, caught.range));
            self.apart
                .entry(caught.lane)
                .or_default()
                .insert(caught.range);
            return None;
        }
        // Its size was not the reason, so nothing was learned of sizes.
        (self.largest, self.cut) = (None, None);
        self.put_aside(caught.lane, caught.range);
        Some(caught)
    }

    /// Sets a batch aside of which it is certain that this broker does not take it.
    pub(super) fn put_aside(&mut self, lane: Lane, range: SequenceRange) {
        self.aside.entry(lane).or_default().insert(range);
    }

    /// The broker took a message of this size.
    pub(super) fn taken(&mut self, lane: Lane, range: SequenceRange, bytes: usize) {
        self.proven = self.proven.max(bytes);
        if !self.strikes.is_empty() {
            self.strikes.remove(&key(lane, range));
        }
        if let Some(apart) = self.apart.get_mut(&lane) {
            apart.remove(range);
        }
    }

    /// The places of a lane that something is held against, so that their batches are not joined.
    pub(super) fn apart(&self, lane: Lane) -> SequenceSet {
        let mut apart = self.apart.get(&lane).cloned().unwrap_or_default();
        for (_, first, last) in self.strikes.keys().filter(|(of, ..)| *of == lane) {
            if let Ok(range) = SequenceRange::between(Sequence(*first), Sequence(*last)) {
                apart.insert(range);
            }
        }
        apart
    }

    /// The largest message worth making of several batches.
    pub(super) fn ceiling(&self) -> usize {
        let ceiling = self.ceiling.map(|ceiling| ceiling.max(self.proven));
        ceiling.unwrap_or(usize::MAX).min(self.largest())
    }

    /// Time has passed since the last break that spoke against large messages: another one may be tried.
    pub(super) const fn raise_ceiling(&mut self) {
        self.ceiling = None;
    }

    /// Whether a batch may only go while nothing else is on its way.
    pub(super) fn must_go_alone(&self, lane: Lane, range: SequenceRange) -> bool {
        self.strikes_of(lane, range).together >= TOGETHER
    }

    /// What is held against a batch. The pieces of one that was cut are tried with less patience.
    fn strikes_of(&self, lane: Lane, range: SequenceRange) -> Strikes {
        let known = self.strikes.get(&key(lane, range)).copied();
        let is_piece = self.cut.is_some_and(|(of, whole)| {
            of == lane && whole.first() <= range.first() && range.last() <= whole.last()
        });
        known.unwrap_or(if is_piece {
            LAST_CHANCE
        } else {
            Strikes::default()
        })
    }

    /// The largest message worth trying.
    pub(super) fn largest(&self) -> usize {
        self.largest.unwrap_or(usize::MAX)
    }

    /// What is set aside of a lane.
    pub(super) fn aside(&self, lane: Lane) -> impl Iterator<Item = SequenceRange> + '_ {
        self.aside
            .get(&lane)
            .into_iter()
            .flat_map(SequenceSet::runs)
    }

    /// How many records are set aside.
    pub(super) fn count(&self) -> u64 {
        self.aside.values().map(SequenceSet::count).sum()
    }

    /// Something reached the monitor after all, or was evicted.
    pub(super) fn settled(&mut self, lane: Lane, range: SequenceRange) {
        for places in [&mut self.aside, &mut self.apart] {
            if let Some(of) = places.get_mut(&lane) {
                of.remove(range);
            }
        }
    }

    /// Gives a lane's batches that were set aside another chance: one each.
    pub(super) fn forgive(&mut self, lane: Lane) -> Vec<SequenceRange> {
        let aside = self.aside.remove(&lane).unwrap_or_default();
        for range in aside.runs() {
            self.strikes.insert(key(lane, range), LAST_CHANCE);
        }
        aside.runs().collect()
    }
}

fn key(lane: Lane, range: SequenceRange) -> (Lane, u64, u64) {
    (lane, range.first().0, range.last().0)
}

/// Breaks in company after which a batch goes alone.
const TOGETHER: u8 = 2;
/// Breaks alone after which it is cut or set aside.
const ALONE: u8 = 3;
/// Held against what has to go alone and is not tried twice.
const LAST_CHANCE: Strikes = Strikes {
    together: TOGETHER,
    alone: ALONE - 1,
};
/// No broker of the field refuses a message for being this large.
const HARMLESS: usize = 4 << 10;
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(first: u64, bytes: usize) -> Caught {
        let range = SequenceRange::between(Sequence(first), Sequence(first + 9)).unwrap();
        Caught {
            lane: Lane::Wave,
            range,
            bytes,
            joined: false,
            soon: true,
        }
    }

    #[test]
    fn a_batch_that_ends_every_connection_is_cut_and_at_last_set_aside() {
        let mut suspects = Suspects::default();
        let (bad, good) = (caught(0, 64 << 10), caught(10, 1000));
        for _ in 0..2 {
            assert!(!suspects.must_go_alone(bad.lane, bad.range));
            assert_eq!(suspects.broken(&[bad, good]), None);
        }
        assert!(suspects.must_go_alone(bad.lane, bad.range));
        suspects.taken(good.lane, good.range, good.bytes);
        assert!(!suspects.must_go_alone(good.lane, good.range));
        for _ in 0..3 {
            assert_eq!(suspects.largest(), usize::MAX);
            assert_eq!(suspects.broken(&[bad]), None);
        }
        assert_eq!(suspects.largest(), 32 << 10);
        let piece = caught(0, 900);
        assert!(suspects.must_go_alone(piece.lane, piece.range));
        assert_eq!(suspects.broken(&[piece]), Some(piece));
        assert_eq!(
            suspects.aside(Lane::Wave).collect::<Vec<_>>(),
            [piece.range]
        );
        assert_eq!((suspects.count(), suspects.largest()), (10, usize::MAX));
        assert_eq!(suspects.forgive(Lane::Wave), [piece.range]);
        assert_eq!(suspects.count(), 0);
        assert_eq!(suspects.broken(&[piece]), Some(piece), "one more chance");
    }

    #[test]
    fn a_connection_that_ends_long_after_a_batch_was_sent_is_not_its_fault() {
        let mut suspects = Suspects::default();
        let mut innocent = caught(0, 1000);
        innocent.soon = false;
        for _ in 0..100 {
            assert_eq!(suspects.broken(&[innocent]), None);
        }
        assert!(suspects.must_go_alone(innocent.lane, innocent.range));
    }

    #[test]
    fn cuts_with_always_other_batches_on_their_way_blame_nobody() {
        let mut suspects = Suspects::default();
        for number in 0..5000 {
            let on_their_way = [caught(number * 20, 64 << 10), caught(number * 20 + 10, 100)];
            assert_eq!(suspects.broken(&on_their_way), None);
            for one in on_their_way {
                suspects.taken(one.lane, one.range, one.bytes);
            }
        }
        assert!(suspects.strikes.is_empty());
        assert_eq!((suspects.count(), suspects.largest()), (0, usize::MAX));
    }

    #[test]
    fn what_was_joined_at_a_break_goes_batch_by_batch_and_no_larger_than_the_broker_took() {
        let mut suspects = Suspects::default();
        let joined = |first, bytes| Caught {
            joined: true,
            ..caught(first, bytes)
        };
        assert_eq!(suspects.ceiling(), usize::MAX);
        suspects.taken(Lane::Wave, caught(100, 0).range, 10_000);
        assert_eq!(suspects.broken(&[joined(0, 10_000)]), None);
        assert_eq!(suspects.ceiling(), usize::MAX, "it takes that much");
        suspects.taken(Lane::Wave, caught(100, 0).range, 10_000);
        assert_eq!(suspects.broken(&[joined(10, 20_000)]), None);
        assert_eq!(suspects.ceiling(), 10_000);
        let apart = suspects.apart(Lane::Wave);
        assert!(apart.covers(joined(0, 0).range) && apart.covers(joined(10, 0).range));
        for first in [0, 10] {
            let one = caught(first, 1000);
            assert!(
                !suspects.must_go_alone(one.lane, one.range),
                "no batch is blamed yet"
            );
            suspects.taken(one.lane, one.range, one.bytes);
        }
        assert!(suspects.apart(Lane::Wave).is_empty());
        suspects.taken(Lane::Wave, caught(200, 0).range, 15_000);
        assert_eq!(suspects.ceiling(), 15_000, "a single batch that was larger");
        suspects.raise_ceiling();
        assert_eq!(suspects.ceiling(), usize::MAX);
    }
}
