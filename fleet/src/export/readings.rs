//! Readings that come one by one, and events, as lines of `sequence,utc,value,unit,status`.

use wardlink_wire::record::Body;

use super::files::{CsvFile, Names, Written, quoted};
use super::{ExportError, words};
use crate::archive::HeldRecord;
use crate::clock;

/// Writes the records of one stream that have no index; the file is made with the first of them.
pub(super) struct ReadingWriter<'a> {
    parts: Vec<&'a str>,
    file: Option<CsvFile>,
}

impl<'a> ReadingWriter<'a> {
    pub(super) const fn new(parts: Vec<&'a str>) -> Self {
        Self { parts, file: None }
    }

    pub(super) fn write(
        &mut self,
        held: HeldRecord<'_>,
        names: &mut Names,
    ) -> Result<(), ExportError> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(names.create(&self.parts, HEADER)?),
        };
        let record = held.record;
        let quality = record.quality;
        let unit = quoted(&held.stream.unit);
        let (value, unit, status) = match &record.body {
            Body::Numeric(numeric) => (numeric.value.to_string(), unit, words::value(quality)),
            Body::Absent(absent) => {
                let mut status = words::absence(absent.reason, quality);
                if absent.count != 1 {
                    status.push_str(&format!(":{}", absent.count));
                }
                (String::new(), unit, status)
            }
            Body::Samples(block) => {
                let status = format!("samples:{}", block.samples.count());
                (String::new(), unit, status)
            }
            Body::Gap(gap) => (String::new(), String::new(), words::gap(gap)),
            Body::Event(event) => (
                quoted(&event.text),
                String::new(),
                words::event(event, quality),
            ),
        };
        let utc = clock::text_of_ns(record.time.utc_ns);
        let sequence = held.place.sequence;
        file.line(format_args!("{sequence},{utc},{value},{unit},{status}"))
    }

    pub(super) fn finish(self) -> Result<Option<Written>, ExportError> {
        self.file.map(CsvFile::finish).transpose()
    }
}

const HEADER: &str = "sequence,utc,value,unit,status";
