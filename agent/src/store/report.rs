//! What a store says of itself: what opening found, what is lost and why, how full it is.

use std::fmt;

use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

use super::mark::History;

/// What opening a store found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// The store is new.
    pub created: bool,
    /// What is lost, as far as opening looks: the end of the newest segment, and segments without a
    /// readable header. Handed over as by [`super::Store::take_damage`], and not repeated there.
    pub damage: Vec<Damage>,
    /// Bytes of entries that were begun and not finished when the last process ended.
    pub torn_tail_bytes: u64,
    /// The acknowledgements were lost: what is in the store will be sent again.
    pub acknowledgements_lost: bool,
    /// What became of the rotation of the store key.
    pub rotation: Rotation,
    /// Whether this is the store that was here before, as far as it had come.
    pub history: History,
}

/// What became of a rotation of the store key when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rotation {
    /// None was begun.
    #[default]
    None,
    /// Everything needs the new key alone, and the old one is destroyed.
    Finished,
    /// Why it is not finished. The store works with both keys, and the next start tries again.
    Unfinished(String),
}

/// Places that will never be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Their lane.
    pub lane: Lane,
    /// The places.
    pub range: SequenceRange,
    /// What was found.
    pub fault: Fault,
}

/// Why places will never be read: what was found where their batch should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing that could be recognised.
    Missing,
    /// An entry whose checksum does not hold.
    Checksum,
    /// An entry whose seal does not hold.
    Seal,
    /// An entry in a segment whose data key cannot be unwrapped.
    SegmentKey,
    /// Nothing is damaged: the batch had to make room for newer ones.
    Evicted,
    /// The store knows nothing of places that it had given out: see [`History::TakenBack`].
    TakenBack,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the entry is missing",
            Self::Checksum => "the checksum does not hold",
            Self::Seal => "the seal does not hold",
            Self::SegmentKey => "the header of the segment is damaged",
            Self::TakenBack => "the store knows nothing of them; an older copy was put back",
            Self::Evicted => "the store was full and they made room for newer ones",
        })
    }
}

/// How full a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of segments that hold something unacknowledged, in whole segments.
    pub used: u64,
    /// The most it may use.
    pub budget: u64,
    /// Each lane, in the order of [`Lane::ALL`].
    pub lanes: [LaneUsage; 4],
    /// Batches, or runs of missing ones, found damaged since the store was opened.
    pub damaged: u64,
    /// The budget is used up: old batches were evicted, and will be again.
    pub evicting: bool,
}

/// What one lane holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneUsage {
    /// The lane.
    pub lane: Lane,
    /// The place that the next record gets.
    pub next: Sequence,
    /// Records that are neither acknowledged nor lost.
    pub unacknowledged: u64,
    /// Batches from the oldest segment still held on; acknowledged ones among them are counted.
    pub batches: u64,
}
