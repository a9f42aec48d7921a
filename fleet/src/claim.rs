//! `wardlink claim`: files with which gateways enrol by themselves, once.
//!
//! A claim file holds a certificate that reaches nothing on the broker but the desk of enrolment, a secret
//! that proves the claim, and whom the gateway may believe. Promises that it enrols one gateway of one name,
//! once, before it expires. Who reads the file first can be that gateway: it is a secret.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use wardlink_link::file::{self, FileError};
use wardlink_wire::enrolment::CLAIM;
use wardlink_wire::id::GatewayId;

use crate::audit::{self, AuditLogError};
use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory};
use crate::enrol::{self, EnrolError, RegistrarError};
use crate::exit::{Exit, Verdict};
use crate::keyring::Keyring;
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::pki::{self, PkiError, Subject, Validity};
use crate::roster::{Claim, Roster, RosterError};

/// What `wardlink claim` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Make claim files, one for each gateway named
    New(NewArguments),
    /// Show the claims and what became of them
    List(ListArguments),
    /// Take a claim back
    Withdraw(WithdrawArguments),
}

/// What `wardlink claim new` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct NewArguments {
    /// Names of the gateways
    #[arg(required = true)]
    pub gateways: Vec<GatewayId>,
    /// The folder that the files `GATEWAY.claim` are written to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// How long a claim can be used
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    pub valid: Duration,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the gateways reach the broker [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// The profile to begin with [default: four simulated devices]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// A group to put them into; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<GatewayId>,
    /// How many days the gateways' certificates hold
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// What `wardlink claim list` is told.
#[derive(Debug, Clone, Args)]
pub struct ListArguments {
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

/// What `wardlink claim withdraw` is told.
#[derive(Debug, Clone, Args)]
pub struct WithdrawArguments {
    /// The claim's id, as `wardlink claim list` shows it
    pub claim: GatewayId,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

/// Does it.
///
/// # Errors
/// When the fleet cannot be used, a gateway is enrolled already, or a file cannot be written.
pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), ClaimError> {
    match command {
        Command::New(arguments) => new(arguments, out),
        Command::List(arguments) => list(arguments, out),
        Command::Withdraw(arguments) => {
            let fleet = FleetDirectory::at(&arguments.fleet);
            fleet.settings().map(drop)?;
            Roster::open(&fleet.roster())?
                .withdraw_claim(&arguments.claim, clock::now_seconds())?;
            audit::note(&fleet, "withdraw", &format!("claim {}", arguments.claim))?;
            writeln!(out, "withdrawn: claim {} enrols nobody", arguments.claim)?;
            Ok(())
        }
    }
}

fn new(arguments: &NewArguments, out: &mut dyn Write) -> Result<(), ClaimError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let settings = fleet.settings()?;
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let broker = arguments.broker.clone().unwrap_or(settings.broker);
    let profile = enrol::profile_text(arguments.profile.as_deref())?;
    let roster = Roster::open(&fleet.roster())?;
    let authority = enrol::authority(&fleet, &keyring)?;
    let now = clock::now_seconds();
    let expires = i64::try_from(arguments.valid.as_secs())
        .ok()
        .and_then(|valid| now.checked_add(valid))
        .ok_or(ClaimError::TooLong)?;
    for gateway in &arguments.gateways {
        enrol::refuse_reserved(gateway)?;
        let secret = pki::symmetric_key()?;
        let validity = Validity::until(now, expires)?;
        let issued = authority.issue(&Subject::Client(CLAIM.to_owned()), validity)?;
        let id = claim_id()?;
        let claim = Claim {
            id: id.clone(),
            gateway: gateway.clone(),
            groups: arguments.groups.iter().map(ToString::to_string).collect(),
            profile: profile.clone(),
            broker: broker.to_string(),
            days: arguments.days,
            expires,
            serial: issued.serial.clone(),
            withdrawn: None,
            used: None,
        };
        roster.note_claim(&claim, secret.as_slice())?;
        roster.note_certificate(CLAIM, &issued.without_key(), now)?;
        let text = format!(
            "# Lets the gateway {gateway} enrol itself once, until {until}. Secret: who has it first can be that gateway.\n\
             schema = 1\nid = \"{id}\"\ngateway = \"{gateway}\"\nexpires = {expires}\n\
             host = \"{host}\"\nport = {port}\nsecret = \"{secret}\"\n\
             ca = '''\n{ca}'''\ncertificate = '''\n{certificate}'''\nkey = '''\n{key}'''\n",
            until = clock::text_of_seconds(expires),
            host = broker.host(),
            port = broker.port(),
            secret = file::key_text(&secret).trim(),
            ca = authority.certificate(),
            certificate = issued.certificate,
            key = *issued.key,
        );
        let path = arguments.out.join(format!("{gateway}.claim"));
        file::write_private(&path, text.as_bytes())?;
        audit::note(&fleet, "claim", &format!("{id} for {gateway}"))?;
        writeln!(
            out,
            "claim {id} for {gateway}, until {}: {}",
            clock::text_of_seconds(expires),
            path.display()
        )?;
    }
    writeln!(out, "next:")?;
    writeln!(out, "  wardlink enrol serve, until every gateway has come")?;
    writeln!(
        out,
        "  on a gateway: wardlink-agent run --config DIR/agent.toml --claim FILE"
    )?;
    Ok(())
}

fn list(arguments: &ListArguments, out: &mut dyn Write) -> Result<(), ClaimError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let claims = Roster::open(&fleet.roster())?.claims()?;
    let now = clock::now_seconds();
    writeln!(
        out,
        "{:<16} {:<20} {:<20}  state",
        "claim", "gateway", "until"
    )?;
    for claim in claims {
        let state = match (&claim.used, claim.withdrawn) {
            (Some(_), _) => "used",
            (None, Some(_)) => "withdrawn",
            (None, None) if claim.expires <= now => "expired",
            (None, None) => "open",
        };
        writeln!(
            out,
            "{:<16} {:<20} {:<20}  {state}",
            claim.id.as_str(),
            claim.gateway.as_str(),
            clock::text_of_seconds(claim.expires)
        )?;
    }
    Ok(())
}

/// Eight random bytes as text.
fn claim_id() -> Result<GatewayId, ClaimError> {
    let random = pki::symmetric_key()?;
    let text = pki::hex(random.get(..8).unwrap_or_default());
    text.parse()
        .map_err(|_| ClaimError::Pki(PkiError::Randomness))
}

/// Why a claim was not made, shown or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Beyond the calendar.
    #[error("--valid reaches past the end of time")]
    TooLong,
    /// The gateway or its profile.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The authority.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
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

impl Verdict for ClaimError {
    fn exit(&self) -> Exit {
        match self {
            Self::TooLong | Self::File(_) | Self::Pki(PkiError::PastAuthority(_)) => Exit::BadInput,
            Self::Enrol(error) => error.exit(),
            Self::Directory(error) => error.exit(),
            Self::Registrar(error) => error.exit(),
            Self::Roster(error) => error.exit(),
            Self::Audit(_) | Self::Pki(_) | Self::Report(_) => Exit::Failed,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink claim new gw-0001 --group ward-3
  wardlink claim new gw-0001 gw-0002 gw-0003 --valid 30d --out /media/usb";
