//! A Nonin oximeter at byte level: frames of data format 2 on a real pseudo terminal.
//!
//! The driver opens the terminal by its path, as it opens a serial adapter. A thread writes the frames
//! when they are due; frames that find no room wait and are written later, so a slow host loses none. The
//! terminal and the thread begin with the first start and end with the device.

mod line;

use std::time::Duration;

use self::line::Line;
use super::World;
use super::bus::Simulated;
use super::pace::{Pace, steps};
use super::source::{Ending, Source};
use super::wires::Wires;
use crate::device::{Device, Fault};
use crate::drivers;
use crate::drivers::Port;
use crate::drivers::nonin::{FRAME, FRAMES};
use crate::linux::SerialPort;

/// A Nonin oximeter on a simulated serial line.
#[must_use]
pub fn nonin(world: &World) -> Box<dyn Device> {
    let ending = Ending::default();
    let port = Terminal {
        world: world.clone(),
        ending: ending.clone(),
        line: None,
    };
    let device = drivers::nonin::Nonin::new(port);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

/// The serial port of `linux::nonin`, on a terminal that is made when it is first opened.
#[derive(Debug)]
struct Terminal {
    world: World,
    ending: Ending,
    line: Option<Line>,
}

impl Port for Terminal {
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
            None => Line::begin(Oximeter::new(&self.world, &self.ending)?)?,
        };
        let path = self.line.insert(line).path();
        SerialPort::new(path).open()
    }
}

/// What the oximeter sends.
#[derive(Debug)]
struct Oximeter {
    world: World,
    ending: Ending,
    source: Source,
    wires: Wires,
    pace: Pace,
    /// Frames sent.
    sent: u64,
}

impl Oximeter {
    fn new(world: &World, ending: &Ending) -> Result<Self, Fault> {
        // The line ends when its last byte is written, not when the clock passes the signal's end.
        let source = Source::open(world, &[], ending)?;
        Ok(Self {
            source,
            wires: Wires::new(world),
            world: world.clone(),
            ending: ending.clone(),
            pace: Pace::at_rate(world.clock.now(), FRAMES_A_SECOND)
                .drifting(world.scenario.drift_ppm),
            sent: 0,
        })
    }

    /// What the line carries of the next frame, if it is due.
    fn due(&mut self) -> Option<Vec<u8>> {
        let now = self.world.clock.now();
        let reached = self.source.end().map_or(now, |end| now.min(end));
        if self.sent >= self.pace.completed(reached) {
            if reached < now {
                self.ending.set(Duration::ZERO, self.source.over());
            }
            return None;
        }
        let time = self
            .pace
            .time(self.sent)
            .saturating_sub(Duration::from_nanos(1));
        let place = self.sent % FRAMES as u64;
        self.sent += 1;
        let mut frame = self.frame(time, place).to_vec();
        self.wires.send(&mut frame);
        Some(frame)
    }

    fn frame(&mut self, time: Duration, place: u64) -> [u8; FRAME] {
        let patient = self.world.patient;
        let heart_rate = patient.heart_rate.min(HIGHEST_HEART_RATE).to_be_bytes();
        let [.., high, low] = heart_rate;
        let other = match place {
            0 => high << 1 | low >> 7,
            1 => low & 0x7f,
            2 => u8::try_from(patient.spo2.min(100)).unwrap_or(100),
            3 => FIRMWARE,
            _ => 0,
        };
        // Where a recording has no sample the sensor is off.
        let pulse = self.source.pulse(time);
        let disconnected = if pulse.is_none() {
            SENSOR_DISCONNECTED
        } else {
            0
        };
        let pleth = steps(FOOT + HEIGHT * pulse.unwrap_or(0.0), 0, 254);
        let pleth = u8::try_from(pleth).unwrap_or(0);
        let status = ALWAYS | disconnected | u8::from(place == 0);
        let sum = [1, status, pleth, other]
            .into_iter()
            .fold(0, u8::wrapping_add);
        [1, status, pleth, other, sum]
    }
}

const FRAMES_A_SECOND: u32 = 75;
const HIGHEST_HEART_RATE: u32 = 321;
const FIRMWARE: u8 = 0x30;
const ALWAYS: u8 = 1 << 7;
const SENSOR_DISCONNECTED: u8 = 1 << 6;
/// The pleth byte at the foot of a pulse, and the height of a pulse.
const FOOT: f64 = 20.0;
const HEIGHT: f64 = 180.0;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::reading::{Body, Decimal, Reading};
    use crate::sim::patient::Physiology;
    use crate::sim::testing::{Hand, samples, world};

    #[test]
    fn the_driver_reads_saturation_pulse_rate_and_wave_from_the_terminal() {
        let hand = Hand::default();
        let mut world = world(&hand);
        world.patient.heart_rate = 256;
        let mut device = nonin(&world);
        device.start().unwrap();
        hand.advance(Duration::from_secs(10));
        // The last of 30 packets is confirmed by the next.
        let readings = poll_until(device.as_mut(), |readings| values(readings, 0).len() >= 29);
        assert_eq!(values(&readings, 0), vec![Decimal::new(97, 0); 29]);
        assert_eq!(values(&readings, 1), vec![Decimal::new(256, 0); 29]);
        let pleth = samples(&readings, 2);
        assert_eq!(pleth.len(), 29 * 25);
        let mut body = Physiology::of(&world);
        let pace = Pace::at_rate(Duration::ZERO, 75);
        for (number, value) in (0..).zip(pleth) {
            let pulse = body.pulse(pace.time(number) - Duration::from_nanos(1));
            assert_eq!(
                value,
                steps(20.0 + 180.0 * pulse, 0, 254),
                "sample {number}"
            );
        }
    }

    #[test]
    fn a_restart_opens_the_same_line_again() {
        let hand = Hand::default();
        let mut device = nonin(&world(&hand));
        for _ in 0..3 {
            device.start().unwrap();
            hand.advance(Duration::from_secs(2));
            let readings = poll_until(device.as_mut(), |readings| values(readings, 0).len() >= 4);
            assert!(
                values(&readings, 0)
                    .iter()
                    .all(|spo2| *spo2 == Decimal::new(97, 0))
            );
        }
    }

    #[test]
    fn the_writer_has_ended_when_the_device_is_dropped() {
        let hand = Hand::default();
        let mut device = nonin(&world(&hand));
        device.start().unwrap();
        // More than the terminal holds, and nobody reads.
        hand.advance(Duration::from_secs(600));
        assert!(hand.holders() > 1);
        drop(device);
        assert_eq!(hand.holders(), 1);
    }

    /// Polls until enough has come, then gives out the rest; fails after half a minute.
    fn poll_until(device: &mut dyn Device, enough: impl Fn(&[Reading]) -> bool) -> Vec<Reading> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut readings = Vec::new();
        while !enough(&readings) {
            assert!(Instant::now() < deadline, "too few readings: {readings:?}");
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        readings
    }

    fn values(readings: &[Reading], stream: usize) -> Vec<Decimal> {
        let of_stream = readings.iter().filter(|reading| reading.stream == stream);
        of_stream
            .map(|reading| match reading.body {
                Body::Numeric { value, .. } => value,
                Body::Samples { .. } | Body::Absent { .. } | Body::Alarm { .. } => {
                    panic!("{reading:?}")
                }
            })
            .collect()
    }
}
