//! `[device.simulation]`: who the simulated patient is, or which recording takes its place.

use std::path::PathBuf;

use crate::document::{Faults, Section};

/// How a simulated device behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Start of its random numbers.
    pub seed: u64,
    /// How many times faster than real time.
    pub speed: f64,
    /// Beats per minute of the simulated patient.
    pub heart_rate: u32,
    /// Oxygen saturation of the simulated patient, percent.
    pub spo2: u32,
    /// Body temperature of the simulated patient, thousandths of a degree Celsius.
    pub temperature_millicelsius: i32,
    /// Takes the signal from a recording in place of the simulated patient.
    pub signal: Option<RecordingSource>,
    /// File of what goes wrong and what happens to the patient; nothing does if there is none.
    pub scenario: Option<PathBuf>,
    /// The simulated bus that it shares with others of the same name; one of its own if there is none.
    pub shared: Option<String>,
}

/// One signal of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSource {
    /// The record's header file.
    pub recording: PathBuf,
    /// The signal's description in the header; the first signal if not said.
    pub signal: Option<String>,
    /// Samples a second, for a table that does not say it itself.
    pub rate: Option<u32>,
}

impl Simulation {
    pub(super) fn read(section: &mut Section, faults: &mut Faults) -> Self {
        let default = Self::default();
        let seed = section.integer("seed", 0..=i64::MAX, faults);
        let speed = section.factor("speed", faults);
        let heart_rate = section.integer("heart_rate", 20..=300, faults);
        let spo2 = section.integer("spo2", 0..=100, faults);
        let temperature = section.integer("temperature_millicelsius", 0..=60_000, faults);
        let signal = section.section("signal", faults).and_then(|mut section| {
            let recording = section.text("recording", faults);
            let recording = section.require("recording", recording, faults);
            let signal = section.text("name", faults);
            let rate = rate(&mut section, faults);
            section.finish(faults);
            recording.map(|recording| RecordingSource {
                recording: PathBuf::from(recording),
                signal,
                rate,
            })
        });
        let scenario = section.text("scenario", faults).map(PathBuf::from);
        Self {
            seed: seed
                .and_then(|seed| u64::try_from(seed).ok())
                .unwrap_or(default.seed),
            speed: speed.unwrap_or(default.speed),
            heart_rate: heart_rate
                .and_then(|rate| u32::try_from(rate).ok())
                .unwrap_or(default.heart_rate),
            spo2: spo2
                .and_then(|spo2| u32::try_from(spo2).ok())
                .unwrap_or(default.spo2),
            temperature_millicelsius: temperature
                .and_then(|temperature| i32::try_from(temperature).ok())
                .unwrap_or(default.temperature_millicelsius),
            signal,
            scenario,
            shared: None,
        }
    }
}

/// `rate` of a recording: samples a second.
pub(super) fn rate(section: &mut Section, faults: &mut Faults) -> Option<u32> {
    let rate = section.integer("rate", 1..=100_000, faults)?;
    u32::try_from(rate).ok()
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            seed: 1,
            speed: 1.0,
            heart_rate: 72,
            spo2: 97,
            temperature_millicelsius: 36_600,
            signal: None,
            scenario: None,
            shared: None,
        }
    }
}
