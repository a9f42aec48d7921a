//! A TMP102 or TMP105 as its registers show it (data sheets SBOS397 and SBOS648).
//!
//! The result register holds the newest of four conversions a second, rounded down to the set resolution.
//! The chip has no word for "no value": where its signal has none it acknowledges nothing.

use std::time::Duration;

use super::World;
use super::bus::{Chip, I2cChip, Shared, Simulated};
use super::pace::{Pace, steps};
use super::source::{Ending, Source, TEMPERATURE_UNITS};
use crate::device::{Device, Fault};
use crate::drivers;
use crate::drivers::tmp10x::Part;

/// A TMP102 or TMP105 at a 7-bit address of a simulated bus, read every `period`.
#[must_use]
pub fn tmp10x(world: &World, part: Part, address: u8, period: Duration) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Tmp10x {
        world: world.clone(),
        ending: ending.clone(),
        part,
        address,
        source: None,
        pointer: 0,
        configuration: at_reset(part),
        pace: Pace::of_cycle(world.clock.now(), CYCLE),
    };
    let device = drivers::tmp10x::Tmp10x::new(part, Shared::new(chip, world), address, period);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Tmp10x {
    world: World,
    ending: Ending,
    part: Part,
    address: u8,
    source: Option<Source>,
    pointer: u8,
    configuration: [u8; 2],
    pace: Pace,
}

impl Tmp10x {
    fn celsius(&mut self) -> Option<f64> {
        let newest = self.pace.completed(self.world.clock.now()).checked_sub(1);
        let Some(newest) = newest else {
            return Some(0.0);
        };
        // The last conversion of a recording lies within it.
        let time = self
            .pace
            .time(newest)
            .saturating_sub(Duration::from_nanos(1));
        let source = self.source.as_mut()?;
        source.temperature(source.within(time))
    }

    fn register(&mut self) -> [u8; 2] {
        if self.pointer != TEMPERATURE {
            return self.configuration;
        }
        let [high, _] = self.configuration;
        // Bits beyond the resolution read 0.
        let unset = match self.part {
            Part::Tmp102 => 0,
            Part::Tmp105 => 3 - (high >> 5 & 0b11),
        };
        let celsius = self.celsius().unwrap_or(0.0);
        let code = steps((celsius * 16.0).floor(), -2048, 2047) >> unset << unset;
        let [.., high, low] = (code << 4).to_be_bytes();
        [high, low]
    }
}

impl Chip for Tmp10x {
    fn power(&mut self) -> Result<(), Fault> {
        if self.source.is_none() {
            self.source = Some(Source::open_to_its_end(
                &self.world,
                &TEMPERATURE_UNITS,
                &self.ending,
            )?);
            self.reset();
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.configuration = at_reset(self.part);
        let pace = Pace::of_cycle(self.world.clock.now(), CYCLE);
        self.pace = pace.drifting(self.world.scenario.drift_ppm);
    }
}

impl I2cChip for Tmp10x {
    fn address(&self) -> u8 {
        self.address
    }

    fn acknowledges(&mut self) -> bool {
        self.celsius().is_some()
    }

    fn write(&mut self, bytes: &[u8]) {
        let [pointer, data @ ..] = bytes else { return };
        self.pointer = *pointer & 0b11;
        if self.pointer == CONFIGURATION {
            let writable = match self.part {
                // Resolution and alert can only be read.
                Part::Tmp102 => [0x1f, 0xd0],
                Part::Tmp105 => [0x7f, 0],
            };
            for ((slot, byte), mask) in self.configuration.iter_mut().zip(data).zip(writable) {
                *slot = *slot & !mask | byte & mask;
            }
        }
    }

    /// The pointer does not move. The TMP105 repeats the one byte of its configuration.
    fn read(&mut self, bytes: &mut [u8]) {
        let [high, low] = self.register();
        let low = match self.part {
            Part::Tmp105 if self.pointer == CONFIGURATION => high,
            _ => low,
        };
        for (byte, value) in bytes.iter_mut().zip([high, low].iter().cycle()) {
            *byte = *value;
        }
    }
}

/// The TMP102 begins with 12 bits, the TMP105 with 9.
const fn at_reset(part: Part) -> [u8; 2] {
    match part {
        Part::Tmp102 => [0x60, 0xa0],
        Part::Tmp105 => [0, 0],
    }
}

const TEMPERATURE: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
const CYCLE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::testing::{Hand, numbers, world};

    #[test]
    fn the_driver_reads_the_patients_temperature_to_the_last_step() {
        for part in [Part::Tmp102, Part::Tmp105] {
            let hand = Hand::default();
            let mut device = tmp10x(&world(&hand), part, 0x4a, Duration::from_secs(1));
            device.start().unwrap();
            let mut readings = Vec::new();
            for _ in 0..30 {
                device.poll(&mut readings).unwrap();
                hand.advance(Duration::from_secs(1));
            }
            let celsius = numbers(&readings, 0);
            assert_eq!(celsius.len(), 29);
            for value in &celsius {
                assert!((value - 36.6).abs() <= 0.1 + 0.0625, "{part:?}: {value}");
            }
            // Nine bits would know half degrees only.
            let whole = |value: &f64| (value * 2.0).fract().abs() < 1e-9;
            assert!(!celsius.iter().all(whole), "{part:?}: {celsius:?}");
        }
    }
}
