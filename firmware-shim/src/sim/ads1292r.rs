//! An ADS1292R as its registers, commands and data-ready output show it (data sheet SBAS502).
//!
//! Data-ready gives one edge for each conversion that is due, and the next only when the host asks again:
//! a host that polls late reads every conversion, where the chip itself would have overwritten them.

use std::mem;
use std::time::Duration;

use super::World;
use super::bus::{Chip, Shared, Simulated, SpiChip};
use super::pace::{Pace, steps};
use super::patient::Lead;
use super::source::{ECG_UNITS, Ending, Source};
use crate::device::{Device, Fault};
use crate::drivers;
use crate::drivers::ads1292r::DataReady;

/// An ADS1292R on a simulated bus, at `rate` samples per second.
#[must_use]
pub fn ads1292r(world: &World, rate: u32) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Shared::new(Ads1292r::new(world.clone(), ending.clone()), world);
    let device = drivers::ads1292r::Ads1292r::new(chip.clone(), chip, rate);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Ads1292r {
    world: World,
    ending: Ending,
    source: Option<Source>,
    registers: [u8; REGISTERS],
    /// Whether it sends data without being asked; it then takes no register command.
    continuous: bool,
    pace: Option<Pace>,
    /// Conversions whose edge was given.
    converted: u64,
    /// Conversions due at the beginning of the host's round.
    round: Option<u64>,
    /// Whether edges went by that the host was kept from.
    missed: bool,
    expects: Expects,
    /// What it sends next, from the end.
    sending: Vec<u8>,
}

/// What the next byte on its input means.
#[derive(Debug, Clone, Copy)]
enum Expects {
    Command,
    Count { command: u8 },
    Values { register: usize, left: u8 },
}

impl Ads1292r {
    fn new(world: World, ending: Ending) -> Self {
        Self {
            world,
            ending,
            source: None,
            registers: AT_RESET,
            continuous: true,
            pace: None,
            converted: 0,
            round: None,
            missed: false,
            expects: Expects::Command,
            sending: Vec::new(),
        }
    }

    fn command(&mut self, command: u8) {
        match command {
            SDATAC => self.continuous = false,
            RESET => {
                self.registers = AT_RESET;
                self.continuous = true;
                self.pace = None;
            }
            START => {
                let rate = 125 << (self.register(CONFIG1) & 0b111);
                let pace = Pace::at_rate(self.world.clock.now(), rate);
                self.pace = Some(pace.drifting(self.world.scenario.drift_ppm));
                self.converted = 0;
                self.round = None;
            }
            STOP => self.pace = None,
            _ if self.continuous => {}
            RDATAC => self.continuous = true,
            RDATA => self.load(),
            _ if command & ADDRESSED == RREG || command & ADDRESSED == WREG => {
                self.expects = Expects::Count { command };
            }
            _ => {}
        }
    }

    fn addressed(&mut self, command: u8, count: u8) {
        let register = usize::from(command & !ADDRESSED);
        let number = count.saturating_add(1);
        if command & ADDRESSED == WREG {
            self.expects = Expects::Values {
                register,
                left: number,
            };
            return;
        }
        let values = self.registers.iter().skip(register).take(number.into());
        self.sending = values.rev().copied().collect();
        self.expects = Expects::Command;
    }

    fn store(&mut self, register: usize, value: u8) {
        if let Some(slot) = self.registers.get_mut(register)
            && register != ID
            && register != LOFF_STAT
        {
            *slot = value;
        }
    }

    /// Puts the newest conversion into the output register.
    fn load(&mut self) {
        let time = self.pace.zip(self.converted.checked_sub(1));
        let time = time.map(|(pace, newest)| pace.time(newest));
        // The last conversion of a recording lies within it.
        let time = time
            .unwrap_or_default()
            .saturating_sub(Duration::from_nanos(1));
        let mut potential = |lead| {
            self.source
                .as_mut()
                .and_then(|source| source.ecg(time, lead))
        };
        let (one, two) = (potential(Lead::I), potential(Lead::II));
        // A recording without a sample is an electrode that is off.
        let off = if one.is_none() { 0b0011 } else { 0 } | if two.is_none() { 0b1100 } else { 0 };
        let sensed = self.register(CONFIG2) & LEAD_OFF_COMPARATORS != 0;
        let off = if sensed {
            off & self.register(LOFF_SENS)
        } else {
            0
        };
        if let Some(slot) = self.registers.get_mut(LOFF_STAT) {
            *slot = off;
        }
        let status = [0xc0 | off >> 1, off << 7, 0];
        let one = self.code(CH1SET, one);
        let two = self.code(CH2SET, two);
        self.sending = [status, one, two].concat();
        self.sending.reverse();
    }

    fn code(&self, channel: usize, millivolts: Option<f64>) -> [u8; 3] {
        let setting = self.register(channel);
        let gain = match setting >> 4 & 0b111 {
            0 => 6.0,
            5 => 8.0,
            6 => 12.0,
            other => f64::from(other),
        };
        let connected = setting & (POWER_DOWN | MULTIPLEXER) == 0;
        let millivolts = millivolts.filter(|_| connected).unwrap_or(0.0);
        let full = f64::from(FULL_SCALE);
        let code = steps(
            millivolts * gain * full / REFERENCE_MV,
            -FULL_SCALE - 1,
            FULL_SCALE,
        );
        let [_, bytes @ ..] = code.to_be_bytes();
        bytes
    }

    fn register(&self, register: usize) -> u8 {
        self.registers.get(register).copied().unwrap_or(0)
    }

    fn due(&self) -> u64 {
        let now = self.world.clock.now();
        let end = self.source.as_ref().and_then(Source::end);
        let now = end.map_or(now, |end| now.min(end));
        self.pace.map_or(0, |pace| pace.completed(now))
    }
}

impl Chip for Ads1292r {
    fn power(&mut self) -> Result<(), Fault> {
        if self.source.is_none() {
            self.source = Some(Source::open_to_its_end(
                &self.world,
                &ECG_UNITS,
                &self.ending,
            )?);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.command(RESET);
    }
}

impl SpiChip for Ads1292r {
    fn select(&mut self) {
        self.expects = Expects::Command;
        self.sending.clear();
    }

    fn exchange(&mut self, byte: u8) -> u8 {
        let sent = self.sending.pop();
        match self.expects {
            // While it sends, what comes in are the clocks for it.
            Expects::Command if sent.is_none() => self.command(byte),
            Expects::Command => {}
            Expects::Count { command } => self.addressed(command, byte),
            Expects::Values { register, left } => {
                self.store(register, byte);
                self.expects = match left.saturating_sub(1) {
                    0 => Expects::Command,
                    left => Expects::Values {
                        register: register + 1,
                        left,
                    },
                };
            }
        }
        sent.unwrap_or(0)
    }
}

impl DataReady for Shared<Ads1292r> {
    fn begin(&mut self) -> Result<(), Fault> {
        self.lock().chip.round = None;
        Ok(())
    }

    fn next(&mut self) -> Result<u64, Fault> {
        let chip = &mut self.lock().chip;
        let due = chip.due();
        // A host that a scenario keeps away finds afterwards how many edges it has missed.
        if chip.world.scenario.kept_apart(chip.world.clock.now()) {
            chip.missed = true;
            chip.round = None;
            return Ok(0);
        }
        if mem::take(&mut chip.missed) {
            let missed = due.saturating_sub(chip.converted);
            chip.converted = due;
            return Ok(missed);
        }
        let round = *chip.round.get_or_insert(due);
        if chip.converted < round {
            chip.converted += 1;
            return Ok(1);
        }
        chip.round = None;
        Ok(0)
    }

    fn meanwhile(&mut self) -> Result<u64, Fault> {
        Ok(0)
    }
}

const REGISTERS: usize = 12;
/// From ID to GPIO.
const AT_RESET: [u8; REGISTERS] = [0x73, 0x02, 0x80, 0x10, 0, 0, 0, 0, 0, 0, 0x02, 0x0c];
const ID: usize = 0x00;
const CONFIG1: usize = 0x01;
const CONFIG2: usize = 0x02;
const CH1SET: usize = 0x04;
const CH2SET: usize = 0x05;
const LOFF_SENS: usize = 0x07;
const LOFF_STAT: usize = 0x08;
const LEAD_OFF_COMPARATORS: u8 = 1 << 6;
const POWER_DOWN: u8 = 1 << 7;
const MULTIPLEXER: u8 = 0b1111;

const RESET: u8 = 0x06;
const START: u8 = 0x08;
const STOP: u8 = 0x0a;
const RDATAC: u8 = 0x10;
const SDATAC: u8 = 0x11;
const RDATA: u8 = 0x12;
const RREG: u8 = 0x20;
const WREG: u8 = 0x40;
/// The part of a register command that is not the register.
const ADDRESSED: u8 = 0b1110_0000;
const FULL_SCALE: i32 = (1 << 23) - 1;
const REFERENCE_MV: f64 = 2420.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::patient::Physiology;
    use crate::sim::testing::{Hand, samples, world};

    #[test]
    fn the_driver_reads_the_patients_ecg_sample_for_sample() {
        let hand = Hand::default();
        let world = world(&hand);
        let mut device = ads1292r(&world, 250);
        device.start().unwrap();
        let mut readings = Vec::new();
        // 10 s in uneven steps
        for step in 0..100 {
            hand.advance(Duration::from_millis(if step % 2 == 0 { 27 } else { 173 }));
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        let mut body = Physiology::of(&world);
        for (stream, lead) in [(0, Lead::I), (1, Lead::II)] {
            let values = millivolts(&samples(&readings, stream));
            assert_eq!(values.len(), 2500);
            for (number, value) in (1..).zip(&values) {
                let truth = body.ecg(Duration::from_nanos(4_000_000 * number - 1), lead);
                assert!(
                    (value - truth).abs() < 0.000_1,
                    "sample {number}: {value} for {truth}"
                );
            }
        }
    }

    #[test]
    fn a_minute_of_lead_ii_has_as_many_r_peaks_as_the_heart_beats() {
        for heart_rate in [40, 72, 180] {
            let hand = Hand::default();
            let mut world = world(&hand);
            world.patient.heart_rate = heart_rate;
            let mut device = ads1292r(&world, 500);
            device.start().unwrap();
            hand.advance(Duration::from_secs(60));
            let mut readings = Vec::new();
            device.poll(&mut readings).unwrap();
            device.flush(&mut readings);
            let values = millivolts(&samples(&readings, 1));
            let rises = values
                .windows(2)
                .filter(|pair| pair[0] < 0.6 && pair[1] >= 0.6);
            let peaks = u32::try_from(rises.count()).unwrap();
            assert!(peaks.abs_diff(heart_rate) <= 1, "{peaks} for {heart_rate}");
        }
    }

    #[test]
    fn a_rate_that_the_chip_does_not_have_is_refused() {
        let fault = ads1292r(&world(&Hand::default()), 333).start().unwrap_err();
        assert!(fault.detail.contains("333"), "{fault}");
    }

    fn millivolts(samples: &[i32]) -> Vec<f64> {
        let step = REFERENCE_MV / 6.0 / f64::from(FULL_SCALE);
        samples.iter().map(|raw| f64::from(*raw) * step).collect()
    }
}
