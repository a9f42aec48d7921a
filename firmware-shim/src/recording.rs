//! Recordings of any format that is read here, as the same signals and samples.
//!
//! Owns the choice of the format by the file's name: `.edf` is EDF or EDF+, `.csv` a table, anything else
//! the header of a WFDB record. Promises that a sample is the one the file holds, that one which is not
//! there is [`Sample::Missing`], and that a fault names the file.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

mod calibration;
mod csv;
mod edf;

pub use crate::wfdb::Sample;
use crate::wfdb::{self, WfdbError};
pub(crate) use calibration::Calibration;

/// An opened recording.
#[derive(Debug)]
pub struct Recording {
    name: String,
    signals: Vec<Signal>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Wfdb(wfdb::Record),
    Edf(edf::Samples),
    Csv(csv::Samples),
}

/// What one signal of a recording is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// What the file calls it, made unique within the recording.
    pub name: String,
    /// The physical unit as the file writes it.
    pub unit: String,
    /// From steps of the converter to units.
    pub(crate) calibration: Calibration,
    /// Samples per second, as a ratio in lowest terms: numerator.
    pub rate_numerator: u64,
    /// Samples per second, as a ratio in lowest terms: denominator.
    pub rate_denominator: u64,
    /// How many samples it has, with those that are missing.
    pub samples: u64,
}

impl Recording {
    /// Opens a recording and checks that it is whole.
    ///
    /// # Errors
    /// When a file is missing or too short, cannot be understood, or uses what is not supported.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        Self::open_at(path, None)
    }

    /// Opens a recording whose rate is said here, samples a second: a table that does not say it itself.
    ///
    /// # Errors
    /// As [`Self::open`], and when the recording says another rate or is of a format that always says its own.
    pub fn open_at(path: &Path, rate: Option<u32>) -> Result<Self, RecordingError> {
        let ending = path.extension().unwrap_or_default();
        let is_table = ending.eq_ignore_ascii_case("csv");
        if rate.is_some() && !is_table {
            let why = "only a .csv takes a rate from the profile: this format says its own";
            return Err(RecordingError::content(path, why.to_owned()));
        }
        let (signals, content) = if ending.eq_ignore_ascii_case("edf") {
            let (signals, samples) = edf::open(path)?;
            (signals, Content::Edf(samples))
        } else if is_table {
            let (signals, samples) = csv::open(path, rate)?;
            (signals, Content::Csv(samples))
        } else {
            let record = wfdb::Record::open(path)?;
            return Ok(Self {
                name: record.name().to_owned(),
                signals: record.signals().iter().map(Signal::of_wfdb).collect(),
                content: Content::Wfdb(record),
            });
        };
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            signals,
            content,
        })
    }

    /// What it calls itself, or the file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its signals, in the file's order.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// Fills `out` with the samples of one signal from its sample number `first` on and says how many
    /// there were: fewer than asked only at the end or before a failure, which the next call then gives.
    ///
    /// # Errors
    /// When the file has vanished or lost its end since it was opened.
    pub fn read(
        &mut self,
        signal: usize,
        first: u64,
        out: &mut [Sample],
    ) -> Result<usize, RecordingError> {
        match &mut self.content {
            Content::Wfdb(record) => Ok(record.read(signal, first, out)?),
            Content::Edf(samples) => samples.read(signal, first, out),
            Content::Csv(samples) => Ok(samples.read(signal, first, out)),
        }
    }

    /// What the file holds in the place of a missing sample, if its format has such a number.
    #[must_use]
    pub fn sentinel(&self, signal: usize, sample: u64) -> Option<i32> {
        match &self.content {
            Content::Wfdb(record) => record.sentinel(signal, sample),
            Content::Edf(_) | Content::Csv(_) => None,
        }
    }
}

impl Signal {
    fn of_wfdb(signal: &wfdb::Signal) -> Self {
        Self {
            name: signal.name.clone(),
            unit: signal.unit.clone(),
            calibration: Calibration::of_gain(signal.gain, signal.baseline),
            rate_numerator: signal.rate_numerator,
            rate_denominator: signal.rate_denominator,
            samples: signal.samples,
        }
    }
}

/// Names as they are, and `name-2`, `name-3` where they come again.
fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    names
        .map(|plain| {
            let mut name = plain.clone();
            let mut count = 1;
            while !taken.insert(name.clone()) {
                count += 1;
                name = format!("{plain}-{count}");
            }
            name
        })
        .collect()
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A WFDB record.
    #[error(transparent)]
    Wfdb(#[from] WfdbError),
    /// The file cannot be opened or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the file holds cannot be used.
    #[error("{path}: {reason}")]
    Content {
        /// Which.
        path: PathBuf,
        /// Where in the file, what is wrong, and what is supported.
        reason: String,
    },
}

impl RecordingError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }

    fn content(path: &Path, reason: impl Into<String>) -> Self {
        Self::Content {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
