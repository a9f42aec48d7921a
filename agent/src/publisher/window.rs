//! What was sent on this connection and is not yet delivered.
//!
//! Owns which batches the broker has not acknowledged and which have no receipt. Promises that a batch is
//! either in the store and to be sent, or waiting here, or acknowledged: a new connection starts with an
//! empty window, and what has no receipt in time is handed back to be sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{SequenceRange, SequenceSet};

use super::flow::Flow;
use super::order::{Age, Class};
use super::pace::Pace;
use super::source::Ready;
use super::suspects::Caught;

/// The window of one connection.
#[derive(Debug)]
pub(super) struct Window {
    most: usize,
    next: u64,
    on_their_way: BTreeMap<u64, Sent>,
    waiting: BTreeMap<u64, Sent>,
    hop: Flow,
    receipt: Flow,
    /// When the broker last acknowledged something, or the first batch began to wait for it.
    taken: Instant,
    wedged: Duration,
    /// When the last receipt moved something, or a batch began to wait for the first one.
    progress: Instant,
    patience: Duration,
    patiences: (Duration, Duration),
}

/// What is known of a message that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) lane: Lane,
    pub(super) range: SequenceRange,
    pub(super) bytes: usize,
    /// It holds several batches.
    joined: bool,
    at: Instant,
}

impl Sent {
    pub(super) const fn of(ready: &Ready, at: Instant) -> Self {
        Self {
            lane: ready.lane,
            range: ready.range,
            bytes: ready.payload.len(),
            joined: ready.joined,
            at,
        }
    }
}

impl Window {
    /// `most`: batches that may be on their way to the broker at once.
    pub(super) fn new(most: u16, pace: Pace, now: Instant) -> Self {
        Self {
            most: usize::from(most.max(1)),
            next: 0,
            on_their_way: BTreeMap::new(),
            waiting: BTreeMap::new(),
            hop: Flow::new(pace.hop),
            receipt: Flow::new(pace.receipt),
            taken: now,
            wedged: pace.wedged,
            progress: now,
            patience: pace.patience.0,
            patiences: pace.patience,
        }
    }

    /// Whether another message of a class may go. An alarm can have the last place, live the last but one;
    /// backlog leaves a quarter free and steps back when answers take long.
    pub(super) fn allows(&self, class: Class) -> bool {
        let (out, waiting) = (self.on_their_way.len(), self.waiting.len());
        match (class.lane, class.age) {
            (Lane::Alarm, _) => out < self.most && waiting < MOST_WAITING + 2 * RESERVED,
            (_, Age::Live) => out < (self.most - 1).max(1) && waiting < MOST_WAITING + RESERVED,
            (_, Age::Backlog) => {
                out < (self.most * 3 / 4).max(1)
                    && waiting < MOST_WAITING
                    && self.hop.has_room()
                    && self.receipt.has_room()
            }
        }
    }

    /// How many bytes of small batches are worth joining in one message: a small part of what may be under
    /// way, so that a live record never waits long for one, however slow the link.
    pub(super) fn worth_joining(&self) -> usize {
        self.hop.window().min(self.receipt.window()) / PARTS
    }

    /// Nothing is on its way to the broker.
    pub(super) fn is_clear(&self) -> bool {
        self.on_their_way.is_empty()
    }

    /// Notes what was handed to the connection; the number stands for it from now on.
    pub(super) fn sent(&mut self, sent: Sent) -> u64 {
        if self.on_their_way.is_empty() {
            self.taken = sent.at;
        }
        let number = self.next;
        self.next += 1;
        self.on_their_way.insert(number, sent);
        self.waiting.insert(number, sent);
        self.hop.sent(sent.bytes);
        self.receipt.sent(sent.bytes);
        number
    }

    /// The broker acknowledged a message: its lane, places and bytes.
    pub(super) fn taken(
        &mut self,
        number: u64,
        now: Instant,
    ) -> Option<(Lane, SequenceRange, usize)> {
        let had_deadline = self.deadline().is_some();
        let sent = self.on_their_way.remove(&number)?;
        if !had_deadline {
            self.progress = now;
        }
        self.hop.answered(sent.bytes, sent.at, now);
        self.taken = now;
        Some((sent.lane, sent.range, sent.bytes))
    }

    /// Takes out what is delivered.
    pub(super) fn delivered(&mut self, lane: Lane, set: &SequenceSet, now: Instant) {
        let mut moved = false;
        let receipt = &mut self.receipt;
        self.waiting.retain(|_, sent| {
            let stays = sent.lane != lane || !set.covers(sent.range);
            if !stays {
                receipt.answered(sent.bytes, sent.at, now);
                moved = true;
            }
            stays
        });
        if moved {
            self.progress = now;
            self.patience = self.patiences.0;
        }
    }

    /// When to stop believing that receipts will still come for what was sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        // The broker acknowledges in order: where the oldest is still on its way, all are.
        let (oldest, _) = self.waiting.first_key_value()?;
        (!self.on_their_way.contains_key(oldest)).then(|| self.progress + self.patience)
    }

    /// When to stop believing that the broker still takes anything.
    pub(super) fn wedged(&self) -> Option<Instant> {
        (!self.on_their_way.is_empty()).then(|| self.taken + self.wedged)
    }

    /// Everything that the broker took and that waits is to be sent again; the next time, patience is longer.
    pub(super) fn start_over(&mut self, now: Instant) -> Vec<(Lane, SequenceRange)> {
        // What the broker does not even have yet is not lost by others.
        let on_their_way = &self.on_their_way;
        let again: BTreeMap<_, _> = self
            .waiting
            .extract_if(.., |number, _| !on_their_way.contains_key(number))
            .collect();
        for sent in again.values() {
            self.receipt.gone(sent.bytes);
        }
        self.progress = now;
        self.patience = (self.patience * 2).min(self.patiences.1);
        again.values().map(|sent| (sent.lane, sent.range)).collect()
    }

    /// What the broker did not acknowledge.
    pub(super) fn caught(&self, now: Instant) -> Vec<Caught> {
        let caught = self.on_their_way.values().map(|sent| Caught {
            lane: sent.lane,
            range: sent.range,
            bytes: sent.bytes,
            joined: sent.joined,
            soon: now.saturating_duration_since(sent.at) <= self.patiences.0,
        });
        caught.collect()
    }
}

/// Batches that may be at the broker without a receipt: bounds what is sent twice.
const MOST_WAITING: usize = 512;
/// A joined message is at most this part of the bytes that may be under way.
const PARTS: usize = 8;
/// Beyond them, what live batches may add, and as many alarms again.
const RESERVED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_wire::sequence::Sequence;

    fn range(first: u64, last: u64) -> SequenceRange {
        SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
    }

    fn sent(lane: Lane, first: u64, last: u64, at: Instant) -> Sent {
        Sent {
            lane,
            range: range(first, last),
            bytes: 100,
            joined: false,
            at,
        }
    }

    fn set(ranges: &[SequenceRange]) -> SequenceSet {
        let mut set = SequenceSet::new();
        ranges.iter().for_each(|range| set.insert(*range));
        set
    }

    #[test]
    fn what_has_no_receipt_is_handed_back_and_patience_grows() {
        let now = Instant::now();
        let mut window = Window::new(8, Pace::NORMAL, now);
        window.sent(sent(Lane::Vital, 0, 9, now));
        window.sent(sent(Lane::Vital, 10, 19, now));
        window.sent(sent(Lane::Wave, 0, 4, now));
        for number in 0..3 {
            window.taken(number, now);
        }
        window.delivered(Lane::Vital, &set(&[range(0, 9)]), now);
        let first = window.deadline().unwrap() - now;
        let again = window.start_over(now);
        assert_eq!(
            again,
            [(Lane::Vital, range(10, 19)), (Lane::Wave, range(0, 4))]
        );
        assert_eq!(window.deadline(), None);
        window.sent(sent(Lane::Wave, 0, 4, now));
        assert_eq!(window.deadline(), None, "the broker does not have it yet");
        let later = now + Duration::from_secs(60);
        window.taken(3, later);
        assert_eq!(window.deadline().unwrap() - later, first * 2);
    }

    #[test]
    fn a_receipt_for_part_of_a_batch_does_not_count_as_delivered() {
        let now = Instant::now();
        let mut window = Window::new(8, Pace::NORMAL, now);
        window.sent(sent(Lane::Vital, 0, 9, now));
        window.taken(0, now);
        window.delivered(Lane::Vital, &set(&[range(0, 5)]), now);
        assert!(window.deadline().is_some());
        window.delivered(Lane::Vital, &set(&[range(0, 5), range(6, 9)]), now);
        assert!(window.deadline().is_none());
    }

    #[test]
    fn backlog_leaves_places_for_what_is_live_and_live_one_for_an_alarm() {
        let now = Instant::now();
        let mut window = Window::new(8, Pace::NORMAL, now);
        let class = |age, lane| Class { age, lane };
        let fill = |window: &mut Window, class: Class| {
            let mut place = 0;
            while window.allows(class) {
                window.sent(sent(class.lane, place, place, now));
                place += 1;
            }
            place
        };
        assert_eq!(fill(&mut window, class(Age::Backlog, Lane::Wave)), 6);
        assert_eq!(fill(&mut window, class(Age::Live, Lane::Vital)), 1);
        assert_eq!(fill(&mut window, class(Age::Live, Lane::Alarm)), 1);
        let mut least = Window::new(1, Pace::NORMAL, now);
        assert_eq!(fill(&mut least, class(Age::Backlog, Lane::Wave)), 1);
    }

    #[test]
    fn batches_are_joined_to_no_more_than_a_small_part_of_what_the_link_carries() {
        let now = Instant::now();
        let mut window = Window::new(8, Pace::NORMAL, now);
        let fresh = window.worth_joining();
        let at = |seconds| now + Duration::from_secs(seconds);
        for place in 0..64 {
            let number = window.sent(sent(Lane::Wave, place, place, at(place)));
            window.taken(number, at(place + 1));
        }
        assert!(window.worth_joining() < fresh / 4, "a slow link");
    }
}
