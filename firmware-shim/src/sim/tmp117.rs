//! A TMP117 as its registers show it (data sheet SNOSD82).
//!
//! The result register holds the newest conversion, as on the chip: a host that polls late misses the
//! older ones, and none of them is owed to it.

use std::time::Duration;

use super::World;
use super::bus::{Chip, I2cChip, Shared, Simulated};
use super::pace::{Pace, steps};
use super::source::{Ending, Source, TEMPERATURE_UNITS};
use crate::device::{Device, Fault};
use crate::drivers;

/// A TMP117 at a 7-bit address of a simulated bus, read every `period`.
#[must_use]
pub fn tmp117(world: &World, address: u8, period: Duration) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Shared::new(Tmp117::new(world.clone(), address, ending.clone()), world);
    let device = drivers::tmp117::Tmp117::new(chip, address, period);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Tmp117 {
    world: World,
    ending: Ending,
    address: u8,
    source: Option<Source>,
    pointer: u8,
    configuration: u16,
    /// High limit, low limit, EEPROM unlock, EEPROM 1 to 3 and offset: kept, without effect here.
    kept: [u16; 7],
    pace: Option<Pace>,
    /// Conversions that the host has seen.
    seen: u64,
}

impl Tmp117 {
    fn new(world: World, address: u8, ending: Ending) -> Self {
        Self {
            world,
            ending,
            address,
            source: None,
            pointer: 0,
            configuration: CONFIGURATION_AT_RESET,
            kept: KEPT_AT_RESET,
            pace: None,
            seen: 0,
        }
    }

    fn restart(&mut self) {
        let now = self.world.clock.now();
        let stopped = self.configuration & MODE == MODE_SHUTDOWN;
        let pace = Pace::of_cycle(now, cycle(self.configuration));
        self.pace = (!stopped).then(|| pace.drifting(self.world.scenario.drift_ppm));
        self.seen = 0;
    }

    fn completed(&self) -> u64 {
        let now = self.world.clock.now();
        let end = self.source.as_ref().and_then(Source::end);
        let now = end.map_or(now, |end| now.min(end));
        self.pace.map_or(0, |pace| pace.completed(now))
    }

    fn register(&mut self) -> u16 {
        match self.pointer {
            TEMPERATURE => {
                self.seen = self.completed();
                self.result()
            }
            CONFIGURATION => {
                let ready = self.completed() > self.seen;
                self.seen = self.completed();
                self.configuration | if ready { DATA_READY } else { 0 }
            }
            DEVICE_ID => 0x0117,
            other => {
                let kept = usize::from(other).checked_sub(2);
                kept.and_then(|place| self.kept.get(place))
                    .copied()
                    .unwrap_or(0)
            }
        }
    }

    fn result(&mut self) -> u16 {
        let newest = self.completed().checked_sub(1);
        let value = newest.zip(self.pace).and_then(|(newest, pace)| {
            // The last conversion of a recording lies within it.
            let time = pace.time(newest).saturating_sub(Duration::from_nanos(1));
            self.source.as_mut()?.temperature(time)
        });
        let code = value.map_or(i32::from(i16::MIN), |celsius| {
            steps(
                celsius * 128.0,
                i32::from(i16::MIN) + 1,
                i32::from(i16::MAX),
            )
        });
        let [_, _, high, low] = code.to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}

impl Chip for Tmp117 {
    fn power(&mut self) -> Result<(), Fault> {
        if self.source.is_none() {
            self.source = Some(Source::open_to_its_end(
                &self.world,
                &TEMPERATURE_UNITS,
                &self.ending,
            )?);
            self.restart();
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.configuration = CONFIGURATION_AT_RESET;
        self.kept = KEPT_AT_RESET;
        self.restart();
    }
}

impl I2cChip for Tmp117 {
    fn address(&self) -> u8 {
        self.address
    }

    fn write(&mut self, bytes: &[u8]) {
        let [pointer, data @ ..] = bytes else { return };
        self.pointer = *pointer;
        let Ok(word) = <[u8; 2]>::try_from(data).map(u16::from_be_bytes) else {
            return;
        };
        match *pointer {
            CONFIGURATION if word & SOFT_RESET != 0 => self.reset(),
            CONFIGURATION => {
                self.configuration = word & CONFIGURATION_WRITABLE;
                self.restart();
            }
            other => {
                let kept = usize::from(other).checked_sub(2);
                if let Some(slot) = kept.and_then(|place| self.kept.get_mut(place)) {
                    *slot = word;
                }
            }
        }
    }

    /// The pointer does not move: more than two bytes repeat the register.
    fn read(&mut self, bytes: &mut [u8]) {
        let word = self.register().to_be_bytes();
        for (byte, value) in bytes.iter_mut().zip(word.iter().cycle()) {
            *byte = *value;
        }
    }
}

/// The cycle is never shorter than the averaged conversions take.
fn cycle(configuration: u16) -> Duration {
    let asked = match configuration >> 7 & 0b111 {
        0 => 15_500,
        1 => 125_000,
        2 => 250_000,
        3 => 500_000,
        4 => 1_000_000,
        5 => 4_000_000,
        6 => 8_000_000,
        _ => 16_000_000,
    };
    let averaged = match configuration >> 5 & 0b11 {
        0 => 15_500,
        1 => 125_000,
        2 => 500_000,
        _ => 1_000_000,
    };
    Duration::from_micros(asked.max(averaged))
}

const TEMPERATURE: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
const DEVICE_ID: u8 = 0x0f;
const DATA_READY: u16 = 1 << 13;
const MODE: u16 = 0b11 << 10;
const MODE_SHUTDOWN: u16 = 0b01 << 10;
const SOFT_RESET: u16 = 1 << 1;
const CONFIGURATION_WRITABLE: u16 = 0x0ffc;
const CONFIGURATION_AT_RESET: u16 = 0x0220;
const KEPT_AT_RESET: [u16; 7] = [0x6000, 0x8000, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Body;
    use crate::sim::testing::{Hand, world};

    #[test]
    fn the_driver_reads_the_patients_temperature_to_the_last_step() {
        let hand = Hand::default();
        let world = world(&hand);
        let body = super::super::patient::Physiology::of(&world);
        let mut device = tmp117(&world, 0x49, Duration::from_secs(1));
        device.start().unwrap();
        for second in 1..=30 {
            hand.advance(Duration::from_secs(1));
            let mut readings = Vec::new();
            device.poll(&mut readings).unwrap();
            let [reading] = &readings[..] else {
                panic!("{readings:?}")
            };
            let Body::Numeric { value, .. } = reading.body else {
                panic!("{reading:?}")
            };
            assert_eq!(value.exponent, -7);
            let celsius = f64::from(i32::try_from(value.mantissa).unwrap()) * 1e-7;
            let truth = body.temperature(Duration::from_secs(second));
            assert!(
                (celsius - truth).abs() <= 0.007_812_5,
                "{celsius} for {truth}"
            );
        }
    }

    #[test]
    fn a_conversion_is_given_once() {
        let hand = Hand::default();
        let mut device = tmp117(&world(&hand), 0x48, Duration::from_secs(1));
        device.start().unwrap();
        hand.advance(Duration::from_secs(1));
        let mut readings = Vec::new();
        device.poll(&mut readings).unwrap();
        device.poll(&mut readings).unwrap();
        assert_eq!(readings.len(), 1);
    }

    #[test]
    fn nobody_answers_at_another_address() {
        let world = world(&Hand::default());
        let chip = Shared::new(Tmp117::new(world.clone(), 0x48, Ending::default()), &world);
        let mut device = drivers::tmp117::Tmp117::new(chip, 0x49, Duration::from_secs(1));
        let fault = device.start().unwrap_err();
        assert_eq!(fault.kind, crate::device::FaultKind::NoResponse);
    }
}
