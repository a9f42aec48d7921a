//! Recordings in PhysioNet's WFDB format: what a patient's monitor once gave, sample for sample.
//!
//! Owns the header, the sample formats 16, 80 and 212, and the joining of segments, as header(5) and
//! signal(5) of the WFDB Applications Guide (10.7) describe them. Promises random access in bounded
//! memory, that each sample is the one the file holds, and that a sample that is not there is
//! [`Sample::Missing`], never a number. Refuses records that end before their header says, formats it
//! does not know, and segments whose samples would mean something else than the record's.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

mod format;
mod header;
mod layout;
pub(crate) mod number;
mod samples;
mod segment;
mod timeline;

use crate::reading::Decimal;
use samples::Window;
use timeline::Timeline;

/// An opened record: one or more signals, each at its own rate.
#[derive(Debug)]
pub struct Record {
    name: String,
    signals: Vec<Signal>,
    timeline: Timeline,
    window: Window,
}

/// What one signal of a record is: `value = (sample - baseline) / gain`, in `unit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The header's description, made unique within the record; `signal-N` (from 0) where it has none.
    pub name: String,
    /// The physical unit as the header writes it; `mV` where it writes none.
    pub unit: String,
    /// Steps per unit, never 0: the 200 of the standard stands in for "uncalibrated".
    pub gain: Decimal,
    /// The sample that means 0 units.
    pub baseline: i32,
    /// This signal's samples per second, as a ratio in lowest terms: numerator.
    pub rate_numerator: u64,
    /// This signal's samples per second, as a ratio in lowest terms: denominator.
    pub rate_denominator: u64,
    /// How many samples of this signal the whole record has, at its own rate.
    pub samples: u64,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sample {
    /// What the converter gave.
    Value(i32),
    /// There is none: the file marks it as missing, or the signal was not recorded then.
    Missing,
}

impl Record {
    /// Opens a record by its header file, with or without `.hea`, and checks it: every header of its
    /// segments is read and every sample file must be as long as its header promises.
    ///
    /// # Errors
    /// When a file is missing or too short, a header line cannot be understood, or the record uses what
    /// is not supported; the error names the file and the line.
    pub fn open(header: &Path) -> Result<Self, WfdbError> {
        let opened = layout::open(header)?;
        Ok(Self {
            name: opened.name,
            signals: opened.signals,
            timeline: opened.timeline,
            window: Window::default(),
        })
    }

    /// The name its header gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its signals, in the header's order.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// Fills `out` with the samples of one signal from its sample number `first` on and says how many
    /// there were: fewer than asked only at the end of the record or before a failure, which the next
    /// call then gives. At and after the end it is 0.
    ///
    /// # Errors
    /// When there is no such signal, or the file has vanished or lost its end since it was opened.
    pub fn read(
        &mut self,
        signal: usize,
        first: u64,
        out: &mut [Sample],
    ) -> Result<usize, WfdbError> {
        if signal >= self.signals.len() {
            return Err(WfdbError::NoSignal {
                signal,
                signals: self.signals.len(),
            });
        }
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let next = first.saturating_add(done as u64);
            match self.timeline.read(signal, next, rest, &mut self.window) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// What the file holds in the place of a sample that is missing, in that sample's segment; nothing
    /// where nothing is stored at all.
    #[must_use]
    pub fn sentinel(&self, signal: usize, sample: u64) -> Option<i32> {
        self.timeline.sentinel(signal, sample)
    }

    /// Reads the whole record and compares every checksum its headers give; says how many agreed.
    ///
    /// # Errors
    /// When a checksum differs, or as for [`read`](Self::read).
    pub fn verify(&mut self) -> Result<u64, WfdbError> {
        self.timeline.verify(&mut self.window)
    }
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WfdbError {
    /// A header or sample file cannot be opened or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A header as a whole cannot be used.
    #[error("{path}: {reason}")]
    Header {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what is supported.
        reason: String,
    },
    /// A line of a header cannot be used.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The header.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what is supported.
        reason: String,
    },
    /// A sample file ends before its header says.
    #[error("{path} holds {found} bytes, but line {line} of {header} promises at least {promised}")]
    Short {
        /// The sample file.
        path: PathBuf,
        /// The header that promises more.
        header: PathBuf,
        /// The first line that names the file, counted from 1.
        line: usize,
        /// How long the file must be for its samples, bytes.
        promised: u64,
        /// How long it is, bytes.
        found: u64,
    },
    /// The samples do not add up to the header's checksum.
    #[error("{path}, line {line}: the checksum is {promised}, but the samples add up to {found}")]
    Checksum {
        /// The header.
        path: PathBuf,
        /// The signal's line, counted from 1.
        line: usize,
        /// What the header says.
        promised: i16,
        /// What the samples add up to.
        found: i16,
    },
    /// A signal was asked for that the record does not have.
    #[error("signal {signal} of {signals} does not exist; they count from 0")]
    NoSignal {
        /// What was asked for.
        signal: usize,
        /// How many there are.
        signals: usize,
    },
}

impl WfdbError {
    fn line(path: &Path, line: usize, reason: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            reason: reason.into(),
        }
    }

    fn header(path: &Path, reason: impl Into<String>) -> Self {
        Self::Header {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

fn open_file(path: &Path) -> Result<File, WfdbError> {
    File::open(path).map_err(|source| WfdbError::file(path, source))
}
