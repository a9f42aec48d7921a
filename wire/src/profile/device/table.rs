//! The table of drivers: a driver's word, where it can be attached, and the keys it takes.
//!
//! A new device is one [`Kind`] and one row here; what builds it is one row of the agent's `devices.rs`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// TMP117 temperature sensor on I2C.
    Tmp117,
    /// TMP102 temperature sensor on I2C.
    Tmp102,
    /// TMP105 or TMP75 temperature sensor on I2C.
    Tmp105,
    /// MAX30205 temperature sensor on I2C.
    Max30205,
    /// MLX90614 infrared thermometer on SMBus.
    Mlx90614,
    /// ADS1115 analogue to digital converter on I2C, one input of it.
    Ads1115,
    /// MAX30102 pulse oximeter front end on I2C: raw red and infrared PPG.
    Max30102,
    /// ADS1292R two-channel ECG front end on SPI.
    Ads1292r,
    /// Nonin pulse oximeter on a serial line, data format 2, 7, 8 or 13.
    Nonin,
    /// Sensor board on a serial line: a microcontroller that runs drivers of its own.
    Board,
    /// Contec CMS50D+ pulse oximeter on a serial line.
    Cms50d,
    /// Masimo pulse oximeter on a serial line, ASCII 1.
    Masimo,
    /// Ivy 450C patient monitor on a serial line.
    Ivy450c,
    /// Patient monitors that send HL7 v2 observations over MLLP.
    Hl7,
    /// Health device on Bluetooth Low Energy, one of its characteristics.
    Bluetooth,
    /// Multi-channel front end that plays a WFDB record; only simulated.
    Frontend,
}

/// One driver of the table.
#[derive(Debug)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// Its word in a profile.
    pub word: &'static str,
    /// The keys it takes beside those of every device.
    pub keys: &'static [Key],
}

/// A key of a driver, with what it allows and what holds where the profile does not say it.
#[derive(Debug, Clone)]
pub enum Key {
    /// `address`: a 7-bit I2C address; the first is taken if it is not said.
    Address(RangeInclusive<u8>),
    /// `input`: which of a converter's inputs, from 0 to this.
    Input(u8),
    /// `period`: how often the device is read.
    Period {
        /// The shortest.
        least: Duration,
        /// If it is not said.
        default: Duration,
    },
    /// `rate`: samples per second.
    Rate {
        /// What the chip can do.
        allowed: &'static [u32],
        /// If it is not said.
        default: u32,
    },
    /// `format`: which of its data formats a device sends.
    Format {
        /// What there is.
        allowed: &'static [u32],
        /// If it is not said.
        default: u32,
    },
    /// `bus = "tcp:<address>:<port>"`: the device is reached over the network; `sender`: whom to listen to.
    Network,
    /// `bus = "bluetooth:<address>"`, and `characteristic`: which of a health device's measurements; required.
    Characteristic,
    /// `ready`: the GPIO line of a data-ready output; needed on a real bus.
    Ready,
    /// `recording`: the header file of a recording; required, and the device is simulated. `rate`: its rate, for a table
    /// that does not say it.
    Recording,
}

impl Kind {
    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        let found = DRIVERS.iter().find(|row| row.kind == self);
        // Every kind has a row, a test says so; the first one stands here for the compiler's sake.
        let [first, ..] = &DRIVERS;
        found.unwrap_or(first)
    }
}

/// Every driver.
pub const DRIVERS: [Row; 16] = [
    Row {
        kind: Kind::Tmp117,
        word: "tmp117",
        keys: &[Key::Address(0x48..=0x4b), period(16)],
    },
    Row {
        kind: Kind::Tmp102,
        word: "tmp102",
        keys: &[Key::Address(0x48..=0x4b), period(500)],
    },
    Row {
        kind: Kind::Tmp105,
        word: "tmp105",
        keys: &[Key::Address(0x48..=0x4f), period(500)],
    },
    Row {
        kind: Kind::Max30205,
        word: "max30205",
        keys: &[Key::Address(0x40..=0x5f), period(50)],
    },
    Row {
        kind: Kind::Mlx90614,
        word: "mlx90614",
        keys: &[Key::Address(0x5a..=0x5f), period(100)],
    },
    Row {
        kind: Kind::Ads1115,
        word: "ads1115",
        keys: &[Key::Address(0x48..=0x4b), Key::Input(3), period(16)],
    },
    Row {
        kind: Kind::Max30102,
        word: "max30102",
        keys: &[rate(&[50, 100, 200, 400], 100)],
    },
    Row {
        kind: Kind::Ads1292r,
        word: "ads1292r",
        keys: &[rate(&[125, 250, 500, 1000], 250), Key::Ready],
    },
    Row {
        kind: Kind::Nonin,
        word: "nonin",
        keys: &[Key::Format {
            allowed: &[2, 7, 8, 13],
            default: 2,
        }],
    },
    Row {
        kind: Kind::Cms50d,
        word: "cms50d",
        keys: &[],
    },
    Row {
        kind: Kind::Board,
        word: "board",
        keys: &[],
    },
    Row {
        kind: Kind::Masimo,
        word: "masimo",
        keys: &[],
    },
    Row {
        kind: Kind::Ivy450c,
        word: "ivy450c",
        keys: &[],
    },
    Row {
        kind: Kind::Hl7,
        word: "hl7",
        keys: &[Key::Network],
    },
    Row {
        kind: Kind::Bluetooth,
        word: "bluetooth",
        keys: &[Key::Characteristic],
    },
    Row {
        kind: Kind::Frontend,
        word: "frontend",
        keys: &[Key::Recording],
    },
];

/// Once a second if it is not said.
const fn period(least_ms: u64) -> Key {
    Key::Period {
        least: Duration::from_millis(least_ms),
        default: Duration::from_secs(1),
    }
}

const fn rate(allowed: &'static [u32], default: u32) -> Key {
    Key::Rate { allowed, default }
}
