//! What was recorded when: the segments in their order, with the times between them.

use super::samples::Window;
use super::segment::Segment;
use super::{Sample, WfdbError};

/// A record's time from its first frame to its last.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Samples per frame of each of the record's signals.
    pub(super) per_frame: Vec<u64>,
    parts: Vec<Part>,
    frames: u64,
}

/// A stretch of time with the same segment.
#[derive(Debug)]
struct Part {
    first_frame: u64,
    frames: u64,
    /// Nothing where nothing was recorded.
    segment: Option<Segment>,
    /// For each of the record's signals, its place in the segment.
    tracks: Vec<Option<usize>>,
}

impl Timeline {
    /// How many frames there are.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Adds a stretch of time at the end; nothing when it becomes too long to count.
    pub(super) fn append(
        &mut self,
        frames: u64,
        segment: Option<Segment>,
        tracks: Vec<Option<usize>>,
    ) -> Option<()> {
        let first_frame = self.frames;
        self.frames = first_frame.checked_add(frames)?;
        if frames > 0 {
            self.parts.push(Part {
                first_frame,
                frames,
                segment,
                tracks,
            });
        }
        Some(())
    }

    /// Reads samples of one signal from its sample number `first` on, as many as one segment and one
    /// window give; 0 at and after the end.
    pub(super) fn read(
        &self,
        signal: usize,
        first: u64,
        out: &mut [Sample],
        window: &mut Window,
    ) -> Result<usize, WfdbError> {
        let Some((part, at, left)) = self.find(signal, first) else {
            return Ok(0);
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let out = out.get_mut(..most).unwrap_or_default();
        match part.track(signal) {
            Some((segment, track)) => segment.read(track, at, out, window),
            None => {
                out.fill(Sample::Missing);
                Ok(out.len())
            }
        }
    }

    /// What stands in the file for a missing sample, if one is stored.
    pub(super) fn sentinel(&self, signal: usize, sample: u64) -> Option<i32> {
        let (part, at, _) = self.find(signal, sample)?;
        let (segment, track) = part.track(signal)?;
        segment.sentinel(track, at)
    }

    /// Compares the checksums of all segments; says how many agreed.
    pub(super) fn verify(&self, window: &mut Window) -> Result<u64, WfdbError> {
        let segments = self.parts.iter().filter_map(|part| part.segment.as_ref());
        segments.map(|segment| segment.verify(window)).sum()
    }

    /// The part that holds a sample, the sample's place within it, and how many are left from there.
    fn find(&self, signal: usize, sample: u64) -> Option<(&Part, u64, u64)> {
        let per_frame = *self.per_frame.get(signal)?;
        let frame = sample / per_frame;
        let next = self.parts.partition_point(|part| part.first_frame <= frame);
        let part = self.parts.get(next.checked_sub(1)?)?;
        let at = sample - part.first_frame * per_frame;
        let left = (part.frames * per_frame).checked_sub(at)?;
        (left > 0).then_some((part, at, left))
    }
}

impl Part {
    fn track(&self, signal: usize) -> Option<(&Segment, usize)> {
        let track = self.tracks.get(signal).copied().flatten()?;
        Some((self.segment.as_ref()?, track))
    }
}
