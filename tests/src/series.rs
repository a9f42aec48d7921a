//! What the archive holds, sample by sample: every measurement of every stream, in order.
//!
//! A measurement of a sampled stream counts its samples from 0. Promises to find any index that is there
//! twice or not at all, whatever the sequences of the records say: the two are counted independently.

use std::collections::BTreeMap;

use wardlink::archive::{Archive, ArchiveError};
use wardlink_wire::decimal::Decimal;
use wardlink_wire::record::{Absence, Body, EventKind, Gap, Quality, Record};
use wardlink_wire::stream::{Ratio, Stream};
use wardlink_wire::time::ClockState;

/// One sample: its raw value, or why there is none.
pub type Sample = Result<i32, Absence>;

/// One measurement of one sampled stream.
#[derive(Debug)]
pub struct Measurement {
    /// `<device>.<stream>`.
    pub stream: String,
    /// When it began, UTC, nanoseconds since 1970-01-01: its name among others of the same stream.
    pub since_ns: i64,
    /// Runs of samples as they were recorded: index of the first, samples.
    runs: Vec<(u64, Vec<Sample>)>,
    /// Whether every record of it is marked as simulated.
    pub simulated: bool,
    /// Samples per second.
    pub rate: Option<Ratio>,
}

impl Measurement {
    /// How many samples of it are held.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.runs.iter().map(|(_, run)| run.len() as u64).sum()
    }

    /// Its samples from 0 on. Panics if one is there twice or not at all.
    #[track_caller]
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut runs = self.runs.clone();
        runs.sort_by_key(|(first, _)| *first);
        let mut samples = Vec::new();
        for (first, run) in runs {
            assert_eq!(
                first,
                samples.len() as u64,
                "{} since {}: the next sample is neither the first of a hole nor a second one",
                self.stream,
                self.since_ns
            );
            samples.extend(run);
        }
        samples
    }
}

/// Every measurement of every sampled stream of a device, or of all devices if it is empty.
#[track_caller]
#[must_use]
pub fn measurements(archive: &Archive, device: &str) -> Vec<Measurement> {
    let mut found: BTreeMap<(String, i64), Measurement> = BTreeMap::new();
    each(archive, |stream, record| {
        let Some((first, samples)) = indexed(record) else {
            return;
        };
        if !device.is_empty() && stream.device.as_str() != device {
            return;
        }
        let name = format!("{}.{}", stream.device, stream.name);
        let entry = found
            .entry((name.clone(), stream.since_ns))
            .or_insert(Measurement {
                stream: name,
                since_ns: stream.since_ns,
                runs: Vec::new(),
                simulated: true,
                rate: stream.sampling.map(|sampling| sampling.rate),
            });
        entry.simulated &= record.quality.says(Quality::SIMULATED);
        entry.runs.push((first, samples));
    });
    found.into_values().collect()
}

/// Panics unless every measurement of the archive is whole, from its first sample to its last.
#[track_caller]
pub fn assert_whole(archive: &Archive) {
    let measurements = measurements(archive, "");
    assert!(
        !measurements.is_empty(),
        "the archive holds no sampled stream"
    );
    for measurement in measurements {
        assert!(!measurement.samples().is_empty());
    }
}

/// The numbers of one stream that is not sampled, in order: a value, or why there is none.
#[track_caller]
#[must_use]
pub fn numbers(archive: &Archive, device: &str, name: &str) -> Vec<Result<Decimal, Absence>> {
    let mut found = Vec::new();
    each(archive, |stream, record| {
        if stream.device.as_str() == device && stream.name == name {
            match &record.body {
                Body::Numeric(numeric) => found.push(Ok(numeric.value)),
                Body::Absent(absent) => found.push(Err(absent.reason)),
                _ => {}
            }
        }
    });
    found
}

/// The numbers of every stream that is not sampled, by device and stream: one pass for a test of many.
#[track_caller]
#[must_use]
pub fn all_numbers(archive: &Archive) -> BTreeMap<(String, String), Vec<Result<Decimal, Absence>>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    each(archive, |stream, record| {
        let number = match &record.body {
            Body::Numeric(numeric) => Ok(numeric.value),
            Body::Absent(absent) => Err(absent.reason),
            _ => return,
        };
        let key = (stream.device.to_string(), stream.name.clone());
        found.entry(key).or_default().push(number);
    });
    found
}

/// What is said of the quality of each of a stream's records, in order.
#[track_caller]
#[must_use]
pub fn qualities(archive: &Archive, device: &str, name: &str) -> Vec<Quality> {
    let mut found = Vec::new();
    each(archive, |stream, record| {
        if stream.device.as_str() == device && stream.name == name {
            found.push(record.quality);
        }
    });
    found
}

/// The events of one device, or of the gateway itself, in order.
#[track_caller]
#[must_use]
pub fn events(archive: &Archive, device: &str) -> Vec<(EventKind, String)> {
    let mut found = Vec::new();
    each(archive, |stream, record| {
        if let (true, Body::Event(event)) = (stream.device.as_str() == device, &record.body) {
            found.push((event.kind.clone(), event.text.clone()));
        }
    });
    found
}

/// What each record says of the gateway's clock.
#[track_caller]
#[must_use]
pub fn clocks(archive: &Archive) -> Vec<ClockState> {
    let mut found = Vec::new();
    each(archive, |_, record| found.push(record.time.clock.state));
    found
}

/// The gap records.
#[track_caller]
#[must_use]
pub fn gaps(archive: &Archive) -> Vec<Gap> {
    let mut found = Vec::new();
    each(archive, |_, record| {
        if let Body::Gap(gap) = &record.body {
            found.push(gap.clone());
        }
    });
    found
}

#[track_caller]
fn each(archive: &Archive, mut look: impl FnMut(&Stream, &Record)) {
    for key in archive.streams(None).expect("the archive's streams") {
        let looked = archive.each_record(&key, |held| {
            look(held.stream, held.record);
            Ok::<(), ArchiveError>(())
        });
        looked.unwrap_or_else(|error| panic!("{}.{}: {error}", key.device, key.name));
    }
}

fn indexed(record: &Record) -> Option<(u64, Vec<Sample>)> {
    match &record.body {
        Body::Samples(block) => Some((block.first, block.samples.values().map(Ok).collect())),
        Body::Numeric(numeric) => Some((numeric.index?, vec![Ok(numeric.raw?)])),
        Body::Absent(absent) => {
            let count = usize::try_from(absent.count).expect("an absence that fits into memory");
            Some((absent.first?, vec![Err(absent.reason); count]))
        }
        Body::Gap(_) | Body::Event(_) => None,
    }
}
