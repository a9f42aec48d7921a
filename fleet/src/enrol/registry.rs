//! The list of enrolled gateways: one line of TOML for each.
//!
//! Promises that a gateway is enrolled once, also when two people try at the same time, and that a line is
//! on the disk before enrolment is reported.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use toml::Table;
use wardlink_wire::id::GatewayId;

use crate::clock;
use crate::pki::Issued;

/// The list, held against others until it is dropped.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    file: File,
    gateways: Table,
}

impl Registry {
    /// Opens the list, making it if it is missing, and waits for others that hold it.
    ///
    /// # Errors
    /// When it cannot be read or is not a list of gateways.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let failed = |error| RegistryError::io(path, error);
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        if text.is_empty() {
            file.write_all(HEADER.as_bytes()).map_err(failed)?;
        }
        let gateways = text
            .parse()
            .map_err(|error: toml::de::Error| RegistryError::Damaged {
                path: path.to_owned(),
                problem: error.message().to_owned(),
            })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            gateways,
        })
    }

    /// Says whether a gateway may be enrolled.
    ///
    /// # Errors
    /// When it is enrolled already.
    pub fn admit(&self, gateway: &GatewayId) -> Result<(), RegistryError> {
        if self.gateways.contains_key(gateway.as_str()) {
            return Err(RegistryError::Known {
                gateway: gateway.clone(),
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// Notes a gateway, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(mut self, gateway: &GatewayId, issued: &Issued) -> Result<(), RegistryError> {
        let line = format!(
            "\"{gateway}\" = {{ serial = \"{}\", sha256 = \"{}\", enrolled = \"{}\", certificate_ends = \"{}\" }}\n",
            issued.serial,
            issued.fingerprint,
            clock::text_of_seconds(clock::now_seconds()),
            clock::text_of_seconds(issued.not_after),
        );
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_all())
            .map_err(|error| RegistryError::io(&self.path, error))
    }
}

/// Why a gateway was not noted.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Enrolled before.
    #[error("gateway {gateway} is enrolled already ({}): give a new name, or remove its line and revoke that certificate", path.display())]
    Known {
        /// Which.
        gateway: GatewayId,
        /// The list.
        path: PathBuf,
    },
    /// Not a list of gateways.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The list.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl RegistryError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

const HEADER: &str =
    "# Gateways enrolled in this fleet, one line each; `wardlink enrol` adds to it.\n";
