//! One reading, or the statement that there is none.
//!
//! A [`Record`] carries exactly one of: a number, a block of samples, an absence with its reason, a
//! gap, an event. A sentinel that means "no value" is an [`Absence`], never a number.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::codec::Tagged;
use crate::decimal::Decimal;
use crate::lane::Lane;
use crate::sequence::SequenceRange;
use crate::time::Timestamp;

/// One record of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The stream, by its number in the batch's stream table.
    pub stream: u32,
    /// When.
    pub time: Timestamp,
    /// What.
    pub body: Body,
    /// Quality of what was measured.
    pub quality: Quality,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// One number.
    Numeric(Numeric),
    /// Consecutive samples of a sampled stream.
    Samples(SampleBlock),
    /// There is no value, and this is why.
    Absent(Absent),
    /// Something that should be here is missing, and this is what is known of it.
    Gap(Gap),
    /// Something happened.
    Event(Event),
}

/// One number, as an exact decimal in the stream's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numeric {
    /// The value.
    pub value: Decimal,
    /// Its place among the samples of a sampled stream, counted from the start of the measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What the converter gave, before scale and offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<i32>,
}

/// Consecutive raw samples; the stream's [`Sampling`](crate::stream::Sampling) gives rate, scale and offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleBlock {
    /// Index of the first sample, counted from the start of the measurement.
    pub first: u64,
    /// The raw values.
    pub samples: Samples,
}

/// Raw samples in the narrowest of two widths; an RFC 8746 typed array on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// sint16, little endian (tag 77).
    I16(Vec<i16>),
    /// sint32, little endian (tag 78).
    I32(Vec<i32>),
}

impl Samples {
    /// Packs values into the narrowest width that holds all of them.
    #[must_use]
    pub fn pack(values: &[i32]) -> Self {
        match values.iter().map(|value| i16::try_from(*value)).collect() {
            Ok(narrow) => Self::I16(narrow),
            Err(_) => Self::I32(values.to_vec()),
        }
    }

    /// The values.
    pub fn values(&self) -> Box<dyn Iterator<Item = i32> + '_> {
        match self {
            Self::I16(values) => Box::new(values.iter().map(|value| i32::from(*value))),
            Self::I32(values) => Box::new(values.iter().copied()),
        }
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::I16(values) => values.len(),
            Self::I32(values) => values.len(),
        }
    }
}

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (tag, bytes) = match self {
            Self::I16(values) => (
                SINT16_LE,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            Self::I32(values) => (
                SINT32_LE,
                values
                    .iter()
                    .flat_map(|v| v.to_le_bytes())
                    .collect::<Vec<u8>>(),
            ),
        };
        Tagged::new(Some(tag), ByteBuf::from(bytes)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tagged = Tagged::<ByteBuf>::deserialize(deserializer)?;
        let ragged = || serde::de::Error::custom("a typed array ends within a sample");
        match tagged.tag {
            Some(SINT16_LE) => match tagged.value.as_chunks() {
                (chunks, []) => Ok(Self::I16(
                    chunks.iter().map(|b| i16::from_le_bytes(*b)).collect(),
                )),
                _ => Err(ragged()),
            },
            Some(SINT32_LE) => match tagged.value.as_chunks() {
                (chunks, []) => Ok(Self::I32(
                    chunks.iter().map(|b| i32::from_le_bytes(*b)).collect(),
                )),
                _ => Err(ragged()),
            },
            _ => Err(serde::de::Error::custom("samples carry tag 77 or 78")),
        }
    }
}

/// A stated absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Why there is no value.
    pub reason: Absence,
    /// For a sampled stream: index of the first sample without value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// How many values are absent; 0 when that is not known.
    pub count: u64,
    /// What the device sent in place of a value, if it sent something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<i32>,
}

/// Why a value is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absence {
    /// The source marks the sample as missing.
    MissingSample,
    /// The device says it has no value now.
    NotAvailable,
    /// The sensor is off the patient.
    SensorOff,
    /// An electrode is off.
    LeadOff,
    /// The device measures but the signal is too bad to give a value.
    BadSignal,
    /// The device's buffer overflowed before it was read.
    Overrun,
    /// The bus or the line gave an error.
    BusError,
    /// The device did not answer.
    NoResponse,
    /// What the device sent could not be understood.
    Garbled,
    /// The device is switched off, unplugged or still starting.
    DeviceOff,
}

/// What is missing, stated as a record of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The lane that misses records.
    pub lane: Lane,
    /// The places that will never arrive; none when nothing had a place yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<SequenceRange>,
    /// How many records, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why.
    pub cause: GapCause,
}

/// Why records are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapCause {
    /// A stored entry is damaged: its seal or checksum does not hold.
    StoreDamaged,
    /// The store had no room.
    StoreFull,
    /// The medium refused to write.
    StoreFailed,
    /// Evicted by the retention policy.
    Retention,
}

/// Something that happened to a device or to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened, as one of the project's event words or the device's own code.
    pub kind: EventKind,
    /// For people: what exactly.
    pub text: String,
}

/// What kind of thing happened. An alarm keeps the priority the device gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The agent started.
    Started,
    /// The agent is stopping in order.
    Stopped,
    /// A device began to measure.
    DeviceStarted,
    /// A device no longer answers.
    DeviceLost,
    /// A device answers again.
    DeviceBack,
    /// A device was taken out of the configuration.
    DeviceRemoved,
    /// A recording played to its end.
    RecordingEnded,
    /// The UTC clock was stepped.
    ClockStepped,
    /// The store is nearly full.
    StoreNearlyFull,
    /// The store cannot write.
    StoreFailed,
    /// The store was opened and something was found damaged.
    StoreDamaged,
    /// The gateway's certificate is close to its end or past it.
    CertificateExpiry,
    /// A profile was applied.
    ProfileApplied,
    /// A profile was refused.
    ProfileRefused,
    /// The device raised or cleared an alarm.
    Alarm {
        /// The device's own code.
        code: u32,
        /// The device's own priority.
        priority: Priority,
        /// Whether it is active.
        active: bool,
    },
    /// A batch that no broker seems to take waits in the store, out of the way of the others.
    BatchSetAside,
}

/// The priority of an alarm, exactly as the device gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// High.
    High,
    /// Medium.
    Medium,
    /// Low.
    Low,
    /// The device gave none.
    None,
}

/// Quality of a reading: the union of the SDC measurement validity and the PoCD measurement status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quality(u32);

impl Quality {
    /// Nothing to remark.
    pub const GOOD: Self = Self(0);
    /// Questionable.
    pub const QUESTIONABLE: Self = Self(1);
    /// Invalid.
    pub const INVALID: Self = Self(1 << 1);
    /// The measurement is still going on.
    pub const ONGOING: Self = Self(1 << 2);
    /// The device is calibrating.
    pub const CALIBRATING: Self = Self(1 << 3);
    /// Above the measuring range.
    pub const OVER_RANGE: Self = Self(1 << 4);
    /// Below the measuring range.
    pub const UNDER_RANGE: Self = Self(1 << 5);
    /// Movement or other artefact.
    pub const ARTEFACT: Self = Self(1 << 6);
    /// Weak pulse signal.
    pub const LOW_PERFUSION: Self = Self(1 << 7);
    /// An early value that will be refined.
    pub const EARLY: Self = Self(1 << 8);
    /// The metric is in alarm at the device.
    pub const IN_ALARM: Self = Self(1 << 9);
    /// Alarms of the metric are inhibited at the device.
    pub const ALARM_INHIBITED: Self = Self(1 << 10);
    /// The device says it is in demonstration mode.
    pub const DEMO: Self = Self(1 << 11);
    /// The device says it is in test mode.
    pub const TEST: Self = Self(1 << 12);
    /// From a simulated device; set by the agent, and nothing may clear it.
    pub const SIMULATED: Self = Self(1 << 13);

    /// From the number on the wire; unknown bits stay.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is said here.
    #[must_use]
    pub const fn says(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

const SINT16_LE: u64 = 77;
const SINT32_LE: u64 = 78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_take_the_narrowest_width_that_holds_them() {
        assert_eq!(
            Samples::pack(&[-32768, 32767]),
            Samples::I16(vec![-32768, 32767])
        );
        assert_eq!(Samples::pack(&[0, 32768]), Samples::I32(vec![0, 32768]));
    }
}
