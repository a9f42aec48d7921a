//! A clock moved by hand, and a world on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{SimClock, World};
use crate::reading::{Body, Reading};

/// What moves the clock.
#[derive(Debug, Clone, Default)]
pub(super) struct Hand(Arc<AtomicU64>);

impl Hand {
    /// How many hold the clock, this hand included.
    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub(super) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap();
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

pub(super) fn world(hand: &Hand) -> World {
    let time = Arc::clone(&hand.0);
    let now = move || Duration::from_nanos(time.load(Ordering::SeqCst));
    World::new(SimClock::new(now, 1.0), 42)
}

/// The samples of a stream, after checking that none is missing, repeated or absent.
pub(super) fn samples(readings: &[Reading], stream: usize) -> Vec<i32> {
    let mut all = Vec::new();
    for reading in readings.iter().filter(|reading| reading.stream == stream) {
        let Body::Samples { first, values } = &reading.body else {
            panic!("{reading:?}");
        };
        assert_eq!(*first, all.len() as u64);
        all.extend(values);
    }
    all
}

/// The numbers of a stream, none of which may be absent.
pub(super) fn numbers(readings: &[Reading], stream: usize) -> Vec<f64> {
    let of_stream = readings.iter().filter(|reading| reading.stream == stream);
    of_stream
        .map(|reading| match reading.body {
            Body::Numeric { value, .. } => {
                let mantissa = f64::from(i32::try_from(value.mantissa / 10).unwrap());
                let rest = f64::from(i32::try_from(value.mantissa % 10).unwrap());
                (mantissa * 10.0 + rest) * 10_f64.powi(value.exponent.into())
            }
            Body::Samples { .. } | Body::Absent { .. } | Body::Alarm { .. } => {
                panic!("{reading:?}")
            }
        })
        .collect()
}
