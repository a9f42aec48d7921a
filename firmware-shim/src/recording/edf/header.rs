//! The header: ASCII fields of fixed width, 256 bytes and 256 more for each signal.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::reading::Decimal;
use crate::recording::calibration::{Calibration, aligned};
use crate::recording::unique;
use crate::wfdb::number;

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// Its length, bytes.
    pub(super) length: u64,
    /// How long a data record is, bytes.
    pub(super) record: u64,
    pub(super) lines: Vec<Line>,
    /// How many data records; nothing while they were still being written.
    promised: Option<u64>,
    /// How long a data record lasts, seconds.
    duration: Decimal,
    discontinuous: bool,
}

/// What it says of one signal.
#[derive(Debug)]
pub(super) struct Line {
    label: String,
    pub(super) unit: String,
    physical: [String; 2],
    digital: [String; 2],
    pub(super) per_record: u64,
    /// Where its samples begin within a record, bytes.
    pub(super) offset: u64,
}

/// When each record begins.
#[derive(Debug)]
pub(super) struct Onsets(Vec<Decimal>);

impl Header {
    pub(super) fn read(file: &File) -> Result<Self, String> {
        let fixed = bytes(file, 0, FIXED)?;
        if text(&fixed, 0, 8) != "0" {
            return Err("not an EDF file: its version is not 0 (BDF is not read)".to_owned());
        }
        let count = u64::from(whole(&fixed, 252, 4, "number of signals")?);
        let length = whole(&fixed, 184, 8, "length of the header")?;
        if u64::from(length) != (count + 1) * FIXED {
            return Err(format!(
                "the header says it is {length} bytes long, but {count} signals take {}",
                (count + 1) * FIXED
            ));
        }
        let promised = match text(&fixed, 236, 8).as_str() {
            "-1" => None,
            _ => Some(whole(&fixed, 236, 8, "number of data records")?.into()),
        };
        let duration = text(&fixed, 244, 8);
        let duration = number::decimal(&duration)
            .ok_or_else(|| format!("a data record lasts {duration:?} seconds: no number"))?;
        let table = bytes(file, FIXED, count * FIXED)?;
        let mut record = 0;
        let mut lines = Vec::new();
        for index in 0..usize::try_from(count).unwrap_or(0) {
            // Each field is there for all signals before the next field begins.
            let field = |before: usize, width: usize| {
                let signals = table.len() / 256;
                text(&table, before * signals + width * index, width)
            };
            let samples = field(216, 8);
            let per_record: u32 = samples
                .parse()
                .ok()
                .filter(|per_record| *per_record > 0)
                .ok_or_else(|| {
                    format!(
                        "signal {index} (from 0): {samples:?} samples a record; 1 or more is read"
                    )
                })?;
            lines.push(Line {
                label: field(0, 16),
                unit: field(96, 8),
                physical: [field(104, 8), field(112, 8)],
                digital: [field(120, 8), field(128, 8)],
                per_record: per_record.into(),
                offset: record,
            });
            record += 2 * u64::from(per_record);
        }
        Ok(Self {
            length: length.into(),
            record,
            lines,
            promised,
            duration,
            discontinuous: text(&fixed, 192, 44).starts_with("EDF+D"),
        })
    }

    /// How many data records there are in a file of this length.
    pub(super) fn records(&self, length: u64) -> Result<u64, String> {
        let held = length
            .saturating_sub(self.length)
            .checked_div(self.record)
            .unwrap_or(0);
        match self.promised {
            Some(promised) if promised > held => Err(format!(
                "the header promises {promised} data records, but the file ends within number {held} (from 0)"
            )),
            promised => Ok(promised.unwrap_or(held)),
        }
    }

    /// What each signal is called; nothing for annotations.
    pub(super) fn names(&self) -> Vec<Option<String>> {
        let labelled = self.lines.iter().enumerate().map(|(index, line)| {
            if line.label.is_empty() {
                format!("signal-{index}")
            } else {
                line.label.clone()
            }
        });
        let names = unique(labelled).into_iter();
        names
            .zip(&self.lines)
            .map(|(name, line)| (line.label != ANNOTATIONS).then_some(name))
            .collect()
    }

    /// A signal's samples a second.
    pub(super) fn rate(&self, line: &Line) -> Result<(u64, u64), String> {
        number::ratio(self.duration)
            .and_then(|(numerator, denominator)| {
                number::times((denominator, numerator), line.per_record)
            })
            .ok_or_else(|| "its data records last no time, but hold samples".to_owned())
    }

    /// When the records of a discontinuous file begin: the first annotation of each says so.
    pub(super) fn onsets(&self, file: &File, records: u64) -> Result<Option<Onsets>, String> {
        if !self.discontinuous {
            return Ok(None);
        }
        let line = self.lines.iter().find(|line| line.label == ANNOTATIONS);
        let line = line.ok_or("discontinuous (EDF+D), but without annotations that say when")?;
        let width = (line.per_record * 2).min(LONGEST_ONSET);
        let onset = |record: u64| {
            let from = self.length + record * self.record + line.offset;
            let annotation = bytes(file, from, width)?;
            let end = annotation.iter().position(|byte| *byte == 0x14);
            let onset = annotation.get(..end.unwrap_or(0)).unwrap_or_default();
            let onset = String::from_utf8_lossy(onset);
            number::decimal(&onset)
                .filter(|_| onset.starts_with(['+', '-']))
                .ok_or_else(|| format!("data record {record} (from 0) does not say when it begins"))
        };
        let onsets: Result<Vec<_>, String> = (0..records).map(onset).collect();
        Ok(Some(Onsets(onsets?)))
    }
}

impl Line {
    pub(super) fn calibration(&self, name: &str) -> Result<Calibration, String> {
        let [low, high] = &self.physical;
        let values = number::decimal(low).zip(number::decimal(high));
        let [least, most] = &self.digital;
        let samples = least.parse::<i16>().ok().zip(most.parse::<i16>().ok());
        values
            .zip(samples)
            .and_then(|(values, (least, most))| {
                Calibration::through((least.into(), most.into()), values)
            })
            .filter(|calibration| calibration.scale().mantissa != 0)
            .ok_or_else(|| {
                format!(
                    "signal `{name}`: {low} to {high} {} for samples {least} to {most} is no calibration",
                    self.unit
                )
            })
    }
}

impl Onsets {
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The place of a record's first sample, counted from the first record and rounded to the nearest.
    pub(super) fn place(&self, record: u64, (numerator, denominator): (u64, u64)) -> Option<u64> {
        let start = *self.0.first()?;
        let onset = *self.0.get(usize::try_from(record).ok()?)?;
        let exponent = start.exponent.min(onset.exponent).min(0);
        let since = aligned(onset, exponent)?.checked_sub(aligned(start, exponent)?)?;
        let since = u128::try_from(since).ok()?;
        let steps = since.checked_mul(numerator.into())?;
        let step = 10_u128
            .checked_pow(exponent.unsigned_abs().into())?
            .checked_mul(denominator.into())?;
        u64::try_from(steps.checked_add(step / 2)? / step).ok()
    }
}

fn bytes(file: &File, from: u64, count: u64) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)
        .map_err(|error| format!("cannot be read at byte {from}: {error}"))?;
    Ok(bytes)
}

fn text(bytes: &[u8], from: usize, width: usize) -> String {
    let field = bytes.get(from..from + width).unwrap_or_default();
    // The standard asks for ASCII; what writers of other things meant was mostly Latin-1.
    let field: String = field.iter().map(|byte| char::from(*byte)).collect();
    field.trim_matches([' ', '\0']).to_owned()
}

fn whole(bytes: &[u8], from: usize, width: usize, what: &str) -> Result<u32, String> {
    let field = text(bytes, from, width);
    field
        .parse()
        .map_err(|_| format!("the {what} is {field:?}: no whole number"))
}

/// Bytes of the fixed part, and of each signal's.
const FIXED: u64 = 256;
/// What the label of an annotation signal is.
const ANNOTATIONS: &str = "EDF Annotations";
/// No onset has more digits than this.
const LONGEST_ONSET: u64 = 64;
