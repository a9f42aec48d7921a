//! The part of the configuration that a fleet may change: devices, rates, lanes, log level.
//!
//! Owns the meaning of a profile text. Promises that operator and gateway read it with the same code, so
//! what passes on one side is accepted on the other, and that all faults are reported at once. Identity,
//! keys, broker and store are not in it: a profile cannot name them.

mod device;
mod scenario;

use std::collections::BTreeSet;
use std::time::Duration;

pub use device::{
    Bus, Characteristic, DRIVERS, DeviceSettings, Driver, Key, Kind, Options, RecordingSource, Row,
    Simulation,
};
pub use scenario::{Scenario, Scripted, ScriptedEpisode, ScriptedFault, ScriptedLead};

use crate::document::{Faults, Section};
use crate::id::DeviceId;
use crate::lane::Lane;

/// A profile that was read without fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// How much is logged.
    pub log: LogLevel,
    /// When batches close, per lane in the order of [`Lane::ALL`].
    pub lanes: [LanePolicy; 4],
    /// How backlog is delivered.
    pub uplink: Uplink,
    /// What is attached.
    pub devices: Vec<DeviceSettings>,
}

/// How backlog is delivered beside what is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    /// Whether the newest of the backlog goes first.
    pub newest_first: bool,
    /// What backlog gets of the uplink while live records wait as well, per cent.
    pub backlog_share: u8,
}

/// When a batch of a lane closes: at the age of its first record or at a number of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanePolicy {
    /// The lane.
    pub lane: Lane,
    /// The longest a record waits for its batch to close.
    pub age: Duration,
    /// The most records of a batch.
    pub records: u32,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs somebody to act.
    Error,
    /// And what may need it soon.
    Warn,
    /// And what happens.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl Profile {
    /// Reads a profile text.
    ///
    /// # Errors
    /// All faults of the text, with key paths and hints.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let mut root = Section::parse(text)?;
        let mut faults = Faults::default();
        let schema = root.integer("schema", 1..=1, &mut faults);
        let schema = root.require("schema", schema, &mut faults);
        let log = log(&mut root, &mut faults);
        let lanes = lanes(&mut root, &mut faults);
        let uplink = uplink(&mut root, &mut faults);
        let devices = devices(&mut root, &mut faults);
        root.finish(&mut faults);
        faults.or(schema.map(|_| Self {
            log,
            lanes,
            uplink,
            devices,
        }))
    }

    /// The policy of one lane.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> LanePolicy {
        let found = self.lanes.iter().find(|policy| policy.lane == lane);
        found.copied().unwrap_or_else(|| LanePolicy::of(lane))
    }
}

impl LanePolicy {
    /// The policy of a lane where the profile says nothing: an alarm waits for nobody.
    #[must_use]
    pub const fn of(lane: Lane) -> Self {
        let (age, records) = match lane {
            Lane::Alarm => (Duration::ZERO, 16),
            Lane::Vital => (Duration::from_secs(1), 256),
            Lane::Event => (Duration::from_secs(1), 64),
            Lane::Wave => (Duration::from_secs(2), 64),
        };
        Self { lane, age, records }
    }
}

fn log(root: &mut Section, faults: &mut Faults) -> LogLevel {
    let Some(mut section) = root.section("log", faults) else {
        return LogLevel::Info;
    };
    let level = section.choice("level", &LEVELS, faults);
    section.finish(faults);
    level.unwrap_or(LogLevel::Info)
}

fn lanes(root: &mut Section, faults: &mut Faults) -> [LanePolicy; 4] {
    let mut policies = Lane::ALL.map(LanePolicy::of);
    let Some(mut section) = root.section("lanes", faults) else {
        return policies;
    };
    for policy in &mut policies {
        let Some(mut lane) = section.section(policy.lane.as_str(), faults) else {
            continue;
        };
        if let Some(age) = lane.duration("age", Duration::ZERO..=LONGEST_AGE, faults) {
            policy.age = age;
        }
        if let Some(records) = lane.integer("records", 1..=4096, faults) {
            policy.records = u32::try_from(records).unwrap_or(1);
        }
        lane.finish(faults);
    }
    section.finish(faults);
    policies
}

fn uplink(root: &mut Section, faults: &mut Faults) -> Uplink {
    let mut uplink = Uplink {
        newest_first: false,
        backlog_share: 20,
    };
    if let Some(mut section) = root.section("uplink", faults) {
        if let Some(newest_first) = section.choice("backlog", &BACKLOGS, faults) {
            uplink.newest_first = newest_first;
        }
        if let Some(share) = section.integer("backlog_share", 1..=90, faults) {
            uplink.backlog_share = u8::try_from(share).unwrap_or(20);
        }
        section.finish(faults);
    }
    uplink
}

fn devices(root: &mut Section, faults: &mut Faults) -> Vec<DeviceSettings> {
    let mut taken: BTreeSet<DeviceId> = BTreeSet::new();
    let mut devices = Vec::new();
    for mut section in root.sections("device", faults) {
        let path = section.path("id");
        let device = DeviceSettings::read(&mut section, faults);
        section.finish(faults);
        let Some(device) = device else { continue };
        if device.id.as_str() == GATEWAY {
            faults.note(
                &path,
                format!("{GATEWAY:?} is the gateway's own name for its events"),
            );
        }
        if !taken.insert(device.id.clone()) {
            faults.note_with_hint(
                path,
                format!("two devices are called {}", device.id),
                "every device has its own id",
            );
        }
        devices.push(device);
    }
    devices
}

/// The device under which a gateway files its own events.
pub const GATEWAY: &str = "gateway";
const LONGEST_AGE: Duration = Duration::from_secs(60);
const BACKLOGS: [(&str, bool); 2] = [("oldest-first", false), ("newest-first", true)];
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_with_many_faults_names_all_of_them() {
        let text = "schema = 1\n[log]\nlevel = \"loud\"\n[[device]]\nid = \"a b\"\ndriver = \"tmp117\"\nbus = \"sim\"\n\
                    period = \"soon\"\n[[device]]\nid = \"x\"\ndriver = \"tmp118\"\nbus = \"sim\"\n";
        let faults = Profile::parse(text).unwrap_err();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "log.level",
                "device[0].id",
                "device[0].period",
                "device[1].driver"
            ]
        );
    }

    #[test]
    fn a_profile_cannot_reach_identity_broker_or_store() {
        for key in ["gateway", "broker", "store", "identity", "operators"] {
            let faults = Profile::parse(&format!("schema = 1\n[{key}]\nx = 1\n")).unwrap_err();
            assert!(
                faults.to_string().contains("unknown key"),
                "{key}: {faults}"
            );
        }
    }
}
