//! What a device gives: numbers, samples, absences, events.

use alloc::string::String;
use alloc::vec::Vec;

/// What one stream of a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name within the device: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// ISO/IEEE 11073-10101 code, partition * 65536 + term; 0 where none is known.
    pub code: u32,
    /// UCUM unit; `1` for a quantity without unit.
    pub unit: String,
    /// What its readings are.
    pub kind: StreamKind,
    /// Set for a stream that is sampled at a fixed rate.
    pub sampling: Option<Sampling>,
}

/// The kind of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Numbers, each a reading of its own.
    Numeric,
    /// Samples at a fixed rate, in blocks.
    Waveform,
    /// What happens to the device, alarms among it.
    Event,
}

/// How a stream is sampled: `value = raw * scale + offset`, in the stream's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Samples per second, as a ratio: numerator.
    pub rate_numerator: u64,
    /// Samples per second, as a ratio: denominator.
    pub rate_denominator: u64,
    /// Units per step.
    pub scale: Decimal,
    /// The value at raw 0.
    pub offset: Decimal,
}

/// `mantissa * 10^exponent`: what the device said, digit for digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// All digits.
    pub mantissa: i64,
    /// The power of ten.
    pub exponent: i8,
}

impl Decimal {
    /// `mantissa * 10^exponent`.
    #[must_use]
    pub const fn new(mantissa: i64, exponent: i8) -> Self {
        Self { mantissa, exponent }
    }
}

/// One thing a device gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Index into the device's streams.
    pub stream: usize,
    /// What.
    pub body: Body,
    /// What the device says of its quality.
    pub quality: Quality,
    /// The device's own time, as received.
    pub device_time: Option<String>,
}

/// What a reading says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// One number.
    Numeric {
        /// The value, in the stream's unit.
        value: Decimal,
        /// For a sampled stream: its place from the start of the measurement.
        index: Option<u64>,
        /// For a sampled stream: what the converter gave.
        raw: Option<i32>,
    },
    /// Consecutive samples, at most about one second of them.
    Samples {
        /// Place of the first one from the start of the measurement.
        first: u64,
        /// What the converter gave.
        values: Vec<i32>,
    },
    /// There is no value, and this is why.
    Absent {
        /// Why.
        reason: Absence,
        /// For a sampled stream: place of the first absent sample.
        first: Option<u64>,
        /// How many values are absent; 0 when that is not known.
        count: u64,
        /// What the device sent in place of a value.
        raw: Option<i32>,
    },
    /// An alarm of the device's own, as it gave it.
    Alarm {
        /// The device's code.
        code: u32,
        /// The device's priority.
        priority: Priority,
        /// Whether it is active.
        active: bool,
        /// The device's words.
        text: String,
    },
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The device is off, unplugged or still starting.
    DeviceOff,
}

/// An alarm's priority, as the device gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// High.
    High,
    /// Medium.
    Medium,
    /// Low.
    Low,
    /// None given.
    None,
}

/// What the device says of a reading's quality; nothing set means nothing to remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quality {
    /// Doubtful.
    pub questionable: bool,
    /// Movement or other artefact.
    pub artefact: bool,
    /// Weak pulse signal.
    pub low_perfusion: bool,
    /// At or above the top of the range.
    pub over_range: bool,
    /// At or below the bottom of the range.
    pub under_range: bool,
    /// The device is calibrating.
    pub calibrating: bool,
    /// The device says it demonstrates or tests.
    pub demo: bool,
}

impl Reading {
    /// A reading of good quality without device time.
    #[must_use]
    pub fn good(stream: usize, body: Body) -> Self {
        Self {
            stream,
            body,
            quality: Quality::default(),
            device_time: None,
        }
    }
}
