//! `wardlink init`: a new fleet with its authority, its broker, its operator and its monitor.
//!
//! Promises that the directory appears whole or not at all, that secrets are readable by their owner only,
//! and that nothing existing is overwritten. The keys of the authority and of the operator are encrypted
//! under a passphrase. Broker and monitor have to start without a person beside them, so theirs are not:
//! their machines keep them (mode 0600).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use wardlink_link::file::{self, FileError};
use wardlink_wire::signature::SigningKey;

use crate::broker_address::{AddressError, BrokerAddress, DEFAULT_PORT};
use crate::clock;
use crate::directory::{MONITOR, OPERATOR, REVOKED, SETTINGS, Settings};
use crate::exit::{Exit, Verdict};
use crate::keyring::{self, KeyringError};
use crate::passphrase::{Passphrase, PassphraseArguments, PassphraseError};
use crate::pki::{self, Authority, Issued, PkiError, Subject, Validity};
use crate::staging::{Staging, StagingError};

/// What `wardlink init` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The directory to make
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// A DNS name or IP address of the broker, for its certificate; may be given several times. Clients
    /// are told the first one
    #[arg(long = "broker-name", value_name = "NAME", default_values = ["localhost", "127.0.0.1"])]
    pub broker_names: Vec<String>,
    /// The port the broker listens on
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// How many days the certificates of broker, operator and monitor hold
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
    /// How many days the fleet's certificate authority holds
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..))]
    pub ca_days: u32,
    /// Where the passphrase for the new keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
    /// Do not encrypt the keys of the authority and the operator: for demonstrations and tests
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd"])]
    pub no_passphrase: bool,
}

/// Makes the fleet.
///
/// # Errors
/// When the directory exists already, a name is no name, or the system refuses.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), InitError> {
    let addresses: Vec<BrokerAddress> = arguments
        .broker_names
        .iter()
        .map(|name| BrokerAddress::new(name, arguments.port))
        .collect::<Result<_, _>>()?;
    let broker = addresses.first().cloned().ok_or(InitError::NoName)?;
    let passphrase = Passphrase::from(arguments.passphrase.clone());
    let passphrase = if arguments.no_passphrase {
        None
    } else {
        Some(passphrase.choose()?)
    };
    let now = clock::now_seconds();
    let leaf = Validity::days_from(now, arguments.days)?;
    let authority = Authority::generate(
        "wardlink fleet CA",
        Validity::days_from(now, arguments.ca_days)?,
    )?;
    let staging = Staging::begin(&arguments.fleet)?;
    let root = staging.path();
    file::write(&root.join("ca.pem"), authority.certificate().as_bytes())?;
    let key = keyring::sealed(&authority.key(), passphrase)?;
    file::write_private(&root.join("ca.key"), key.as_bytes())?;
    file::write(
        &root.join(SETTINGS),
        Settings {
            broker: broker.clone(),
        }
        .text()
        .as_bytes(),
    )?;
    let server = Subject::Server {
        common_name: "broker".to_owned(),
        names: arguments.broker_names.clone(),
    };
    let broker_folder = staging.folder("broker")?;
    party(
        &authority.issue(&server, leaf)?,
        &authority,
        &broker_folder,
        "broker",
        None,
    )?;
    let nobody = authority.revocation_list(&[], now)?;
    file::write(&broker_folder.join(REVOKED), nobody.as_bytes())?;
    let operator = staging.folder(OPERATOR)?;
    party(
        &authority.issue(&Subject::Client(OPERATOR.to_owned()), leaf)?,
        &authority,
        &operator,
        "tls",
        passphrase,
    )?;
    signing_pair(&operator, "operator", passphrase)?;
    let monitor = staging.folder(MONITOR)?;
    party(
        &authority.issue(&Subject::Client(MONITOR.to_owned()), leaf)?,
        &authority,
        &monitor,
        "tls",
        None,
    )?;
    signing_pair(&monitor, "receipt", None)?;
    let master = pki::symmetric_key()?;
    file::write_private(
        &monitor.join("payload-master.key"),
        file::key_text(&master).as_bytes(),
    )?;
    staging.commit()?;
    report(&arguments.fleet, &broker, out)?;
    if arguments.no_passphrase {
        writeln!(
            out,
            "WARNING: ca.key and the operator's keys are not encrypted: whoever reads them owns the fleet. \
             For demonstrations and tests only."
        )?;
    }
    Ok(())
}

/// The certificate of one party, its key, and the authority it trusts, in one folder.
fn party(
    issued: &Issued,
    authority: &Authority,
    folder: &Path,
    name: &str,
    passphrase: Option<&[u8]>,
) -> Result<(), InitError> {
    file::write(&folder.join("ca.pem"), authority.certificate().as_bytes())?;
    file::write(
        &folder.join(format!("{name}.pem")),
        issued.certificate.as_bytes(),
    )?;
    let key = keyring::sealed(&issued.key, passphrase)?;
    file::write_private(&folder.join(format!("{name}.key")), key.as_bytes())?;
    Ok(())
}

fn signing_pair(folder: &Path, name: &str, passphrase: Option<&[u8]>) -> Result<(), InitError> {
    let key = SigningKey::generate().map_err(PkiError::from)?;
    let public = pki::verifying_key_pem(&key.verifying_key());
    let private = keyring::sealed(&pki::signing_key_pem(&key)?, passphrase)?;
    file::write_private(&folder.join(format!("{name}.key")), private.as_bytes())?;
    file::write(&folder.join(format!("{name}.pub")), public.as_bytes())?;
    Ok(())
}

fn report(fleet: &Path, broker: &BrokerAddress, out: &mut dyn Write) -> io::Result<()> {
    let fleet_name = fleet.display();
    let option = if fleet == Path::new(".wardlink") {
        String::new()
    } else {
        format!(" --fleet {fleet_name}")
    };
    writeln!(out, "made a fleet in {fleet_name}")?;
    writeln!(
        out,
        "  ca.pem, ca.key      the certificate authority: keep ca.key offline and backed up"
    )?;
    writeln!(
        out,
        "  broker/             certificate and key for the broker at {broker}"
    )?;
    writeln!(out, "  operator/           who signs profiles")?;
    writeln!(
        out,
        "  monitor/            who opens what gateways measured, and signs receipts"
    )?;
    writeln!(out, "next:")?;
    writeln!(
        out,
        "  give broker/ to the broker; it must ask for client certificates"
    )?;
    writeln!(out, "  wardlink enrol gw-0001{option}")?;
    writeln!(out, "  wardlink monitor{option} --data DIR")
}

/// Why no fleet was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A broker name.
    #[error("--broker-name: {0}")]
    Name(#[from] AddressError),
    /// None at all.
    #[error("--broker-name: at least one is needed")]
    NoName,
    /// Certificates and keys.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A key's encryption.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The directory.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for InitError {
    fn exit(&self) -> Exit {
        match self {
            Self::Name(_)
            | Self::NoName
            | Self::Passphrase(_)
            | Self::Pki(PkiError::PastAuthority(_) | PkiError::TooLong(_)) => Exit::BadInput,
            Self::Pki(_)
            | Self::Keyring(_)
            | Self::Staging(_)
            | Self::File(_)
            | Self::Report(_) => Exit::Failed,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink init
  wardlink init --fleet ward7 --broker-name broker.ward7.example --broker-name 192.0.2.7

Nothing that exists is overwritten. Keep ca.key offline: who has it can enrol gateways.";
