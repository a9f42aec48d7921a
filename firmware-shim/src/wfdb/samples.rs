//! One sample file, read through a window of bounded size.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::format::Format;
use super::{WfdbError, open_file};

/// A file of samples of one or more signals, frame after frame.
#[derive(Debug)]
pub(super) struct SampleFile {
    pub(super) path: PathBuf,
    /// The first header line that names it.
    pub(super) line: usize,
    pub(super) format: Format,
    /// Bytes before the first sample.
    pub(super) offset: u64,
    /// Samples per frame, all signals together.
    pub(super) width: u64,
}

/// The piece of a sample file in memory, and the file it is from.
#[derive(Debug, Default)]
pub(super) struct Window {
    open: Option<(PathBuf, File)>,
    bytes: Vec<u8>,
}

impl SampleFile {
    pub(super) fn length(&self) -> Result<u64, WfdbError> {
        let metadata = fs::metadata(&self.path).map_err(|e| WfdbError::file(&self.path, e))?;
        Ok(metadata.len())
    }

    /// The last sample of a window from `start` that shall reach `wanted` but stay within its bounds;
    /// at least one frame.
    pub(super) fn window_end(&self, start: u64, wanted: u64) -> u64 {
        let most = (WINDOW_SAMPLES / self.width).max(1) * self.width;
        wanted.min(start + most - 1)
    }
}

impl Window {
    /// Loads the bytes of the file's samples from `start` up to and with `end`, as far as there are any.
    pub(super) fn load(
        &mut self,
        file: &SampleFile,
        start: u64,
        end: u64,
    ) -> Result<(), WfdbError> {
        let fault = |source| WfdbError::file(&file.path, source);
        let first = file.format.place(start).start;
        let length = usize::try_from(file.format.place(end).end - first)
            .map_err(|_| fault(io::ErrorKind::OutOfMemory.into()))?;
        let opened = match self.open.take() {
            Some(opened) if opened.0 == file.path => opened,
            _ => (file.path.clone(), open_file(&file.path)?),
        };
        let (_, handle) = self.open.insert(opened);
        self.bytes.resize(length, 0);
        let mut filled = 0;
        while let Some(rest) = self.bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match handle.read_at(rest, file.offset + first + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }

    /// One sample of a window that starts at sample `start`; nothing when it lies outside.
    pub(super) fn sample(&self, file: &SampleFile, start: u64, flat: u64) -> Option<i32> {
        let base = file.format.place(start).start;
        let place = file.format.place(flat);
        let from = usize::try_from(place.start.checked_sub(base)?).ok()?;
        let to = usize::try_from(place.end.checked_sub(base)?).ok()?;
        file.format.value(flat, self.bytes.get(from..to)?)
    }
}

/// Samples held in memory at a time, unless one frame is larger.
const WINDOW_SAMPLES: u64 = 16 * 1024;
