//! MAX30102 pulse oximeter front end on I2C (Maxim data sheet 19-7740).
//!
//! Gives the raw light of the red and the infrared diode, 18 bits, as two waveforms. Computes no
//! saturation: that needs a calibration this chip does not carry. The index of a sample counts what the
//! chip put into its FIFO or says it had to drop, so a FIFO that overflowed is an absence of that many. The
//! chip's overflow counter stops at 31; a longer overflow is stated as 31 and is longer.
//!
//! The `max3010x` crate was weighed: it takes a full FIFO (both pointers equal) for an empty one and
//! then never reads again.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::i2c::I2c;

use super::blocks::Blocks;
use super::i2c::Chip;
use super::port::{Port, absence_of};
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Absence, Decimal, Quality, Reading, Sampling, StreamKind, StreamSpec};

/// The front end on a port.
#[derive(Debug)]
pub struct Max30102<P: Port> {
    chip: Chip<P>,
    rate: u32,
    streams: [StreamSpec; 2],
    red: Blocks,
    infrared: Blocks,
}

/// How the FIFO stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fifo {
    /// Samples that can be read.
    held: usize,
    /// Samples that found it full and are lost.
    dropped: u64,
}

impl<P: Port> Max30102<P>
where
    P::Bus: I2c,
{
    /// The front end at `rate` samples per second: 50, 100, 200 or 400. Another rate is refused at start.
    pub fn new(port: P, rate: u32) -> Self {
        let longest = usize::try_from(rate.max(1)).unwrap_or(usize::MAX);
        Self {
            chip: Chip::new("max30102", ADDRESS, port),
            rate,
            streams: [
                light(RED_STREAM_NAME, rate),
                light(INFRARED_STREAM_NAME, rate),
            ],
            red: Blocks::new(0, longest),
            infrared: Blocks::new(1, longest),
        }
    }

    fn configure(&mut self, rate: u8) -> Result<(), Fault> {
        let [id] = self.chip.read(PART_ID)?;
        if id != PART_ID_MAX30102 {
            let why = format!("its id is {id:#04x}, a MAX30102 says 0x15");
            return Err(self.chip.fault(FaultKind::OtherDevice, why));
        }
        self.chip.write(&[MODE_CONFIG, MODE_RESET])?;
        self.wait_for_reset()?;
        let spo2 = SPO2_RANGE_4096_NA | rate << SPO2_RATE_SHIFT | SPO2_WIDTH_411_US;
        self.chip.write(&[INTERRUPT_ENABLE_1, INTERRUPT_FULL])?;
        self.chip.write(&[FIFO_WRITE_POINTER, 0, 0, 0])?;
        self.chip
            .write(&[FIFO_CONFIG, FIFO_NO_ROLLOVER_FULL_AT_32])?;
        self.chip.write(&[SPO2_CONFIG, spo2])?;
        self.chip.write(&[LED_RED_CURRENT, LED_7_MA, LED_7_MA])?;
        self.chip.write(&[MODE_CONFIG, MODE_SPO2])
    }

    fn wait_for_reset(&mut self) -> Result<(), Fault> {
        for _ in 0..RESET_TRIES {
            let [mode] = self.chip.read(MODE_CONFIG)?;
            if mode & MODE_RESET == 0 {
                return Ok(());
            }
        }
        let why = "it does not come out of reset";
        Err(self.chip.fault(FaultKind::NoResponse, why))
    }

    fn drain(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        for _ in 0..MOST_FILLS {
            let registers = self
                .chip
                .read(INTERRUPT_STATUS_1)
                .inspect_err(|fault| self.break_off(fault.kind, readings))?;
            let fifo = fifo(registers);
            self.take(fifo.held, readings)?;
            self.both_absent(Absence::Overrun, fifo.dropped, readings);
            // Reading took a while; a FIFO that was nearly full may hold more by now.
            if fifo.held < DEPTH / 2 {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, held: usize, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        if held == 0 {
            return Ok(());
        }
        let mut bytes = [0; DEPTH * SAMPLE];
        let bytes = bytes.get_mut(..held * SAMPLE).unwrap_or_default();
        if let Err(fault) = self.chip.read_into(FIFO_DATA, bytes) {
            // The restart empties the FIFO, so exactly these are lost, and those that come until then.
            let lost = u64::try_from(held).unwrap_or(u64::MAX);
            self.both_absent(absence_of(fault.kind), lost, readings);
            self.break_off(fault.kind, readings);
            return Err(fault);
        }
        for sample in bytes.as_chunks::<SAMPLE>().0 {
            let [r2, r1, r0, i2, i1, i0] = *sample;
            let (red, infrared) = (convert([r2, r1, r0]), convert([i2, i1, i0]));
            self.red.value(red, range(red), readings);
            self.infrared.value(infrared, range(infrared), readings);
        }
        Ok(())
    }

    fn both_absent(&mut self, reason: Absence, count: u64, readings: &mut Vec<Reading>) {
        self.red.absent(reason, count, readings);
        self.infrared.absent(reason, count, readings);
    }

    fn break_off(&mut self, kind: FaultKind, readings: &mut Vec<Reading>) {
        self.red.broken_off(absence_of(kind), readings);
        self.infrared.broken_off(absence_of(kind), readings);
    }
}

impl<P: Port> Device for Max30102<P>
where
    P::Bus: I2c,
{
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    /// Half the FIFO, so that a poll may come as late again before anything is dropped.
    fn period(&self) -> Duration {
        Duration::from_secs(DEPTH as u64 / 2) / self.rate.max(1)
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.chip.release();
        let rate = rate_code(self.rate).ok_or_else(|| {
            let asked = self.rate;
            let why = format!("it cannot sample at {asked} Hz: choose 50, 100, 200 or 400");
            self.chip.fault(FaultKind::Unopened, why)
        })?;
        self.chip.open()?;
        self.configure(rate).inspect_err(|_| {
            self.chip.release();
        })
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        self.chip.is_open()?;
        self.drain(readings).inspect_err(|_| {
            self.chip.release();
        })
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.red.flush(readings);
        self.infrared.flush(readings);
    }
}

fn light(name: &str, rate: u32) -> StreamSpec {
    StreamSpec {
        name: name.to_string(),
        // The nomenclature's PLETH is a processed curve; raw light of one diode has no code there.
        code: 0,
        unit: "1".to_string(),
        kind: StreamKind::Waveform,
        sampling: Some(Sampling {
            rate_numerator: u64::from(rate),
            rate_denominator: 1,
            scale: Decimal::new(1, 0),
            offset: Decimal::new(0, 0),
        }),
    }
}

/// Three bytes of the FIFO, most significant first; the upper six bits mean nothing.
#[must_use]
pub fn convert([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([0, high, middle, low]) & FULL_SCALE
}

fn range(raw: i32) -> Quality {
    Quality {
        over_range: raw == FULL_SCALE,
        ..Quality::default()
    }
}

/// How the FIFO stands, from the seven registers 0x00 to 0x06 read in one go.
fn fifo([status, _, _, _, write, dropped, read]: [u8; 7]) -> Fifo {
    let distance = usize::from(write.wrapping_sub(read) & POINTER_MASK);
    let dropped = u64::from(dropped & POINTER_MASK);
    // Equal pointers are an empty FIFO or a full one. Only the interrupt flag, set when the last place is
    // taken, tells them apart before the first sample is dropped.
    let full = distance == 0 && (dropped > 0 || status & INTERRUPT_FULL != 0);
    let held = if full { DEPTH } else { distance };
    Fifo { held, dropped }
}

const fn rate_code(rate: u32) -> Option<u8> {
    match rate {
        50 => Some(0),
        100 => Some(1),
        200 => Some(2),
        400 => Some(3),
        _ => None,
    }
}

const ADDRESS: u8 = 0x57;
const DEPTH: usize = 32;
/// Bytes of a sample: three for red, three for infrared.
const SAMPLE: usize = 6;
const FULL_SCALE: i32 = (1 << 18) - 1;
/// A poll ends after this many full FIFOs, however far behind the host is.
const MOST_FILLS: usize = 1024;
/// Reads of the mode register until the reset bit must be gone; one takes about 0.1 ms.
const RESET_TRIES: usize = 100;

const INTERRUPT_STATUS_1: u8 = 0x00;
const INTERRUPT_ENABLE_1: u8 = 0x02;
const FIFO_WRITE_POINTER: u8 = 0x04;
const FIFO_DATA: u8 = 0x07;
const FIFO_CONFIG: u8 = 0x08;
const MODE_CONFIG: u8 = 0x09;
const SPO2_CONFIG: u8 = 0x0a;
const LED_RED_CURRENT: u8 = 0x0c;
const PART_ID: u8 = 0xff;

const PART_ID_MAX30102: u8 = 0x15;
const INTERRUPT_FULL: u8 = 1 << 7;
const POINTER_MASK: u8 = 0x1f;
/// No averaging; a full FIFO keeps the old samples; "almost full" means 32 unread.
const FIFO_NO_ROLLOVER_FULL_AT_32: u8 = 0;
const MODE_RESET: u8 = 1 << 6;
const MODE_SPO2: u8 = 0b011;
const SPO2_RANGE_4096_NA: u8 = 0b01 << 5;
const SPO2_RATE_SHIFT: u8 = 2;
/// 411 us light a sample: 18 bits.
const SPO2_WIDTH_411_US: u8 = 0b11;
/// 0.2 mA a step.
const LED_7_MA: u8 = 0x24;

const RED_STREAM_NAME: &str = "ppg-red";
const INFRARED_STREAM_NAME: &str = "ppg-infrared";
