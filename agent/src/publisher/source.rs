//! Where batches come from: the store, each batch sealed for the monitor and ready to go.
//!
//! Owns reading and sealing, which happen on a blocking thread, several batches at a time. Behind a trait,
//! so that a simulation can take the store's place. Promises that what a place holds is never changed on
//! the way: a batch that is too large is cut into batches that hold the same records.

use std::sync::Arc;

use wardlink_wire::batch::Batch;
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::message::{Head, Message, PayloadKey};
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::PublisherError;
use super::cut::{self, Piece};
use super::supply::Wish;
use crate::health::{Health, Part};
use crate::store::{Store, StoreError, StoredBatch};

/// What the publisher needs of a store.
pub(super) trait Source: Clone + Send + Sync + 'static {
    fn epoch(&self) -> Epoch;

    /// The place that the next record of a lane gets.
    fn next(&self, lane: Lane) -> Sequence;

    /// Records of a lane that are not acknowledged.
    fn backlog(&self, lane: Lane) -> u64;

    /// Reads what is wished for, in messages of at most `largest` bytes as far as records allow.
    fn read(
        self,
        wish: Wish,
        largest: usize,
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

/// A message that is ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) lane: Lane,
    pub(super) range: SequenceRange,
    pub(super) payload: Vec<u8>,
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
    pub(super) gateway: GatewayId,
    pub(super) key: Arc<PayloadKey>,
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

    async fn read(self, wish: Wish, largest: usize) -> Result<Reading, PublisherError> {
        let health = self.health.clone();
        let read = blocking(move || self.read_now(wish, largest)).await?;
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
    fn read_now(&self, wish: Wish, largest: usize) -> Result<(Vec<Ready>, bool), ReadError> {
        let (lane, (messages, bytes)) = (wish.class.lane, wish.most);
        let (mut from, mut batches, mut read) = (wish.from, Vec::new(), 0);
        while batches.len() < messages && read < bytes {
            if from >= wish.until {
                return Ok((batches, true));
            }
            let stored = self.store.read_from(lane, from)?;
            let stored = stored.filter(|stored| stored.range.first() < wish.until);
            let Some(stored) = stored else {
                return Ok((batches, true));
            };
            from = stored.range.last().plus(1);
            for piece in pieces(stored, largest) {
                let ready = self.seal(lane, piece)?;
                read += ready.payload.len();
                batches.push(ready);
            }
        }
        Ok((batches, false))
    }

    fn seal(&self, lane: Lane, piece: Piece) -> Result<Ready, ReadError> {
        let range = piece.range;
        let head = Head {
            schema: wardlink_wire::SCHEMA,
            gateway: self.gateway.clone(),
            epoch: self.store.epoch(),
            lane,
            range,
        };
        let sealed = Message::seal(head, &piece.bytes, &self.key);
        let payload = sealed
            .map_err(|error| ReadError::Seal(error.to_string()))?
            .encode()
            .map_err(|error| ReadError::Seal(error.to_string()))?;
        Ok(Ready {
            lane,
            range,
            payload,
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
fn pieces(stored: StoredBatch, largest: usize) -> Vec<Piece> {
    let StoredBatch { range, bytes, .. } = stored;
    let largest = largest.saturating_sub(AROUND);
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
