//! A MLX90614 as its SMBus shows it (data sheet 3901090614): words with their packet error code.
//!
//! Where its signal has no value the chip sets the error flag. The room is at 22 degrees.

use std::time::Duration;

use super::World;
use super::bus::{Chip, I2cChip, Shared, Simulated};
use super::pace::steps;
use super::source::{Ending, Source, TEMPERATURE_UNITS};
use crate::device::{Device, Fault};
use crate::drivers;
use crate::drivers::mlx90614::pec;

/// A MLX90614 at a 7-bit address of a simulated bus, read every `period`.
#[must_use]
pub fn mlx90614(world: &World, address: u8, period: Duration) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Mlx90614 {
        world: world.clone(),
        ending: ending.clone(),
        address,
        source: None,
        command: 0,
    };
    let device = drivers::mlx90614::Mlx90614::new(Shared::new(chip, world), address, period);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Mlx90614 {
    world: World,
    ending: Ending,
    address: u8,
    source: Option<Source>,
    command: u8,
}

impl Mlx90614 {
    fn word(&mut self) -> u16 {
        match self.command {
            CASE => kelvin(ROOM),
            OBJECT_1 => {
                let now = self.world.clock.now();
                let source = self.source.as_mut();
                let celsius = source.and_then(|source| source.temperature(source.within(now)));
                celsius.map_or(ERROR_FLAG, kelvin)
            }
            SMBUS_ADDRESS => 0xbe00 | u16::from(self.address),
            EMISSIVITY => 0xffff,
            _ => 0,
        }
    }
}

impl Chip for Mlx90614 {
    fn power(&mut self) -> Result<(), Fault> {
        if self.source.is_none() {
            self.source = Some(Source::open_to_its_end(
                &self.world,
                &TEMPERATURE_UNITS,
                &self.ending,
            )?);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.command = 0;
    }
}

impl I2cChip for Mlx90614 {
    fn address(&self) -> u8 {
        self.address
    }

    fn write(&mut self, bytes: &[u8]) {
        if let [command, ..] = bytes {
            self.command = *command;
        }
    }

    fn read(&mut self, bytes: &mut [u8]) {
        let [low, high] = self.word().to_le_bytes();
        let written = self.address << 1;
        let code = pec(&[written, self.command, written | 1, low, high]);
        for (byte, value) in bytes.iter_mut().zip([low, high, code]) {
            *byte = value;
        }
    }
}

/// 0.02 K a step.
fn kelvin(celsius: f64) -> u16 {
    let code = steps((celsius + 273.15) * 50.0, 0, 0x7fff);
    u16::try_from(code).unwrap_or(0)
}

const CASE: u8 = 0x06;
const OBJECT_1: u8 = 0x07;
/// Words of the EEPROM, with its opcode.
const EMISSIVITY: u8 = 0x24;
const SMBUS_ADDRESS: u8 = 0x2e;
const ERROR_FLAG: u16 = 1 << 15;
const ROOM: f64 = 22.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::testing::{Hand, numbers, world};

    #[test]
    fn the_driver_reads_the_patient_and_the_room() {
        let hand = Hand::default();
        let mut device = mlx90614(&world(&hand), 0x5a, Duration::from_secs(1));
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..10 {
            device.poll(&mut readings).unwrap();
            hand.advance(Duration::from_secs(1));
        }
        for value in numbers(&readings, 0) {
            assert!((value - 36.6).abs() <= 0.1 + 0.02, "{value}");
        }
        for value in numbers(&readings, 1) {
            assert!((value - 22.0).abs() <= 0.02, "{value}");
        }
    }
}
