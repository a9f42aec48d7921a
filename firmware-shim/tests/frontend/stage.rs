//! A stage for simulated devices: a clock that moves only when told, and a listener that misses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::reading::{Absence, Body, Reading, StreamSpec};
use wardlink_firmware_shim::sim::{SimClock, World};

/// A world whose clock is moved by hand.
pub(crate) struct Stage {
    nanos: Arc<AtomicU64>,
    clock: SimClock,
}

impl Stage {
    pub(crate) fn new(speed: f64) -> Self {
        let nanos = Arc::new(AtomicU64::new(0));
        let source = Arc::clone(&nanos);
        let now = move || Duration::from_nanos(source.load(Ordering::SeqCst));
        Self {
            nanos,
            clock: SimClock::new(now, speed),
        }
    }

    pub(crate) fn world(&self) -> World {
        World::new(self.clock.clone(), 1)
    }

    /// Moves the clock's source on.
    pub(crate) fn advance(&self, step: Duration) {
        let step = u64::try_from(step.as_nanos()).unwrap();
        self.nanos.fetch_add(step, Ordering::SeqCst);
    }
}

/// What was given for one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Raw(i32),
    Absent(Absence, Option<i32>),
}

/// Starts a device and polls it to its end with these steps over and over, flushing now and then. Nothing
/// may come before its time.
pub(crate) fn play(device: &mut dyn Device, stage: &Stage, steps: &[Duration]) -> Vec<Reading> {
    let specs = device.streams().to_vec();
    device.start().unwrap();
    let start = stage.clock.now();
    let mut readings = Vec::new();
    for (count, step) in steps.iter().cycle().enumerate() {
        let seen = readings.len();
        if count % 7 == 3 {
            device.flush(&mut readings);
        }
        let outcome = device.poll(&mut readings);
        let elapsed = stage.clock.now() - start;
        for reading in &readings[seen..] {
            in_time(&specs[reading.stream], &reading.body, elapsed);
        }
        match outcome {
            Ok(()) => {}
            Err(fault) => {
                assert_eq!(fault.kind, FaultKind::Ended, "{fault}");
                return readings;
            }
        }
        // A cycle of steps of 0 must not last for ever.
        stage.advance(*step + Duration::from_millis(7));
        assert!(count < 10_000_000, "no end in sight");
    }
    readings
}

fn in_time(spec: &StreamSpec, body: &Body, elapsed: Duration) {
    let (first, count) = extent(body);
    let sampling = spec.sampling.unwrap();
    let last = u128::from(first + count - 1);
    let due = last * 1_000_000_000 * u128::from(sampling.rate_denominator);
    let now = elapsed.as_nanos() * u128::from(sampling.rate_numerator);
    assert!(
        due <= now,
        "{body:?} of {} came early, at {elapsed:?}",
        spec.name
    );
    if let Body::Samples { values, .. } = body {
        let second = sampling.rate_numerator.div_ceil(sampling.rate_denominator);
        assert!(
            values.len() as u64 <= second,
            "{} samples in a block",
            values.len()
        );
    }
}

fn extent(body: &Body) -> (u64, u64) {
    match body {
        Body::Numeric { index, .. } => (index.unwrap(), 1),
        Body::Samples { first, values } => (*first, values.len() as u64),
        Body::Absent { first, count, .. } => (first.unwrap(), *count),
        Body::Alarm { .. } => panic!("a recording gives no alarm"),
    }
}

/// What each stream gave, by index; an index that is skipped, repeated or out of order stops the test.
pub(crate) fn replayed(streams: usize, readings: &[Reading]) -> Vec<Vec<Given>> {
    let mut given = vec![Vec::new(); streams];
    for reading in readings {
        let given = &mut given[reading.stream];
        let (first, count) = extent(&reading.body);
        assert_eq!(first, given.len() as u64, "of {:?}", reading.body);
        assert!(count > 0, "{:?} says nothing", reading.body);
        match &reading.body {
            Body::Numeric { raw, .. } => given.push(Given::Raw(raw.unwrap())),
            Body::Samples { values, .. } => given.extend(values.iter().copied().map(Given::Raw)),
            Body::Absent { reason, raw, .. } => {
                given.extend((0..count).map(|_| Given::Absent(*reason, *raw)));
            }
            Body::Alarm { .. } => panic!("a recording gives no alarm"),
        }
    }
    given
}
