//! Collects the samples of one stream into runs of about one second.
//!
//! Owns the stream's sample index. Promises that every index is given out once and in order, as part of a
//! block of values or of an absence, and that a run never mixes qualities or reasons.

use alloc::vec::Vec;
use core::mem;

use crate::reading::{Absence, Body, Quality, Reading};

/// The samples of one stream that are not given out yet.
#[derive(Debug)]
pub(crate) struct Blocks {
    stream: usize,
    longest: usize,
    next: u64,
    run: Run,
}

#[derive(Debug, Default)]
enum Run {
    #[default]
    Empty,
    Values {
        first: u64,
        values: Vec<i32>,
        quality: Quality,
    },
    Absent {
        first: u64,
        count: u64,
        reason: Absence,
    },
}

impl Blocks {
    /// For a stream, in blocks of at most `longest` samples.
    pub(crate) fn new(stream: usize, longest: usize) -> Self {
        Self {
            stream,
            longest,
            next: 0,
            run: Run::Empty,
        }
    }

    /// The next sample has a value.
    pub(crate) fn value(&mut self, value: i32, quality: Quality, readings: &mut Vec<Reading>) {
        if !matches!(&self.run, Run::Values { quality: held, .. } if *held == quality) {
            self.flush(readings);
            self.run = Run::Values {
                first: self.next,
                values: Vec::with_capacity(self.longest),
                quality,
            };
        }
        self.next = self.next.saturating_add(1);
        let full = if let Run::Values { values, .. } = &mut self.run {
            values.push(value);
            values.len() >= self.longest
        } else {
            false
        };
        if full {
            self.flush(readings);
        }
    }

    /// The next `count` samples have none.
    pub(crate) fn absent(&mut self, reason: Absence, count: u64, readings: &mut Vec<Reading>) {
        if count == 0 {
            return;
        }
        if !matches!(&self.run, Run::Absent { reason: held, .. } if *held == reason) {
            self.flush(readings);
            self.run = Run::Absent {
                first: self.next,
                count: 0,
                reason,
            };
        }
        self.next = self.next.saturating_add(count);
        let full = if let Run::Absent { count: held, .. } = &mut self.run {
            *held = held.saturating_add(count);
            usize::try_from(*held).map_or(true, |held| held >= self.longest)
        } else {
            false
        };
        if full {
            self.flush(readings);
        }
    }

    /// An unknown number of samples is missing here; the index does not move.
    pub(crate) fn broken_off(&mut self, reason: Absence, readings: &mut Vec<Reading>) {
        self.flush(readings);
        self.run = Run::Absent {
            first: self.next,
            count: 0,
            reason,
        };
        self.flush(readings);
    }

    /// Gives out what is held.
    pub(crate) fn flush(&mut self, readings: &mut Vec<Reading>) {
        let (body, quality) = match mem::take(&mut self.run) {
            Run::Empty => return,
            Run::Values {
                first,
                values,
                quality,
            } => (Body::Samples { first, values }, quality),
            Run::Absent {
                first,
                count,
                reason,
            } => (
                Body::Absent {
                    reason,
                    first: Some(first),
                    count,
                    raw: None,
                },
                Quality::default(),
            ),
        };
        readings.push(Reading {
            quality,
            ..Reading::good(self.stream, body)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_index_is_given_out_once_and_in_order(steps in prop::collection::vec((0_u8..4, 1_u64..9), 0..60)) {
            let mut blocks = Blocks::new(0, 7);
            let mut readings = Vec::new();
            let mut expected = 0;
            for (what, count) in steps {
                match what {
                    0 => blocks.absent(Absence::Overrun, count, &mut readings),
                    1 => blocks.absent(Absence::LeadOff, count, &mut readings),
                    _ => for _ in 0..count {
                        let quality = Quality { artefact: what == 2, ..Quality::default() };
                        blocks.value(1, quality, &mut readings);
                    },
                }
                expected += count;
            }
            blocks.flush(&mut readings);
            let mut next = 0;
            for reading in &readings {
                let (first, count) = match &reading.body {
                    Body::Samples { first, values } => (*first, values.len() as u64),
                    Body::Absent { first, count, .. } => (first.unwrap(), *count),
                    Body::Numeric { .. } | Body::Alarm { .. } => panic!("{reading:?}"),
                };
                prop_assert_eq!(first, next);
                prop_assert!(count > 0);
                next += count;
            }
            prop_assert_eq!(next, expected);
        }
    }

    #[test]
    fn a_break_of_unknown_length_is_said_and_moves_no_index() {
        let mut blocks = Blocks::new(3, 100);
        let mut readings = Vec::new();
        blocks.value(5, Quality::default(), &mut readings);
        blocks.broken_off(Absence::NoResponse, &mut readings);
        blocks.value(6, Quality::default(), &mut readings);
        blocks.flush(&mut readings);
        let bodies: Vec<_> = readings.into_iter().map(|reading| reading.body).collect();
        let samples = |first, value| Body::Samples {
            first,
            values: [value].into(),
        };
        let broken = Body::Absent {
            reason: Absence::NoResponse,
            first: Some(1),
            count: 0,
            raw: None,
        };
        assert_eq!(bodies, [samples(0, 5), broken, samples(1, 6)]);
    }
}
