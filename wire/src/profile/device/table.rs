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
    /// MAX30102 pulse oximeter front end on I2C: raw red and infrared PPG.
    Max30102,
    /// ADS1292R two-channel ECG front end on SPI.
    Ads1292r,
    /// Nonin OEM pulse oximeter on a serial line, data format 2.
    Nonin,
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
    /// `ready`: the GPIO line of a data-ready output; needed on a real bus.
    Ready,
    /// `recording`: the header file of a recording; required, and the device is simulated.
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
pub const DRIVERS: [Row; 5] = [
    Row {
        kind: Kind::Tmp117,
        word: "tmp117",
        keys: &[Key::Address(0x48..=0x4b), period(16)],
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
        keys: &[],
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
