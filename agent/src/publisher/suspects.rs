//! Batches that seem to end the connection: found, cut, and at last set aside.
//!
//! A broker that does not want a message (too large for it, most often) can only close the connection, in
//! MQTT 3.1.1, and would close it again for ever. A batch that was on its way at two breaks in a row goes
//! alone the next time; if the connection ends right after that time after time, smaller pieces are tried,
//! and what is small and still ends it is set aside. Promises that a batch set aside is not deleted and that
//! its lane goes on; whether it was the batch's fault is never certain, so it is tried again, an alarm soon.

use std::collections::BTreeMap;

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{SequenceRange, SequenceSet};

/// What is held against batches.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    strikes: BTreeMap<(Lane, u64, u64), Strikes>,
    /// The largest message worth trying, as far as breaks taught.
    largest: Option<usize>,
    aside: BTreeMap<Lane, SequenceSet>,
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
    /// The connection broke soon after it was sent.
    pub(super) soon: bool,
}

impl Suspects {
    /// A connection broke with these unacknowledged by the broker; gives back what is now set aside.
    pub(super) fn broken(&mut self, caught: &[Caught]) -> Option<Caught> {
        if let [alone] = caught {
            let strikes = self
                .strikes
                .entry(key(alone.lane, alone.range))
                .or_default();
            strikes.together = strikes.together.saturating_add(1);
            if strikes.together > TOGETHER && alone.soon {
                strikes.alone = strikes.alone.saturating_add(1);
            }
            if strikes.alone >= ALONE {
                self.strikes.remove(&key(alone.lane, alone.range));
                return self.convicted(*alone);
            }
            return None;
        }
        for one in caught {
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
            return None;
        }
        // Its size was not the reason, so nothing was learned of sizes.
        self.largest = None;
        self.aside
            .entry(caught.lane)
            .or_default()
            .insert(caught.range);
        Some(caught)
    }

    /// The broker took a batch.
    pub(super) fn taken(&mut self, lane: Lane, range: SequenceRange) {
        if !self.strikes.is_empty() {
            self.strikes.remove(&key(lane, range));
        }
    }

    /// Whether a batch may only go while nothing else is on its way.
    pub(super) fn must_go_alone(&self, lane: Lane, range: SequenceRange) -> bool {
        let strikes = self.strikes.get(&key(lane, range));
        strikes.is_some_and(|strikes| strikes.together >= TOGETHER)
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
        if let Some(aside) = self.aside.get_mut(&lane) {
            aside.remove(range);
        }
    }

    /// Gives a lane's batches that were set aside another chance: one each.
    pub(super) fn forgive(&mut self, lane: Lane) -> Vec<SequenceRange> {
        let aside = self.aside.remove(&lane).unwrap_or_default();
        for range in aside.runs() {
            let once_more = Strikes {
                together: TOGETHER,
                alone: ALONE - 1,
            };
            self.strikes.insert(key(lane, range), once_more);
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
/// No broker of the field refuses a message for being this large.
const HARMLESS: usize = 4 << 10;
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_wire::sequence::Sequence;

    fn caught(first: u64, bytes: usize) -> Caught {
        let range = SequenceRange::between(Sequence(first), Sequence(first + 9)).unwrap();
        Caught {
            lane: Lane::Wave,
            range,
            bytes,
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
        suspects.taken(good.lane, good.range);
        assert!(!suspects.must_go_alone(good.lane, good.range));
        for _ in 0..3 {
            assert_eq!(suspects.largest(), usize::MAX);
            assert_eq!(suspects.broken(&[bad]), None);
        }
        assert_eq!(suspects.largest(), 32 << 10);
        let piece = caught(0, 900);
        let mut breaks = 0;
        while suspects.broken(&[piece]).is_none() {
            breaks += 1;
        }
        assert!(
            breaks >= 4,
            "one cut after another was taken for the batch's fault"
        );
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
                suspects.taken(one.lane, one.range);
            }
        }
        assert!(suspects.strikes.is_empty());
        assert_eq!((suspects.count(), suspects.largest()), (0, usize::MAX));
    }
}
