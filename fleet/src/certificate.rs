//! `wardlink revoke` and `wardlink renew`: certificates that end before their time, and new ones.
//!
//! Owns the list of revoked certificates that the broker reads. Promises that it is replaced whole. A
//! gateway renews its own certificate over MQTT (`wardlink enrol serve`); `renew` is for the fleet's other
//! parties.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use wardlink_link::file::{self, FileError};
use wardlink_wire::id::GatewayId;

use crate::audit::{self, AuditLogError};
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory, MONITOR, OPERATOR, REVOKED};
use crate::enrol::{RegistrarError, authority};
use crate::exit::{Exit, Verdict};
use crate::keyring::{Keyring, KeyringError};
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::pki::{PkiError, Subject, Validity};
use crate::roster::{Roster, RosterError};

/// What `wardlink revoke` is told.
#[derive(Debug, Clone, Args)]
pub struct RevokeArguments {
    /// The gateway that is no member of the fleet any more
    pub gateway: GatewayId,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// What `wardlink renew` is told.
#[derive(Debug, Clone, Args)]
pub struct RenewArguments {
    /// Whose certificate and TLS key are made anew
    #[arg(value_enum)]
    pub party: Party,
    /// How many days the new certificate holds
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// The parties besides gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Party {
    /// The broker, for the names in its certificate of now.
    Broker,
    /// The monitor.
    Monitor,
    /// The operator.
    Operator,
}

/// Revokes a gateway.
///
/// # Errors
/// When it is not enrolled, the authority's key cannot be used, or the list cannot be written.
pub fn revoke(arguments: &RevokeArguments, out: &mut dyn Write) -> Result<(), CertificateError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let authority = authority(&fleet, &keyring)?;
    let now = clock::now_seconds();
    let mut roster = Roster::open(&fleet.roster())?;
    let ended = roster.revoke(&arguments.gateway, now)?;
    let list = authority.revocation_list(&roster.revoked()?, now)?;
    let path = fleet.broker().join(REVOKED);
    replace(&path, list.as_bytes(), 0o644)?;
    audit::note(&fleet, "revoke", arguments.gateway.as_str())?;
    writeln!(
        out,
        "revoked {}: {ended} certificates count no more",
        arguments.gateway
    )?;
    writeln!(
        out,
        "next: give {} to the broker and let it read it again (mosquitto: SIGHUP for new connections; \
         a restart also ends the ones it has)",
        path.display()
    )?;
    Ok(())
}

/// Renews the certificate of a party, on a new key.
///
/// # Errors
/// When the authority's key cannot be used or a file cannot be written.
pub fn renew(arguments: &RenewArguments, out: &mut dyn Write) -> Result<(), CertificateError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let passphrase = Passphrase::from(arguments.passphrase.clone());
    let keyring = Keyring::new(passphrase);
    let authority = authority(&fleet, &keyring)?;
    let validity = Validity::days_from(clock::now_seconds(), arguments.days)?;
    let client = |name: &str| Subject::Client(name.to_owned());
    let (folder, name, subject) = match arguments.party {
        Party::Broker => {
            let folder = fleet.broker();
            let certificate = file::read(&folder.join("broker.pem"))?;
            let names = crate::pki::names(&String::from_utf8_lossy(&certificate))?;
            let common_name = "broker".to_owned();
            (folder, "broker", Subject::Server { common_name, names })
        }
        Party::Monitor => (fleet.monitor(), "tls", client(MONITOR)),
        Party::Operator => (fleet.operator(), "tls", client(OPERATOR)),
    };
    let issued = authority.issue(&subject, validity)?;
    let key_path = folder.join(format!("{name}.key"));
    // As it was before: encrypted or not.
    let key = keyring.sealed_like(&key_path, &issued.key)?;
    replace(&key_path, key.as_bytes(), 0o600)?;
    replace(
        &folder.join(format!("{name}.pem")),
        issued.certificate.as_bytes(),
        0o644,
    )?;
    let detail = format!("{}, certificate {}", subject.common_name(), issued.serial);
    audit::note(&fleet, "renew", &detail)?;
    writeln!(
        out,
        "renewed {}: certificate until {}, in {}",
        subject.common_name(),
        clock::text_of_seconds(issued.not_after),
        folder.display()
    )?;
    Ok(())
}

/// Replaces a file: the old one or the new one is there, whole.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertificateError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let written = || -> io::Result<()> {
        let mut options = File::options();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(|error| CertificateError::Replace {
        path: path.to_owned(),
        error,
    })
}

/// Why no certificate was revoked or renewed.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be replaced.
    #[error("{}: {error}", path.display())]
    Replace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The authority.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// A key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Certificates and keys.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for CertificateError {
    fn exit(&self) -> Exit {
        match self {
            Self::Directory(error) => error.exit(),
            Self::Registrar(error) => error.exit(),
            Self::Roster(error) => error.exit(),
            Self::Keyring(_)
            | Self::File(_)
            | Self::Pki(PkiError::PastAuthority(_) | PkiError::TooLong(_)) => Exit::BadInput,
            Self::Replace { .. } | Self::Audit(_) | Self::Pki(_) | Self::Report(_) => Exit::Failed,
        }
    }
}
