//! Health devices on Bluetooth: `bus = "bluetooth:<address>"`, and which characteristic is read.

use crate::document::{Faults, Section};

/// A characteristic of the Bluetooth SIG that a health device notifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characteristic {
    /// `plx-continuous`: a pulse oximeter's running measurement (2A5F).
    PlxContinuous,
    /// `plx-spot-check`: a pulse oximeter's single measurement (2A5E).
    PlxSpotCheck,
    /// `temperature`: a thermometer (2A1C).
    Temperature,
    /// `blood-pressure`: a cuff (2A35).
    BloodPressure,
    /// `heart-rate`: a chest strap or the like (2A37).
    HeartRate,
    /// `weight`: a scale (2A9D).
    Weight,
    /// `glucose`: a glucose meter (2A18).
    Glucose,
}

impl Characteristic {
    /// The words of a profile.
    pub(super) const WORDS: [(&str, Self); 7] = [
        ("plx-continuous", Self::PlxContinuous),
        ("plx-spot-check", Self::PlxSpotCheck),
        ("temperature", Self::Temperature),
        ("blood-pressure", Self::BloodPressure),
        ("heart-rate", Self::HeartRate),
        ("weight", Self::Weight),
        ("glucose", Self::Glucose),
    ];
}

/// Reads the address that stands in `bus`, in the form that BlueZ gives it.
pub(super) fn address(text: &str, section: &Section, faults: &mut Faults) -> Option<String> {
    let said = text.strip_prefix(PREFIX).unwrap_or(text);
    let is_byte =
        |part: &str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    if said.split(':').count() == BYTES && said.split(':').all(is_byte) {
        return Some(said.to_ascii_uppercase());
    }
    faults.note_with_hint(
        section.path("bus"),
        format!("{said:?} is no address of Bluetooth"),
        "\"bluetooth:AA:BB:CC:DD:EE:FF\", as bluetoothctl devices shows it",
    );
    None
}

pub(super) const PREFIX: &str = "bluetooth:";
const BYTES: usize = 6;
