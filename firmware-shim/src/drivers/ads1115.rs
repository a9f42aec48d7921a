//! ADS1115 analogue to digital converter on I2C (Texas Instruments data sheet SBAS444).
//!
//! Gives the voltage of one input as one number a poll, the exact decimal of the code at a range of
//! 4.096 V: 0.125 mV a step. A waveform it does not give: the chip neither counts its conversions nor keeps
//! them, so a sample would have no certain place. Each poll reads the conversion that the poll before ordered;
//! one that is not complete by then is an absence. The `ads1x1x` crate was weighed: it cannot read its
//! settings back, and keeping them is the only thing this chip without an id can be known by.

use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::i2c::I2c;

use super::i2c::{self, Asked, Chip};
use super::numeric::{self, absent};
use super::port::Port;
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Absence, Decimal, Quality, Reading, StreamSpec};

/// The converter on a port.
#[derive(Debug)]
pub struct Ads1115<P: Port> {
    chip: Chip<P>,
    /// What is written to order a conversion of the chosen input.
    order: u16,
    period: Duration,
    streams: [StreamSpec; 1],
    /// Whether a conversion was ordered that is not read yet.
    ordered: bool,
}

impl<P: Port> Ads1115<P>
where
    P::Bus: I2c,
{
    /// The converter at a 7-bit address (0x48 to 0x4b by its ADDR pin), input 0 to 3 against ground, read
    /// every `period`; 16 ms at least, for a conversion takes 8. Of a higher input the lowest two bits count.
    pub fn new(port: P, address: u8, input: u8, period: Duration) -> Self {
        let mux = MUX_SINGLE_ENDED | u16::from(input) & 0b11;
        Self {
            chip: Chip::new("ads1115", address, port),
            order: mux << MUX_SHIFT
                | RANGE_4_096_V
                | SINGLE_SHOT
                | RATE_128_HZ
                | COMPARATOR_DISABLED,
            period: period.max(SHORTEST_PERIOD),
            streams: [numeric::stream("voltage", 0, "mV")],
            ordered: false,
        }
    }

    fn configuration(&mut self) -> Result<u16, Fault> {
        self.chip.read(CONFIGURATION).map(u16::from_be_bytes)
    }

    fn write(&mut self, word: u16) -> Result<(), Fault> {
        let [high, low] = word.to_be_bytes();
        self.chip.write(&[CONFIGURATION, high, low])
    }
}

impl<P: Port> Asked for Ads1115<P>
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
        self.write(self.order)?;
        let found = self.configuration()?;
        if found & !READY != self.order {
            let why = "it does not keep its settings, as an ADS1115 does";
            return Err(self.chip.fault(FaultKind::OtherDevice, why));
        }
        Ok(())
    }

    fn measure(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        if self.ordered {
            if self.configuration()? & READY == 0 {
                // It goes on converting and is asked again at the next poll.
                readings.push(absent(0, Absence::NotAvailable, 1, None));
                return Ok(());
            }
            let code = i16::from_be_bytes(self.chip.read(CONVERSION)?);
            readings.push(numeric::value(0, convert(code), range(code)));
        }
        self.write(self.order | READY)?;
        self.ordered = true;
        Ok(())
    }
}

impl<P: Port> Device for Ads1115<P>
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

/// The voltage of a code in millivolts, exactly.
#[must_use]
pub fn convert(code: i16) -> Decimal {
    Decimal::new(i64::from(code) * STEP.mantissa, STEP.exponent)
}

/// The ends of the range may stand for anything beyond them.
fn range(code: i16) -> Quality {
    Quality {
        over_range: code == i16::MAX,
        under_range: code == i16::MIN,
        ..Quality::default()
    }
}

const CONVERSION: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;
/// Written: begin. Read: no conversion is under way.
const READY: u16 = 1 << 15;
const MUX_SHIFT: u16 = 12;
/// The input against ground.
const MUX_SINGLE_ENDED: u16 = 0b100;
const RANGE_4_096_V: u16 = 0b001 << 9;
const SINGLE_SHOT: u16 = 1 << 8;
const RATE_128_HZ: u16 = 0b100 << 5;
const COMPARATOR_DISABLED: u16 = 0b11;
/// Two conversions at 128 a second and 10 % of tolerance, rounded.
const SHORTEST_PERIOD: Duration = Duration::from_millis(16);
/// One step of 4.096 V over 2^15, in millivolts.
const STEP: Decimal = Decimal::new(125, -3);
