//! A MAX30102 as its registers show it (data sheet 19-7740).
//!
//! The FIFO takes a conversion as soon as it is due and has room. A host that polls late finds the FIFO
//! full and, as it reads, the conversions that waited: slowness of the host drops nothing here.

use std::mem;
use std::time::Duration;

use super::World;
use super::bus::{Chip, I2cChip, Shared, Simulated};
use super::pace::{Pace, steps};
use super::source::{Ending, Source};
use crate::device::{Device, Fault};
use crate::drivers;

/// A MAX30102 on a simulated bus, at `rate` samples per second.
#[must_use]
pub fn max30102(world: &World, rate: u32) -> Box<dyn Device> {
    let ending = Ending::default();
    let chip = Shared::new(Max30102::new(world.clone(), ending.clone()), world);
    let device = drivers::max30102::Max30102::new(chip, rate);
    Box::new(Simulated::new(device, world.clock.clone(), ending))
}

#[derive(Debug)]
struct Max30102 {
    world: World,
    ending: Ending,
    source: Option<Source>,
    registers: [u8; 256],
    pointer: u8,
    pace: Option<Pace>,
    /// Conversions that left the FIFO or were cleared from it.
    taken: u64,
    /// Whether a scenario keeps the host away.
    apart: bool,
    /// Conversions that found the FIFO full: they lie after those it keeps.
    dropped: u64,
    /// Conversions that must be read before the dropped ones are passed over.
    kept: u64,
    /// What is left of the sample at the head of the FIFO.
    head: Vec<u8>,
}

impl Max30102 {
    fn new(world: World, ending: Ending) -> Self {
        let mut chip = Self {
            world,
            ending,
            source: None,
            registers: [0; 256],
            pointer: 0,
            pace: None,
            taken: 0,
            apart: false,
            dropped: 0,
            kept: 0,
            head: Vec::new(),
        };
        chip.forget();
        chip
    }

    fn forget(&mut self) {
        self.registers = [0; 256];
        self.set(INTERRUPT_STATUS_1, POWER_READY);
        self.set(PART_ID, 0x15);
        self.set(REVISION_ID, 0x03);
        self.pace = None;
        self.taken = 0;
        (self.dropped, self.kept) = (0, 0);
        self.head.clear();
    }

    fn due(&self) -> u64 {
        let now = self.world.clock.now();
        let end = self.source.as_ref().and_then(Source::end);
        let now = end.map_or(now, |end| now.min(end));
        let completed = self.pace.map_or(0, |pace| pace.completed(now));
        completed.saturating_sub(self.taken)
    }

    fn held(&self) -> u64 {
        match (self.apart, self.kept) {
            (true, _) => 0,
            (false, 0) => self.due().min(DEPTH),
            (false, kept) => kept,
        }
    }

    /// Looks whether host and chip are kept apart. When they come together again the FIFO is full of the
    /// oldest, and what found it full is lost and counted.
    fn look(&mut self) {
        let apart = self.world.scenario.kept_apart(self.world.clock.now());
        if self.apart && !apart {
            self.dropped = self.due().saturating_sub(DEPTH);
            self.kept = if self.dropped > 0 { DEPTH } else { 0 };
        }
        self.apart = apart;
    }

    fn register(&mut self, register: u8) -> u8 {
        match register {
            INTERRUPT_STATUS_1 => {
                self.look();
                let full = self.held() == DEPTH && self.value(INTERRUPT_ENABLE_1) & FULL != 0;
                let status = self.value(INTERRUPT_STATUS_1) | if full { FULL } else { 0 };
                self.set(INTERRUPT_STATUS_1, 0);
                status
            }
            FIFO_WRITE_POINTER => place(self.taken.saturating_add(self.held())),
            OVERFLOW_COUNTER => u8::try_from(self.dropped.min(MOST_COUNTED)).unwrap_or(0),
            FIFO_READ_POINTER => place(self.taken),
            FIFO_DATA => self.pop(),
            other => self.value(other),
        }
    }

    /// The next byte of the FIFO; an empty FIFO gives zeros.
    fn pop(&mut self) -> u8 {
        if self.head.is_empty() && self.held() > 0 {
            let time = self.pace.map(|pace| pace.time(self.taken));
            let [red, infrared] = self.light(time.unwrap_or_default());
            self.taken += 1;
            self.kept = self.kept.saturating_sub(1);
            if self.kept == 0 {
                self.taken += mem::take(&mut self.dropped);
            }
            // Given out from the end.
            for light in [infrared, red] {
                let [_, high, middle, low] = light.to_be_bytes();
                self.head.extend([low, middle, high]);
            }
        }
        self.head.pop().unwrap_or(0)
    }

    /// Light falls as blood comes. Where a recording has no sample there is no light, as without a finger.
    fn light(&mut self, time: Duration) -> [i32; 2] {
        let time = time.saturating_sub(Duration::from_nanos(1));
        let ratio = self.world.patient.red_ratio();
        let pulse = self.source.as_mut().and_then(|source| source.pulse(time));
        let Some(pulse) = pulse else { return [0; 2] };
        let counts = |level: f64, depth: f64| steps(level * (1.0 - depth * pulse), 0, FULL_SCALE);
        [
            counts(RED_LEVEL, PERFUSION * ratio),
            counts(INFRARED_LEVEL, PERFUSION),
        ]
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            MODE_CONFIG if value & RESET != 0 => self.forget(),
            MODE_CONFIG => {
                self.set(register, value);
                let rate = rate(self.value(SPO2_CONFIG));
                let converts = value & SHUTDOWN == 0 && value & MODE == MODE_SPO2;
                let now = self.world.clock.now();
                self.pace = converts
                    .then(|| Pace::at_rate(now, rate).drifting(self.world.scenario.drift_ppm));
                self.taken = 0;
                self.head.clear();
            }
            // Writing a pointer is how the FIFO is cleared.
            FIFO_WRITE_POINTER | FIFO_READ_POINTER => {
                self.taken += self.held() + mem::take(&mut self.dropped);
                self.kept = 0;
                self.head.clear();
            }
            PART_ID | REVISION_ID | INTERRUPT_STATUS_1 => {}
            other => self.set(other, value),
        }
    }

    fn value(&self, register: u8) -> u8 {
        self.registers
            .get(usize::from(register))
            .copied()
            .unwrap_or(0)
    }

    fn set(&mut self, register: u8, value: u8) {
        if let Some(slot) = self.registers.get_mut(usize::from(register)) {
            *slot = value;
        }
    }
}

impl Chip for Max30102 {
    fn power(&mut self) -> Result<(), Fault> {
        if self.source.is_none() {
            self.source = Some(Source::open_to_its_end(&self.world, &[], &self.ending)?);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.forget();
    }
}

impl I2cChip for Max30102 {
    fn address(&self) -> u8 {
        0x57
    }

    fn write(&mut self, bytes: &[u8]) {
        let [pointer, data @ ..] = bytes else { return };
        self.pointer = *pointer;
        for value in data {
            self.store(self.pointer, *value);
            self.step();
        }
    }

    fn read(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.register(self.pointer);
            self.step();
        }
    }
}

impl Max30102 {
    /// The pointer moves on by itself, except on the FIFO.
    fn step(&mut self) {
        if self.pointer != FIFO_DATA {
            self.pointer = self.pointer.wrapping_add(1);
        }
    }
}

fn place(count: u64) -> u8 {
    u8::try_from(count % DEPTH).unwrap_or(0)
}

fn rate(spo2_config: u8) -> u32 {
    match spo2_config >> 2 & 0b111 {
        0 => 50,
        1 => 100,
        2 => 200,
        3 => 400,
        4 => 800,
        5 => 1000,
        6 => 1600,
        _ => 3200,
    }
}

const DEPTH: u64 = 32;
/// Where the overflow counter stops.
const MOST_COUNTED: u64 = 31;
const FULL_SCALE: i32 = (1 << 18) - 1;
/// Counts of light without pulse, and the part of it that the pulse takes away.
const RED_LEVEL: f64 = 100_000.0;
const INFRARED_LEVEL: f64 = 120_000.0;
const PERFUSION: f64 = 0.02;

const INTERRUPT_STATUS_1: u8 = 0x00;
const INTERRUPT_ENABLE_1: u8 = 0x02;
const FIFO_WRITE_POINTER: u8 = 0x04;
const OVERFLOW_COUNTER: u8 = 0x05;
const FIFO_READ_POINTER: u8 = 0x06;
const FIFO_DATA: u8 = 0x07;
const MODE_CONFIG: u8 = 0x09;
const SPO2_CONFIG: u8 = 0x0a;
const REVISION_ID: u8 = 0xfe;
const PART_ID: u8 = 0xff;
const POWER_READY: u8 = 1;
const FULL: u8 = 1 << 7;
const SHUTDOWN: u8 = 1 << 7;
const RESET: u8 = 1 << 6;
const MODE: u8 = 0b111;
const MODE_SPO2: u8 = 0b011;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::testing::{Hand, samples, world};

    #[test]
    fn the_driver_reads_every_sample_and_the_pulse_is_the_patients() {
        let hand = Hand::default();
        let world = world(&hand);
        let mut device = max30102(&world, 100);
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..250 {
            hand.advance(device.period() / 4);
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        let (red, infrared) = (samples(&readings, 0), samples(&readings, 1));
        assert_eq!((red.len(), infrared.len()), (1000, 1000));
        let depth = |light: &[i32]| {
            let (low, high) = (light.iter().min().unwrap(), light.iter().max().unwrap());
            f64::from(high - low) / f64::from(*high)
        };
        let saturation = 110.0 - 25.0 * depth(&red) / depth(&infrared);
        assert!((saturation - 97.0).abs() < 1.0, "{saturation}");
    }

    #[test]
    fn a_host_that_polls_late_gets_every_sample() {
        let hand = Hand::default();
        let mut device = max30102(&world(&hand), 400);
        device.start().unwrap();
        let mut readings = Vec::new();
        for seconds in [0, 3, 1, 7] {
            hand.advance(Duration::from_secs(seconds));
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        assert_eq!(samples(&readings, 0).len(), 11 * 400);
    }

    #[test]
    fn a_restart_goes_on_counting() {
        let hand = Hand::default();
        let mut device = max30102(&world(&hand), 100);
        let mut readings = Vec::new();
        for _ in 0..3 {
            device.start().unwrap();
            hand.advance(Duration::from_millis(500));
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        assert_eq!(samples(&readings, 1).len(), 150);
    }
}
