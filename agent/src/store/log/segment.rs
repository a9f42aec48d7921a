//! Segment files: their names and their headers.
//!
//! A header says which segment this is, at which places of each lane it begins, and carries the wrapped
//! data key. It is written twice, 4096 bytes apart, because without it the whole segment is lost.

use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;

use super::super::cipher::Cipher;
use super::super::directory::{Directory, StoreFile};
use super::super::error::StoreError;
use super::super::fields::{Fields, frame, unframe};
use super::super::identity::{FORMAT, Identity};
use super::super::lanes::{LaneSet, PerLane};
use super::super::sealing::{OpeningKey, SealingKey, WrappedKey};

/// What the catalog keeps of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) id: u64,
    /// The next place of each lane when it was begun; its successor's are its end.
    pub(super) start: PerLane<u64>,
    /// Batches of each lane that the store had seen when it was begun.
    pub(super) batches: PerLane<u64>,
    /// Bytes of the file.
    pub(super) length: u64,
    /// How often its file was replaced by a shorter one.
    pub(super) life: u32,
    /// The medium refused a write to it: never written again, and removed once it is settled.
    pub(super) failed: bool,
}

/// What the header of a segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) facts: Facts,
    wrapped: WrappedKey,
}

/// Everything in a header but the key; all of it bound to the key by its wrapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) cipher: Cipher,
    pub(super) epoch: Epoch,
    pub(super) id: u64,
    pub(super) length: u64,
    /// Lanes whose batches made room for newer ones: those not found here were evicted.
    pub(super) evicted: LaneSet,
    pub(super) start: PerLane<u64>,
    pub(super) batches: PerLane<u64>,
}

impl Head {
    /// A header with a fresh data key, and that key.
    pub(super) fn begin(
        identity: &Identity,
        segment: &Segment,
    ) -> Result<(Vec<u8>, SealingKey), StoreError> {
        let facts = Facts {
            cipher: identity.keys.cipher(),
            epoch: identity.epoch,
            id: segment.id,
            length: segment.length,
            evicted: LaneSet::default(),
            start: segment.start,
            batches: segment.batches,
        };
        let (key, wrapped) = identity.keys.fresh(facts.id, &facts.bound(identity))?;
        let block = Self { facts, wrapped }.block();
        Ok((block.repeat(2), key))
    }

    /// One copy, as it is on the medium.
    fn block(&self) -> Vec<u8> {
        let mut payload = self.facts.encode();
        payload.extend_from_slice(&self.wrapped.id);
        payload.extend_from_slice(&self.wrapped.nonce);
        payload.extend_from_slice(&self.wrapped.wrapped);
        let mut block = frame(MAGIC, &payload);
        block.resize(COPY, 0);
        block
    }

    /// Wraps the data key under the current wrapping key, in place. Copy by copy, so that one of them is
    /// whole at any time.
    pub(super) fn rewrap(&self, identity: &Identity, file: &StoreFile) -> Result<(), StoreError> {
        let bound = self.facts.bound(identity);
        let wrapped = if identity.keys.is_current(&self.wrapped) {
            // A rotation was interrupted here: perhaps between the copies.
            Some(self.wrapped)
        } else {
            identity.keys.rewrap(&self.wrapped, &bound, &bound)?
        };
        let facts = self.facts.clone();
        wrapped.map_or(Ok(()), |wrapped| Self { facts, wrapped }.write(file))
    }

    /// The header of the same segment in a shorter file without a lane; none if the data key does not unwrap.
    pub(super) fn without(
        &self,
        lane: Lane,
        length: u64,
        identity: &Identity,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let facts = Facts {
            length,
            evicted: self.facts.evicted.with(lane),
            ..self.facts.clone()
        };
        let (bound, anew) = (self.facts.bound(identity), facts.bound(identity));
        let wrapped = identity.keys.rewrap(&self.wrapped, &bound, &anew)?;
        Ok(wrapped.map(|wrapped| Self { facts, wrapped }.block().repeat(2)))
    }

    /// Writes both copies, one after the other.
    fn write(&self, file: &StoreFile) -> Result<(), StoreError> {
        let block = self.block();
        for copy in COPIES {
            file.write_at(&block, copy)?;
            file.sync()?;
        }
        Ok(())
    }

    /// The first whole copy, if it is of this very segment.
    pub(super) fn read(
        file: &StoreFile,
        epoch: Epoch,
        id: u64,
    ) -> Result<Option<Self>, StoreError> {
        Self::find(file, |head| {
            head.facts.epoch == epoch && head.facts.id == id
        })
    }

    /// The first whole copy, whatever it is of.
    pub(super) fn read_any(file: &StoreFile) -> Result<Option<Self>, StoreError> {
        Self::find(file, |_| true)
    }

    fn find(file: &StoreFile, fits: impl Fn(&Self) -> bool) -> Result<Option<Self>, StoreError> {
        file.expect_random_reads();
        for copy in COPIES {
            let mut block = [0; READ];
            file.read_at(&mut block, copy)?;
            let head = unframe(MAGIC, &block).and_then(Self::parse);
            if let Some(head) = head.filter(&fits) {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(payload);
        if fields.u16()? != FORMAT {
            return None;
        }
        Some(Self {
            facts: Facts {
                cipher: Cipher::from_number(fields.u8()?)?,
                epoch: Epoch::from_bytes(fields.array()?),
                id: fields.u64()?,
                length: fields.u64()?,
                evicted: LaneSet::from_bits(fields.u8()?),
                start: PerLane::try_from_fn(|_| fields.u64())?,
                batches: PerLane::try_from_fn(|_| fields.u64())?,
            },
            wrapped: WrappedKey {
                id: fields.array()?,
                nonce: fields.array()?,
                wrapped: fields.array()?,
            },
        })
    }

    /// The data key, if key and gateway are the ones it was wrapped for.
    pub(super) fn open(&self, identity: &Identity) -> Option<OpeningKey> {
        let bound = self.facts.bound(identity);
        identity.keys.unwrap(self.facts.id, &self.wrapped, &bound)
    }
}

impl Facts {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_le_bytes().to_vec();
        bytes.push(self.cipher.number());
        bytes.extend_from_slice(self.epoch.as_bytes());
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.push(self.evicted.bits());
        for counts in [&self.start, &self.batches] {
            bytes.extend(counts.values().flat_map(|count| count.to_le_bytes()));
        }
        bytes
    }

    /// What the wrapping of the data key binds: the gateway too, though the header does not name it.
    fn bound(&self, identity: &Identity) -> Vec<u8> {
        let mut bound = b"wardlink segment\0".to_vec();
        bound.extend_from_slice(identity.gateway.as_str().as_bytes());
        bound.push(0);
        bound.extend_from_slice(&self.encode());
        bound
    }
}

/// The file name of a segment; for people: the header decides what a file is.
pub(super) fn name(id: u64) -> String {
    format!("{PREFIX}{id:0DIGITS$x}{SUFFIX}")
}

/// The numbers of the segment files in a directory, in order.
pub(super) fn ids(directory: &Directory) -> Result<Vec<u64>, StoreError> {
    let mut ids: Vec<u64> = directory
        .names()?
        .iter()
        .filter_map(|file| {
            let digits = file.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            let id = u64::from_str_radix(digits, 16).ok()?;
            (name(id) == *file).then_some(id)
        })
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

const MAGIC: [u8; 8] = *b"WLSEGMNT";
const PREFIX: &str = "segment-";
const SUFFIX: &str = ".log";
const DIGITS: usize = 16;
const COPY: usize = 4096;
const COPIES: [u64; 2] = [0, 4096];
const READ: usize = 512;
/// Where the entries begin: behind both copies of the header.
pub(super) const ENTRIES: u64 = 8192;
