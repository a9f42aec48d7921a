//! Which device: one of the configuration, or one described on the command line.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use wardlink_agent::config::Settings;
use wardlink_wire::profile::{DeviceSettings, Profile};

/// Which device.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// The gateway's configuration file
    #[arg(
        long,
        value_name = "FILE",
        requires = "device",
        required_unless_present = "driver"
    )]
    config: Option<PathBuf>,
    /// The id of one of its devices
    #[arg(long, value_name = "ID", requires = "config")]
    device: Option<String>,
    /// What the device is: the driver's word of a profile
    #[arg(
        long,
        value_name = "DRIVER",
        requires = "bus",
        conflicts_with = "config"
    )]
    driver: Option<String>,
    /// Where it is: /dev/ttyUSB0, /dev/i2c-1, tcp:127.0.0.1:2575, bluetooth:AA:BB:CC:DD:EE:FF, sim
    #[arg(long, value_name = "BUS", requires = "driver")]
    bus: Option<String>,
    /// Another key of the device's table, as in a profile
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "driver")]
    keys: Vec<String>,
}

impl Selection {
    /// The device's settings, or every fault in what was said.
    pub(crate) fn settings(&self) -> Result<DeviceSettings, String> {
        match (&self.config, &self.device) {
            (Some(config), Some(id)) => {
                let settings = Settings::load(config)
                    .map_err(|faults| format!("{}: {faults}", config.display()))?;
                let devices = settings.profile.enrolled.devices;
                let ids: Vec<_> = devices.iter().map(|device| device.id.to_string()).collect();
                let mut devices = devices.into_iter();
                devices
                    .find(|device| device.id.as_str() == id)
                    .ok_or_else(|| format!("no device {id}: choose one of {}", ids.join(", ")))
            }
            _ => self.described(),
        }
    }

    /// The same text that a profile would hold is read by the same code.
    fn described(&self) -> Result<DeviceSettings, String> {
        let quoted = |text: &Option<String>| {
            toml::Value::String(text.clone().unwrap_or_default()).to_string()
        };
        let mut table = format!(
            "schema = 1\n[[device]]\nid = \"bench\"\ndriver = {}\nbus = {}\n",
            quoted(&self.driver),
            quoted(&self.bus)
        );
        for key in &self.keys {
            writeln!(table, "{key}").map_err(|error| error.to_string())?;
        }
        let profile = Profile::parse(&table).map_err(|faults| faults.to_string())?;
        let mut devices = profile.devices.into_iter();
        devices.next().ok_or_else(|| "no device".to_owned())
    }
}
