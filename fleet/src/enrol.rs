//! `wardlink enrol`: everything one gateway needs, in one directory.
//!
//! Promises that the directory appears whole or not at all, that a gateway is enrolled once, and that the
//! files are the ones the agent reads. The store key exists nowhere else; the payload key can be derived
//! again by the monitor alone.

mod registry;
mod template;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
pub use registry::{Registry, RegistryError};
pub use template::{DEFAULT_PROFILE, agent_configuration};
use wardlink_link::file::{self, FileError};
use wardlink_wire::document::Faults;
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::{PayloadMasterKey, SealError};
use wardlink_wire::profile::Profile;
use zeroize::Zeroizing;

use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory, MONITOR, OPERATOR};
use crate::exit::{Exit, Verdict};
use crate::pki::{self, Authority, PkiError, Subject, Validity};
use crate::staging::{Staging, StagingError};

/// What `wardlink enrol` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Name of the gateway: letters, digits, '-', '_' and '.'
    pub gateway: GatewayId,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// The directory to make for the gateway [default: FLEET/gateways/GATEWAY]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where this gateway reaches the broker [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// The profile to begin with [default: four simulated devices]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// How many days the gateway's certificate holds
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
}

/// Enrols a gateway.
///
/// # Errors
/// When the gateway is enrolled already, the fleet or the profile cannot be used, or the system refuses.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), EnrolError> {
    let gateway = &arguments.gateway;
    if [MONITOR, OPERATOR, "broker"].contains(&gateway.as_str()) {
        return Err(EnrolError::Reserved(gateway.clone()));
    }
    let fleet = FleetDirectory::at(&arguments.fleet);
    let settings = fleet.settings()?;
    let broker = arguments.broker.as_ref().unwrap_or(&settings.broker);
    let profile = profile_text(arguments.profile.as_deref())?;
    let registry = Registry::open(&fleet.registry())?;
    registry.admit(gateway)?;

    let authority = Authority::from_pem(
        &text(&file::read(&fleet.path().join("ca.pem"))?),
        &Zeroizing::new(text(&file::read_private(&fleet.path().join("ca.key"))?)),
    )?;
    let validity = Validity::days_from(clock::now_seconds(), arguments.days)?;
    let issued = authority.issue(&Subject::Client(gateway.to_string()), validity)?;
    let master = file::read_key(&fleet.monitor().join("payload-master.key"))?;
    let payload = PayloadMasterKey::from_bytes(*master).for_gateway(gateway)?;

    let target = arguments
        .out
        .clone()
        .unwrap_or_else(|| fleet.gateway(gateway));
    let staging = Staging::begin(&target)?;
    let public = |name: &str, bytes: &[u8]| file::write(&staging.path().join(name), bytes);
    let secret = |name: &str, bytes: &[u8]| file::write_private(&staging.path().join(name), bytes);
    public("ca.pem", authority.certificate().as_bytes())?;
    public("gateway.pem", issued.certificate.as_bytes())?;
    secret("gateway.key", issued.key.as_bytes())?;
    public(
        "operator.pub",
        &file::read(&fleet.operator().join("operator.pub"))?,
    )?;
    public(
        "receipt.pub",
        &file::read(&fleet.monitor().join("receipt.pub"))?,
    )?;
    secret("payload.key", file::key_text(payload.expose()).as_bytes())?;
    secret(
        "store.key",
        file::key_text(&*pki::symmetric_key()?).as_bytes(),
    )?;
    public("profile.toml", profile.as_bytes())?;
    public(
        "agent.toml",
        agent_configuration(gateway, broker).as_bytes(),
    )?;
    staging.commit()?;
    registry.note(gateway, &issued)?;

    writeln!(
        out,
        "enrolled {gateway} for the broker at {broker}, certificate until {}",
        clock::text_of_seconds(issued.not_after)
    )?;
    writeln!(
        out,
        "everything it needs is in {}: carry it there over a trusted way",
        target.display()
    )?;
    writeln!(out, "next:")?;
    writeln!(
        out,
        "  wardlink-agent run --config {}",
        target.join("agent.toml").display()
    )?;
    Ok(())
}

/// The text of a profile that was read without fault.
fn profile_text(path: Option<&Path>) -> Result<String, EnrolError> {
    let Some(path) = path else {
        return Ok(DEFAULT_PROFILE.to_owned());
    };
    let profile = text(&file::read(path)?);
    match Profile::parse(&profile) {
        Ok(_) => Ok(profile),
        Err(faults) => Err(EnrolError::Profile {
            path: path.to_owned(),
            faults,
        }),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why a gateway was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A name that others have.
    #[error("{0} is the name of another party of the fleet: choose another name for the gateway")]
    Reserved(GatewayId),
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The list of gateways.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Faults in the profile.
    #[error("{}: the profile has faults\n{faults}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Faults,
    },
    /// Certificates and keys.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The payload key.
    #[error("payload key: {0}")]
    Payload(#[from] SealError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for EnrolError {
    fn exit(&self) -> Exit {
        match self {
            Self::Directory(error) => error.exit(),
            Self::Reserved(_) | Self::Profile { .. } | Self::File(_) => Exit::BadInput,
            Self::Pki(
                PkiError::PastAuthority(_)
                | PkiError::TooLong(_)
                | PkiError::AuthorityCertificate
                | PkiError::AuthorityKey
                | PkiError::AuthorityPair,
            )
            | Self::Registry(RegistryError::Damaged { .. }) => Exit::BadInput,
            Self::Pki(_)
            | Self::Registry(_)
            | Self::Payload(_)
            | Self::Staging(_)
            | Self::Report(_) => Exit::Failed,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink enrol gw-0001
  wardlink enrol gw-0002 --profile icu.toml --broker broker.example:8883 --out /media/usb/gw-0002

The directory holds secrets (gateway.key, payload.key, store.key). A gateway is enrolled once.";
