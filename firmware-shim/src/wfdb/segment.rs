//! One segment: a plain record with its own header and sample files.
//!
//! Owns where each sample of each signal stands in its file.
//! Promises at opening that every file is long enough for all its frames.

use std::path::{Path, PathBuf};

use super::format::Format;
use super::header::{Header, NOTHING, SignalLine};
use super::samples::{SampleFile, Window};
use super::{Sample, WfdbError};

/// A segment's signals and files.
#[derive(Debug)]
pub(super) struct Segment {
    header: PathBuf,
    pub(super) frames: u64,
    pub(super) tracks: Vec<Track>,
    files: Vec<SampleFile>,
    /// Checksums mean something only when the header says how many samples they cover.
    checked: bool,
}

/// One signal of a segment.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) line: SignalLine,
    /// Where its samples are; nothing for the null format.
    stored: Option<Stored>,
}

#[derive(Debug, Clone, Copy)]
struct Stored {
    file: usize,
    /// Samples of other signals before it in each frame.
    before: u64,
}

impl Segment {
    /// Takes the signal lines of a header and finds their files beside it.
    ///
    /// `promised` is the number of frames its record line or the record it is part of gives it.
    pub(super) fn open(
        header: &Header,
        lines: Vec<SignalLine>,
        promised: Option<u64>,
    ) -> Result<Self, WfdbError> {
        let mut segment = Self {
            header: header.path.clone(),
            frames: 0,
            tracks: Vec::with_capacity(lines.len()),
            files: Vec::new(),
            checked: header.frames.is_some(),
        };
        for line in lines {
            let stored = segment.place(&line)?;
            segment.tracks.push(Track { line, stored });
        }
        segment.frames = match promised {
            Some(frames) => frames,
            None => segment.frames_in_files(header)?,
        };
        segment.check_lengths()?;
        Ok(segment)
    }

    fn place(&mut self, line: &SignalLine) -> Result<Option<Stored>, WfdbError> {
        if line.format == Format::Null || line.file == NOTHING {
            return Ok(None);
        }
        let folder = self.header.parent().unwrap_or(Path::new(""));
        let path = folder.join(&line.file);
        let fault = |reason: String| WfdbError::line(&self.header, line.line, reason);
        let too_wide = || fault("more samples per frame than can be counted".into());
        if let Some(last) = self.files.last_mut().filter(|last| last.path == path) {
            if last.format != line.format {
                let file = &line.file;
                return Err(fault(format!(
                    "all signals of `{file}` must have one format"
                )));
            }
            // Only the first line of a file need give its offset.
            if line.offset != 0 && line.offset != last.offset {
                let file = &line.file;
                return Err(fault(format!(
                    "all signals of `{file}` must have one byte offset"
                )));
            }
            let before = last.width;
            last.width = before.checked_add(line.per_frame).ok_or_else(too_wide)?;
            let file = self.files.len().saturating_sub(1);
            return Ok(Some(Stored { file, before }));
        }
        if self.files.iter().any(|file| file.path == path) {
            let file = &line.file;
            return Err(fault(format!(
                "the signals of `{file}` must be on consecutive lines"
            )));
        }
        self.files.push(SampleFile {
            path,
            line: line.line,
            format: line.format,
            offset: line.offset,
            width: line.per_frame,
        });
        let file = self.files.len().saturating_sub(1);
        Ok(Some(Stored { file, before: 0 }))
    }

    /// How many frames there are when no header says so.
    fn frames_in_files(&self, header: &Header) -> Result<u64, WfdbError> {
        let mut frames = None;
        for file in &self.files {
            let bytes = file.length()?.saturating_sub(file.offset);
            let found = file.format.samples(bytes) / file.width;
            if frames.is_some_and(|frames| frames != found) {
                let reason = "the number of samples is not given and the files hold different ones";
                return Err(WfdbError::line(&self.header, header.line, reason));
            }
            frames = Some(found);
        }
        Ok(frames.unwrap_or(0))
    }

    fn check_lengths(&self) -> Result<(), WfdbError> {
        for file in &self.files {
            let samples = self.frames.checked_mul(file.width);
            let promised = samples
                .and_then(|samples| file.format.bytes(samples))
                .and_then(|bytes| bytes.checked_add(file.offset))
                .filter(|bytes| i64::try_from(*bytes).is_ok())
                .ok_or_else(|| {
                    let reason = "more samples than a file can hold";
                    WfdbError::line(&self.header, file.line, reason)
                })?;
            let found = file.length()?;
            if found < promised {
                return Err(self.short(file, promised, found));
            }
        }
        Ok(())
    }

    fn short(&self, file: &SampleFile, promised: u64, found: u64) -> WfdbError {
        WfdbError::Short {
            path: file.path.clone(),
            header: self.header.clone(),
            line: file.line,
            promised,
            found,
        }
    }

    /// Reads samples of one track from its sample number `first` on, as many as fit one window. The
    /// caller asks for at least one, within the segment.
    pub(super) fn read(
        &self,
        track: usize,
        first: u64,
        out: &mut [Sample],
        window: &mut Window,
    ) -> Result<usize, WfdbError> {
        let Some(track) = self.tracks.get(track) else {
            return Ok(0);
        };
        let per_frame = track.line.per_frame;
        let available = self.stored_samples(track).saturating_sub(first);
        let Some((stored, file)) = self.stored(track).filter(|_| available > 0) else {
            // Not recorded at all, or moved out past the end by its skew.
            out.fill(Sample::Missing);
            return Ok(out.len());
        };
        let wanted = usize::try_from(available)
            .unwrap_or(usize::MAX)
            .min(out.len());
        let mut flat = (0..wanted as u64).map(|step| {
            let sample = first + step;
            (sample / per_frame + track.line.skew) * file.width + stored.before + sample % per_frame
        });
        let start = flat.clone().next().unwrap_or(0);
        let end = file.window_end(start, flat.clone().next_back().unwrap_or(start));
        window.load(file, start, end)?;

        let mut done = 0;
        for sample in out.iter_mut().take(wanted) {
            let Some(raw) = flat
                .next()
                .and_then(|flat| window.sample(file, start, flat))
            else {
                break;
            };
            *sample = if Some(raw) == file.format.sentinel() {
                Sample::Missing
            } else {
                Sample::Value(raw)
            };
            done += 1;
        }
        if done == 0 {
            let promised = file.offset + file.format.place(start).end;
            return Err(self.short(file, promised, file.length()?));
        }
        Ok(done)
    }

    /// What stands in the file for a missing sample of this track.
    pub(super) fn sentinel(&self, track: usize, sample: u64) -> Option<i32> {
        let track = self.tracks.get(track)?;
        let (_, file) = self.stored(track)?;
        (sample < self.stored_samples(track))
            .then(|| file.format.sentinel())
            .flatten()
    }

    /// Adds up every sample of every signal with a checksum; says how many agreed.
    pub(super) fn verify(&self, window: &mut Window) -> Result<u64, WfdbError> {
        let mut verified = 0;
        for track in self.tracks.iter().filter(|_| self.checked) {
            let (Some((stored, file)), Some(promised)) = (self.stored(track), track.line.checksum)
            else {
                continue;
            };
            let found = self.checksum(track, stored, file, window)?;
            if found != promised {
                return Err(WfdbError::Checksum {
                    path: self.header.clone(),
                    line: track.line.line,
                    promised,
                    found,
                });
            }
            verified += 1;
        }
        Ok(verified)
    }

    /// The sum of all samples of a signal in its file, those before its skew and the missing ones too.
    fn checksum(
        &self,
        track: &Track,
        stored: Stored,
        file: &SampleFile,
        window: &mut Window,
    ) -> Result<i16, WfdbError> {
        let mut sum = 0_i16;
        let mut frame = 0;
        while frame < self.frames {
            let start = frame * file.width;
            let end = file.window_end(start, self.frames * file.width - 1);
            window.load(file, start, end)?;
            let whole = ((end + 1 - start) / file.width).max(1);
            for frame in frame..frame + whole {
                for step in 0..track.line.per_frame {
                    let flat = frame * file.width + stored.before + step;
                    let Some(raw) = window.sample(file, start, flat) else {
                        let promised = file.offset + file.format.place(flat).end;
                        return Err(self.short(file, promised, file.length()?));
                    };
                    let [low, high, ..] = raw.to_le_bytes();
                    sum = sum.wrapping_add(i16::from_le_bytes([low, high]));
                }
            }
            frame += whole;
        }
        Ok(sum)
    }

    fn stored(&self, track: &Track) -> Option<(Stored, &SampleFile)> {
        let stored = track.stored?;
        Some((stored, self.files.get(stored.file)?))
    }

    /// Samples of a track that its file holds; its skew moves the last ones out past the end.
    fn stored_samples(&self, track: &Track) -> u64 {
        self.frames.saturating_sub(track.line.skew) * track.line.per_frame
    }
}
