//! Tables of decimal numbers, one row a moment.
//!
//! ```text
//! # rate = 250
//! II [mV],temperature [degC]
//! 0.125,36.6
//! 0.13,
//! ```
//!
//! Owns the reading of such files: a line of names, each with its unit in brackets, and an empty field for a
//! missing sample. When the samples were taken is said by a line `# rate = N` before the names or by who opens it, by a column
//! `time` (seconds, or `time [ms]`, `time [us]`), or by both: then rows may be left out. Promises that
//! every digit is kept. Refuses quotes, rows of another width, times that are not even, and files that are
//! too large to be held in memory.

use std::fs;
use std::path::Path;

use super::calibration::{Calibration, aligned};
use super::{RecordingError, Sample, Signal, unique};
use crate::reading::Decimal;
use crate::wfdb::number;

mod times;

use times::Times;

/// The samples of a table.
#[derive(Debug)]
pub(super) struct Samples {
    columns: Vec<Vec<Sample>>,
    /// The place of each row; nothing when it is its number.
    places: Option<Vec<u64>>,
    samples: u64,
}

/// Reads a table. `rate` counts as if its line stood in the file.
pub(super) fn open(
    path: &Path,
    rate: Option<u32>,
) -> Result<(Vec<Signal>, Samples), RecordingError> {
    let refuse = |reason: String| RecordingError::content(path, reason);
    let file = |error| RecordingError::file(path, error);
    if fs::metadata(path).map_err(file)?.len() > LARGEST_FILE {
        return Err(refuse(
            "larger than 16 MiB: convert it to EDF or WFDB, which are read piece by piece"
                .to_owned(),
        ));
    }
    let text = fs::read_to_string(path).map_err(file)?;
    read(&text, rate).map_err(refuse)
}

fn read(text: &str, said: Option<u32>) -> Result<(Vec<Signal>, Samples), String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().zip(1..).peekable();
    let mut rate = None;
    while let Some((line, number)) = lines.next_if(|(line, _)| line.starts_with('#')) {
        if let Some(("rate", value)) = key(line) {
            let read = number::decimal(value).and_then(number::ratio);
            rate = Some(read.ok_or_else(|| format!("line {number}: rate {value:?} is no rate"))?);
        }
    }
    if let Some(said) = said.map(|said| (u64::from(said), 1)) {
        if let Some((numerator, denominator)) = rate.filter(|rate| *rate != said) {
            return Err(format!(
                "it says a rate of {numerator}/{denominator} itself, not {}",
                said.0
            ));
        }
        rate = Some(said);
    }
    let (names, _) = lines.next().ok_or("empty: no line of names")?;
    if names.contains('"') {
        return Err("quoted names are not read".to_owned());
    }
    let names: Vec<_> = names.split(',').map(name).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for (line, number) in lines {
        let fields = line.split(',').count();
        if fields != names.len() {
            return Err(format!(
                "line {number}: {fields} fields, but {} names",
                names.len()
            ));
        }
        for ((field, column), (name, _)) in line.split(',').zip(&mut columns).zip(&names) {
            column.push(match field.trim() {
                "" => None,
                field => {
                    Some(number::decimal(field).ok_or_else(|| {
                        format!("line {number}: {field:?} of `{name}` is no number")
                    })?)
                }
            });
        }
    }
    let clock = names.iter().position(|(name, _)| name == "time");
    let rows = columns.first().map_or(0, Vec::len);
    if rows == 0 {
        return Err("no rows".to_owned());
    }
    let times = match (clock, rate) {
        (None, None) => {
            return Err(
                "neither a column `time` nor a line `# rate = N` before the names: say the profile's key rate"
                    .to_owned(),
            );
        }
        (None, Some(rate)) => Times::rows(rows as u64, rate),
        (Some(clock), rate) => {
            let unit = names.get(clock).map_or("", |(_, unit)| unit);
            Times::read(
                columns.get(clock).map_or(&[][..], Vec::as_slice),
                unit,
                rate,
            )?
        }
    };
    table(&names, &columns, clock, times)
}

fn table(
    names: &[(String, String)],
    columns: &[Vec<Option<Decimal>>],
    clock: Option<usize>,
    times: Times,
) -> Result<(Vec<Signal>, Samples), String> {
    let called = unique(names.iter().map(|(name, _)| name.clone()));
    let mut signals = Vec::new();
    let mut read = Vec::new();
    for (index, ((name, (_, unit)), column)) in
        called.into_iter().zip(names).zip(columns).enumerate()
    {
        if Some(index) == clock {
            continue;
        }
        let (exponent, samples) = samples(&name, column)?;
        signals.push(Signal {
            name,
            unit: unit.clone(),
            calibration: Calibration::digits(exponent),
            rate_numerator: times.rate.0,
            rate_denominator: times.rate.1,
            samples: times.samples,
        });
        read.push(samples);
    }
    if signals.is_empty() {
        return Err("no column besides the time".to_owned());
    }
    let samples = Samples {
        columns: read,
        places: times.places,
        samples: times.samples,
    };
    Ok((signals, samples))
}

/// A column as whole steps of its finest digit, and which digit that is.
fn samples(name: &str, column: &[Option<Decimal>]) -> Result<(i8, Vec<Sample>), String> {
    let finest = column.iter().flatten().map(|value| value.exponent).min();
    let finest = finest.unwrap_or(0).min(0);
    let samples = column.iter().map(|value| match value {
        None => Ok(Sample::Missing),
        Some(value) => aligned(*value, finest)
            .and_then(|steps| i32::try_from(steps).ok())
            .map(Sample::Value)
            .ok_or_else(|| {
                format!(
                    "`{name}` has values of more digits than a sample holds (9 with the {} after the point): \
                     round them",
                    finest.unsigned_abs()
                )
            }),
    });
    Ok((finest, samples.collect::<Result<_, _>>()?))
}

impl Samples {
    /// As [`super::Recording::read`].
    pub(super) fn read(&self, signal: usize, first: u64, out: &mut [Sample]) -> usize {
        let Some(column) = self.columns.get(signal) else {
            return 0;
        };
        let left = usize::try_from(self.samples.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = left.min(out.len());
        for (sample, place) in out.iter_mut().zip(first..).take(count) {
            let row = match &self.places {
                None => usize::try_from(place).ok(),
                Some(places) => places.binary_search(&place).ok(),
            };
            let held = row.and_then(|row| column.get(row));
            *sample = held.copied().unwrap_or(Sample::Missing);
        }
        count
    }
}

/// `# key = value`
fn key(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim_start_matches('#').split_once('=')?;
    Some((key.trim(), value.trim()))
}

/// `name [unit]`; a quantity without unit where none is said.
fn name(text: &str) -> (String, String) {
    let text = text.trim();
    let split = text
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once('['));
    let (name, unit) = split.unwrap_or((text, ""));
    let unit = match (name.trim(), unit.trim()) {
        ("time", "") => "s",
        (_, "") => "1",
        (_, unit) => unit,
    };
    (name.trim().to_owned(), unit.to_owned())
}

/// Bytes.
const LARGEST_FILE: u64 = 16 << 20;
