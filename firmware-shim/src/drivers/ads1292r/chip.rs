//! The chip itself: its commands, registers, data frame, and what can go wrong with them.

use alloc::format;
use alloc::string::String;

use embedded_hal::spi::{self, Operation, SpiDevice};

use crate::device::{Fault, FaultKind};

/// One conversion of both channels; none where an electrode is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// What channels 1 and 2 gave.
    pub channels: [Option<i32>; 2],
}

/// Three status bytes and two channels of 24 bits, as the chip sends them.
///
/// # Errors
/// When the status does not begin with the pattern that every frame begins with.
pub fn convert(bytes: [u8; FRAME]) -> Result<Frame, Error> {
    let [s2, s1, _, a2, a1, a0, b2, b1, b0] = bytes;
    if s2 >> 4 != STATUS_PATTERN {
        return Err(Error::Pattern(s2));
    }
    // LOFF_STAT lies in bits 19 to 15: RLD, IN2N, IN2P, IN1N, IN1P.
    let lead_off = s2 << 1 | s1 >> 7;
    let channel = |off: u8, bytes| (lead_off & off == 0).then(|| signed(bytes));
    Ok(Frame {
        channels: [
            channel(CHANNEL_1_OFF, [a2, a1, a0]),
            channel(CHANNEL_2_OFF, [b2, b1, b0]),
        ],
    })
}

/// 24 bits, two's complement, most significant byte first.
#[must_use]
pub fn signed([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

/// Resets the chip, makes sure that it is one, and sets it up without starting it.
pub(super) fn configure<S: SpiDevice>(spi: &mut S, rate: u32) -> Result<(), Error> {
    let settings = settings(rate).ok_or(Error::Rate(rate))?;
    // The chip powers up and resets into continuous reading, in which it takes no other command.
    command(spi, SDATAC, "stopping")?;
    spi.transaction(&mut [Operation::Write(&[RESET]), Operation::DelayNs(RESET_NS)])
        .map_err(|error| Error::bus("resetting", &error))?;
    command(spi, SDATAC, "stopping")?;
    let [id] = registers(spi, ID)?;
    if id != ID_ADS1292R {
        return Err(Error::OtherId(id));
    }
    let mut write = [0; 2 + SETTINGS];
    let (head, body) = write.split_at_mut(2);
    head.copy_from_slice(&[WREG | CONFIG1, SETTINGS_LESS_ONE]);
    body.copy_from_slice(&settings);
    spi.write(&write)
        .map_err(|error| Error::bus("writing settings", &error))?;
    let mut found: [u8; SETTINGS] = registers(spi, CONFIG1)?;
    if let Some(live) = found.get_mut(LOFF_STAT) {
        *live = 0;
    }
    if found != settings {
        return Err(Error::Settings(found));
    }
    // Linux caps one delay at 65 ms; the reference needs 100 ms.
    let half = Operation::DelayNs(REFERENCE_NS / 2);
    spi.transaction(&mut [half, Operation::DelayNs(REFERENCE_NS / 2)])
        .map_err(|error| Error::bus("waiting for the reference", &error))
}

/// Starts converting.
pub(super) fn start<S: SpiDevice>(spi: &mut S) -> Result<(), Error> {
    command(spi, START, "starting")
}

/// Reads the newest conversion.
pub(super) fn read<S: SpiDevice>(spi: &mut S) -> Result<Frame, Error> {
    let mut bytes = [0; FRAME];
    spi.transaction(&mut [Operation::Write(&[RDATA]), Operation::Read(&mut bytes)])
        .map_err(|error| Error::bus("reading data", &error))?;
    convert(bytes)
}

fn command<S: SpiDevice>(spi: &mut S, code: u8, doing: &'static str) -> Result<(), Error> {
    spi.write(&[code])
        .map_err(|error| Error::bus(doing, &error))
}

fn registers<S: SpiDevice, const N: usize>(spi: &mut S, first: u8) -> Result<[u8; N], Error> {
    let count = u8::try_from(N.saturating_sub(1)).unwrap_or(u8::MAX);
    let mut values = [0; N];
    spi.transaction(&mut [
        Operation::Write(&[RREG | first, count]),
        Operation::Read(&mut values),
    ])
    .map_err(|error| Error::bus("reading registers", &error))?;
    Ok(values)
}

/// Registers CONFIG1 to RESP2.
const fn settings(rate: u32) -> Option<[u8; SETTINGS]> {
    let data_rate = match rate {
        125 => 0b000,
        250 => 0b001,
        500 => 0b010,
        1000 => 0b011,
        _ => return None,
    };
    Some([
        data_rate,
        CONFIG2_REFERENCE_ON | CONFIG2_LEAD_OFF_ON,
        LOFF_DC_6_NA_95_PERCENT,
        CHANNEL_GAIN_6_ELECTRODES,
        CHANNEL_GAIN_6_ELECTRODES,
        RLD_ON_FROM_BOTH_CHANNELS,
        LOFF_SENSE_ALL_FOUR,
        0,
        RESP1_OFF,
        RESP2_RLD_REFERENCE_INTERNAL,
    ])
}

/// What can go wrong with this chip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An SPI transfer failed.
    #[error("{doing}: {why}")]
    Bus {
        /// What was tried.
        doing: &'static str,
        /// What the bus said.
        why: String,
    },
    /// The rate is not one of the chip's.
    #[error("it cannot sample at {0} Hz: choose 125, 250, 500 or 1000")]
    Rate(u32),
    /// The id register is another chip's, or the lines are not connected.
    #[error("its id is {0:#04x}, an ADS1292R says 0x73: check wiring, chip select and power")]
    OtherId(u8),
    /// The settings read back differ.
    #[error("it does not keep its settings: reads back {0:02x?}")]
    Settings([u8; SETTINGS]),
    /// A frame begins with something else than 1100.
    #[error("data begin with {0:#04x} where 0xc_ must stand")]
    Pattern(u8),
}

impl Error {
    fn bus(doing: &'static str, error: &impl spi::Error) -> Self {
        Self::Bus {
            doing,
            why: format!("{error:?}"),
        }
    }

    pub(super) fn fault(&self, who: &str) -> Fault {
        let kind = match self {
            Self::Bus { .. } => FaultKind::Bus,
            Self::Rate(_) => FaultKind::Unopened,
            Self::OtherId(_) => FaultKind::OtherDevice,
            Self::Settings(_) | Self::Pattern(_) => FaultKind::Garbled,
        };
        Fault::new(kind, format!("{who}: {self}"))
    }
}

/// Bytes of a frame.
pub const FRAME: usize = 9;
const WREG: u8 = 0x40;
const RREG: u8 = 0x20;
const RESET: u8 = 0x06;
const START: u8 = 0x08;
const SDATAC: u8 = 0x11;
const RDATA: u8 = 0x12;
/// 18 clocks of 512 kHz, doubled.
const RESET_NS: u32 = 72_000;
const REFERENCE_NS: u32 = 120_000_000;

const ID: u8 = 0x00;
const CONFIG1: u8 = 0x01;
const ID_ADS1292R: u8 = 0x73;
/// Registers from CONFIG1 to RESP2.
const SETTINGS: usize = 10;
/// A command to write registers carries their number less one.
const SETTINGS_LESS_ONE: u8 = 9;
/// Place of LOFF_STAT among them: it shows the electrodes, not a setting.
const LOFF_STAT: usize = 7;
/// Bit 7 must be written as 1.
const CONFIG2_REFERENCE_ON: u8 = 0xa0;
const CONFIG2_LEAD_OFF_ON: u8 = 0x40;
const LOFF_DC_6_NA_95_PERCENT: u8 = 0x10;
const CHANNEL_GAIN_6_ELECTRODES: u8 = 0x00;
const RLD_ON_FROM_BOTH_CHANNELS: u8 = 0x2f;
const LOFF_SENSE_ALL_FOUR: u8 = 0x0f;
/// Bit 1 must be written as 1.
const RESP1_OFF: u8 = 0x02;
/// Bit 0 must be written as 1.
const RESP2_RLD_REFERENCE_INTERNAL: u8 = 0x03;

const STATUS_PATTERN: u8 = 0b1100;
const CHANNEL_1_OFF: u8 = 0b0_0011;
const CHANNEL_2_OFF: u8 = 0b0_1100;
