//! A sensor board: the drivers of a TMP105, a MAX30102 and an ADS1292R, their readings framed as the firmware
//! frames them.
//!
//! The board runs whenever the host looks at the line, and the line holds what it has sent: a host that comes
//! late loses nothing. Faults of a scenario happen on its line; those of chips and patient on the board.

use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::bus::Simulated;
use super::source::Ending;
use super::wires::Wires;
use super::{Scenario, SimBus, SimFault, World};
use crate::device::{Device, Fault};
use crate::drivers::Port;
use crate::drivers::board::{BOARD, Board, Content, Frame};
use crate::drivers::line::{ByteSource, Listener};
use crate::drivers::tmp10x::Part;
use crate::reading::Reading;

/// A sensor board on a simulated line.
#[must_use]
pub fn board(world: &World) -> Box<dyn Device> {
    let port = Line {
        world: world.clone(),
    };
    let device = Listener::new(port, Board::default());
    Box::new(Simulated::new(
        device,
        world.clock.clone(),
        Ending::default(),
    ))
}

/// The line that a board starts on when it is opened.
#[derive(Debug)]
struct Line {
    world: World,
}

/// A board that runs.
struct Running {
    world: World,
    sensors: Vec<Sensor>,
    wires: Wires,
    sequence: u16,
    readings: Vec<Reading>,
    /// Sent, and not read yet.
    sent: Vec<u8>,
}

/// A sensor of the board.
struct Sensor {
    device: Box<dyn Device>,
    /// The channel of its first stream.
    channel: u8,
    due: Duration,
    started: bool,
}

impl Port for Line {
    type Bus = Running;

    fn name(&self) -> String {
        "sim".to_owned()
    }

    fn open(&mut self) -> Result<Running, Fault> {
        let mut running = Running::new(&self.world);
        running.send(BOARD, Content::Started);
        Ok(running)
    }
}

impl Running {
    fn new(world: &World) -> Self {
        let inner = World {
            bus: SimBus::default(),
            scenario: Arc::new(on_board(&world.scenario)),
            ..world.clone()
        };
        let sensors: [(Box<dyn Device>, u8); 3] = [
            (
                super::tmp10x(&inner, Part::Tmp105, 0x48, TEMPERATURE_PERIOD),
                0,
            ),
            (super::max30102(&inner, 100), 1),
            (super::ads1292r(&inner, 250), 3),
        ];
        let now = world.clock.now();
        let sensors = sensors.into_iter().map(|(device, channel)| Sensor {
            device,
            channel,
            due: now,
            started: false,
        });
        Self {
            sensors: sensors.collect(),
            wires: Wires::new(world),
            world: world.clone(),
            sequence: 0,
            readings: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn run(&mut self) {
        let now = self.world.clock.now();
        for mut sensor in mem::take(&mut self.sensors) {
            if sensor.due <= now {
                let outcome = if sensor.started {
                    sensor.device.poll(&mut self.readings)
                } else {
                    sensor.device.start()
                };
                sensor.started = outcome.is_ok();
                sensor.due = now + sensor.device.period();
                for reading in mem::take(&mut self.readings) {
                    let stream = u8::try_from(reading.stream).unwrap_or(0);
                    let channel = sensor.channel + stream;
                    if let Some(frame) = Frame::of(&reading, channel, self.sequence) {
                        self.send(frame.channel, frame.content);
                    }
                }
            }
            self.sensors.push(sensor);
        }
    }

    fn send(&mut self, channel: u8, content: Content) {
        let mut bytes = Vec::new();
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Frame {
            channel,
            sequence,
            content,
        }
        .encode(&mut bytes);
        self.wires.send(self.world.clock.now(), &mut bytes);
        self.sent.append(&mut bytes);
    }
}

impl ByteSource for Running {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if self.sent.is_empty() {
            thread::sleep(self.wires.slow());
            self.run();
        }
        let count = self.sent.len().min(buffer.len());
        for (slot, byte) in buffer.iter_mut().zip(self.sent.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }
}

/// What of a scenario happens on the board and not on its line.
fn on_board(scenario: &Scenario) -> Scenario {
    let mut on_board = scenario.clone();
    on_board
        .faults
        .retain(|fault| matches!(fault.what, SimFault::Off(_) | SimFault::Overflow));
    on_board
}

const TEMPERATURE_PERIOD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{Absence, Body};
    use crate::sim::scenario::Timed;
    use crate::sim::testing::{Hand, numbers, samples, world};

    fn play(world: &World, hand: &Hand, seconds: u64) -> Vec<Reading> {
        let mut device = board(world);
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..seconds * 4 {
            hand.advance(device.period());
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        readings
    }

    #[test]
    fn the_gateway_reads_what_the_board_reads() {
        let hand = Hand::default();
        let world = world(&hand);
        let readings = play(&world, &hand, 20);
        let celsius = numbers(&readings, 0);
        assert!(celsius.len() >= 15, "{celsius:?}");
        assert!(celsius.iter().all(|one| (one - 36.6).abs() < 0.2));
        // Whole blocks of a second; the last one is still on the board.
        for (stream, rate) in [(1, 100), (2, 100), (3, 250), (4, 250)] {
            let count = samples(&readings, stream).len();
            assert!(
                count >= 18 * rate && count.is_multiple_of(rate),
                "{stream}: {count}"
            );
        }
    }

    #[test]
    fn what_a_rough_line_loses_is_an_absence_in_its_place() {
        let hand = Hand::default();
        let mut world = world(&hand);
        world.scenario = Arc::new(Scenario {
            faults: vec![Timed {
                at: Duration::from_secs(5),
                lasting: Duration::from_secs(5),
                what: SimFault::BitFlips { one_in: 2 },
            }],
            ..Scenario::default()
        });
        let readings = play(&world, &hand, 20);
        let mut next = 0;
        let mut lost = 0;
        for reading in readings.iter().filter(|reading| reading.stream == 3) {
            let (first, count) = match &reading.body {
                Body::Samples { first, values } => (*first, values.len() as u64),
                Body::Absent {
                    reason: Absence::Garbled,
                    first,
                    count,
                    ..
                } => {
                    lost += count;
                    (first.unwrap(), *count)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(first, next);
            next = first + count;
        }
        assert!(next >= 18 * 250 && lost > 0, "{next} {lost}");
    }
}
