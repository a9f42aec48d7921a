//! What a device is and what only this kind of device has to be told, read by its row of the table.

use std::path::PathBuf;
use std::time::Duration;

use super::Bus;
use super::table::{DRIVERS, Key, Kind, Row};
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
    /// How often it is read.
    pub period: Duration,
    /// Samples per second.
    pub rate: u32,
    /// GPIO chip and line of its data-ready output; not needed when simulated.
    pub ready: Option<(PathBuf, u32)>,
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
        let mut driver = Self::new(row.kind);
        let complete = row
            .keys
            .iter()
            .map(|key| key.read(&mut driver.options, section, bus, faults))
            .fold(true, |all, one| all && one);
        complete.then_some(driver)
    }
}

impl Key {
    fn default(&self, options: &mut Options) {
        match self {
            Self::Address(range) => options.address = *range.start(),
            Self::Period { default, .. } => options.period = *default,
            Self::Rate { default, .. } => options.rate = *default,
            Self::Ready | Self::Recording => {}
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
            Self::Period { least, .. } => {
                let period = section.duration("period", *least..=LONGEST_PERIOD, faults);
                options.period = period.unwrap_or(options.period);
            }
            Self::Rate { allowed, .. } => {
                options.rate = rate(section, allowed, faults).unwrap_or(options.rate);
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

fn rate(section: &mut Section, allowed: &[u32], faults: &mut Faults) -> Option<u32> {
    let asked = section.integer("rate", 1..=100_000, faults)?;
    let found = allowed.iter().find(|rate| i64::from(**rate) == asked);
    if found.is_none() {
        let list: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        faults.note_with_hint(
            section.path("rate"),
            format!("the chip cannot sample at {asked} Hz"),
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
