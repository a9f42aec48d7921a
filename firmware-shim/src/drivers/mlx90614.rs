//! MLX90614 infrared thermometer on SMBus (Melexis data sheet 3901090614).
//!
//! Gives two numbers a poll: what it is pointed at, and its own case; 0.02 K a step, as exact degrees
//! Celsius. Every word comes with a packet error code (CRC-8 over the whole transaction, SMBus 2.0
//! section 5.4), so a flipped bit is an absence, never a temperature; the error flag in a word's highest bit
//! is one too. Three broken words in a row are a fault. The `mlx9061x` crate was weighed: it converts to `f32`.

use alloc::vec::Vec;
use core::time::Duration;

use embedded_hal::i2c::I2c;

use super::i2c::{self, Asked, Chip};
use super::numeric::{self, absent};
use super::port::Port;
use crate::device::{Device, Fault, FaultKind};
use crate::reading::{Absence, Decimal, Quality, Reading, StreamSpec};

/// The thermometer on a port.
#[derive(Debug)]
pub struct Mlx90614<P: Port> {
    chip: Chip<P>,
    period: Duration,
    streams: [StreamSpec; 2],
    /// Broken words in a row.
    broken: u32,
}

/// What a word on the bus cannot be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The packet error code does not fit the bytes.
    #[error("packet error code {found:#04x} where {due:#04x} is due: check wiring and bus speed")]
    Pec {
        /// What came.
        found: u8,
        /// What fits.
        due: u8,
    },
    /// The chip marks the word as no measurement.
    #[error("the chip says {0:#06x}: it could not measure")]
    Flagged(u16),
}

impl<P: Port> Mlx90614<P>
where
    P::Bus: I2c,
{
    /// The thermometer at a 7-bit address (0x5a unless its EEPROM says another), read every `period`.
    pub fn new(port: P, address: u8, period: Duration) -> Self {
        Self {
            chip: Chip::new("mlx90614", address, port),
            period,
            // What it sees is the surface it is pointed at: the nomenclature's temperatures name a body site.
            streams: [
                numeric::stream("object-temperature", 0, "Cel"),
                numeric::stream("ambient-temperature", 0, "Cel"),
            ],
            broken: 0,
        }
    }
}

impl<P: Port> Asked for Mlx90614<P>
where
    P::Bus: I2c,
{
    type Port = P;
    const STREAMS: usize = 2;

    fn chip(&mut self) -> &mut Chip<P> {
        &mut self.chip
    }

    /// Its own address stands in its EEPROM, under a packet error code: no other chip says that.
    fn configure(&mut self) -> Result<(), Fault> {
        self.broken = 0;
        let bytes = self.chip.read(EEPROM | SMBUS_ADDRESS)?;
        let kept = match checked(self.chip.address(), EEPROM | SMBUS_ADDRESS, bytes) {
            Ok(word) => word,
            Err(error) => return Err(self.chip.fault(FaultKind::OtherDevice, error)),
        };
        if kept & 0x7f != u16::from(self.chip.address()) {
            let why = "its EEPROM does not name this address, as a MLX90614's does";
            return Err(self.chip.fault(FaultKind::OtherDevice, why));
        }
        Ok(())
    }

    fn measure(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        for (stream, register) in [(OBJECT, OBJECT_1), (AMBIENT, CASE)] {
            let bytes = self.chip.read(register)?;
            let reading = match checked(self.chip.address(), register, bytes).and_then(convert) {
                Ok(value) => {
                    self.broken = 0;
                    numeric::value(stream, value, range(stream, value))
                }
                Err(Error::Flagged(raw)) => {
                    absent(stream, Absence::NotAvailable, 1, Some(raw.into()))
                }
                Err(error @ Error::Pec { .. }) => {
                    self.broken += 1;
                    if self.broken >= MOST_BROKEN {
                        return Err(self.chip.fault(FaultKind::Garbled, error));
                    }
                    absent(stream, Absence::Garbled, 1, None)
                }
            };
            readings.push(reading);
        }
        Ok(())
    }
}

impl<P: Port> Device for Mlx90614<P>
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

/// The temperature of a word in degrees Celsius, exactly.
///
/// # Errors
/// When the chip flags the word.
pub fn convert(word: u16) -> Result<Decimal, Error> {
    if word & ERROR_FLAG != 0 {
        return Err(Error::Flagged(word));
    }
    // 0.02 K a step, 0 degrees Celsius are 273.15 K.
    Ok(Decimal::new(i64::from(word) * 2 - 27_315, -2))
}

/// The word of an SMBus read (low byte, high byte, packet error code), if the code fits.
///
/// # Errors
/// When it does not.
pub fn checked(address: u8, command: u8, [low, high, found]: [u8; 3]) -> Result<u16, Error> {
    let written = address << 1;
    let due = pec(&[written, command, written | 1, low, high]);
    if found == due {
        Ok(u16::from_le_bytes([low, high]))
    } else {
        Err(Error::Pec { found, due })
    }
}

/// CRC-8 of SMBus: polynomial x^8 + x^2 + x + 1, from 0.
#[must_use]
pub fn pec(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            crc << 1 ^ if crc & 0x80 != 0 { 0x07 } else { 0 }
        })
    })
}

/// What the data sheet promises: -70 to 380 degrees for the object, -40 to 125 for the case.
fn range(stream: usize, celsius: Decimal) -> Quality {
    let (lowest, highest) = if stream == OBJECT {
        (-7_000, 38_000)
    } else {
        (-4_000, 12_500)
    };
    Quality {
        over_range: celsius.mantissa > highest,
        under_range: celsius.mantissa < lowest,
        ..Quality::default()
    }
}

const OBJECT: usize = 0;
const AMBIENT: usize = 1;

/// RAM: temperature of the case.
const CASE: u8 = 0x06;
/// RAM: temperature of object 1.
const OBJECT_1: u8 = 0x07;
/// The opcode that reads the EEPROM.
const EEPROM: u8 = 0x20;
const SMBUS_ADDRESS: u8 = 0x0e;
const ERROR_FLAG: u16 = 1 << 15;
/// Broken words in a row that are not chance any more.
const MOST_BROKEN: u32 = 3;
