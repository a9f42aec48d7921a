//! TMP117 body temperature sensor on I2C (Texas Instruments data sheet SNOSD82).
//!
//! Gives one number a poll, the exact decimal of the register: 7.8125 thousandths of a degree a step.
//! Promises never to give the power-up code or the same conversion twice: a conversion that is overdue is
//! an absence. The `tmp117` crate was weighed: it converts to `f32` and hides data-ready behind
//! a borrowed session, and three registers need no crate.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::i2c::I2c;

use super::i2c::{self, Asked, Chip};
use super::numeric::{self, MDC_TEMP_BODY, absent};
use super::port::Port;
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Absence, Decimal, Reading, StreamSpec};

/// The sensor on a port.
#[derive(Debug)]
pub struct Tmp117<P: Port> {
    chip: Chip<P>,
    period: Duration,
    streams: [StreamSpec; 1],
    /// Whether a conversion has been read since the last start.
    measured: bool,
    /// Polls since the last value.
    missed: u32,
}

impl<P: Port> Tmp117<P>
where
    P::Bus: I2c,
{
    /// The sensor at a 7-bit address (0x48 to 0x4b by its ADD0 pin), read every `period`.
    pub fn new(port: P, address: u8, period: Duration) -> Self {
        Self {
            chip: Chip::new("tmp117", address, port),
            period,
            streams: [numeric::stream("temperature", MDC_TEMP_BODY, "Cel")],
            measured: false,
            missed: 0,
        }
    }

    /// Poll and conversion are not in step, so one poll may find nothing new; two in a row may not.
    fn miss(&mut self) -> Option<Reading> {
        self.missed = self.missed.saturating_add(1);
        let count = match self.missed {
            1 => return None,
            2 => 2,
            _ => 1,
        };
        let reason = if self.measured {
            Absence::NotAvailable
        } else {
            Absence::DeviceOff
        };
        Some(absent(0, reason, count, None))
    }

    fn read(&mut self, register: Register) -> Result<u16, Fault> {
        self.chip.read(register as u8).map(u16::from_be_bytes)
    }

    fn write(&mut self, register: Register, word: u16) -> Result<(), Fault> {
        let [high, low] = word.to_be_bytes();
        self.chip.write(&[register as u8, high, low])
    }
}

impl<P: Port> Asked for Tmp117<P>
where
    P::Bus: I2c,
{
    type Port = P;
    const STREAMS: usize = 1;

    fn chip(&mut self) -> &mut Chip<P> {
        &mut self.chip
    }

    fn configure(&mut self) -> Result<(), Fault> {
        self.measured = false;
        self.missed = 0;
        let id = self.read(Register::DeviceId)?;
        if id & DEVICE_ID_MASK != DEVICE_ID {
            let why = format!("its id is {id:#06x}, a TMP117 says 0x_117");
            return Err(self.chip.fault(FaultKind::OtherDevice, why));
        }
        self.write(Register::Configuration, configuration(self.period))
    }

    /// A value, an absence, or nothing when the next conversion is not due yet.
    fn measure(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        // Reading the configuration or the result clears data-ready.
        if self.read(Register::Configuration)? & DATA_READY == 0 {
            readings.extend(self.miss());
            return Ok(());
        }
        let code = i16::from_be_bytes(self.read(Register::Temperature)?.to_be_bytes());
        let Some(value) = convert(code) else {
            readings.push(absent(0, Absence::DeviceOff, 1, Some(code.into())));
            return Ok(());
        };
        self.missed = 0;
        self.measured = true;
        let quality = numeric::range(code.into(), LOWEST, HIGHEST);
        readings.push(numeric::value(0, value, quality));
        Ok(())
    }
}

impl<P: Port> Device for Tmp117<P>
where
    P::Bus: I2c,
{
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn period(&self) -> Duration {
        self.period
    }

    fn start(&mut self) -> Result<(), Fault> {
        i2c::start(self)
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        i2c::poll(self, readings)
    }

    fn flush(&mut self, _readings: &mut Vec<Reading>) {}
}

/// The temperature of a result code in degrees Celsius, exactly; none for the power-up code.
#[must_use]
pub fn convert(code: i16) -> Option<Decimal> {
    (code != POWER_UP).then(|| Decimal::new(i64::from(code) * STEP.mantissa, STEP.exponent))
}

/// Continuous conversion, at least two conversions a period where the chip is fast enough for that.
fn configuration(period: Duration) -> u16 {
    let (cycle, averaged) = match period.as_millis() {
        0..250 => (CYCLE_SHORTEST, AVERAGE_1),
        250..1000 => (CYCLE_SHORTEST, AVERAGE_8),
        1000..2000 => (CYCLE_500_MS, AVERAGE_8),
        2000..8000 => (CYCLE_1_S, AVERAGE_8),
        _ => (CYCLE_4_S, AVERAGE_8),
    };
    cycle << CYCLE_SHIFT | averaged << AVERAGE_SHIFT
}

/// The registers used, from the data sheet's register map.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Register {
    Temperature = 0x00,
    Configuration = 0x01,
    DeviceId = 0x0f,
}

/// One step of the result register, in degrees Celsius.
const STEP: Decimal = Decimal::new(78_125, -7);
/// The result register before the first conversion.
const POWER_UP: i16 = i16::MIN;
/// 150 degrees.
const HIGHEST: i32 = 150 * 128;
/// -55 degrees.
const LOWEST: i32 = -55 * 128;

const DEVICE_ID: u16 = 0x117;
/// The upper four bits are the revision.
const DEVICE_ID_MASK: u16 = 0x0fff;

const DATA_READY: u16 = 1 << 13;
const CYCLE_SHIFT: u16 = 7;
/// As long as the averaged conversions take: 15.5 ms for one, 125 ms for eight.
const CYCLE_SHORTEST: u16 = 0b000;
const CYCLE_500_MS: u16 = 0b011;
const CYCLE_1_S: u16 = 0b100;
const CYCLE_4_S: u16 = 0b101;
const AVERAGE_SHIFT: u16 = 5;
const AVERAGE_1: u16 = 0b00;
const AVERAGE_8: u16 = 0b01;
