//! TMP102 and TMP105 temperature sensors on I2C (Texas Instruments data sheets SBOS397 and SBOS648).
//!
//! Gives one number a poll, the exact decimal of the register: 62.5 thousandths of a degree a step. The
//! TMP105 powers up in a mode of 9 bits, in which 38.25 degrees read 38.0: the driver sets 12 and makes
//! sure that they were taken, which is also how it knows its chip, for neither has an id. Neither says
//! whether a conversion is new; the first poll after a start gives nothing, because the register then
//! holds what the chip powers up with, and 0 degrees is no temperature that was measured.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::i2c::I2c;

use super::i2c::{self, Asked, Chip};
use super::numeric::{self, MDC_TEMP_BODY};
use super::port::Port;
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Decimal, Reading, StreamSpec};

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// TMP102: 12 bits from the beginning, a configuration register of 16 bits.
    Tmp102,
    /// TMP105, also TMP75 and LM75 followers of it: 9 bits at first, a configuration register of 8 bits.
    Tmp105,
}

/// The sensor on a port.
#[derive(Debug)]
pub struct Tmp10x<P: Port> {
    chip: Chip<P>,
    part: Part,
    period: Duration,
    streams: [StreamSpec; 1],
    /// Whether a period has passed since the start, so that a conversion is complete.
    converted: bool,
}

impl<P: Port> Tmp10x<P>
where
    P::Bus: I2c,
{
    /// The sensor at a 7-bit address by its address pins (TMP102: 0x48 to 0x4b, TMP105: 0x48 to 0x4f), read
    /// every `period`; half a second at least, for a conversion may take 300 ms.
    pub fn new(part: Part, port: P, address: u8, period: Duration) -> Self {
        let what = match part {
            Part::Tmp102 => "tmp102",
            Part::Tmp105 => "tmp105",
        };
        Self {
            chip: Chip::new(what, address, port),
            part,
            period: period.max(SHORTEST_PERIOD),
            streams: [numeric::stream("temperature", MDC_TEMP_BODY, "Cel")],
            converted: false,
        }
    }
}

impl<P: Port> Asked for Tmp10x<P>
where
    P::Bus: I2c,
{
    type Port = P;
    const STREAMS: usize = 1;

    fn chip(&mut self) -> &mut Chip<P> {
        &mut self.chip
    }

    fn configure(&mut self) -> Result<(), Fault> {
        self.converted = false;
        let taken = match self.part {
            Part::Tmp102 => {
                self.chip
                    .write(&[CONFIGURATION, TWELVE_BITS, FOUR_A_SECOND])?;
                let [high, low] = self.chip.read(CONFIGURATION)?;
                // The other bits of the lower byte show the alert.
                high == TWELVE_BITS && low & (RATE | UNUSED) == FOUR_A_SECOND
            }
            Part::Tmp105 => {
                self.chip.write(&[CONFIGURATION, TWELVE_BITS])?;
                self.chip.read(CONFIGURATION)? == [TWELVE_BITS]
            }
        };
        if taken {
            return Ok(());
        }
        let why = format!("it does not take 12 bits, as a {:?} does", self.part);
        Err(self.chip.fault(FaultKind::OtherDevice, why))
    }

    fn measure(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        if !self.converted {
            self.chip.is_open()?;
            self.converted = true;
            return Ok(());
        }
        let code = i16::from_be_bytes(self.chip.read(TEMPERATURE)?);
        let quality = numeric::range(i32::from(code >> 4), LOWEST, HIGHEST);
        readings.push(numeric::value(0, convert(code), quality));
        Ok(())
    }
}

impl<P: Port> Device for Tmp10x<P>
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

/// The temperature of a result register in degrees Celsius, exactly: the upper twelve bits count.
#[must_use]
pub fn convert(register: i16) -> Decimal {
    Decimal::new(i64::from(register >> 4) * STEP.mantissa, STEP.exponent)
}

const TEMPERATURE: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
/// R1 and R0 set: 12 bits. Continuous conversion, comparator mode, active low.
const TWELVE_BITS: u8 = 0x60;
/// CR of the TMP102: a conversion every 250 ms.
const FOUR_A_SECOND: u8 = 0x80;
const RATE: u8 = 0xc0;
/// Bits that read 0.
const UNUSED: u8 = 0x0f;
/// The slower of the two: 300 ms at most for 12 bits of the TMP105.
const SHORTEST_PERIOD: Duration = Duration::from_millis(500);
/// One step of twelve bits, in degrees Celsius.
const STEP: Decimal = Decimal::new(625, -4);
/// -55 and 128 degrees, in steps: what both chips are made for.
const LOWEST: i32 = -55 * 16;
const HIGHEST: i32 = 128 * 16 - 1;
