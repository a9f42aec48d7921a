//! Whether a profile on trial has proven itself.
//!
//! Promises a verdict by the trial's deadline. Healthy means: every device that gave readings before, and is
//! still in the profile, gives readings; and the broker has acknowledged a batch since the profile was
//! applied. A device that is new is not waited for: what hangs on it may come later.

use std::time::Duration;

use wardlink_wire::bundle::Trial;
use wardlink_wire::id::DeviceId;
use wardlink_wire::profile::Profile;
use wardlink_wire::state::Reason;

use crate::health::{DeviceState, Snapshot};

/// The verdict, once there is one.
pub type Verdict = Result<(), (Reason, String)>;

/// What is known of a trial.
#[derive(Debug, Clone, Copy)]
pub struct Course<'t> {
    /// How the profile has to prove itself.
    pub trial: Trial,
    /// The profile.
    pub profile: &'t Profile,
    /// Devices that gave readings before.
    pub reading: &'t [DeviceId],
    /// How long the profile has been in force.
    pub elapsed: Duration,
    /// Batches the broker had acknowledged when it was applied.
    pub published: u64,
}

impl Course<'_> {
    /// The verdict of this moment; none while it is too early for one.
    #[must_use]
    pub fn verdict(&self, now: &Snapshot) -> Option<Verdict> {
        let silent = self.silent(now);
        let acknowledged = now.published > self.published;
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        if silent.is_empty() && acknowledged && self.elapsed >= seconds(self.trial.soak) {
            return Some(Ok(()));
        }
        if self.elapsed < seconds(self.trial.deadline) {
            return None;
        }
        let deadline = self.trial.deadline;
        Some(Err(if silent.is_empty() {
            let text = format!("the broker acknowledged nothing within {deadline} s");
            (Reason::BrokerSilent, text)
        } else {
            let names = silent.join(", ");
            let text =
                format!("no readings within {deadline} s from what gave some before: {names}");
            (Reason::DeviceSilent, text)
        }))
    }

    fn silent(&self, now: &Snapshot) -> Vec<String> {
        let wanted = |id: &&DeviceId| self.profile.devices.iter().any(|device| device.id == **id);
        let gives = |id: &DeviceId| {
            now.devices
                .get(id)
                .is_some_and(|device| match device.state {
                    DeviceState::Reading => device.readings > 0,
                    DeviceState::Ended => true,
                    DeviceState::Starting | DeviceState::Lost => false,
                })
        };
        let wanted = self.reading.iter().filter(wanted);
        wanted
            .filter(|id| !gives(id))
            .map(ToString::to_string)
            .collect()
    }
}

/// The devices that give readings now.
#[must_use]
pub fn reading(now: &Snapshot) -> Vec<DeviceId> {
    let gives = now
        .devices
        .iter()
        .filter(|(_, device)| device.state == DeviceState::Reading && device.readings > 0);
    gives.map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{DeviceHealth, Health};

    fn snapshot(devices: &[(&str, DeviceState)], published: u64) -> Snapshot {
        let health = Health::new(1);
        health.update(|snapshot| {
            snapshot.published = published;
            for (id, state) in devices {
                let device = DeviceHealth {
                    driver: "tmp117",
                    state: *state,
                    readings: u64::from(*state == DeviceState::Reading),
                    fault: None,
                };
                snapshot.devices.insert(id.parse().unwrap(), device);
            }
        });
        health.snapshot()
    }

    fn verdict(seconds: u64, now: &Snapshot) -> Option<Result<(), Reason>> {
        let text = ["a", "b"]
            .map(|id| format!("[[device]]\nid = \"{id}\"\ndriver = \"nonin\"\nbus = \"sim\"\n"));
        let profile = Profile::parse(&format!("schema = 1\n{}", text.concat())).unwrap();
        let reading = ["a", "gone"].map(|id| id.parse().unwrap());
        let course = Course {
            trial: Trial {
                soak: 10,
                deadline: 60,
            },
            profile: &profile,
            reading: &reading,
            elapsed: Duration::from_secs(seconds),
            published: 5,
        };
        let verdict = course.verdict(now)?;
        Some(verdict.map_err(|(reason, _)| reason))
    }

    #[test]
    fn a_profile_is_confirmed_once_devices_read_the_broker_acknowledges_and_it_has_soaked() {
        let well = snapshot(&[("a", DeviceState::Reading), ("b", DeviceState::Lost)], 6);
        assert_eq!(verdict(9, &well), None);
        assert_eq!(verdict(10, &well), Some(Ok(())));
        let ended = snapshot(&[("a", DeviceState::Ended)], 6);
        assert_eq!(verdict(10, &ended), Some(Ok(())));
    }

    #[test]
    fn a_profile_that_silences_a_device_or_the_broker_fails_at_its_deadline() {
        for state in [DeviceState::Lost, DeviceState::Starting] {
            let silent = snapshot(&[("a", state)], 6);
            assert_eq!(verdict(59, &silent), None);
            assert_eq!(verdict(60, &silent), Some(Err(Reason::DeviceSilent)));
        }
        let unheard = snapshot(&[("a", DeviceState::Reading)], 5);
        assert_eq!(verdict(59, &unheard), None);
        assert_eq!(verdict(60, &unheard), Some(Err(Reason::BrokerSilent)));
    }
}
