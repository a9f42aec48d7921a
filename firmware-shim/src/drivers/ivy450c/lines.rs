//! The lines of text that end a packet.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::drivers::numeric;
use crate::drivers::text::decimal;
use crate::reading::{Absence, Quality, Reading, StreamSpec};

/// What was said in lines before this one.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The last cuff line: the monitor repeats it until the next measurement.
    cuff: String,
}

impl Numbers {
    /// Appends what a line says.
    pub(super) fn line(&mut self, line: &str, readings: &mut Vec<Reading>) {
        let Some((name, rest)) = line.split_once('=') else {
            return;
        };
        let mut fields: Vec<&str> = rest.split(';').map(str::trim).collect();
        if fields.is_empty() {
            return;
        }
        // The first field is the parameter's state.
        fields.remove(0);
        let field = |place: usize| fields.get(place).copied().unwrap_or_default();
        match name {
            "HR" => readings.push(reading(HEART_RATE, field(0), field(1))),
            "RR" => readings.push(reading(RESPIRATION, field(0), field(1))),
            "SPO2" => {
                readings.push(reading(SPO2, field(0), ""));
                let pulse = field(1).strip_prefix("PR=").unwrap_or_default();
                readings.push(reading(PULSE_RATE, pulse.trim(), ""));
            }
            "P1" => {
                for (place, stream) in [P1_SYS, P1_DIA, P1_MEAN].into_iter().enumerate() {
                    readings.push(reading(stream, field(place), field(4)));
                }
            }
            "NIBP" if self.cuff != line => {
                self.cuff = line.to_string();
                let cuff = [CUFF_SYS, CUFF_DIA, CUFF_MEAN, CUFF_PULSE];
                for (place, stream) in cuff.into_iter().enumerate() {
                    readings.push(reading(stream, field(place), field(4)));
                }
            }
            _ => {}
        }
    }
}

fn reading(stream: usize, value: &str, remark: &str) -> Reading {
    if remark == "NO TRANSDUCER" {
        return numeric::absent(stream, Absence::SensorOff, 1, None);
    }
    match decimal(value) {
        Some(value) => numeric::value(stream, value, Quality::default()),
        None if value.bytes().all(|byte| byte == b'-') => {
            numeric::absent(stream, Absence::NotAvailable, 1, None)
        }
        None => numeric::absent(stream, Absence::Garbled, 1, None),
    }
}

/// The numeric streams, in the order of the places below.
pub(super) fn streams() -> Vec<StreamSpec> {
    vec![
        numeric::stream("heart-rate", 147_842, "/min"),
        numeric::stream("respiration-rate", 151_562, "/min"),
        numeric::stream("spo2", 150_456, "%"),
        numeric::stream("pulse-rate", 149_530, "/min"),
        numeric::stream("p1-systolic", 150_017, "mm[Hg]"),
        numeric::stream("p1-diastolic", 150_018, "mm[Hg]"),
        numeric::stream("p1-mean", 150_019, "mm[Hg]"),
        numeric::stream("nibp-systolic", 150_021, "mm[Hg]"),
        numeric::stream("nibp-diastolic", 150_022, "mm[Hg]"),
        numeric::stream("nibp-mean", 150_023, "mm[Hg]"),
        numeric::stream("nibp-pulse-rate", 149_546, "/min"),
    ]
}

const HEART_RATE: usize = 0;
const RESPIRATION: usize = 1;
const SPO2: usize = 2;
const PULSE_RATE: usize = 3;
const P1_SYS: usize = 4;
const P1_DIA: usize = 5;
const P1_MEAN: usize = 6;
const CUFF_SYS: usize = 7;
const CUFF_DIA: usize = 8;
const CUFF_MEAN: usize = 9;
const CUFF_PULSE: usize = 10;
