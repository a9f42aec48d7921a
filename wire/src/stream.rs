//! What a record is about: one metric of one device.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::id::DeviceId;

/// One stream, described so that a record can be understood without anything else at hand.
///
/// A stream that is sampled at a fixed rate has [`Stream::sampling`]; its value is
/// `raw * scale + offset`, in [`Stream::unit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The number that records of the same batch use for this stream.
    pub number: u32,
    /// The device it comes from.
    pub device: DeviceId,
    /// Its name within the device, for people.
    pub name: String,
    /// ISO/IEEE 11073-10101 code, partition * 65536 + term; 0 where the nomenclature has none that is known.
    pub code: u32,
    /// UCUM unit (case sensitive form); `1` for a quantity without unit.
    pub unit: String,
    /// Numbers one by one, a waveform, or what happens to the device.
    pub kind: StreamKind,
    /// Rate, scale and offset of a sampled stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Set when the device is simulated; nothing downstream may clear it.
    pub simulated: bool,
    /// When this measurement began, UTC, nanoseconds since 1970-01-01. Sample indexes count from here, so
    /// a device that is started anew begins a new series under the same name.
    pub since_ns: i64,
}

/// The kind of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// Numbers, each a reading of its own.
    Numeric,
    /// Samples at a fixed rate, in blocks.
    Waveform,
    /// Events of a device or of the gateway.
    Event,
}

/// How a sampled stream was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// Samples per second, exactly.
    pub rate: Ratio,
    /// Units per step of the raw value.
    pub scale: Decimal,
    /// The value at raw 0, in units.
    pub offset: Decimal,
}

/// An exact ratio of two integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Ratio {
    numerator: u64,
    denominator: u64,
}

impl Ratio {
    /// `numerator / denominator`; none unless both are above 0.
    #[must_use]
    pub const fn new(numerator: u64, denominator: u64) -> Option<Self> {
        if numerator == 0 || denominator == 0 {
            return None;
        }
        Some(Self {
            numerator,
            denominator,
        })
    }

    /// The upper number.
    #[must_use]
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The lower number.
    #[must_use]
    pub const fn denominator(self) -> u64 {
        self.denominator
    }
}

impl TryFrom<(u64, u64)> for Ratio {
    type Error = RatioError;

    fn try_from((numerator, denominator): (u64, u64)) -> Result<Self, RatioError> {
        Self::new(numerator, denominator).ok_or(RatioError)
    }
}

impl From<Ratio> for (u64, u64) {
    fn from(ratio: Ratio) -> Self {
        (ratio.numerator, ratio.denominator)
    }
}

/// A rate of zero or without end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate needs two numbers above 0")]
pub struct RatioError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_never_zero_nor_without_end() {
        assert_eq!(Ratio::new(0, 1), None);
        assert_eq!(Ratio::new(1, 0), None);
        assert!(Ratio::try_from((0, 0)).is_err());
        let rate = Ratio::new(360, 7).unwrap();
        assert_eq!((rate.numerator(), rate.denominator()), (360, 7));
    }
}
