//! A scenario file: what goes wrong with a simulated device, and what happens to its patient.
//!
//! Owns the meaning of the text. Promises that all of its faults are reported at once, with key paths. Who
//! plays it is the agent's affair: a profile only names the file. docs/simulation.md describes every key.

use std::time::Duration;

use crate::document::{Faults, Section};

/// A scenario that was read without fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scenario {
    /// How much faster the converter's own clock runs than it should, millionths.
    pub clock_drift_ppm: i32,
    /// What goes wrong with the device and its bus.
    pub faults: Vec<Scripted<ScriptedFault>>,
    /// What happens to the patient.
    pub episodes: Vec<Scripted<ScriptedEpisode>>,
}

/// Something that lasts for a while. Times are simulated ones since the device was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scripted<T> {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasting: Duration,
    /// What it is.
    pub what: T,
}

/// What can go wrong with a device and its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptedFault {
    /// `no-acknowledge`: the chip answers nothing.
    NoAcknowledge,
    /// `stuck-bus`: every transfer on the bus fails after `hold`.
    StuckBus(Duration),
    /// `bit-flips`: one bit in one of `one_in` transfers is read wrong.
    BitFlips(u32),
    /// `slow`: every transfer takes longer, `by` so much.
    Slow(Duration),
    /// `unplugged`: no answer, and the settings are forgotten.
    Unplugged,
    /// `fifo-overflow`: host and chip do not come together.
    FifoOverflow,
    /// `lead-off`: an electrode of `lead` is off.
    LeadOff(ScriptedLead),
    /// `sensor-off`: the sensor is off the patient.
    SensorOff,
    /// `garbage`: so many `bytes` of no frame before each frame of a serial line.
    Garbage(u32),
}

/// A lead of the ECG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptedLead {
    /// Lead I.
    I,
    /// Lead II.
    II,
}

/// What can happen to the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptedEpisode {
    /// `premature-beats`: one in `one_in` comes early from the ventricle.
    PrematureBeats(u32),
    /// `atrial-fibrillation`: no P waves, no two intervals alike.
    AtrialFibrillation,
    /// `pause`: the heart leaves out its beats.
    Pause,
    /// `motion`: the patient moves.
    Motion,
}

impl Scenario {
    /// Reads a scenario text.
    ///
    /// # Errors
    /// All faults of the text, with key paths and hints.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let mut root = Section::parse(text)?;
        let mut faults = Faults::default();
        let schema = root.integer("schema", 1..=1, &mut faults);
        let schema = root.require("schema", schema, &mut faults);
        let drift = root.integer("clock_drift_ppm", -MOST_DRIFT..=MOST_DRIFT, &mut faults);
        let scenario = Self {
            clock_drift_ppm: drift.and_then(|ppm| i32::try_from(ppm).ok()).unwrap_or(0),
            faults: list(&mut root, "fault", &mut faults, fault),
            episodes: list(&mut root, "episode", &mut faults, episode),
        };
        root.finish(&mut faults);
        faults.or(schema.map(|_| scenario))
    }
}

/// The tables of a list, each with its times and what `read` makes of the rest.
fn list<T>(
    root: &mut Section,
    key: &'static str,
    faults: &mut Faults,
    read: fn(&mut Section, &mut Faults) -> Option<T>,
) -> Vec<Scripted<T>> {
    let mut scripted = Vec::new();
    for mut section in root.sections(key, faults) {
        let what = read(&mut section, faults);
        let at = section.duration("at", Duration::ZERO..=LONGEST, faults);
        let at = section.require("at", at, faults);
        let lasting = section.duration("for", SHORTEST..=LONGEST, faults);
        let lasting = section.require("for", lasting, faults);
        section.finish(faults);
        if let (Some(what), Some(at), Some(lasting)) = (what, at, lasting) {
            scripted.push(Scripted { at, lasting, what });
        }
    }
    scripted
}

fn fault(section: &mut Section, faults: &mut Faults) -> Option<ScriptedFault> {
    let kind = section.choice("kind", &FAULTS, faults);
    let fault = match section.require("kind", kind, faults)? {
        ScriptedFault::StuckBus(default) => {
            let hold = section.duration("hold", Duration::ZERO..=LONGEST_WAIT, faults);
            ScriptedFault::StuckBus(hold.unwrap_or(default))
        }
        ScriptedFault::BitFlips(default) => {
            ScriptedFault::BitFlips(count(section, "one_in", default, faults))
        }
        ScriptedFault::Slow(default) => {
            let by = section.duration("by", Duration::ZERO..=LONGEST_WAIT, faults);
            ScriptedFault::Slow(by.unwrap_or(default))
        }
        ScriptedFault::LeadOff(_) => {
            let lead = section.choice("lead", &LEADS, faults);
            ScriptedFault::LeadOff(section.require("lead", lead, faults)?)
        }
        ScriptedFault::Garbage(default) => {
            ScriptedFault::Garbage(count(section, "bytes", default, faults))
        }
        plain => plain,
    };
    Some(fault)
}

fn episode(section: &mut Section, faults: &mut Faults) -> Option<ScriptedEpisode> {
    let kind = section.choice("kind", &EPISODES, faults);
    match section.require("kind", kind, faults)? {
        ScriptedEpisode::PrematureBeats(default) => {
            let one_in = count(section, "one_in", default, faults);
            Some(ScriptedEpisode::PrematureBeats(one_in))
        }
        plain => Some(plain),
    }
}

fn count(section: &mut Section, key: &'static str, default: u32, faults: &mut Faults) -> u32 {
    let count = section.integer(key, 1..=10_000, faults);
    count
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(default)
}

/// The words, with what holds where a table does not say more.
const FAULTS: [(&str, ScriptedFault); 9] = [
    ("no-acknowledge", ScriptedFault::NoAcknowledge),
    // what the kernel's adapters wait by default
    ("stuck-bus", ScriptedFault::StuckBus(Duration::from_secs(1))),
    ("bit-flips", ScriptedFault::BitFlips(10)),
    ("slow", ScriptedFault::Slow(Duration::from_millis(20))),
    ("unplugged", ScriptedFault::Unplugged),
    ("fifo-overflow", ScriptedFault::FifoOverflow),
    ("lead-off", ScriptedFault::LeadOff(ScriptedLead::I)),
    ("sensor-off", ScriptedFault::SensorOff),
    ("garbage", ScriptedFault::Garbage(7)),
];
const LEADS: [(&str, ScriptedLead); 2] = [("i", ScriptedLead::I), ("ii", ScriptedLead::II)];
const EPISODES: [(&str, ScriptedEpisode); 4] = [
    ("premature-beats", ScriptedEpisode::PrematureBeats(8)),
    ("atrial-fibrillation", ScriptedEpisode::AtrialFibrillation),
    ("pause", ScriptedEpisode::Pause),
    ("motion", ScriptedEpisode::Motion),
];
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longer than the agent's deadline for a call, so that a lost bus can be played too.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// One per cent: no quartz and no silicon oscillator of a converter is worse.
const MOST_DRIFT: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_with_its_own_keys() {
        let text = "schema = 1\nclock_drift_ppm = -80\n\
            [[fault]]\nkind = \"stuck-bus\"\nat = \"10s\"\nfor = \"2s\"\nhold = \"50ms\"\n\
            [[fault]]\nkind = \"lead-off\"\nlead = \"ii\"\nat = \"1m\"\nfor = \"5s\"\n\
            [[episode]]\nkind = \"premature-beats\"\nat = \"0s\"\nfor = \"1h\"\n";
        let read = Scenario::parse(text).unwrap();
        assert_eq!(read.clock_drift_ppm, -80);
        let stuck = ScriptedFault::StuckBus(Duration::from_millis(50));
        let off = ScriptedFault::LeadOff(ScriptedLead::II);
        let faults: Vec<_> = read.faults.iter().map(|fault| fault.what).collect();
        assert_eq!(faults, [stuck, off]);
        assert_eq!(read.faults[0].at, Duration::from_secs(10));
        assert_eq!(read.episodes[0].what, ScriptedEpisode::PrematureBeats(8));
        for (word, _) in FAULTS {
            let lead = if word == "lead-off" {
                "lead = \"i\"\n"
            } else {
                ""
            };
            let text = format!(
                "schema = 1\n[[fault]]\nkind = {word:?}\nat = \"1s\"\nfor = \"1s\"\n{lead}"
            );
            assert_eq!(Scenario::parse(&text).unwrap().faults.len(), 1, "{word}");
        }
    }

    #[test]
    fn a_bad_scenario_names_all_of_its_faults() {
        let text = "schema = 1\nclock_drift = 4\n\
            [[fault]]\nkind = \"stuck-buss\"\nat = \"soon\"\nfor = \"2s\"\n\
            [[fault]]\nkind = \"bit-flips\"\none_in = 0\nat = \"1s\"\n\
            [[fault]]\nkind = \"sensor-off\"\nlead = \"i\"\nat = \"1s\"\nfor = \"1s\"\n\
            [[episode]]\nkind = \"motion\"\nat = \"1s\"\nfor = \"0s\"\n";
        let faults = Scenario::parse(text).unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "fault[0].kind",
                "fault[0].at",
                "fault[1].one_in",
                "fault[1].for",
                "fault[2].lead",
                "episode[0].for",
                "clock_drift"
            ]
        );
    }
}
