//! A sampled stream as lines of `index,raw,status`, one for every sample.
//!
//! Promises a line for every index from the first to the last held: a value, a stated absence, or a gap.
//! Indexes count from the start of a measurement, so one that starts again (a device started anew, another
//! store) begins another file.

use wardlink_wire::record::{Body, Record};

use super::files::{CsvFile, Names, Written};
use super::{ExportError, words};
use crate::archive::{Archive, HeldRecord, Place, StreamKey};

/// Writes the records of one sampled stream.
pub(super) struct SampleWriter<'a> {
    archive: &'a Archive,
    stream: &'a StreamKey,
    parts: Vec<&'a str>,
    measurement: Option<Measurement>,
    begun: u32,
    written: Vec<Written>,
}

struct Measurement {
    file: CsvFile,
    next: u64,
    last: Place,
}

impl<'a> SampleWriter<'a> {
    pub(super) const fn new(
        archive: &'a Archive,
        stream: &'a StreamKey,
        parts: Vec<&'a str>,
    ) -> Self {
        Self {
            archive,
            stream,
            parts,
            measurement: None,
            begun: 0,
            written: Vec::new(),
        }
    }

    /// Writes a record that has indexes; hands back `false` for one that has none.
    pub(super) fn write(
        &mut self,
        held: HeldRecord<'_>,
        names: &mut Names,
    ) -> Result<bool, ExportError> {
        let Some((first, end)) = extent(held.record) else {
            return Ok(false);
        };
        let continues = |measurement: &Measurement| {
            let last = measurement.last;
            (last.epoch, last.since_ns) == (held.place.epoch, held.place.since_ns)
                && first >= measurement.next
                && first - measurement.next <= LONGEST_GAP
        };
        let mut measurement = match self.measurement.take() {
            Some(measurement) if continues(&measurement) => measurement,
            other => {
                self.end(other)?;
                self.begin(first, held.place, names)?
            }
        };
        if measurement.next < first {
            let causes = self
                .archive
                .causes(self.stream, measurement.last, held.place)?;
            let status = words::missing(&causes);
            for index in measurement.next..first {
                measurement.file.line(format_args!("{index},,{status}"))?;
            }
        }
        lines(&mut measurement.file, held.record, first)?;
        measurement.next = end;
        measurement.last = held.place;
        self.measurement = Some(measurement);
        Ok(true)
    }

    /// Completes the last file.
    pub(super) fn finish(mut self) -> Result<Vec<Written>, ExportError> {
        let last = self.measurement.take();
        self.end(last)?;
        Ok(self.written)
    }

    fn begin(
        &mut self,
        first: u64,
        place: Place,
        names: &mut Names,
    ) -> Result<Measurement, ExportError> {
        self.begun += 1;
        if self.begun > MOST_MEASUREMENTS {
            let stream = self.parts.join(".");
            return Err(ExportError::Restless(stream));
        }
        let number = self.begun.to_string();
        let mut parts = self.parts.clone();
        if self.begun > 1 {
            parts.push(&number);
        }
        Ok(Measurement {
            file: names.create(&parts, HEADER)?,
            next: first,
            last: place,
        })
    }

    fn end(&mut self, measurement: Option<Measurement>) -> Result<(), ExportError> {
        if let Some(measurement) = measurement {
            self.written.push(measurement.file.finish()?);
        }
        Ok(())
    }
}

/// The first index of a record and the one after its last, if it has indexes.
fn extent(record: &Record) -> Option<(u64, u64)> {
    let (first, count) = match &record.body {
        Body::Numeric(numeric) => (numeric.index?, 1),
        Body::Samples(block) => (block.first, u64::try_from(block.samples.count()).ok()?),
        // An absence longer than any measurement is kept as one line among the readings without index.
        Body::Absent(absent) if absent.count <= LONGEST_GAP => (absent.first?, absent.count),
        Body::Absent(_) | Body::Gap(_) | Body::Event(_) => return None,
    };
    Some((first, first.checked_add(count)?))
}

fn lines(file: &mut CsvFile, record: &Record, first: u64) -> Result<(), ExportError> {
    match &record.body {
        Body::Numeric(numeric) => {
            let raw = numeric.raw.map(|raw| raw.to_string()).unwrap_or_default();
            file.line(format_args!(
                "{first},{raw},{}",
                words::value(record.quality)
            ))
        }
        Body::Samples(block) => {
            let status = words::value(record.quality);
            (first..)
                .zip(block.samples.values())
                .try_for_each(|(index, raw)| file.line(format_args!("{index},{raw},{status}")))
        }
        Body::Absent(absent) => {
            let status = words::absence(absent.reason, record.quality);
            (first..first.saturating_add(absent.count))
                .try_for_each(|index| file.line(format_args!("{index},,{status}")))
        }
        Body::Gap(_) | Body::Event(_) => Ok(()),
    }
}

const HEADER: &str = "index,raw,status";
/// Twelve days at 1 kHz: a longer jump of the index is not one measurement with a hole in it.
const LONGEST_GAP: u64 = 1 << 30;
/// A stream that starts again more often counts its samples wrongly.
const MOST_MEASUREMENTS: u32 = 10_000;
