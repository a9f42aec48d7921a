//! A MAX30205 as its registers show it (data sheet 19-8726).
//!
//! It converts when it is told to and rests else. The chip has no word for "no value": where its signal has
//! none it acknowledges nothing.

use std::time::Duration;

use super::World;
use super::bus::{Chip, I2cChip, Shared, Simulated};
use super::pace::steps;
use super::source::{Ending, Source, TEMPERATURE_UNITS};
use crate::device::{Device, Fault};
use crate::drivers;

/// A MAX30205 at a 7-bit address of a simulated bus, read every `period`.
#[must_use]
pub fn max30205(world: &World, address: u8, period: Duration) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Max30205 {
        world: world.clone(),
        ending: ending.clone(),
        address,
        source: None,
        pointer: 0,
        configuration: 0,
        ordered: None,
        result: 0,
    };
    let device = drivers::max30205::Max30205::new(Shared::new(chip, world), address, period);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Max30205 {
    world: World,
    ending: Ending,
    address: u8,
    source: Option<Source>,
    pointer: u8,
    configuration: u8,
    /// When the conversion that is under way was ordered.
    ordered: Option<Duration>,
    /// The last conversion; 0 before the first.
    result: i32,
}

impl Max30205 {
    fn celsius(&mut self, time: Duration) -> Option<f64> {
        let source = self.source.as_mut()?;
        source.temperature(source.within(time))
    }

    /// Ends the conversion whose time is over.
    fn convert(&mut self) {
        let now = self.world.clock.now();
        let Some(ordered) = self.ordered.filter(|ordered| now >= *ordered + CONVERSION) else {
            return;
        };
        if let Some(celsius) = self.celsius(ordered) {
            self.result = steps(celsius * 256.0, i32::from(i16::MIN), i32::from(i16::MAX));
        }
        self.ordered = None;
    }
}

impl Chip for Max30205 {
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
        (self.configuration, self.ordered, self.result) = (0, None, 0);
    }
}

impl I2cChip for Max30205 {
    fn address(&self) -> u8 {
        self.address
    }

    fn acknowledges(&mut self) -> bool {
        let time = self.ordered.unwrap_or_else(|| self.world.clock.now());
        self.celsius(time).is_some()
    }

    fn write(&mut self, bytes: &[u8]) {
        let [pointer, data @ ..] = bytes else { return };
        self.convert();
        self.pointer = *pointer;
        if let (CONFIGURATION, [byte]) = (*pointer, data) {
            self.configuration = byte & !ONE_SHOT;
            if byte & (ONE_SHOT | SHUTDOWN) == ONE_SHOT | SHUTDOWN {
                self.ordered = Some(self.world.clock.now());
            }
        }
    }

    fn read(&mut self, bytes: &mut [u8]) {
        self.convert();
        let [.., high, low] = self.result.to_be_bytes();
        let register = match self.pointer {
            TEMPERATURE => [high, low],
            CONFIGURATION => [self.configuration; 2],
            _ => [0; 2],
        };
        for (byte, value) in bytes.iter_mut().zip(register.iter().cycle()) {
            *byte = *value;
        }
    }
}

const TEMPERATURE: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
const SHUTDOWN: u8 = 0x01;
const ONE_SHOT: u8 = 0x80;
const CONVERSION: Duration = Duration::from_millis(44);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::testing::{Hand, numbers, world};

    #[test]
    fn the_driver_reads_the_patients_temperature_to_the_last_step() {
        let hand = Hand::default();
        let mut device = max30205(&world(&hand), 0x48, Duration::from_secs(1));
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..30 {
            device.poll(&mut readings).unwrap();
            hand.advance(Duration::from_secs(1));
        }
        let celsius = numbers(&readings, 0);
        assert_eq!(celsius.len(), 29);
        for value in celsius {
            assert!((value - 36.6).abs() <= 0.1 + 0.004, "{value}");
        }
    }
}
