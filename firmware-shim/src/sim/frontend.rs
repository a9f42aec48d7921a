//! A multi-channel front end that plays a recording: every signal at its own rate, one stream each.
//!
//! Owns the playing in simulated time. Promises that every sample of the recording is given exactly once,
//! as a value or as an absence with its place, whenever and however often it is polled; that a jump of the
//! clock is caught up in bounded steps; and that a fault in the middle costs no more than the block it
//! hits. Refuses to start over: after the end there is nothing more.

use std::path::Path;
use std::time::Duration;

mod interference;
mod track;
mod vocabulary;

use super::{SimClock, World};
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Reading, Sampling, StreamKind, StreamSpec};
use crate::recording::{Recording, Sample, Signal};
use interference::Interference;
use track::Track;

/// A simulated front end that plays this recording: an `.edf` or `.csv` file, or the header of a WFDB record
/// (with or without `.hea`).
///
/// A signal of more than one sample per second is a waveform, a slower one a sampled numeric. A recording
/// that cannot be opened makes a device without streams whose every start fails and says why.
#[must_use]
pub fn frontend(world: &World, recording: &Path) -> Box<dyn Device> {
    let record = Recording::open_at(recording, world.rate).map_err(|error| error.to_string());
    let signals = record.as_ref().map_or(&[][..], Recording::signals);
    let names = vocabulary::stream_names(signals);
    let streams: Vec<_> = names
        .into_iter()
        .zip(signals)
        .map(|(name, signal)| stream(name, signal, signals))
        .collect();
    let tracks = signals
        .iter()
        .zip(&streams)
        .enumerate()
        .map(|(index, (signal, stream))| Track::new(index, signal, stream))
        .collect();
    let interference = Interference::of(world, &streams);
    let tape = record.and_then(|record| {
        Ok(Tape {
            record,
            tracks,
            interference: interference?,
            origin: None,
            played: Duration::ZERO,
            behind: false,
            buffer: Vec::new(),
        })
    });
    Box::new(Frontend {
        streams,
        clock: world.clock.clone(),
        tape,
    })
}

struct Frontend {
    streams: Vec<StreamSpec>,
    clock: SimClock,
    /// The recording, or why there is none.
    tape: Result<Tape, String>,
}

/// The recording and how far it has been played.
struct Tape {
    record: Recording,
    tracks: Vec<Track>,
    interference: Interference,
    /// The time of the first start; sample 0 is due then.
    origin: Option<Duration>,
    /// The recording's time up to which samples have been given.
    played: Duration,
    /// Whether more was due than one poll gives.
    behind: bool,
    buffer: Vec<Sample>,
}

impl Device for Frontend {
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn period(&self) -> Duration {
        match &self.tape {
            Ok(tape) if tape.behind => PERIOD_BEHIND,
            _ => PERIOD,
        }
    }

    fn start(&mut self) -> Result<(), Fault> {
        let tape = self.tape.as_mut().map_err(|why| unopened(why))?;
        // The recording runs on through a fault: what was due meanwhile is given next.
        let now = self.clock.now();
        tape.interference.reach()?;
        tape.origin.get_or_insert(now);
        tape.ended().map_or(Ok(()), Err)
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let tape = self.tape.as_mut().map_err(|why| unopened(why))?;
        let Some(origin) = tape.origin else {
            return Err(unopened("polled before it was started"));
        };
        if let Some(ended) = tape.ended() {
            return Err(ended);
        }
        tape.interference.reach()?;
        tape.play(self.clock.now(), origin, Give::Blocks, readings)
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        if let Ok(tape) = &mut self.tape
            && let Some(origin) = tape.origin
        {
            // The absence of what could not be read is among the readings; nobody is left to tell more.
            drop(tape.play(self.clock.now(), origin, Give::Everything, readings));
        }
    }
}

/// What of the samples that are due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Give {
    /// Those that fill a block.
    Blocks,
    /// All.
    Everything,
}

impl Tape {
    /// Gives what is due at a time, but no more than a bounded step of the recording.
    fn play(
        &mut self,
        now: Duration,
        origin: Duration,
        give: Give,
        readings: &mut Vec<Reading>,
    ) -> Result<(), Fault> {
        let interference = &self.interference;
        let elapsed = interference.tape_time(now.saturating_sub(origin));
        let step = self.played.saturating_add(LARGEST_STEP);
        self.behind = elapsed > step;
        self.played = elapsed.min(step).max(self.played);
        let mut outcome = Ok(());
        for track in &mut self.tracks {
            let due = track.due(self.played);
            while let Some(end) = track.next_end(due, give == Give::Everything) {
                let (end, lost) = interference.stretch(track, origin, end);
                if let Some(reason) = lost {
                    track.lose(end, reason, readings);
                    continue;
                }
                let given = track.give(end, &mut self.record, &mut self.buffer, readings);
                if let (Err(error), Ok(())) = (given, &outcome) {
                    outcome = Err(Fault::new(FaultKind::Bus, error.to_string()));
                }
            }
        }
        outcome
    }

    fn ended(&self) -> Option<Fault> {
        self.tracks.iter().all(Track::is_done).then(|| {
            let name = self.record.name();
            let detail = format!("recording `{name}` has been played to its end");
            Fault::new(FaultKind::Ended, detail)
        })
    }
}

fn stream(name: String, signal: &Signal, signals: &[Signal]) -> StreamSpec {
    let kind = if signal.rate_numerator > signal.rate_denominator {
        StreamKind::Waveform
    } else {
        StreamKind::Numeric
    };
    StreamSpec {
        name,
        code: vocabulary::code(vocabulary::description(signal, signals), kind),
        unit: vocabulary::unit(&signal.unit),
        kind,
        sampling: Some(Sampling {
            rate_numerator: signal.rate_numerator,
            rate_denominator: signal.rate_denominator,
            scale: signal.calibration.scale(),
            offset: signal.calibration.offset(),
        }),
    }
}

fn unopened(why: &str) -> Fault {
    Fault::new(FaultKind::Unopened, why)
}

/// Blocks of one second come smoothly at this period.
const PERIOD: Duration = Duration::from_millis(100);
/// The period while there is something to catch up.
const PERIOD_BEHIND: Duration = Duration::from_millis(10);
/// The most of the recording that one poll gives; with [`PERIOD`], speeds up to 50 need no catching up.
const LARGEST_STEP: Duration = Duration::from_secs(5);
