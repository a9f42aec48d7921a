//! The health characteristics of the Bluetooth SIG: one notification in, readings out.
//!
//! Layouts are those of the GATT Specification Supplement. A [`Characteristic`] decodes whole values and does no
//! I/O; a [`Receiver`] is the device, behind whatever receives notifications. Promises that the special values of IEEE 11073 SFLOAT
//! and FLOAT, and a scale's FFFF, are absences with a reason; that a value in another unit goes to a stream of
//! that unit and is never converted; and that a value which is too short gives nothing at all.

mod bytes;
mod cuff;
mod glucose;
mod heart;
mod oximeter;
mod receiver;
mod scale;
mod thermometer;

use alloc::vec::Vec;

use crate::reading::{Reading, StreamSpec};
use bytes::Bytes;

pub use receiver::{Notifications, Receiver};

/// A characteristic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characteristic {
    /// Pulse oximeter, one measurement (PLX, 2A5E).
    PlxSpotCheck,
    /// Pulse oximeter, continuous (PLX, 2A5F).
    PlxContinuous,
    /// Thermometer (HTS, 2A1C).
    Temperature,
    /// Blood pressure (BLP, 2A35).
    BloodPressure,
    /// Heart rate (HRS, 2A37).
    HeartRate,
    /// Weight (WSS, 2A9D).
    Weight,
    /// Glucose (GLS, 2A18).
    Glucose,
}

/// A value that ends before what its flags announce, or goes on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value has {0} bytes, its flags announce another number")]
pub struct Malformed(pub usize);

impl Characteristic {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::PlxSpotCheck,
        Self::PlxContinuous,
        Self::Temperature,
        Self::BloodPressure,
        Self::HeartRate,
        Self::Weight,
        Self::Glucose,
    ];

    /// The 16-bit number that the Bluetooth SIG assigned.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::PlxSpotCheck => 0x2a5e,
            Self::PlxContinuous => 0x2a5f,
            Self::Temperature => 0x2a1c,
            Self::BloodPressure => 0x2a35,
            Self::HeartRate => 0x2a37,
            Self::Weight => 0x2a9d,
            Self::Glucose => 0x2a18,
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PlxSpotCheck => "PLX spot-check measurement",
            Self::PlxContinuous => "PLX continuous measurement",
            Self::Temperature => "temperature measurement",
            Self::BloodPressure => "blood pressure measurement",
            Self::HeartRate => "heart rate measurement",
            Self::Weight => "weight measurement",
            Self::Glucose => "glucose measurement",
        }
    }

    /// Whether it is notified all the time, so that silence says something.
    #[must_use]
    pub const fn is_continuous(self) -> bool {
        matches!(self, Self::PlxContinuous | Self::HeartRate)
    }

    /// What it gives.
    #[must_use]
    pub fn streams(self) -> Vec<StreamSpec> {
        match self {
            Self::PlxSpotCheck | Self::PlxContinuous => oximeter::streams(),
            Self::Temperature => thermometer::streams(),
            Self::BloodPressure => cuff::streams(),
            Self::HeartRate => heart::streams(),
            Self::Weight => scale::streams(),
            Self::Glucose => glucose::streams(),
        }
    }

    /// Takes one value and appends what it says.
    ///
    /// # Errors
    /// When its length is not what its flags announce; then nothing is appended.
    pub fn decode(self, value: &[u8], readings: &mut Vec<Reading>) -> Result<(), Malformed> {
        let decode = match self {
            Self::PlxSpotCheck => oximeter::spot_check,
            Self::PlxContinuous => oximeter::continuous,
            Self::Temperature => thermometer::measurement,
            Self::BloodPressure => cuff::measurement,
            Self::HeartRate => heart::measurement,
            Self::Weight => scale::measurement,
            Self::Glucose => glucose::measurement,
        };
        let (mut bytes, before) = (Bytes::new(value), readings.len());
        match decode(&mut bytes, readings) {
            Some(()) if bytes.is_empty() => Ok(()),
            _ => {
                readings.truncate(before);
                Err(Malformed(value.len()))
            }
        }
    }
}
