//! One signal on its way into readings.
//!
//! Owns its place in the recording. Promises that places only move on: each sample is given once.

use std::time::Duration;

use super::vocabulary;
use crate::reading::{Absence, Body, Reading, StreamKind, StreamSpec};
use crate::recording::{Calibration, Recording, RecordingError, Sample, Signal};

/// A signal and how far it has been given.
pub(super) struct Track {
    index: usize,
    next: u64,
    samples: u64,
    rate: (u64, u64),
    /// Samples in a full block.
    block: u64,
    shape: Shape,
}

/// What its samples become.
enum Shape {
    Waveform,
    Numeric {
        calibration: Calibration,
        /// Whether the source writes 0 for "no value".
        zero_is_none: bool,
    },
}

impl Track {
    pub(super) fn new(index: usize, signal: &Signal, stream: &StreamSpec) -> Self {
        let rate = (signal.rate_numerator, signal.rate_denominator.max(1));
        let (block, shape) = if stream.kind == StreamKind::Waveform {
            let second = rate.0.div_ceil(rate.1);
            (second.clamp(1, LARGEST_BLOCK), Shape::Waveform)
        } else {
            let shape = Shape::Numeric {
                calibration: signal.calibration.clone(),
                zero_is_none: vocabulary::zero_is_none(signal, stream),
            };
            (1, shape)
        };
        Self {
            index,
            next: 0,
            samples: signal.samples,
            rate,
            block,
            shape,
        }
    }

    /// Which of the signals it is.
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// The place of the next sample.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// The recording's time of a sample.
    pub(super) fn time_of(&self, place: u64) -> Duration {
        let (numerator, denominator) = self.rate;
        let nanos = u128::from(place) * u128::from(denominator) * NANOS_PER_SECOND
            / u128::from(numerator.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Whether every sample has been given.
    pub(super) fn is_done(&self) -> bool {
        self.next >= self.samples
    }

    /// How many samples there are up to and with a time of the recording; the first one is at 0.
    pub(super) fn due(&self, time: Duration) -> u64 {
        let (numerator, denominator) = self.rate;
        let due = time
            .as_nanos()
            .checked_mul(u128::from(numerator))
            .map(|product| product / (u128::from(denominator) * NANOS_PER_SECOND) + 1);
        due.and_then(|due| u64::try_from(due).ok())
            .map_or(self.samples, |due| due.min(self.samples))
    }

    /// Where the next block ends, if it is due; with `partial`, if any of it is. The recording's last
    /// block is as long as it is.
    pub(super) fn next_end(&self, due: u64, partial: bool) -> Option<u64> {
        let full = (self.next / self.block + 1).saturating_mul(self.block);
        let end = full.min(self.samples);
        if self.next < self.samples && end <= due {
            Some(end)
        } else {
            (partial && self.next < due).then_some(due)
        }
    }

    /// Gives the samples up to `end`. Those that cannot be read are given as an absence.
    pub(super) fn give(
        &mut self,
        end: u64,
        record: &mut Recording,
        buffer: &mut Vec<Sample>,
        readings: &mut Vec<Reading>,
    ) -> Result<(), RecordingError> {
        while self.next < end {
            let count = end - self.next;
            buffer.clear();
            buffer.resize(usize::try_from(count).unwrap_or(0), Sample::Missing);
            let read = match record.read(self.index, self.next, buffer) {
                Ok(0) => Ok(None),
                Ok(read) => Ok(buffer.get(..read)),
                Err(error) => Err(error),
            };
            if let Ok(Some(samples)) = read {
                self.tell(samples, record, readings);
                continue;
            }
            self.absent(Absence::BusError, count, None, readings);
            return read.map(|_| ());
        }
        Ok(())
    }

    /// States the samples up to `end` as absent.
    pub(super) fn lose(&mut self, end: u64, reason: Absence, readings: &mut Vec<Reading>) {
        let count = end.saturating_sub(self.next);
        self.absent(reason, count, None, readings);
    }

    /// Turns samples into readings, run by run.
    fn tell(&mut self, samples: &[Sample], record: &Recording, readings: &mut Vec<Reading>) {
        let mut rest = samples;
        while let Some(first) = rest.first() {
            let run = match first {
                Sample::Value(raw) => self.values(*raw, rest, readings),
                Sample::Missing => {
                    let raw = record.sentinel(self.index, self.next);
                    let run = (self.next..)
                        .zip(rest)
                        .take_while(|(at, sample)| {
                            **sample == Sample::Missing && record.sentinel(self.index, *at) == raw
                        })
                        .count();
                    self.absent(Absence::MissingSample, run as u64, raw, readings);
                    run
                }
            };
            rest = rest.get(run..).unwrap_or_default();
        }
    }

    /// Gives the values at the start of `rest`, the first of which is `raw`; says how many they were.
    fn values(&mut self, raw: i32, rest: &[Sample], readings: &mut Vec<Reading>) -> usize {
        let body = match &self.shape {
            Shape::Waveform => {
                let values: Vec<i32> = rest
                    .iter()
                    .map_while(|sample| match sample {
                        Sample::Value(raw) => Some(*raw),
                        Sample::Missing => None,
                    })
                    .collect();
                let run = values.len();
                let body = Body::Samples {
                    first: self.next,
                    values,
                };
                readings.push(Reading::good(self.index, body));
                self.next += run as u64;
                return run;
            }
            Shape::Numeric {
                zero_is_none: true,
                calibration,
            } if calibration.value(raw).mantissa == 0 => {
                self.absent(Absence::NotAvailable, 1, Some(raw), readings);
                return 1;
            }
            Shape::Numeric { calibration, .. } => Body::Numeric {
                value: calibration.value(raw),
                index: Some(self.next),
                raw: Some(raw),
            },
        };
        readings.push(Reading::good(self.index, body));
        self.next += 1;
        1
    }

    fn absent(
        &mut self,
        reason: Absence,
        count: u64,
        raw: Option<i32>,
        readings: &mut Vec<Reading>,
    ) {
        let body = Body::Absent {
            reason,
            first: Some(self.next),
            count,
            raw,
        };
        readings.push(Reading::good(self.index, body));
        self.next += count;
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Bounds the memory of one block; a second of anything physiological is far shorter.
const LARGEST_BLOCK: u64 = 65_536;
