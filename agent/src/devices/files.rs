//! The files that simulated devices play: looked at before a device is started.

use std::path::Path;

use wardlink_firmware_shim::recording::Recording;
use wardlink_wire::profile::{Bus, DeviceSettings};

use super::scenario;

/// What is wrong with the recordings and scenarios of these devices, each in words that name the device and the
/// file.
#[must_use]
pub fn file_faults(devices: &[DeviceSettings]) -> Vec<String> {
    let mut faults = Vec::new();
    for device in devices {
        let Bus::Simulated(simulation) = &device.bus else {
            continue;
        };
        let mut note = |what: &str| faults.push(format!("device {}: {what}", device.id));
        let told = &device.driver.options;
        let rate = (told.rate > 0).then_some(told.rate);
        let whole = &told.recording;
        let whole = (!whole.as_os_str().is_empty()).then_some((whole.as_path(), None, rate));
        let one = simulation.signal.as_ref();
        let one = one.map(|one| (one.recording.as_path(), one.signal.as_deref(), one.rate));
        for (recording, signal, rate) in whole.into_iter().chain(one) {
            if let Err(why) = playable(recording, signal, rate) {
                note(&why);
            }
        }
        if let Err(fault) = scenario::of(device.driver.kind, simulation) {
            note(&fault.detail);
        }
    }
    faults
}

fn playable(path: &Path, signal: Option<&str>, rate: Option<u32>) -> Result<(), String> {
    let recording = Recording::open_at(path, rate).map_err(|error| error.to_string())?;
    match signal {
        Some(name) if recording.signals().iter().all(|one| one.name != name) => {
            Err(format!("{}: no signal {name}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use wardlink_wire::profile::Profile;

    use super::*;

    #[test]
    fn each_file_that_cannot_be_played_is_named_with_its_device() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.csv");
        let bad = folder.path().join("bad.csv");
        let scenario = folder.path().join("bad.toml");
        fs::write(&good, "# rate = 1\nT [degC]\n36.6\n").unwrap();
        fs::write(&bad, "T [degC]\n36.6\n").unwrap();
        fs::write(&scenario, "schema = 1\nclock_drift = 3\n").unwrap();
        let [good, bad, scenario] = [good, bad, scenario].map(|path| path.display().to_string());
        let device =
            |id: &str, rest: &str| format!("[[device]]\nid = \"{id}\"\nbus = \"sim\"\n{rest}\n");
        let played = |path: &str, name: &str| {
            format!(
                "driver = \"tmp117\"\n[device.simulation.signal]\nrecording = \"{path}\"\nname = \"{name}\""
            )
        };
        let text = [
            "schema = 1\n".to_owned(),
            device(
                "whole",
                &format!("driver = \"frontend\"\nrecording = \"{good}\""),
            ),
            device(
                "broken",
                &format!("driver = \"frontend\"\nrecording = \"{bad}\""),
            ),
            device("one", &played(&good, "T")),
            device("other", &played(&good, "X")),
            device(
                "scripted",
                &format!("driver = \"tmp117\"\n[device.simulation]\nscenario = \"{scenario}\""),
            ),
        ];
        let profile = Profile::parse(&text.concat()).unwrap();
        let faults = file_faults(&profile.devices);
        let [broken, other, scripted] = &faults[..] else {
            panic!("{faults:?}")
        };
        assert!(
            broken.starts_with("device broken: ") && broken.contains("bad.csv"),
            "{broken}"
        );
        assert!(
            other.starts_with("device other: ") && other.ends_with("no signal X"),
            "{other}"
        );
        assert!(
            scripted.starts_with("device scripted: scenario "),
            "{scripted}"
        );
        assert!(
            scripted.contains("bad.toml") && scripted.contains("clock_drift"),
            "{scripted}"
        );
    }
}
