//! `wardlink monitor`: from the broker into the archive, and signed receipts back.
//!
//! Promises that a message is acknowledged to the broker only after what it holds is committed, that a
//! receipt names only what is committed, and that no message can stop it or hold up the others: what cannot
//! be taken is counted, noted and acknowledged. A connection that breaks and an archive that cannot be
//! written are tried again for ever, and said.

mod intake;
mod schedule;
mod service;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use service::Service;
use tokio_util::sync::CancellationToken;
use wardlink_link::file::{self, FileError};
use wardlink_link::identity::{Files, Identity, IdentityError};
use wardlink_link::session::Version;
use wardlink_wire::message::PayloadMasterKey;
use wardlink_wire::signature::SigningKey;

use crate::archive::{Archive, ArchiveError};
use crate::broker_address::BrokerAddress;
use crate::directory::{DirectoryError, FleetDirectory, identity_files};
use crate::exit::{Exit, Verdict};
use crate::{export, show};

/// What `wardlink monitor` is told.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do with an archive, in place of running the monitor
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run the monitor
    #[command(flatten)]
    pub run: RunArguments,
}

/// What can be done with an archive.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Write what is held as CSV files, one for each stream
    Export(export::Arguments),
    /// Show in a short table what is held
    Show(show::Arguments),
}

/// How to run the monitor.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The directory of the archive; it is made if it is missing
    #[arg(long, value_name = "DIR", required = true)]
    pub data: Option<PathBuf>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// The monitor's own folder, where there is no fleet directory [default: FLEET/monitor]
    #[arg(long, value_name = "DIR", requires = "broker")]
    pub identity: Option<PathBuf>,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// Which MQTT the broker speaks: 3.1.1 or 5
    #[arg(long, value_name = "VERSION", default_value_t)]
    pub mqtt: Version,
    /// How much to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: tracing::Level,
}

/// Runs the monitor until `stop` is cancelled.
///
/// # Errors
/// When keys, settings or archive cannot be used. What goes wrong later is logged and tried again.
pub async fn run(arguments: &RunArguments, stop: CancellationToken) -> Result<(), MonitorError> {
    let data = arguments.data.clone().ok_or(MonitorError::NoData)?;
    let fleet = FleetDirectory::at(&arguments.fleet);
    let broker = match &arguments.broker {
        Some(broker) => broker.clone(),
        None => fleet.settings()?.broker,
    };
    let folder = arguments
        .identity
        .clone()
        .unwrap_or_else(|| fleet.monitor());
    let credentials = Credentials::load(&folder)?;
    let archive = Archive::open(&data)?;
    Service::new(credentials, (broker, arguments.mqtt), data, archive)?
        .run(stop)
        .await;
    Ok(())
}

/// Who the monitor is, what it opens messages with, and what it signs receipts with.
#[derive(Debug)]
pub struct Credentials {
    /// Read anew for each connection, so that a renewed certificate needs no restart.
    identity: Files,
    master: PayloadMasterKey,
    receipts: SigningKey,
}

impl Credentials {
    /// Reads the monitor's folder.
    ///
    /// # Errors
    /// When a file is missing, exposed to others or not what it should be.
    pub fn load(folder: &Path) -> Result<Self, MonitorError> {
        let master = file::read_key(&folder.join("payload-master.key"))?;
        let identity = identity_files(folder);
        // A certificate that cannot be used is to be said now.
        Identity::load(&identity)?;
        Ok(Self {
            identity,
            master: PayloadMasterKey::from_bytes(*master),
            receipts: file::read_signing_key(&folder.join("receipt.key"))?,
        })
    }
}

/// Why the monitor did not start.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// No directory for the archive.
    #[error("--data: name the directory of the archive")]
    NoData,
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A key.
    #[error(transparent)]
    File(#[from] FileError),
    /// The TLS identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Verdict for MonitorError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoData | Self::Directory(_) | Self::File(_) | Self::Identity(_) => Exit::BadInput,
            Self::Archive(error) => error.exit(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink monitor --data monitor-data
  wardlink monitor --data monitor-data --identity /etc/wardlink/monitor --broker broker.example
  wardlink monitor show --data monitor-data
  wardlink monitor export --data monitor-data --csv out

Runs until it is interrupted (ctrl-C or SIGTERM). Gateways delete a reading only after the
monitor has said, signed, that it is committed here.";
