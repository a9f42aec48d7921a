//! The profile of the demo: which simulated devices the gateway has.

use std::path::{Path, PathBuf};

use wardlink_wire::document::Faults;
use wardlink_wire::profile::Profile;

/// What the simulated devices give.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scene {
    /// One simulated patient on the devices of a bedside.
    Bedside,
    /// A recording, at so many times real time, on a multi-channel front end.
    Recording {
        /// The record's header file.
        header: PathBuf,
        /// How many times faster than it was recorded.
        speed: f64,
    },
}

impl Scene {
    /// The profile text.
    ///
    /// # Errors
    /// When the path cannot be written in a profile, or the profile would be refused.
    pub(super) fn profile(&self, seed: u64) -> Result<String, PlanError> {
        let text = match self {
            Self::Bedside => bedside(seed),
            Self::Recording { header, speed } => recording(header, *speed, seed)?,
        };
        match Profile::parse(&text) {
            Ok(_) => Ok(text),
            Err(faults) => Err(PlanError::Refused(faults)),
        }
    }

    /// The scene, for a person.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Bedside => {
                "TMP117 and MAX30102 on I2C, ADS1292R on SPI, Nonin on a serial line".to_owned()
            }
            Self::Recording { header, speed } => {
                format!("{} at {speed} times real time", header.display())
            }
        }
    }
}

fn bedside(seed: u64) -> String {
    let devices = [
        ("temperature", "tmp117", "period = \"1s\"\n"),
        ("ppg", "max30102", "rate = 100\n"),
        ("ecg", "ads1292r", "rate = 250\n"),
        ("oximeter", "nonin", ""),
    ];
    let tables = devices
        .into_iter()
        .zip(seed..)
        .map(|((id, driver, more), seed)| device(id, driver, more, &format!("seed = {seed}\n")));
    HEAD.to_owned() + &tables.collect::<String>()
}

fn recording(header: &Path, speed: f64, seed: u64) -> Result<String, PlanError> {
    let path = header
        .to_str()
        .ok_or_else(|| PlanError::Path(header.to_owned()))?;
    let path = toml::Value::String(path.to_owned());
    let more = format!("recording = {path}\n");
    let simulation = format!("seed = {seed}\nspeed = {speed:?}\n");
    Ok(HEAD.to_owned() + &device("recording", "frontend", &more, &simulation))
}

fn device(id: &str, driver: &str, more: &str, simulation: &str) -> String {
    format!(
        "\n[[device]]\nid = \"{id}\"\ndriver = \"{driver}\"\nbus = \"sim\"\n{more}[device.simulation]\n{simulation}"
    )
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not expressible in TOML.
    #[error("{}: a profile needs a path in UTF-8", .0.display())]
    Path(PathBuf),
    /// The gateway would refuse it.
    #[error("the demo's profile would be refused:\n{0}")]
    Refused(Faults),
}

const HEAD: &str = "schema = 1\n";

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_wire::profile::{Bus, Kind};

    #[test]
    fn every_bedside_device_is_simulated_with_a_seed_of_its_own() {
        let profile = Profile::parse(&Scene::Bedside.profile(41).unwrap()).unwrap();
        let mut seeds = Vec::new();
        for device in &profile.devices {
            let Bus::Simulated(simulation) = &device.bus else {
                panic!("{} is not simulated", device.id);
            };
            seeds.push(simulation.seed);
        }
        assert_eq!(seeds, [41, 42, 43, 44]);
    }

    #[test]
    fn a_recording_with_an_awkward_name_is_played_at_its_speed() {
        let header = PathBuf::from("/a b/\"quoted\"\\s25047-2704\u{e4}.hea");
        let scene = Scene::Recording {
            header: header.clone(),
            speed: 4.0,
        };
        let profile = Profile::parse(&scene.profile(1).unwrap()).unwrap();
        let [device] = profile.devices.as_slice() else {
            panic!("one device expected");
        };
        assert_eq!(device.driver.kind, Kind::Frontend);
        assert_eq!(device.driver.options.recording, header);
        assert!(
            matches!(&device.bus, Bus::Simulated(simulation) if (simulation.speed - 4.0).abs() < 1e-9)
        );
    }
}
