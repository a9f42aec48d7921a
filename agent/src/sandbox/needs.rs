//! What an agent with these settings and this profile touches: the grants beyond those of its machine.

use std::iter;
use std::path::Path;

use wardlink_wire::profile::{Bus, Profile};

use super::{Access, Grants};
use crate::config::Settings;

impl Grants {
    /// The grants of one agent. Its own folders must be there already.
    #[must_use]
    pub fn of(settings: &Settings, profile: &Profile) -> Self {
        let mut grants = Self::of_the_machine();
        grants.allow(&settings.store.path, Access::Write);
        grants.allow(&settings.profile.state, Access::Write);
        if let Some(socket) = &settings.status_socket {
            grants.allow_beside(socket, Access::Write);
        }
        let files = &settings.broker.files;
        for file in iter::once(&files.ca).chain(&files.crl) {
            grants.allow_file(file, Access::Read);
        }
        // A renewal puts new ones in their place.
        for file in [&files.certificate, &files.key] {
            grants.allow_file(file, Access::Write);
        }
        for device in &profile.devices {
            let recording = &device.driver.options.recording;
            if !recording.as_os_str().is_empty() {
                grants.allow_file(recording, Access::Read);
            }
            if let Bus::Simulated(simulation) = &device.bus {
                let recording = simulation.signal.as_ref().map(|signal| &signal.recording);
                for file in recording.into_iter().chain(&simulation.scenario) {
                    grants.allow_file(file, Access::Read);
                }
            }
        }
        grants
    }

    /// Grants the folder of a file, and the one of the file that it links to.
    fn allow_file(&mut self, file: &Path, access: Access) {
        self.allow_beside(file, access);
        if let Ok(target) = file.canonicalize() {
            self.allow_beside(&target, access);
        }
    }
}
