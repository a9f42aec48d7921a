//! The place of a run: its directory, its throw-away fleet, its logs.
//!
//! With `--out` everything is kept there; without, it is a temporary directory that goes when the run
//! ends. The keys of a throw-away fleet are worth nothing to anybody, but they are real keys in private
//! files like any other's.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wardlink_wire::id::{GatewayId, NameError};

use crate::directory::FleetDirectory;
use crate::enrol::{self, EnrolError};
use crate::init::{self, InitError};
use crate::passphrase::PassphraseArguments;

/// Where a run takes place.
#[derive(Debug)]
pub(super) struct Stage {
    root: PathBuf,
    gateway: GatewayId,
    // Removed with what is in it when the run is over.
    temporary: TempDir,
}

impl Stage {
    /// Makes the directory, or takes an empty one.
    pub(super) fn prepare(out: Option<&Path>) -> Result<Self, StageError> {
        let temporary = tempfile::Builder::new()
            .prefix("wardlink-demo-")
            .tempdir()
            .map_err(|error| StageError::io(&std::env::temp_dir(), error))?;
        let root = match out {
            Some(out) => out.to_owned(),
            None => temporary.path().join("run"),
        };
        let failed = |error| StageError::io(&root, error);
        match fs::read_dir(&root) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(StageError::Used(root));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut builder = DirBuilder::new();
                builder
                    .recursive(true)
                    .mode(0o700)
                    .create(&root)
                    .map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let root = fs::canonicalize(&root).map_err(failed)?;
        let logs = root.join(LOGS);
        fs::create_dir(&logs).map_err(|error| StageError::io(&logs, error))?;
        Ok(Self {
            root,
            gateway: GATEWAY.parse()?,
            temporary,
        })
    }

    /// Makes the fleet with one gateway, for a broker at `address` that does not listen yet.
    pub(super) fn furnish(&self, address: SocketAddr, profile: &str) -> Result<(), StageError> {
        let fleet = self.fleet();
        let init = init::Arguments {
            fleet: fleet.clone(),
            broker_names: vec![address.ip().to_string()],
            port: address.port(),
            days: DAYS,
            // The gateway is certified a moment after the authority, and not for longer.
            ca_days: DAYS + 1,
            passphrase: PassphraseArguments::default(),
            no_passphrase: true,
        };
        init::run(&init, &mut io::sink())?;
        let written = self.root.join("profile.toml");
        fs::write(&written, profile).map_err(|error| StageError::io(&written, error))?;
        let enrol = enrol::OneArguments {
            gateway: Some(self.gateway.clone()),
            csr: None,
            fleet,
            out: None,
            broker: None,
            profile: Some(written),
            groups: Vec::new(),
            days: DAYS,
            passphrase: PassphraseArguments::default(),
        };
        enrol::run(&enrol, &mut io::sink())?;
        self.shorten_socket()
    }

    /// Names the agent's status socket in the temporary directory: the address of a socket holds some
    /// hundred characters (unix(7)), and the way to `--out` may be longer.
    fn shorten_socket(&self) -> Result<(), StageError> {
        let path = self.agent_configuration();
        let text = fs::read_to_string(&path).map_err(|error| StageError::io(&path, error))?;
        let mut table: toml::Table = text.parse().map_err(|error| StageError::Configuration {
            path: path.clone(),
            error,
        })?;
        let mut status = toml::Table::new();
        let socket = self.socket().to_string_lossy().into_owned();
        status.insert("socket".to_owned(), socket.into());
        table.insert("status".to_owned(), status.into());
        fs::write(&path, table.to_string()).map_err(|error| StageError::io(&path, error))
    }

    /// The gateway of the run.
    pub(super) const fn gateway(&self) -> &GatewayId {
        &self.gateway
    }

    /// The directory of the run, and of the monitor's archive.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The fleet directory.
    pub(super) fn fleet(&self) -> PathBuf {
        self.root.join("fleet")
    }

    /// A file of the broker's folder.
    pub(super) fn broker_file(&self, name: &str) -> PathBuf {
        self.fleet().join("broker").join(name)
    }

    /// The configuration of the gateway's agent.
    pub(super) fn agent_configuration(&self) -> PathBuf {
        let folder = FleetDirectory::at(&self.fleet()).gateway(&self.gateway);
        folder.join("agent.toml")
    }

    /// Where the agent serves its status.
    pub(super) fn socket(&self) -> PathBuf {
        self.temporary.path().join("status.sock")
    }

    /// The log of one process.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.root.join(LOGS).join(format!("{name}.log"))
    }
}

/// Why there is no place for a run.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It would be mixed with something else.
    #[error("{} is not empty: give --out a new or an empty directory", .0.display())]
    Used(PathBuf),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The gateway's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The fleet.
    #[error("cannot make the throw-away fleet: {0}")]
    Init(#[from] InitError),
    /// The gateway.
    #[error("cannot enrol the demo's gateway: {0}")]
    Enrol(#[from] EnrolError),
    /// The configuration that enrolment wrote.
    #[error("{}: {error}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: toml::de::Error,
    },
}

impl StageError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

const GATEWAY: &str = "demo-gateway";
const LOGS: &str = "logs";
/// A run lasts hours at most.
const DAYS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_somebodys_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("monitor.sqlite"), "precious").unwrap();
        let said = Stage::prepare(Some(folder.path())).unwrap_err().to_string();
        assert!(said.contains("is not empty"), "{said}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_directory_of_its_own_a_run_leaves_nothing_behind() {
        let stage = Stage::prepare(None).unwrap();
        let root = stage.root().to_owned();
        assert!(root.is_dir());
        drop(stage);
        assert!(!root.exists());
    }

    #[test]
    fn a_furnished_stage_names_broker_profile_and_a_socket_that_any_path_allows() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(150)).join("y".repeat(150));
        let stage = Stage::prepare(Some(&deep)).unwrap();
        let address = "127.0.0.1:4711".parse().unwrap();
        stage.furnish(address, "schema = 1\n").unwrap();
        let text = fs::read_to_string(stage.agent_configuration()).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["broker"]["port"].as_integer(), Some(4711));
        assert_eq!(table["broker"]["host"].as_str(), Some("127.0.0.1"));
        let socket = table["status"]["socket"].as_str().unwrap();
        assert_eq!(Path::new(socket), stage.socket());
        assert!(socket.len() < 100, "{socket}");
    }
}
