//! The sample formats: where a sample stands in a file and what its bytes mean (signal(5)).
//!
//! All signals of a file share one flat row of samples, frame after frame; a sample's number in that row
//! is all a format needs to know.

use std::ops::Range;

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// 0: nothing is stored, every sample is missing.
    Null,
    /// 16: two's complement, two bytes, least significant first.
    TwoBytes,
    /// 80: one byte, offset by 128.
    OffsetByte,
    /// 212: two 12-bit two's complement samples in three bytes.
    Packed12,
}

impl Format {
    /// The format with this number, if it is one of those read here.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Null),
            16 => Some(Self::TwoBytes),
            80 => Some(Self::OffsetByte),
            212 => Some(Self::Packed12),
            _ => None,
        }
    }

    /// Bytes that `samples` samples take; nothing when that is more than can be counted.
    pub(super) fn bytes(self, samples: u64) -> Option<u64> {
        match self {
            Self::Null => Some(0),
            Self::TwoBytes => samples.checked_mul(2),
            Self::OffsetByte => Some(samples),
            Self::Packed12 => Some(samples.checked_mul(3)?.div_ceil(2)),
        }
    }

    /// Whole samples in so many bytes.
    pub(super) fn samples(self, bytes: u64) -> u64 {
        match self {
            Self::Null => 0,
            Self::TwoBytes => bytes / 2,
            Self::OffsetByte => bytes,
            Self::Packed12 => bytes / 3 * 2 + u64::from(bytes % 3 == 2),
        }
    }

    /// The bytes that hold a sample, counted from the first sample's first byte.
    pub(super) fn place(self, sample: u64) -> Range<u64> {
        let (start, length) = match self {
            Self::Null => (0, 0),
            Self::TwoBytes => (sample * 2, 2),
            Self::OffsetByte => (sample, 1),
            // The middle byte belongs to both samples of a pair.
            Self::Packed12 => (sample / 2 * 3 + sample % 2, 2),
        };
        start..start + length
    }

    /// The value in the bytes of a sample's place; nothing when they are too few.
    pub(super) fn value(self, sample: u64, bytes: &[u8]) -> Option<i32> {
        match (self, bytes) {
            (Self::TwoBytes, &[low, high]) => Some(i32::from(i16::from_le_bytes([low, high]))),
            (Self::OffsetByte, &[byte]) => Some(i32::from(byte) - 128),
            (Self::Packed12, &[low, middle]) if sample.is_multiple_of(2) => {
                Some(sign_extended(middle & 0x0f, low))
            }
            (Self::Packed12, &[middle, low]) => Some(sign_extended(middle >> 4, low)),
            (Self::Null | Self::TwoBytes | Self::OffsetByte | Self::Packed12, _) => None,
        }
    }

    /// What stands in the place of a missing sample: the lowest value the format can hold.
    pub(super) fn sentinel(self) -> Option<i32> {
        match self {
            Self::Null => None,
            Self::TwoBytes => Some(-32_768),
            Self::OffsetByte => Some(-128),
            Self::Packed12 => Some(-2_048),
        }
    }
}

/// A 12-bit two's complement number from its upper four and lower eight bits.
fn sign_extended(upper: u8, lower: u8) -> i32 {
    let sixteen = i16::from_be_bytes([upper << 4 | lower >> 4, lower << 4]);
    i32::from(sixteen >> 4)
}

/// What a person is told when a format is not among those above.
pub(super) const SUPPORTED: &str = "16, 80 and 212 are read";
