//! Consecutive records of one lane: the unit of the store and of the uplink.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, EncodeError, Limit};
use crate::id::{BootId, Epoch, GatewayId};
use crate::lane::Lane;
use crate::record::Record;
use crate::sequence::{Sequence, SequenceRange};
use crate::stream::Stream;

/// A batch explains itself: the stream table holds every stream its records name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Who measured.
    pub gateway: GatewayId,
    /// Which store gave the sequences.
    pub epoch: Epoch,
    /// Which lane.
    pub lane: Lane,
    /// The place of the first record; the others follow without holes.
    pub first: Sequence,
    /// Which boot the monotonic times belong to.
    pub boot: BootId,
    /// The streams that the records name.
    pub streams: Vec<Stream>,
    /// The records, in order.
    pub records: Vec<Record>,
}

impl Batch {
    /// The places its records take; none for a batch without records.
    #[must_use]
    pub fn range(&self) -> Option<SequenceRange> {
        SequenceRange::starting(self.first, u32::try_from(self.records.len()).ok()?)
    }

    /// The stream that a record names.
    #[must_use]
    pub fn stream_of(&self, record: &Record) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.number == record.stream)
    }

    /// Deterministic CBOR.
    ///
    /// # Errors
    /// When the encoder refuses; a batch built by the recorder never makes it do so.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encode(self)
    }

    /// Reads a batch and checks that it is one: a known schema, at least one record, every stream
    /// described, and once.
    ///
    /// # Errors
    /// When the bytes are too large or too deep, are no batch, or contradict themselves.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        let batch: Self = codec::decode(bytes, LIMIT)?;
        if batch.schema != crate::SCHEMA {
            return Err(BatchError::Schema(batch.schema));
        }
        if batch.range().is_none() {
            return Err(BatchError::Empty);
        }
        let mut described = BTreeSet::new();
        for stream in &batch.streams {
            if !described.insert(stream.number) {
                return Err(BatchError::StreamTwice(stream.number));
            }
        }
        let mut named = batch.records.iter().map(|record| record.stream);
        match named.find(|number| !described.contains(number)) {
            Some(number) => Err(BatchError::UnknownStream(number)),
            None => Ok(batch),
        }
    }
}

/// Why bytes are not a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Not CBOR of this shape.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Written by a newer agent.
    #[error("this batch has schema {0}, only schema {known} is known", known = crate::SCHEMA)]
    Schema(u16),
    /// No records, or places past the end of numbers.
    #[error("this batch holds no records")]
    Empty,
    /// A record without its stream.
    #[error("a record names stream {0}, which the batch does not describe")]
    UnknownStream(u32),
    /// One number for two streams.
    #[error("the batch describes stream {0} twice")]
    StreamTwice(u32),
}

/// What is believed of a batch before it is parsed: 8 MiB, and no deeper than the shape above goes.
pub(crate) const LIMIT: Limit = Limit {
    bytes: 8 << 20,
    depth: 16,
};
