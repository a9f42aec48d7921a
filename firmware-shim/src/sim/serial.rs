//! What simulated serial devices share: a terminal made at the first start, and a schedule of what is due.
//!
//! The driver opens the terminal by its path, as it opens a serial adapter. A thread writes what is due;
//! bytes that find no room wait and are written later, so a slow host loses none. The terminal and the thread
//! begin with the first start and end with the device.

use std::fmt;
use std::time::Duration;

use super::bus::Simulated;
use super::line::{Line, Talker};
use super::pace::Pace;
use super::source::{Ending, Source};
use super::wires::Wires;
use super::{Patient, World};
use crate::device::{Device, Fault};
use crate::drivers::Port;
use crate::drivers::line::{Listener, Protocol, Settings};
use crate::linux::SerialPort;

/// A device with the protocol's real driver, on a terminal on whose other end stands what `make` makes.
pub(super) fn simulated<T: Talker>(
    world: &World,
    protocol: impl Protocol + 'static,
    make: impl Fn(&World, &Ending) -> Result<T, Fault> + Send + 'static,
) -> Box<dyn Device> {
    let ending = Ending::default();
    let (settings, made_of) = (protocol.settings(), (world.clone(), ending.clone()));
    let port = Terminal {
        settings,
        make: move || Line::begin(make(&made_of.0, &made_of.1)?),
        line: None,
    };
    let device = Listener::new(port, protocol);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

/// The serial port of the driver, on a terminal that is made when it is first opened.
struct Terminal<M> {
    settings: Settings,
    make: M,
    line: Option<Line>,
}

impl<M: Fn() -> Result<Line, Fault> + Send> Port for Terminal<M> {
    type Bus = <SerialPort as Port>::Bus;

    fn name(&self) -> String {
        self.line.as_ref().map_or_else(
            || "sim".to_owned(),
            |line| line.path().display().to_string(),
        )
    }

    fn open(&mut self) -> Result<Self::Bus, Fault> {
        let line = match self.line.take() {
            Some(line) => line,
            None => (self.make)()?,
        };
        let path = self.line.insert(line).path();
        SerialPort::new(path, self.settings).open()
    }
}

/// When a device speaks next, and of what.
#[derive(Debug)]
pub(super) struct Schedule {
    world: World,
    ending: Ending,
    source: Source,
    wires: Wires,
    pace: Pace,
    /// How often it has spoken.
    said: u64,
}

/// What a device can speak of at one moment.
#[derive(Debug)]
pub(super) struct Words<'a> {
    /// How often it has spoken before.
    pub(super) number: u64,
    /// The moment.
    pub(super) time: Duration,
    /// The patient's numbers.
    pub(super) patient: Patient,
    source: &'a mut Source,
}

impl Words<'_> {
    /// The pulse wave, about 0 to 1; none where a recording has no sample.
    pub(super) fn pulse(&mut self) -> Option<f64> {
        self.source.pulse(self.time)
    }

    /// The pulse wave so much earlier.
    pub(super) fn pulse_before(&mut self, earlier: Duration) -> Option<f64> {
        self.source.pulse(self.time.saturating_sub(earlier))
    }

    /// Degrees Celsius, in thousandths, as the patient was described.
    pub(super) const fn millicelsius(&self) -> i32 {
        self.patient.temperature_millicelsius
    }

    /// Hour, minute and second since the device was switched on at midnight.
    pub(super) fn time_of_day(&self) -> [u8; 3] {
        let seconds = self.time.as_secs() % 86_400;
        [seconds / 3600, seconds / 60 % 60, seconds % 60]
            .map(|part| u8::try_from(part).unwrap_or(0))
    }
}

impl Schedule {
    /// A device that speaks `rate` times a second.
    pub(super) fn open(world: &World, ending: &Ending, rate: u32) -> Result<Self, Fault> {
        Self::at(world, ending, Pace::at_rate(world.clock.now(), rate))
    }

    /// A device that speaks once in a `cycle`.
    pub(super) fn every(world: &World, ending: &Ending, cycle: Duration) -> Result<Self, Fault> {
        Self::at(world, ending, Pace::of_cycle(world.clock.now(), cycle))
    }

    fn at(world: &World, ending: &Ending, pace: Pace) -> Result<Self, Fault> {
        // The line ends when its last byte is written, not when the clock passes the signal's end.
        Ok(Self {
            source: Source::open(world, &[], ending)?,
            wires: Wires::new(world),
            world: world.clone(),
            ending: ending.clone(),
            pace: pace.drifting(world.scenario.drift_ppm),
            said: 0,
        })
    }

    /// The wires between it and the host.
    pub(super) const fn wires(&mut self) -> &mut Wires {
        &mut self.wires
    }

    /// What to speak of next, if it is time. A slow device speaks later, and of what was then.
    pub(super) fn next(&mut self) -> Option<Words<'_>> {
        let now = self.world.clock.now().saturating_sub(self.wires.slow());
        let reached = self.source.end().map_or(now, |end| now.min(end));
        if self.said >= self.pace.completed(reached) {
            if reached < now {
                self.ending.set(Duration::ZERO, self.source.over());
            }
            return None;
        }
        let time = self.pace.time(self.said);
        self.said += 1;
        Some(Words {
            number: self.said - 1,
            time: time.saturating_sub(Duration::from_nanos(1)),
            patient: self.world.patient,
            source: &mut self.source,
        })
    }

    /// Speaks by a function.
    pub(super) fn saying<S: FnMut(&mut Words<'_>) -> Vec<u8>>(self, say: S) -> Saying<S> {
        Saying {
            schedule: self,
            say,
        }
    }
}

/// A schedule and the function that puts it into bytes.
pub(super) struct Saying<S> {
    schedule: Schedule,
    say: S,
}

impl<S> fmt::Debug for Saying<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schedule.fmt(f)
    }
}

impl<S: FnMut(&mut Words<'_>) -> Vec<u8> + Send + 'static> Talker for Saying<S> {
    fn due(&mut self) -> Vec<u8> {
        while let Some(mut words) = self.schedule.next() {
            let (time, mut bytes) = (words.time, (self.say)(&mut words));
            self.schedule.wires.send(time, &mut bytes);
            // What a scenario swallows is not said later.
            if !bytes.is_empty() {
                return bytes;
            }
        }
        Vec::new()
    }
}
