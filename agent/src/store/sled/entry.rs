//! One sealed batch as a key and a value of sled.
//!
//! The key is lane and first place, big endian, so that sled's order is ours. The value says how many places,
//! under which nonce it was sealed, and a checksum, and then come the sealed bytes.

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::super::Fault;
use super::super::NewBatch;
use super::super::error::StoreError;
use super::super::fields::Fields;
use super::super::sealing::{OpeningKey, SealingKey};

/// Lane and first place.
pub(super) type Key = [u8; 9];

/// The key of the batch that begins at a place.
pub(super) fn key(lane: Lane, first: u64) -> Key {
    let mut key = [lane.number(); 9];
    if let Some(place) = key.last_chunk_mut() {
        *place = first.to_be_bytes();
    }
    key
}

/// A batch, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) lane: Lane,
    pub(super) range: SequenceRange,
    number: u32,
    checksum: u32,
    sealed: Vec<u8>,
}

impl Entry {
    /// Seals a batch; its key and value.
    pub(super) fn seal(
        batch: &NewBatch<'_>,
        sealing: &mut SealingKey,
    ) -> Result<(Key, Vec<u8>), StoreError> {
        let NewBatch { lane, range, bytes } = *batch;
        let count = u32::try_from(range.count());
        let count = count.map_err(|_| StoreError::Cipher("count so many records"))?;
        let mut sealed = bytes.to_vec();
        let (number, tag) = sealing.seal(lane, range, &mut sealed)?;
        sealed.extend_from_slice(&tag);
        let checksum = crc32fast::hash(&sealed);
        Ok((
            key(lane, range.first().0),
            value([count, number, checksum], &sealed),
        ))
    }

    /// Its key and value, as they were.
    pub(super) fn pair(&self) -> (Key, Vec<u8>) {
        let count = u32::try_from(self.range.count()).unwrap_or(u32::MAX);
        let fields = [count, self.number, self.checksum];
        (
            key(self.lane, self.range.first().0),
            value(fields, &self.sealed),
        )
    }

    /// What a key and a value of sled say, if they are ours.
    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let (lane, place) = key.split_first()?;
        let first = u64::from_be_bytes(place.try_into().ok()?);
        let mut fields = Fields::of(value);
        let count = fields.u32()?;
        Some(Self {
            lane: Lane::from_number(*lane)?,
            // The last number of all is never given out, so that there is always a next place.
            range: SequenceRange::starting(Sequence(first), count)
                .filter(|range| range.last().0 < u64::MAX)?,
            number: fields.u32()?,
            checksum: fields.u32()?,
            sealed: value.get(HEAD..)?.to_vec(),
        })
    }

    /// Whether the checksum holds.
    pub(super) fn is_whole(&self) -> bool {
        crc32fast::hash(&self.sealed) == self.checksum
    }

    /// The batch, or what is wrong with it.
    pub(super) fn open(self, opening: Option<&OpeningKey>) -> Result<Vec<u8>, Fault> {
        if !self.is_whole() {
            return Err(Fault::Checksum);
        }
        let opening = opening.ok_or(Fault::SegmentKey)?;
        let opened = opening.open(self.number, self.lane, self.range, self.sealed);
        opened.ok_or(Fault::Seal)
    }
}

fn value(fields: [u32; 3], sealed: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + sealed.len());
    for field in fields {
        value.extend_from_slice(&field.to_le_bytes());
    }
    value.extend_from_slice(sealed);
    value
}

/// Before every key.
pub(super) const FIRST: Key = [0; 9];
/// Count, nonce number, checksum.
const HEAD: usize = 12;
