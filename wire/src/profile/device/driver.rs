//! What a device is and what only this kind of device has to be told, read by its row of the table.

use std::path::PathBuf;
use std::time::Duration;

use super::bluetooth::Characteristic;
use super::table::{DRIVERS, Key, Kind, Row};
use super::{Bus, simulation};
use crate::document::{Faults, Section};

/// What a device is, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// What it is.
    pub kind: Kind,
    /// What it was told.
    pub options: Options,
}

/// What drivers are told. A driver reads what its row of the table has keys for; the rest means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// 7-bit address.
    pub address: u8,
    /// Which of its inputs.
    pub input: u8,
    /// How often it is read.
    pub period: Duration,
    /// Samples per second; 0 where the device says it itself.
    pub rate: u32,
    /// Which of its data formats it sends.
    pub format: u8,
    /// The only sender to listen to; the first one if it is not said.
    pub sender: Option<String>,
    /// GPIO chip and line of its data-ready output; not needed when simulated.
    pub ready: Option<(PathBuf, u32)>,
    /// Which of a Bluetooth device's characteristics is read.
    pub characteristic: Option<Characteristic>,
    /// The header file of the recording it plays.
    pub recording: PathBuf,
}

impl Driver {
    /// A driver with what holds where a profile says nothing.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let mut options = Options::default();
        for key in kind.row().keys {
            key.default(&mut options);
        }
        Self { kind, options }
    }

    /// The driver's word in the profile.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.row().word
    }

    pub(super) fn word(section: &mut Section, faults: &mut Faults) -> Option<&'static Row> {
        let words: Vec<_> = DRIVERS.iter().map(|row| (row.word, row)).collect();
        let row = section.choice("driver", &words, faults);
        section.require("driver", row, faults)
    }

    /// Reads the keys of a row; all of them, so that every fault shows.
    pub(super) fn read(
        row: &Row,
        section: &mut Section,
        bus: Option<&Bus>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let has = |wanted: fn(&Key) -> bool| row.keys.iter().any(wanted);
        let networked = has(|key| matches!(key, Key::Network));
        let radio = has(|key| matches!(key, Key::Characteristic));
        let wrong = match bus {
            Some(Bus::Path(_) | Bus::Bluetooth(_)) if networked => Some((
                "this device sends over the network",
                "\"tcp:127.0.0.1:2575\", with an address of this machine",
            )),
            Some(Bus::Path(_) | Bus::Network(_)) if radio => Some((
                "this device sends over Bluetooth",
                "\"bluetooth:AA:BB:CC:DD:EE:FF\"",
            )),
            Some(Bus::Network(_)) if !networked => Some((
                "this device is not attached to a network",
                "a path such as \"/dev/ttyUSB0\"",
            )),
            Some(Bus::Bluetooth(_)) if !radio => Some((
                "this device does not send over Bluetooth",
                "a path such as \"/dev/ttyUSB0\"",
            )),
            _ => None,
        };
        if let Some((says, hint)) = wrong {
            faults.note_with_hint(section.path("bus"), says, hint);
        }
        let mut driver = Self::new(row.kind);
        let missing = row
            .keys
            .iter()
            .filter(|key| !key.read(&mut driver.options, section, bus, faults))
            .count();
        (missing == 0).then_some(driver)
    }
}

impl Key {
    fn default(&self, options: &mut Options) {
        match self {
            Self::Address(range) => options.address = *range.start(),
            Self::Period { default, .. } => options.period = *default,
            Self::Rate { default, .. } => options.rate = *default,
            Self::Format { default, .. } => {
                options.format = u8::try_from(*default).unwrap_or_default();
            }
            Self::Input(_)
            | Self::Ready
            | Self::Recording
            | Self::Network
            | Self::Characteristic => {}
        }
    }

    /// False if a key that must be there is not.
    fn read(
        &self,
        options: &mut Options,
        section: &mut Section,
        bus: Option<&Bus>,
        faults: &mut Faults,
    ) -> bool {
        match self {
            Self::Address(range) => {
                let range = i64::from(*range.start())..=i64::from(*range.end());
                let address = section.integer("address", range, faults);
                let address = address.and_then(|address| u8::try_from(address).ok());
                options.address = address.unwrap_or(options.address);
            }
            Self::Input(last) => {
                let input = section.integer("input", 0..=i64::from(*last), faults);
                let input = input.and_then(|input| u8::try_from(input).ok());
                options.input = input.unwrap_or(0);
            }
            Self::Period { least, .. } => {
                let period = section.duration("period", *least..=LONGEST_PERIOD, faults);
                options.period = period.unwrap_or(options.period);
            }
            Self::Rate { allowed, .. } => {
                let says = "the chip cannot sample at this rate";
                let rate = one_of(section, "rate", allowed, says, faults);
                options.rate = rate.unwrap_or(options.rate);
            }
            Self::Format { allowed, .. } => {
                let says = "the device has no such data format";
                let format = one_of(section, "format", allowed, says, faults);
                let format = format.and_then(|format| u8::try_from(format).ok());
                options.format = format.unwrap_or(options.format);
            }
            Self::Network => options.sender = section.text("sender", faults),
            Self::Characteristic => {
                let said = section.choice("characteristic", &Characteristic::WORDS, faults);
                options.characteristic = section.require("characteristic", said, faults);
                return options.characteristic.is_some();
            }
            Self::Ready => {
                options.ready = ready_line(section, faults);
                if options.ready.is_none() && bus.is_some_and(|bus| !bus.is_simulated()) {
                    let hint = "the GPIO line of DRDY, such as \"/dev/gpiochip0:25\"";
                    faults.note_with_hint(section.path("ready"), "this key is missing", hint);
                }
            }
            Self::Recording => {
                let recording = section.text("recording", faults);
                let Some(recording) = section.require("recording", recording, faults) else {
                    return false;
                };
                options.recording = PathBuf::from(recording);
                options.rate = simulation::rate(section, faults).unwrap_or(0);
                if bus.is_some_and(|bus| !bus.is_simulated()) {
                    faults.note_with_hint(
                        section.path("bus"),
                        "a front end that plays a recording is simulated",
                        "bus = \"sim\"",
                    );
                }
            }
        }
        true
    }
}

fn one_of(
    section: &mut Section,
    key: &'static str,
    allowed: &[u32],
    says: &str,
    faults: &mut Faults,
) -> Option<u32> {
    let asked = section.integer(key, 1..=100_000, faults)?;
    let found = allowed.iter().find(|one| i64::from(**one) == asked);
    if found.is_none() {
        let list: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        faults.note_with_hint(
            section.path(key),
            format!("{says}: {asked}"),
            format!("one of {}", list.join(", ")),
        );
    }
    found.copied()
}

fn ready_line(section: &mut Section, faults: &mut Faults) -> Option<(PathBuf, u32)> {
    let text = section.text("ready", faults)?;
    let parts = text.rsplit_once(':');
    let line = parts.and_then(|(chip, line)| Some((PathBuf::from(chip), line.parse().ok()?)));
    if line.is_none() {
        faults.note_with_hint(
            section.path("ready"),
            format!("{text:?} is no GPIO line"),
            "chip and line, such as \"/dev/gpiochip0:25\"",
        );
    }
    line
}

const LONGEST_PERIOD: Duration = Duration::from_secs(3600);
