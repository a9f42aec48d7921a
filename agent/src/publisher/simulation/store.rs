//! A store in memory: places and sizes instead of records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;
use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::super::PublisherError;
use super::super::cut::Piece;
use super::super::join::{self, Joined};
use super::super::source::{Reading, Ready, Shape, Source};
use super::super::supply::Wish;
use super::truth::Truth;

/// The store, for everybody who looks at it.
#[derive(Debug, Clone)]
pub(super) struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    truth: Arc<Mutex<Truth>>,
}

#[derive(Debug, Default)]
struct Inner {
    lanes: BTreeMap<Lane, Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    /// By first place: the last one, and when it was committed.
    batches: BTreeMap<u64, (u64, Instant)>,
    acknowledged: SequenceSet,
}

pub(super) const EPOCH: Epoch = Epoch::from_bytes([7; 16]);
/// What each record takes in a message.
pub(super) const RECORD: usize = 1024;

impl MemoryStore {
    pub(super) fn new(truth: Arc<Mutex<Truth>>) -> Self {
        Self {
            inner: Arc::default(),
            truth,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Commits a batch.
    pub(super) fn append(&self, lane: Lane, records: u64) -> SequenceRange {
        let mut inner = self.inner();
        let held = inner.lanes.entry(lane).or_default();
        let (first, last) = (held.next, held.next + records - 1);
        held.batches.insert(first, (last, Instant::now()));
        held.next = last + 1;
        range(first, last)
    }

    /// Evicts the oldest batch of a lane that has more than `most`.
    pub(super) fn evict(&self, lane: Lane, most: usize) -> Option<SequenceRange> {
        let mut inner = self.inner();
        let held = inner.lanes.get_mut(&lane)?;
        if held.batches.len() <= most {
            return None;
        }
        let (first, (last, _)) = held.batches.pop_first()?;
        let evicted = range(first, last);
        held.acknowledged.insert(evicted);
        Some(evicted)
    }

    /// An alarm that was committed before now and that neither left the store nor is in `sent`.
    pub(super) fn waiting_alarm(&self, sent: &SequenceSet) -> Option<SequenceRange> {
        let inner = self.inner();
        let alarms = inner.lanes.get(&Lane::Alarm)?;
        if alarms.batches.is_empty() {
            return None;
        }
        let mut gone = sent.clone();
        alarms.acknowledged.runs().for_each(|run| gone.insert(run));
        let waits = alarms.batches.iter().find(|(first, (last, since))| {
            *since < Instant::now() && !gone.covers(range(**first, *last))
        });
        waits.map(|(first, (last, _))| range(*first, *last))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner()
            .lanes
            .values()
            .all(|held| held.batches.is_empty())
    }

    fn find(&self, lane: Lane, from: Sequence) -> Option<SequenceRange> {
        let inner = self.inner();
        let held = inner.lanes.get(&lane)?;
        let before = held.batches.range(..=from.0).next_back();
        let over = before.filter(|(_, (last, _))| *last >= from.0);
        let (first, (last, _)) = over.or_else(|| held.batches.range(from.0..).next())?;
        Some(range(*first, *last))
    }
}

impl Source for MemoryStore {
    fn epoch(&self) -> Epoch {
        EPOCH
    }

    fn next(&self, lane: Lane) -> Sequence {
        Sequence(self.inner().lanes.get(&lane).map_or(0, |held| held.next))
    }

    fn backlog(&self, lane: Lane) -> u64 {
        let inner = self.inner();
        let held = inner.lanes.get(&lane);
        held.map_or(0, |held| held.next - held.acknowledged.count())
    }

    async fn read(self, wish: Wish, shape: Shape) -> Result<Reading, PublisherError> {
        let (mut from, mut batches) = (wish.from, Vec::new());
        let mut joined = Joined::new(shape.joined.min(shape.largest), &shape.apart);
        let done = loop {
            if batches.len() >= wish.most.0 {
                break false;
            }
            let found = self.find(wish.class.lane, from);
            let Some(found) = found.filter(|found| found.first() < wish.until) else {
                break true;
            };
            from = found.last().plus(1);
            let mut pieces = Vec::new();
            cut(found, shape.largest, &mut pieces);
            let full = pieces.into_iter().filter_map(|piece| joined.push(piece));
            batches.extend(full.map(|full| ready(wish.class.lane, &full)));
        };
        batches.extend(joined.take().map(|rest| ready(wish.class.lane, &rest)));
        Ok(Reading::Read { batches, done })
    }

    async fn acknowledge(
        self,
        lane: Lane,
        ranges: Vec<SequenceRange>,
    ) -> Result<(), PublisherError> {
        let mut inner = self.inner();
        let held = inner.lanes.entry(lane).or_default();
        for delivered in ranges {
            self.truth.lock().unwrap().may_leave(lane, delivered);
            held.acknowledged.insert(delivered);
        }
        let acknowledged = &held.acknowledged;
        held.batches
            .retain(|first, (last, _)| !acknowledged.covers(range(*first, *last)));
        Ok(())
    }

    async fn oldest(self) -> Result<[(Lane, Option<i64>); 4], PublisherError> {
        Ok(Lane::ALL.map(|lane| (lane, None)))
    }
}

fn cut(range: SequenceRange, largest: usize, into: &mut Vec<Piece>) {
    let records = range.count();
    let bytes = usize::try_from(records).unwrap() * RECORD;
    if bytes > largest && records > 1 {
        let middle = range.first().plus(records / 2);
        cut(self::range(range.first().0, middle.0 - 1), largest, into);
        cut(self::range(middle.0, range.last().0), largest, into);
        return;
    }
    let bytes = vec![0; bytes];
    into.push(Piece { range, bytes });
}

/// A message names its places and is as long as its batches.
fn ready(lane: Lane, pieces: &[Piece]) -> Ready {
    let range = join::range(pieces).unwrap();
    let mut payload = vec![0; pieces.iter().map(|piece| piece.bytes.len()).sum()];
    payload[..8].copy_from_slice(&range.first().0.to_be_bytes());
    payload[8..16].copy_from_slice(&range.last().0.to_be_bytes());
    Ready {
        lane,
        range,
        payload,
        joined: pieces.len() > 1,
    }
}

/// What a payload says it holds.
pub(super) fn named(payload: &[u8]) -> SequenceRange {
    let number = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().unwrap());
    range(number(0), number(8))
}

pub(super) fn range(first: u64, last: u64) -> SequenceRange {
    SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
}
