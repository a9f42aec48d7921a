//! Where batches come from: the store, each batch sealed for the monitor and ready to go.
//!
//! Owns reading and sealing, which happen on a blocking thread, several batches at a time. Behind a trait,
//! so that a simulation can take the store's place. Promises that what a place holds is never changed on
//! the way: a batch that is too large is cut into batches that hold the same records, and small ones are
//! joined into one message as they are.

use std::sync::Arc;

use wardlink_wire::batch::Batch;
use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::message::Sealer;
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};

use super::PublisherError;
use super::cut::{self, Piece};
use super::join::{self, Joined};
use super::supply::Wish;
use crate::health::{Health, Part};
use crate::store::{Store, StoreError};

/// What the publisher needs of a store.
pub(super) trait Source: Clone + Send + Sync + 'static {
    fn epoch(&self) -> Epoch;

    /// The place that the next record of a lane gets.
    fn next(&self, lane: Lane) -> Sequence;

    /// Records of a lane that are not acknowledged.
    fn backlog(&self, lane: Lane) -> u64;

    /// Reads what is wished for, in messages of this shape as far as records allow.
    fn read(
        self,
        wish: Wish,
        shape: Shape,
    ) -> impl Future<Output = Result<Reading, PublisherError>> + Send + 'static;

    /// Lets go of what is delivered.
    fn acknowledge(
        self,
        lane: Lane,
        ranges: Vec<SequenceRange>,
    ) -> impl Future<Output = Result<(), PublisherError>> + Send + 'static;

    /// When the oldest record that is not acknowledged was measured, per lane: UTC, nanoseconds since
    /// 1970-01-01.
    fn oldest(
        self,
    ) -> impl Future<Output = Result<[(Lane, Option<i64>); 4], PublisherError>> + Send + 'static;
}

/// How messages are made of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Batches that make a message of more bytes are cut.
    pub(super) largest: usize,
    /// Smaller batches are joined to about so many bytes.
    pub(super) joined: usize,
    /// But for those at these places.
    pub(super) apart: SequenceSet,
}

/// A message that is ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) lane: Lane,
    pub(super) range: SequenceRange,
    pub(super) payload: Vec<u8>,
    /// It holds several batches.
    pub(super) joined: bool,
}

/// What reading gave.
#[derive(Debug)]
pub(super) enum Reading {
    Read {
        batches: Vec<Ready>,
        /// Nothing more is there of what was wished for.
        done: bool,
    },
    /// The medium refused for now.
    Refused,
}

/// The store of this gateway.
#[derive(Debug, Clone)]
pub(super) struct StoreSource {
    pub(super) store: Arc<Store>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) health: Health,
}

impl Source for StoreSource {
    fn epoch(&self) -> Epoch {
        self.store.epoch()
    }

    fn next(&self, lane: Lane) -> Sequence {
        self.store.next_sequence(lane)
    }

    fn backlog(&self, lane: Lane) -> u64 {
        let lanes = self.store.usage().lanes;
        let of = lanes.iter().find(|usage| usage.lane == lane);
        of.map_or(0, |usage| usage.unacknowledged)
    }

    async fn read(self, wish: Wish, shape: Shape) -> Result<Reading, PublisherError> {
        let health = self.health.clone();
        let read = blocking(move || self.read_now(wish, &shape)).await?;
        match read {
            Ok((batches, done)) => Ok(Reading::Read { batches, done }),
            Err(ReadError::Store(error)) => {
                health.fault(Part::Store, error.to_string());
                Ok(Reading::Refused)
            }
            Err(ReadError::Seal(text)) => Err(PublisherError::Seal(text)),
        }
    }

    async fn acknowledge(
        self,
        lane: Lane,
        ranges: Vec<SequenceRange>,
    ) -> Result<(), PublisherError> {
        let health = self.health.clone();
        let noted = blocking(move || self.store.acknowledge(lane, &ranges)).await?;
        if let Err(error) = noted {
            health.fault(Part::Store, error.to_string());
        }
        Ok(())
    }

    async fn oldest(self) -> Result<[(Lane, Option<i64>); 4], PublisherError> {
        blocking(move || Lane::ALL.map(|lane| (lane, self.oldest_of(lane)))).await
    }
}

impl StoreSource {
    fn read_now(&self, wish: Wish, shape: &Shape) -> Result<(Vec<Ready>, bool), ReadError> {
        let (lane, (messages, bytes)) = (wish.class.lane, wish.most);
        let largest = shape.largest.saturating_sub(AROUND);
        let mut joined = Joined::new(shape.joined.min(largest), &shape.apart);
        let (mut from, mut ready, mut read) = (wish.from, Vec::new(), 0);
        let done = loop {
            if ready.len() >= messages || read >= bytes {
                break false;
            }
            if from >= wish.until {
                break true;
            }
            let stored = self.store.read_from(lane, from)?;
            let stored = stored.filter(|stored| stored.range.first() < wish.until);
            let Some(stored) = stored else { break true };
            from = stored.range.last().plus(1);
            read += stored.bytes.len();
            for piece in pieces(stored.range, stored.bytes, largest) {
                if let Some(full) = joined.push(piece) {
                    ready.push(self.seal(lane, &full)?);
                }
            }
        };
        if let Some(rest) = joined.take() {
            ready.push(self.seal(lane, &rest)?);
        }
        Ok((ready, done))
    }

    fn seal(&self, lane: Lane, pieces: &[Piece]) -> Result<Ready, ReadError> {
        let range = join::range(pieces).ok_or_else(|| ReadError::Seal("no batch".to_owned()))?;
        let parts: Vec<_> = pieces.iter().map(|piece| piece.bytes.as_slice()).collect();
        let payload = self.sealer.seal(lane, range, &parts);
        Ok(Ready {
            lane,
            range,
            payload: payload.map_err(|error| ReadError::Seal(error.to_string()))?,
            joined: pieces.len() > 1,
        })
    }

    fn oldest_of(&self, lane: Lane) -> Option<i64> {
        // What the medium refuses here it refuses the reading as well, which says so.
        let oldest = self.store.read_from(lane, Sequence(0)).ok()??;
        let batch = Batch::decode(&oldest.bytes).ok()?;
        batch.records.first().map(|record| record.time.utc_ns)
    }
}

/// The batch, in pieces if it is too large and can be cut.
fn pieces(range: SequenceRange, bytes: Vec<u8>, largest: usize) -> Vec<Piece> {
    if bytes.len() > largest {
        match cut::cut(&bytes, largest) {
            Ok(pieces) => return pieces,
            Err(error) => tracing::error!(%error, "sent as it is"),
        }
    }
    vec![Piece { range, bytes }]
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PublisherError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| PublisherError::Worker)
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Seal(String),
}

/// Head, seal and topic around a batch.
const AROUND: usize = 512;
