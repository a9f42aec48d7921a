//! The fleet directory: where everything of one fleet lies, and its settings file.
//!
//! Owns the names of files and folders inside. Each party's folder (`broker/`, `operator/`, `monitor/`,
//! `gateways/<id>/`) is complete in itself, so that it can be carried to the machine that needs it and
//! nothing else has to be.

use std::path::{Path, PathBuf};

use wardlink_link::file::{self, FileError};
use wardlink_link::identity::Files;
use wardlink_wire::document::{Faults, Section};
use wardlink_wire::id::GatewayId;

use crate::broker_address::BrokerAddress;
use crate::exit::{Exit, Verdict};

/// The directory of one fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetDirectory(PathBuf);

impl FleetDirectory {
    /// The directory at this path, which need not exist yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The operator's folder.
    #[must_use]
    pub fn operator(&self) -> PathBuf {
        self.0.join(OPERATOR)
    }

    /// The monitor's folder.
    #[must_use]
    pub fn monitor(&self) -> PathBuf {
        self.0.join(MONITOR)
    }

    /// The folder that enrolment fills for a gateway, unless told otherwise.
    #[must_use]
    pub fn gateway(&self, gateway: &GatewayId) -> PathBuf {
        self.0.join("gateways").join(gateway.as_str())
    }

    /// The broker's folder.
    #[must_use]
    pub fn broker(&self) -> PathBuf {
        self.0.join("broker")
    }

    /// The operator's audit log.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit.log")
    }

    /// The file of what is known of the fleet.
    #[must_use]
    pub fn roster(&self) -> PathBuf {
        self.0.join("fleet.db")
    }

    /// Reads the settings file.
    ///
    /// # Errors
    /// When the directory is no fleet's, or the file has faults.
    pub fn settings(&self) -> Result<Settings, DirectoryError> {
        let path = self.0.join(SETTINGS);
        let bytes = match file::read(&path) {
            Err(FileError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DirectoryError::NoFleet(self.0.clone()));
            }
            other => other?,
        };
        let text = String::from_utf8_lossy(&bytes);
        Settings::parse(&text).map_err(|faults| DirectoryError::Settings { path, faults })
    }
}

/// What the fleet's settings file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the broker listens, unless a command says otherwise.
    pub broker: BrokerAddress,
}

impl Settings {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// All faults at once.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let mut root = Section::parse(text)?;
        let mut faults = Faults::default();
        let schema = root.integer("schema", 1..=1, &mut faults);
        let schema = root.require("schema", schema, &mut faults);
        let section = root.section("broker", &mut faults);
        let broker = root
            .require("broker", section, &mut faults)
            .and_then(|mut section| {
                let host = section.text("host", &mut faults);
                let host = section.require("host", host, &mut faults);
                let port = section.integer("port", 1..=65535, &mut faults);
                let port = section.require("port", port, &mut faults);
                let path = section.path("host");
                section.finish(&mut faults);
                match BrokerAddress::new(&host?, u16::try_from(port?).ok()?) {
                    Ok(broker) => Some(broker),
                    Err(error) => {
                        faults.note(path, error.to_string());
                        None
                    }
                }
            });
        root.finish(&mut faults);
        faults.or(schema.and(broker).map(|broker| Self { broker }))
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "# Settings of this fleet, for the program `wardlink`.\n\
             schema = 1\n\
             \n\
             # The MQTT broker, as gateways and the monitor reach it. Its certificate must carry this host.\n\
             [broker]\n\
             host = \"{}\"\n\
             port = {}\n",
            self.broker.host(),
            self.broker.port()
        )
    }
}

/// The TLS files in the folder of the operator or of the monitor. A `crl.pem` beside them is honoured.
#[must_use]
pub fn identity_files(folder: &Path) -> Files {
    Files {
        ca: folder.join("ca.pem"),
        certificate: folder.join("tls.pem"),
        key: folder.join("tls.key"),
        crl: Some(folder.join("crl.pem")).filter(|crl| crl.exists()),
    }
}

/// Why a fleet directory is of no use.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No fleet there.
    #[error("{} is no fleet directory: make one with `wardlink init`, or name it with --fleet", .0.display())]
    NoFleet(PathBuf),
    /// Faults in the settings.
    #[error("{}: {faults}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Faults,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Verdict for DirectoryError {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }
}

/// Name of the settings file.
pub const SETTINGS: &str = "fleet.toml";
/// Name of the list of revoked certificates, in the broker's folder.
pub const REVOKED: &str = "crl.pem";
/// Name of the operator's folder, and common name of the operator.
pub const OPERATOR: &str = "operator";
/// Name of the monitor's folder, and common name of the monitor.
pub const MONITOR: &str = "monitor";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_the_settings_is_read_back() {
        for broker in ["localhost:8883", "[::1]:1", "broker.example:65535"] {
            let settings = Settings {
                broker: broker.parse().unwrap(),
            };
            assert_eq!(Settings::parse(&settings.text()), Ok(settings));
        }
        let faults =
            Settings::parse("schema = 2\n[broker]\nhost = \"a b\"\nport = 0\n").unwrap_err();
        assert!(faults.iter().count() >= 2, "{faults}");
    }
}
