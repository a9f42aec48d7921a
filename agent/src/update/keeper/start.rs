//! The start of a keeper: which profile is in force after whatever ended the last run.

use wardlink_wire::bundle::{Bundle, Version};
use wardlink_wire::id::GatewayId;
use wardlink_wire::root::Trust;
use wardlink_wire::state::Reason;

use super::super::UpdateError;
use super::super::disk::Disk;
use super::super::machine::{Event, Phase};
use super::super::record::Record;
use super::Keeper;
use crate::audit::AuditLog;

impl Keeper {
    /// Reads what was kept, counts this start, and settles which profile is in force.
    ///
    /// The faults are for people: whatever cannot be read, a profile is in force.
    #[must_use]
    pub fn open(
        mut disk: Box<dyn Disk>,
        gateway: GatewayId,
        pinned: &Trust,
        utc_ns: i64,
    ) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let audit = AuditLog::open(disk.as_mut(), gateway.as_str(), utc_ns);
        let audit = audit.map_err(|error| faults.push(error.to_string())).ok();
        let record = match Record::read(disk.as_ref()) {
            Ok(record) => record.unwrap_or_default(),
            Err(error) => {
                faults.push(format!("{error}: going on with the profile of enrolment"));
                Record {
                    floor: highest(disk.as_ref(), pinned),
                    ..Record::default()
                }
            }
        };
        let roots = record.roots.iter().map(|root| root.as_slice());
        let trust = pinned.follow_all(roots).unwrap_or_else(|error| {
            faults.push(format!("{error}: going on with the operators of enrolment"));
            pinned.clone()
        });
        let mut keeper = Self {
            gateway,
            disk,
            said: record.last.clone(),
            record,
            trust,
            audit,
            profile: None,
            stale: false,
        };
        keeper.start(utc_ns, &mut faults);
        (keeper, faults)
    }

    fn start(&mut self, utc_ns: i64, faults: &mut Vec<String>) {
        if let Err(error) = self.decide(Event::Start, utc_ns, "the agent started too often") {
            // A start that cannot be counted must not try: the last good profile holds until it can.
            faults.push(error.to_string());
            let good = self.record.phase.good().cloned();
            self.record.phase = Phase::Settled { good };
        }
        if let Err(error) = self.load() {
            faults.push(error.to_string());
            if let Err(error) = self.decide(
                Event::Failed(Reason::Unreadable),
                utc_ns,
                &error.to_string(),
            ) {
                faults.push(error.to_string());
            }
            if self.load().is_err() {
                faults.push("going on with the profile of enrolment".to_owned());
                self.profile = None;
            }
        }
        let text = format!(
            "profile {} in force, {}",
            self.number(),
            self.record.phase.as_str()
        );
        if let Err(error) = self.note(utc_ns, "started", &text) {
            faults.push(error.to_string());
        }
    }

    /// Reads the profile of the bundle in force.
    fn load(&mut self) -> Result<(), UpdateError> {
        self.profile = self.read(self.record.phase.in_force())?;
        Ok(())
    }
}

/// The highest version among the bundles that lie there, for when the record of them is lost: nothing older
/// may come back.
fn highest(disk: &dyn Disk, trust: &Trust) -> Version {
    let names = disk.names().unwrap_or_default();
    let read = |name: &String| disk.read(name).ok().flatten();
    let versions = names
        .iter()
        .filter(|name| name.ends_with(".bundle"))
        .filter_map(read)
        .filter_map(|bytes| Some(Bundle::verify(&bytes, trust).ok()?.manifest().version));
    versions.max().unwrap_or_default()
}
