//! EDF (Kemp et al., Electroencephalogr Clin Neurophysiol 82:391-393, 1992) and EDF+ (Kemp and Olivan, Clin
//! Neurophysiol 114:1755-1761, 2003).
//!
//! Owns the samples: 16 bits, least significant byte first, record after record, each signal with its own
//! number of samples a record. Annotation signals are skipped, except that they place the records of a
//! discontinuous file (`EDF+D`); the time between those is missing samples. A record that does not begin
//! on a signal's grid is moved to the nearest place of it. Refuses a file that is shorter than its header
//! says, and records that overlap.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

mod header;
mod stretches;

use super::{RecordingError, Sample, Signal};
use header::Header;
use stretches::Stretches;

/// The samples of an EDF file.
#[derive(Debug)]
pub(super) struct Samples {
    path: PathBuf,
    file: File,
    /// Where the first record begins, bytes.
    start: u64,
    /// Bytes of a record.
    record: u64,
    tracks: Vec<Track>,
    bytes: Vec<u8>,
}

/// One signal.
#[derive(Debug)]
struct Track {
    /// Where its samples begin within a record, bytes.
    offset: u64,
    /// Samples a record.
    per_record: u64,
    stretches: Stretches,
}

/// Opens a file and checks its length.
pub(super) fn open(path: &Path) -> Result<(Vec<Signal>, Samples), RecordingError> {
    let refuse = |reason: String| RecordingError::content(path, reason);
    let file = File::open(path).map_err(|error| RecordingError::file(path, error))?;
    let header = Header::read(&file).map_err(refuse)?;
    let length = file
        .metadata()
        .map_err(|error| RecordingError::file(path, error))?
        .len();
    let records = header.records(length).map_err(refuse)?;
    let onsets = header.onsets(&file, records).map_err(refuse)?;
    let mut signals = Vec::new();
    let mut tracks = Vec::new();
    for (line, name) in header.lines.iter().zip(header.names()) {
        let Some(name) = name else { continue };
        let rate = header.rate(line).map_err(refuse)?;
        let stretches = match &onsets {
            None => Stretches::whole(records, line.per_record),
            Some(onsets) => Stretches::placed(onsets, rate, line.per_record),
        }
        .map_err(|why| refuse(format!("signal `{name}`: {why}")))?;
        signals.push(Signal {
            calibration: line.calibration(&name).map_err(refuse)?,
            name,
            unit: line.unit.clone(),
            rate_numerator: rate.0,
            rate_denominator: rate.1,
            samples: stretches.samples(),
        });
        tracks.push(Track {
            offset: line.offset,
            per_record: line.per_record,
            stretches,
        });
    }
    if signals.is_empty() {
        return Err(refuse("holds annotations only, no signal".to_owned()));
    }
    let samples = Samples {
        path: path.to_owned(),
        file,
        start: header.length,
        record: header.record,
        tracks,
        bytes: Vec::new(),
    };
    Ok((signals, samples))
}

impl Samples {
    /// As [`super::Recording::read`].
    pub(super) fn read(
        &mut self,
        signal: usize,
        first: u64,
        out: &mut [Sample],
    ) -> Result<usize, RecordingError> {
        let Some(track) = self.tracks.get(signal) else {
            return Ok(0);
        };
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let next = first.saturating_add(done as u64);
            let Some(place) = track.stretches.find(next, track.per_record) else {
                break;
            };
            let most = usize::try_from(place.left).unwrap_or(usize::MAX);
            let most = most.min(rest.len()).min(LARGEST_READ);
            let rest = rest.get_mut(..most).unwrap_or_default();
            match place.stored {
                None => rest.fill(Sample::Missing),
                Some((record, at)) => {
                    let from = self.start + record * self.record + track.offset + at * 2;
                    self.bytes.resize(rest.len() * 2, 0);
                    if let Err(error) = self.file.read_exact_at(&mut self.bytes, from) {
                        if done > 0 {
                            break;
                        }
                        return Err(lost(&self.path, error));
                    }
                    let (pairs, _) = self.bytes.as_chunks::<2>();
                    for (sample, pair) in rest.iter_mut().zip(pairs) {
                        *sample = Sample::Value(i16::from_le_bytes(*pair).into());
                    }
                }
            }
            done += most;
        }
        Ok(done)
    }
}

fn lost(path: &Path, error: io::Error) -> RecordingError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            RecordingError::content(path, "has lost its end since it was opened")
        }
        _ => RecordingError::file(path, error),
    }
}

/// Samples taken from the file at a time.
const LARGEST_READ: usize = 16 * 1024;
