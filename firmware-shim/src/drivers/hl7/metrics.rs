//! The metrics that are taken from messages, each with the units that are its own.
//!
//! Codes are of ISO/IEEE 11073-10101. A code that is not here, and a waveform, become an absence in the last
//! stream, which carries the code: what a monitor measured and nobody kept is said.

use alloc::vec::Vec;

use crate::drivers::numeric;
use crate::reading::StreamSpec;

/// One metric.
#[derive(Debug)]
pub(super) struct Metric {
    name: &'static str,
    code: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    PerMinute,
    Percent,
    Mercury,
    Celsius,
}

impl Unit {
    /// UCUM.
    const fn ucum(self) -> &'static str {
        match self {
            Self::PerMinute => "/min",
            Self::Percent => "%",
            Self::Mercury => "mm[Hg]",
            Self::Celsius => "Cel",
        }
    }

    /// How messages write it: 11073-10101 codes, UCUM with its annotations.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::PerMinute => &[
                "264864",
                "264928",
                "/min",
                "1/min",
                "{beat}/min",
                "{beats}/min",
                "{breath}/min",
                "{breaths}/min",
            ],
            Self::Percent => &["262688", "%"],
            Self::Mercury => &["266016", "mm[Hg]", "mmHg"],
            Self::Celsius => &["268192", "Cel"],
        }
    }
}

impl Metric {
    /// Whether one of the units that a message names is this metric's.
    pub(super) fn has_unit(&self, named: [&str; 2]) -> bool {
        let words = self.unit.words();
        let mut named = named.into_iter().flat_map(|named| named.split(' '));
        named.any(|unit| words.contains(&unit))
    }
}

/// The stream and the metric of a code.
pub(super) fn of(code: u32) -> Option<(usize, &'static Metric)> {
    let mut metrics = METRICS.iter().enumerate();
    metrics.find(|(_, metric)| metric.code == code)
}

/// Every stream that a message can fill.
#[must_use]
pub fn streams() -> Vec<StreamSpec> {
    let metrics = METRICS.iter();
    let streams =
        metrics.map(|metric| numeric::stream(metric.name, metric.code, metric.unit.ucum()));
    streams
        .chain([numeric::stream("unmapped", 0, "1")])
        .collect()
}

/// The stream of what is not here.
pub(super) const UNMAPPED: usize = METRICS.len();

const fn metric(name: &'static str, code: u32, unit: Unit) -> Metric {
    Metric { name, code, unit }
}

const METRICS: [Metric; 23] = [
    metric("heart-rate", 147_842, Unit::PerMinute),
    metric("spo2", 150_456, Unit::Percent),
    metric("pulse-rate", 149_530, Unit::PerMinute),
    metric("perfusion-index", 150_488, Unit::Percent),
    metric("respiration-rate", 151_562, Unit::PerMinute),
    metric("respiration-rate-impedance", 151_578, Unit::PerMinute),
    metric("respiration-rate-co2", 151_594, Unit::PerMinute),
    metric("temperature", 150_344, Unit::Celsius),
    metric("body-temperature", 150_364, Unit::Celsius),
    metric("nibp-systolic", 150_021, Unit::Mercury),
    metric("nibp-diastolic", 150_022, Unit::Mercury),
    metric("nibp-mean", 150_023, Unit::Mercury),
    metric("nibp-pulse-rate", 149_546, Unit::PerMinute),
    metric("art-systolic", 150_033, Unit::Mercury),
    metric("art-diastolic", 150_034, Unit::Mercury),
    metric("art-mean", 150_035, Unit::Mercury),
    metric("abp-systolic", 150_037, Unit::Mercury),
    metric("abp-diastolic", 150_038, Unit::Mercury),
    metric("abp-mean", 150_039, Unit::Mercury),
    metric("cvp-mean", 150_087, Unit::Mercury),
    metric("pap-mean", 150_047, Unit::Mercury),
    metric("etco2", 151_708, Unit::Mercury),
    metric("fio2", 152_196, Unit::Percent),
];
