//! What was sent on this connection and is not yet delivered.
//!
//! Owns, per lane, where to read next and which runs wait for their receipt. Promises that a run is either
//! in the store and to be sent, or waiting here, or acknowledged; a new connection starts with an empty
//! ledger, so everything unacknowledged is sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

/// The ledger of one connection.
#[derive(Debug)]
pub(super) struct Ledger {
    next: BTreeMap<Lane, Sequence>,
    waiting: BTreeMap<(Lane, Sequence), SequenceRange>,
    /// When the last receipt moved something, or the first run began to wait.
    progress: Instant,
    patience: Duration,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            next: Lane::ALL
                .into_iter()
                .map(|lane| (lane, Sequence(0)))
                .collect(),
            waiting: BTreeMap::new(),
            progress: Instant::now(),
            patience: FIRST_PATIENCE,
        }
    }

    /// Where to read the lane on.
    pub(super) fn next(&self, lane: Lane) -> Sequence {
        self.next.get(&lane).copied().unwrap_or_default()
    }

    /// Whether more may be sent before receipts come.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST_WAITING
    }

    pub(super) fn sent(&mut self, lane: Lane, range: SequenceRange) {
        if self.waiting.is_empty() {
            self.progress = Instant::now();
        }
        self.next.insert(lane, range.last().plus(1));
        self.waiting.insert((lane, range.first()), range);
    }

    /// Takes out what is delivered.
    pub(super) fn delivered(&mut self, lane: Lane, ranges: &[SequenceRange]) {
        let mut set = SequenceSet::new();
        for range in ranges {
            set.insert(*range);
        }
        let before = self.waiting.len();
        self.waiting
            .retain(|(of, _), range| *of != lane || !set.covers(*range));
        if self.waiting.len() < before {
            self.progress = Instant::now();
            self.patience = FIRST_PATIENCE;
        }
    }

    /// When to stop believing that receipts will still come for what was sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.progress + self.patience)
    }

    /// Everything that waits will be sent again; the next time, patience is longer.
    pub(super) fn start_over(&mut self) {
        for (lane, first) in self.waiting.keys().rev() {
            self.next.insert(*lane, *first);
        }
        self.waiting.clear();
        self.progress = Instant::now();
        self.patience = (self.patience * 2).min(LAST_PATIENCE);
    }
}

/// Batches that may be at the broker without a receipt: bounds what is sent twice.
const MOST_WAITING: usize = 512;
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
const LAST_PATIENCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> SequenceRange {
        SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
    }

    #[tokio::test]
    async fn what_has_no_receipt_is_sent_again_from_its_beginning() {
        let mut ledger = Ledger::new();
        ledger.sent(Lane::Vital, range(0, 9));
        ledger.sent(Lane::Vital, range(10, 19));
        ledger.sent(Lane::Wave, range(0, 4));
        ledger.delivered(Lane::Vital, &[range(0, 9)]);
        assert_eq!(ledger.next(Lane::Vital), Sequence(20));
        ledger.start_over();
        assert_eq!(ledger.next(Lane::Vital), Sequence(10));
        assert_eq!(ledger.next(Lane::Wave), Sequence(0));
        assert_eq!(ledger.deadline(), None);
    }

    #[tokio::test]
    async fn a_receipt_for_part_of_a_batch_does_not_count_as_delivered() {
        let mut ledger = Ledger::new();
        ledger.sent(Lane::Vital, range(0, 9));
        ledger.delivered(Lane::Vital, &[range(0, 5)]);
        assert!(ledger.deadline().is_some());
        ledger.delivered(Lane::Vital, &[range(0, 5), range(6, 9)]);
        assert!(ledger.deadline().is_none());
    }
}
