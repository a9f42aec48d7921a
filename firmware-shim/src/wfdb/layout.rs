//! The record as a whole: its segments joined in time, its signals matched by name.
//!
//! A plain record is a record of one segment. In the fixed layout the first segment says what the signals
//! are; in the variable layout a first segment of length 0 does, and holds nothing else. Gain, baseline
//! and unit are those of the first segment that has the signal, and every other one must agree: the same
//! sample must mean the same value throughout.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::header::{Body, DEFAULT_RATE, Header, SegmentLine, SignalLine};
use super::segment::Segment;
use super::timeline::Timeline;
use super::{Signal, WfdbError, number};

/// A record's name, its signals, and what was recorded when.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) signals: Vec<Signal>,
    pub(super) timeline: Timeline,
}

/// Opens a record by its header.
pub(super) fn open(path: &Path) -> Result<Opened, WfdbError> {
    let mut header = Header::read(&with_extension(path))?;
    let rate = header.rate.unwrap_or(DEFAULT_RATE);
    match std::mem::replace(&mut header.body, Body::Signals(Vec::new())) {
        Body::Signals(lines) => {
            let promised = header.frames;
            let segment = Segment::open(&header, lines, promised)?;
            let mut joined = Joined::new(&header, rate);
            joined.define(&segment, false)?;
            joined.add(header.line, segment.frames, Some(segment))?;
            joined.finish()
        }
        Body::Segments(lines) => join(&header, rate, lines),
    }
}

fn join(header: &Header, rate: (u64, u64), lines: Vec<SegmentLine>) -> Result<Opened, WfdbError> {
    let mut joined = Joined::new(header, rate);
    for (index, line) in lines.into_iter().enumerate() {
        let is_layout = index == 0 && line.frames == 0;
        let segment = match &line.name {
            Some(name) if is_layout || line.frames > 0 => {
                Some(open_segment(header, rate, &line, name)?)
            }
            _ => None,
        };
        if let Some(segment) = segment.as_ref().filter(|_| joined.signals.is_empty()) {
            joined.define(segment, is_layout)?;
        }
        let segment = segment.filter(|_| !is_layout);
        joined.add(line.line, line.frames, segment)?;
    }
    joined.finish()
}

fn open_segment(
    header: &Header,
    rate: (u64, u64),
    line: &SegmentLine,
    name: &str,
) -> Result<Segment, WfdbError> {
    let fault = |reason: String| WfdbError::line(&header.path, line.line, reason);
    let folder = header.path.parent().unwrap_or(Path::new(""));
    let mut inner = Header::read(&with_extension(&folder.join(name)))?;
    if inner.rate.is_some_and(|inner| inner != rate) {
        return Err(fault(format!(
            "segment `{name}` has another sampling frequency than the record"
        )));
    }
    if let Some(frames) = inner.frames.filter(|frames| *frames != line.frames) {
        let promised = line.frames;
        return Err(fault(format!(
            "segment `{name}` is {frames} samples long by its own header, but {promised} here"
        )));
    }
    match std::mem::replace(&mut inner.body, Body::Signals(Vec::new())) {
        Body::Signals(signals) => Segment::open(&inner, signals, Some(line.frames)),
        Body::Segments(_) => Err(fault(format!(
            "segment `{name}` has segments of its own; only plain records can be segments"
        ))),
    }
}

/// A record while its segments are put together.
struct Joined<'a> {
    header: &'a Header,
    rate: (u64, u64),
    signals: Vec<Signal>,
    /// Signals of a layout header whose calibration no segment has stated yet.
    provisional: Vec<bool>,
    timeline: Timeline,
}

impl<'a> Joined<'a> {
    fn new(header: &'a Header, rate: (u64, u64)) -> Self {
        Self {
            header,
            rate,
            signals: Vec::new(),
            provisional: Vec::new(),
            timeline: Timeline::default(),
        }
    }

    /// Takes a segment's signals as those of the record, their calibration only `provisional`ly.
    fn define(&mut self, segment: &Segment, provisional: bool) -> Result<(), WfdbError> {
        let (wanted, found) = (self.header.signal_count, segment.tracks.len());
        if wanted != found {
            let reason = format!("promises {wanted} signals, but its first segment has {found}");
            return Err(WfdbError::line(&self.header.path, self.header.line, reason));
        }
        for (name, track) in names(segment).into_iter().zip(&segment.tracks) {
            let line = &track.line;
            let (rate_numerator, rate_denominator) = number::times(self.rate, line.per_frame)
                .ok_or_else(|| {
                    let reason = "sampling frequency too large";
                    WfdbError::line(&self.header.path, self.header.line, reason)
                })?;
            self.signals.push(Signal {
                name,
                unit: line.unit.clone(),
                gain: line.gain,
                baseline: line.baseline,
                rate_numerator,
                rate_denominator,
                samples: 0,
            });
            self.timeline.per_frame.push(line.per_frame);
        }
        self.provisional = vec![provisional; self.signals.len()];
        Ok(())
    }

    /// Appends a stretch of time, with its segment or without any; `line` says where faults belong.
    fn add(&mut self, line: usize, frames: u64, segment: Option<Segment>) -> Result<(), WfdbError> {
        let header = self.header;
        let fault = |reason: String| WfdbError::line(&header.path, line, reason);
        let mut tracks = vec![None; self.signals.len()];
        if let Some(segment) = &segment {
            for (index, name) in names(segment).iter().enumerate() {
                let known = self.signals.iter().position(|signal| signal.name == *name);
                let (Some(place), Some(track)) = (known, segment.tracks.get(index)) else {
                    return Err(fault(format!(
                        "the segment has a signal `{name}` that is not among the record's"
                    )));
                };
                self.agree(place, &track.line).map_err(fault)?;
                if let Some(slot) = tracks.get_mut(place) {
                    *slot = Some(index);
                }
            }
        }
        self.timeline
            .append(frames, segment, tracks)
            .ok_or_else(|| fault("more samples than can be counted".into()))
    }

    /// A signal must mean the same in every segment.
    fn agree(&mut self, place: usize, line: &SignalLine) -> Result<(), String> {
        let (Some(signal), Some(per_frame), Some(provisional)) = (
            self.signals.get_mut(place),
            self.timeline.per_frame.get(place),
            self.provisional.get_mut(place),
        ) else {
            return Ok(());
        };
        let name = &signal.name;
        if line.per_frame != *per_frame {
            return Err(format!(
                "signal `{name}` has {} samples per frame here, but {per_frame} in the record",
                line.per_frame
            ));
        }
        if *provisional {
            signal.gain = line.gain;
            signal.baseline = line.baseline;
            signal.unit.clone_from(&line.unit);
            *provisional = false;
        }
        if (signal.gain, signal.baseline, &signal.unit) != (line.gain, line.baseline, &line.unit) {
            return Err(format!(
                "signal `{name}` has another gain, baseline or unit here than in the segments before; \
                 convert the segments to one calibration"
            ));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Opened, WfdbError> {
        let fault = |reason| WfdbError::line(&self.header.path, self.header.line, reason);
        let frames = self.timeline.frames();
        if let Some(promised) = self.header.frames.filter(|promised| *promised != frames) {
            return Err(fault(format!(
                "promises {promised} samples, but the segments have {frames}"
            )));
        }
        if self.signals.len() != self.header.signal_count {
            return Err(fault("no segment says what the signals are".into()));
        }
        for (signal, per_frame) in self.signals.iter_mut().zip(&self.timeline.per_frame) {
            signal.samples = frames
                .checked_mul(*per_frame)
                .ok_or_else(|| fault("more samples than can be counted".into()))?;
        }
        Ok(Opened {
            name: self.header.name.clone(),
            signals: self.signals,
            timeline: self.timeline,
        })
    }
}

/// The names of a segment's signals: descriptions, made unique.
fn names(segment: &Segment) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique = Vec::with_capacity(segment.tracks.len());
    for (index, track) in segment.tracks.iter().enumerate() {
        let plain = match &track.line.description {
            Some(description) => description.clone(),
            None => format!("signal-{index}"),
        };
        let mut name = plain.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{plain}-{count}");
        }
        unique.push(name);
    }
    unique
}

/// A header's path may be given without its extension; record names may contain dots.
fn with_extension(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|extension| extension == "hea") {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".hea");
    name.into()
}
