//! A clock moved by hand, and a world on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Patient, SimClock, World};
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
    World {
        clock: SimClock::new(
            move || Duration::from_nanos(time.load(Ordering::SeqCst)),
            1.0,
        ),
        seed: 42,
        patient: Patient {
            heart_rate: 72,
            spo2: 97,
            temperature_millicelsius: 36_600,
        },
        signal: None,
    }
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
