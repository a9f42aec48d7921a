//! MAX30205 body temperature sensor on I2C (Maxim data sheet 19-8726).
//!
//! Gives one number a poll, the exact decimal of the register: 3.90625 thousandths of a degree a step. The
//! chip has neither an id nor a data-ready bit. It is known by keeping the setting it is given; a conversion
//! is ordered at each poll and read at the next, so no conversion is given twice and the register's power-up
//! 0 never. The `max30205` crate was weighed: it converts to `f32`.

use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::i2c::I2c;

use super::i2c::{self, Asked, Chip};
use super::numeric::{self, MDC_TEMP_BODY};
use super::port::Port;
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Decimal, Reading, StreamSpec};

/// The sensor on a port.
#[derive(Debug)]
pub struct Max30205<P: Port> {
    chip: Chip<P>,
    period: Duration,
    streams: [StreamSpec; 1],
    /// Whether a conversion was ordered that is not read yet.
    ordered: bool,
}

impl<P: Port> Max30205<P>
where
    P::Bus: I2c,
{
    /// The sensor at a 7-bit address (0x40 to 0x5f by its three pins), read every `period`; 50 ms at least,
    /// for a conversion takes that long.
    pub fn new(port: P, address: u8, period: Duration) -> Self {
        Self {
            chip: Chip::new("max30205", address, port),
            period: period.max(CONVERSION),
            streams: [numeric::stream("temperature", MDC_TEMP_BODY, "Cel")],
            ordered: false,
        }
    }
}

impl<P: Port> Asked for Max30205<P>
where
    P::Bus: I2c,
{
    type Port = P;
    const STREAMS: usize = 1;

    fn chip(&mut self) -> &mut Chip<P> {
        &mut self.chip
    }

    fn configure(&mut self) -> Result<(), Fault> {
        self.ordered = false;
        self.chip.write(&[CONFIGURATION, SHUTDOWN])?;
        let [found] = self.chip.read(CONFIGURATION)?;
        if found != SHUTDOWN {
            let why = "it does not keep its settings, as a MAX30205 does";
            return Err(self.chip.fault(FaultKind::OtherDevice, why));
        }
        Ok(())
    }

    fn measure(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        if self.ordered {
            let code = i16::from_be_bytes(self.chip.read(TEMPERATURE)?);
            let quality = numeric::range(code.into(), LOWEST, HIGHEST);
            readings.push(numeric::value(0, convert(code), quality));
        }
        self.chip.write(&[CONFIGURATION, SHUTDOWN | ONE_SHOT])?;
        self.ordered = true;
        Ok(())
    }
}

impl<P: Port> Device for Max30205<P>
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

/// The temperature of a result register in degrees Celsius, exactly.
#[must_use]
pub fn convert(register: i16) -> Decimal {
    Decimal::new(i64::from(register) * STEP.mantissa, STEP.exponent)
}

const TEMPERATURE: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
/// The chip rests between conversions, normal data format, bus time-out on.
const SHUTDOWN: u8 = 0x01;
/// Orders one conversion; reads 0.
const ONE_SHOT: u8 = 0x80;
/// The longest that a conversion takes.
const CONVERSION: Duration = Duration::from_millis(50);
/// One step, in degrees Celsius.
const STEP: Decimal = Decimal::new(390_625, -8);
/// 0 and 50 degrees, in steps: what its data sheet promises an accuracy for.
const LOWEST: i32 = 0;
const HIGHEST: i32 = 50 * 256;
