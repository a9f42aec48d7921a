//! The buses of the profile: are they there, and may this user open them? No device is spoken to.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::fs::{Access, access};
use wardlink_wire::profile::{Bus, Profile};

use super::Finding;

pub(super) fn examine(profile: &Profile) -> Vec<Finding> {
    let buses: BTreeSet<&Path> = profile
        .devices
        .iter()
        .filter_map(|device| match &device.bus {
            Bus::Path(path) => Some(path.as_path()),
            Bus::Simulated(_) | Bus::Network(_) | Bus::Bluetooth(_) => None,
        })
        .collect();
    let simulated = profile
        .devices
        .iter()
        .filter(|device| device.bus.is_simulated())
        .count();
    let mut findings: Vec<_> = buses.into_iter().map(bus).collect();
    if simulated > 0 {
        let seen = format!("{simulated} simulated: their records are marked so, for ever");
        let advice = "give them a bus of this machine before patients are attached";
        findings.push(Finding::doubtful("devices", seen, advice));
    }
    if profile.devices.is_empty() {
        let advice = "push a profile with devices";
        findings.push(Finding::doubtful("devices", "none", advice));
    }
    findings
}

fn bus(path: &Path) -> Finding {
    let shown = path.display();
    let what = format!("bus {shown}");
    match access(path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => Finding::well(what, "there, and open to this user"),
        Err(rustix::io::Errno::NOENT) => Finding::wrong(
            what,
            "not there",
            "is the adapter plugged in, the bus enabled (device tree), the module i2c-dev or spidev loaded?",
        ),
        Err(rustix::io::Errno::ACCESS) => Finding::wrong(
            what,
            "not open to this user",
            "run this as the user of the agent, and put that user into the group of the file: i2c, spi, \
             gpio or dialout",
        ),
        Err(error) => Finding::wrong(what, error.to_string(), "look at the kernel's log"),
    }
}
