//! An ADS1115 as its registers show it (data sheet SBAS444), behind a pressure transducer of 10 mV/mmHg.
//!
//! The signal is on input 0, the others are at ground. Where the signal has no value a conversion never
//! becomes complete.

use std::time::Duration;

use super::World;
use super::bus::{Chip, I2cChip, Shared, Simulated};
use super::pace::steps;
use super::source::{Ending, PRESSURE_UNITS, Source};
use crate::device::{Device, Fault};
use crate::drivers;

/// An ADS1115 at a 7-bit address of a simulated bus, its input 0 to 3 read every `period`.
#[must_use]
pub fn ads1115(world: &World, address: u8, input: u8, period: Duration) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Ads1115 {
        world: world.clone(),
        ending: ending.clone(),
        address,
        source: None,
        pointer: 0,
        configuration: AT_RESET,
        begun: None,
        result: 0,
    };
    let device = drivers::ads1115::Ads1115::new(Shared::new(chip, world), address, input, period);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Ads1115 {
    world: World,
    ending: Ending,
    address: u8,
    source: Option<Source>,
    pointer: u8,
    configuration: u16,
    /// When the conversion that is under way began.
    begun: Option<Duration>,
    result: i32,
}

impl Ads1115 {
    /// Ends the conversion whose time is over.
    fn convert(&mut self) {
        let now = self.world.clock.now();
        let Some(begun) = self.begun.filter(|begun| now >= *begun + CONVERSION) else {
            return;
        };
        let source = self.source.as_mut();
        let millivolts = match self.configuration >> 12 & 0b111 {
            0b100 => source
                .and_then(|source| source.pressure(begun))
                .map(|mmhg| mmhg * 10.0),
            _ => Some(0.0),
        };
        if let Some(millivolts) = millivolts {
            self.result = steps(
                millivolts / full_scale(self.configuration) * 32_768.0,
                i32::from(i16::MIN),
                i32::from(i16::MAX),
            );
            self.begun = None;
        }
    }
}

impl Chip for Ads1115 {
    fn power(&mut self) -> Result<(), Fault> {
        if self.source.is_none() {
            self.source = Some(Source::open_to_its_end(
                &self.world,
                &PRESSURE_UNITS,
                &self.ending,
            )?);
        }
        Ok(())
    }

    fn reset(&mut self) {
        (self.configuration, self.begun, self.result) = (AT_RESET, None, 0);
    }
}

impl I2cChip for Ads1115 {
    fn address(&self) -> u8 {
        self.address
    }

    fn write(&mut self, bytes: &[u8]) {
        let [pointer, data @ ..] = bytes else { return };
        self.convert();
        self.pointer = *pointer;
        let word = <[u8; 2]>::try_from(data).map(u16::from_be_bytes);
        if let (CONFIGURATION, Ok(word)) = (*pointer, word) {
            self.configuration = word & !READY;
            if word & READY != 0 {
                self.begun = Some(self.world.clock.now());
            }
        }
    }

    fn read(&mut self, bytes: &mut [u8]) {
        self.convert();
        let [.., high, low] = self.result.to_be_bytes();
        let ready = if self.begun.is_none() { READY } else { 0 };
        let register = match self.pointer {
            CONVERSION_RESULT => [high, low],
            CONFIGURATION => (self.configuration | ready).to_be_bytes(),
            _ => [0; 2],
        };
        for (byte, value) in bytes.iter_mut().zip(register.iter().cycle()) {
            *byte = *value;
        }
    }
}

/// Millivolts at the end of the set range.
fn full_scale(configuration: u16) -> f64 {
    match configuration >> 9 & 0b111 {
        0 => 6144.0,
        1 => 4096.0,
        2 => 2048.0,
        3 => 1024.0,
        4 => 512.0,
        _ => 256.0,
    }
}

const CONVERSION_RESULT: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
const READY: u16 = 1 << 15;
const AT_RESET: u16 = 0x0583;
/// At 128 a second.
const CONVERSION: Duration = Duration::from_micros(7813);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::testing::{Hand, numbers, world};

    #[test]
    fn the_driver_reads_the_patients_pressure() {
        let hand = Hand::default();
        let mut device = ads1115(&world(&hand), 0x48, 0, Duration::from_millis(20));
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..500 {
            device.poll(&mut readings).unwrap();
            hand.advance(Duration::from_millis(20));
        }
        let mmhg: Vec<_> = numbers(&readings, 0).iter().map(|mv| mv / 10.0).collect();
        assert_eq!(mmhg.len(), 499);
        let highest = mmhg.iter().copied().fold(f64::MIN, f64::max);
        let lowest = mmhg.iter().copied().fold(f64::MAX, f64::min);
        assert!((110.0..135.0).contains(&highest), "{highest}");
        assert!((65.0..90.0).contains(&lowest), "{lowest}");
    }

    #[test]
    fn an_input_at_ground_reads_zero_volts() {
        let hand = Hand::default();
        let mut device = ads1115(&world(&hand), 0x48, 3, Duration::from_millis(20));
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..3 {
            device.poll(&mut readings).unwrap();
            hand.advance(Duration::from_millis(20));
        }
        assert_eq!(numbers(&readings, 0), [0.0, 0.0]);
    }
}
