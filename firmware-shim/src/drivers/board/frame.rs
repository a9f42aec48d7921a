//! The frames that a sensor board sends, for both ends: docs/sensor-board.md is the contract.
//!
//! A frame is `version, channel, sequence, kind, quality, body, CRC-32`, stuffed by COBS (Cheshire and Baker,
//! IEEE/ACM Trans Networking 7(2), 1999) and ended by a zero byte, so that a zero always ends a frame and
//! garbage costs no more than the frames it hits. All numbers are little-endian.

use alloc::vec::Vec;

use crate::reading::{Absence, Body, Decimal, Quality, Reading};

/// One frame's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which of the format's channels; the board itself is [`BOARD`].
    pub channel: u8,
    /// Counts the frames of a board since its start, over 65535 from 0 again.
    pub sequence: u16,
    /// What it says.
    pub content: Content,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The board has started.
    Started,
    /// One number.
    Numeric(Decimal, Quality),
    /// Consecutive samples, the first of which has this place since the board's start.
    Samples(u64, Vec<i32>, Quality),
    /// Values that are not there: why, the place of the first, how many (0: unknown).
    Absent(Absence, Option<u64>, u64),
}

/// What is wrong with bytes between two zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They are not COBS, or too short for a frame.
    #[error("not a frame")]
    Shape,
    /// The check sum differs.
    #[error("the check sum differs")]
    Checksum,
    /// Another version of the format.
    #[error("format version {0}: this gateway reads version {VERSION}")]
    Version(u8),
    /// The frame is whole but says what the format does not know.
    #[error("a whole frame of unknown content")]
    Content,
}

impl Frame {
    /// The frame that carries a reading; none for a reading that the format has no frame for.
    #[must_use]
    pub fn of(reading: &Reading, channel: u8, sequence: u16) -> Option<Self> {
        let content = match &reading.body {
            Body::Numeric { value, .. } => Content::Numeric(*value, reading.quality),
            Body::Samples { first, values } => {
                Content::Samples(*first, values.clone(), reading.quality)
            }
            Body::Absent {
                reason,
                first,
                count,
                ..
            } => Content::Absent(*reason, *first, *count),
            Body::Alarm { .. } => return None,
        };
        Some(Self {
            channel,
            sequence,
            content,
        })
    }

    /// Appends it to what the line is to carry.
    pub fn encode(&self, line: &mut Vec<u8>) {
        let mut bytes = Vec::with_capacity(MOST_BYTES);
        let [low, high] = self.sequence.to_le_bytes();
        bytes.extend([VERSION, self.channel, low, high]);
        match &self.content {
            Content::Started => bytes.extend([STARTED, 0]),
            Content::Numeric(value, quality) => {
                bytes.extend([NUMERIC, bits(*quality)]);
                bytes.extend(value.mantissa.to_le_bytes());
                bytes.extend(value.exponent.to_le_bytes());
            }
            Content::Samples(first, values, quality) => {
                bytes.extend([SAMPLES, bits(*quality)]);
                bytes.extend(first.to_le_bytes());
                let values = values.iter().take(MOST_SAMPLES);
                bytes.extend(values.flat_map(|value| value.to_le_bytes()));
            }
            Content::Absent(reason, first, count) => {
                bytes.extend([ABSENT, 0, code(*reason), u8::from(first.is_some())]);
                bytes.extend(first.unwrap_or(0).to_le_bytes());
                bytes.extend(count.to_le_bytes());
            }
        }
        bytes.extend(crc32(&bytes).to_le_bytes());
        stuff(&bytes, line);
        line.push(END);
    }

    /// The frame of the bytes before a zero.
    ///
    /// # Errors
    /// When they are none.
    pub fn decode(stuffed: &[u8]) -> Result<Self, Error> {
        let bytes = unstuff(stuffed).ok_or(Error::Shape)?;
        let (frame, check) = bytes.split_last_chunk::<4>().ok_or(Error::Shape)?;
        if crc32(frame) != u32::from_le_bytes(*check) {
            return Err(Error::Checksum);
        }
        let [version, rest @ ..] = frame else {
            return Err(Error::Shape);
        };
        if *version != VERSION {
            return Err(Error::Version(*version));
        }
        let [channel, low, high, kind, quality, body @ ..] = rest else {
            return Err(Error::Shape);
        };
        Ok(Self {
            channel: *channel,
            sequence: u16::from_le_bytes([*low, *high]),
            content: content(*kind, *quality, body).ok_or(Error::Content)?,
        })
    }
}

fn content(kind: u8, quality: u8, body: &[u8]) -> Option<Content> {
    match kind {
        STARTED => Some(Content::Started),
        NUMERIC => {
            let (mantissa, rest) = body.split_first_chunk::<8>()?;
            let exponent = <[u8; 1]>::try_from(rest).ok()?;
            let value = Decimal::new(i64::from_le_bytes(*mantissa), i8::from_le_bytes(exponent));
            Some(Content::Numeric(value, quality_of(quality)))
        }
        SAMPLES => {
            let (first, values) = body.split_first_chunk::<8>()?;
            let (values, rest) = values.as_chunks::<4>();
            if values.is_empty() || !rest.is_empty() {
                return None;
            }
            let values = values.iter().map(|bytes| i32::from_le_bytes(*bytes));
            Some(Content::Samples(
                u64::from_le_bytes(*first),
                values.collect(),
                quality_of(quality),
            ))
        }
        ABSENT => {
            let [reason, placed, rest @ ..] = body else {
                return None;
            };
            let (first, count) = rest.split_first_chunk::<8>()?;
            let count = <[u8; 8]>::try_from(count).ok()?;
            let first = (*placed == 1).then(|| u64::from_le_bytes(*first));
            Some(Content::Absent(
                reason_of(*reason)?,
                first,
                u64::from_le_bytes(count),
            ))
        }
        _ => None,
    }
}

/// Quality, a bit each; calibrating and demo among them, which nothing may clear.
fn bits(quality: Quality) -> u8 {
    let flags = [
        quality.questionable,
        quality.artefact,
        quality.low_perfusion,
        quality.over_range,
        quality.under_range,
        quality.calibrating,
        quality.demo,
    ];
    (0..)
        .zip(flags)
        .fold(0, |bits, (place, set)| bits | u8::from(set) << place)
}

const fn quality_of(bits: u8) -> Quality {
    Quality {
        questionable: bits & 1 != 0,
        artefact: bits & 1 << 1 != 0,
        low_perfusion: bits & 1 << 2 != 0,
        over_range: bits & 1 << 3 != 0,
        under_range: bits & 1 << 4 != 0,
        calibrating: bits & 1 << 5 != 0,
        demo: bits & 1 << 6 != 0,
    }
}

fn code(reason: Absence) -> u8 {
    let found = (0..).zip(REASONS).find(|(_, one)| *one == reason);
    found.map_or(0, |(code, _)| code)
}

fn reason_of(code: u8) -> Option<Absence> {
    REASONS.get(usize::from(code)).copied()
}

/// CRC-32 of IEEE 802.3, bit by bit: a table would cost a board more than the time it saves.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 }
        })
    });
    !crc
}

/// Appends bytes without a zero among them: each block begins with its length, and a zero follows all but the
/// longest and the last.
fn stuff(bytes: &[u8], line: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let block = rest
            .iter()
            .take(LONGEST_BLOCK)
            .take_while(|byte| **byte != 0);
        let length = block.count();
        let (block, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        line.push(u8::try_from(length + 1).unwrap_or(u8::MAX));
        line.extend(block);
        rest = match after {
            [] => return,
            [0, after @ ..] if length < LONGEST_BLOCK => after,
            after => after,
        };
    }
}

/// The opposite; none if a block is longer than what is left.
fn unstuff(stuffed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(stuffed.len());
    let mut rest = stuffed;
    while let [length, after @ ..] = rest {
        let length = usize::from(*length).checked_sub(1)?;
        let (block, after) = after.split_at_checked(length)?;
        bytes.extend(block);
        if length < LONGEST_BLOCK && !after.is_empty() {
            bytes.push(0);
        }
        rest = after;
    }
    Some(bytes)
}

/// The version of the format.
pub const VERSION: u8 = 1;
/// The channel of the board itself.
pub const BOARD: u8 = 0xff;
/// What ends a frame.
pub const END: u8 = 0;
/// The most samples of a frame.
pub const MOST_SAMPLES: usize = 250;
/// The most bytes of a frame before it is stuffed.
pub const MOST_BYTES: usize = 18 + 4 * MOST_SAMPLES;
const STARTED: u8 = 0;
const NUMERIC: u8 = 1;
const SAMPLES: u8 = 2;
const ABSENT: u8 = 3;
const LONGEST_BLOCK: usize = 254;
/// The format's numbers of the reasons, from 0.
const REASONS: [Absence; 10] = [
    Absence::MissingSample,
    Absence::NotAvailable,
    Absence::SensorOff,
    Absence::LeadOff,
    Absence::BadSignal,
    Absence::Overrun,
    Absence::BusError,
    Absence::NoResponse,
    Absence::Garbled,
    Absence::DeviceOff,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_stuffed_as_the_paper_says() {
        for (plain, stuffed) in [
            (&[][..], &[1][..]),
            (&[0], &[1, 1]),
            (&[0x11, 0, 0x22], &[2, 0x11, 2, 0x22]),
            (&[0x11, 0x22, 0], &[3, 0x11, 0x22, 1]),
        ] {
            let mut line = Vec::new();
            stuff(plain, &mut line);
            assert_eq!(line, stuffed);
            assert_eq!(unstuff(stuffed).unwrap(), plain);
        }
    }

    #[test]
    fn the_check_sum_is_the_common_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_without_a_zero_between(bytes in prop::collection::vec(0_u8..3, 0..700)) {
            let mut line = Vec::new();
            stuff(&bytes, &mut line);
            prop_assert!(!line.contains(&0));
            prop_assert_eq!(unstuff(&line).unwrap(), bytes);
        }

        #[test]
        fn every_long_run_comes_back(length in 250_usize..520) {
            let bytes = alloc::vec![7; length];
            let mut line = Vec::new();
            stuff(&bytes, &mut line);
            prop_assert_eq!(unstuff(&line).unwrap(), bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            drop(Frame::decode(&bytes));
        }
    }
}
