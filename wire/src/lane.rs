//! The four lanes: each with its own sequence, retention and share of the uplink.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the four ways through store and uplink.
///
/// The order is the order of service: what harms most when late goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Alarms that a device raised, with the device's own priority.
    Alarm,
    /// Numeric vitals.
    Vital,
    /// What happened to devices, store, clock and configuration.
    Event,
    /// Waveform blocks.
    Wave,
}

impl Lane {
    /// Every lane, in order of service.
    pub const ALL: [Self; 4] = [Self::Alarm, Self::Vital, Self::Event, Self::Wave];

    /// The lane's word in topics, files and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Vital => "vital",
            Self::Event => "event",
            Self::Wave => "wave",
        }
    }

    /// The lane's number in stores and sealed data; it never changes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Alarm => 0,
            Self::Vital => 1,
            Self::Event => 2,
            Self::Wave => 3,
        }
    }

    /// The lane of a number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.number() == number)
    }

    /// The lane of a word, if there is one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == word)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_keeps_its_number_and_its_word_for_ever() {
        let known = [(0, "alarm"), (1, "vital"), (2, "event"), (3, "wave")];
        for (lane, (number, word)) in Lane::ALL.into_iter().zip(known) {
            assert_eq!((lane.number(), lane.as_str()), (number, word));
            assert_eq!(Lane::from_number(number), Some(lane));
            assert_eq!(Lane::from_word(word), Some(lane));
        }
        assert_eq!(Lane::from_number(4), None);
        assert_eq!(Lane::from_word("Alarm"), None);
    }
}
