//! `wardlink enrol`: a gateway becomes a member of the fleet.
//!
//! Three ways. With `--csr`, the gateway has made its keys itself and is answered by a sealed grant. With
//! `serve`, claims and renewals are answered over MQTT. With neither, everything is made here, in one
//! directory: for simulation and trials. Promises that what is written appears whole or not at all, and that
//! a gateway is enrolled once.

mod registrar;
mod request_file;
mod serve;
mod template;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
pub use registrar::{Member, Registrar, RegistrarError, authority};
pub use request_file::RequestFileError;
pub use serve::{ServeArguments, ServeError, serve};
pub use template::{DEFAULT_PROFILE, agent_configuration};
use wardlink_link::file::{self, FileError};
use wardlink_wire::document::Faults;
use wardlink_wire::enrolment::CLAIM;
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;

use crate::audit::{self, AuditLogError};
use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory, MONITOR, OPERATOR};
use crate::exit::{Exit, Verdict};
use crate::keyring::Keyring;
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::pki::{self, Certified, PkiError, Subject, Validity};
use crate::roster::{Roster, RosterError, certificates, gateways};
use crate::staging::{Staging, StagingError};

/// What `wardlink enrol` is told.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to do in place of enrolling one gateway
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Whom to enrol
    #[command(flatten)]
    pub one: OneArguments,
}

/// What else enrolment can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Answer claims and renewals over MQTT until interrupted
    Serve(ServeArguments),
}

/// How to enrol one gateway.
#[derive(Debug, Clone, Args)]
pub struct OneArguments {
    /// Name of the gateway: letters, digits, '-', '_' and '.'
    #[arg(required = true)]
    pub gateway: Option<GatewayId>,
    /// What `wardlink-agent enrol request` wrote on the gateway: its private keys stay there. Without this,
    /// they are made here, for simulation and trials only
    #[arg(long, value_name = "FILE")]
    pub csr: Option<PathBuf>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// What to write: the grant, or without --csr the gateway's directory
    /// [default: GATEWAY.grant, or FLEET/gateways/GATEWAY]
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Where this gateway reaches the broker [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// The profile to begin with [default: four simulated devices]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// A group to put it into; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<GatewayId>,
    /// How many days the gateway's certificate holds
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// Enrols a gateway.
///
/// # Errors
/// When the gateway is enrolled already, the fleet or the profile cannot be used, or the system refuses.
pub fn run(arguments: &OneArguments, out: &mut dyn Write) -> Result<(), EnrolError> {
    let gateway = arguments.gateway.as_ref().ok_or(EnrolError::Nobody)?;
    refuse_reserved(gateway)?;
    let fleet = FleetDirectory::at(&arguments.fleet);
    let settings = fleet.settings()?;
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let profile = profile_text(arguments.profile.as_deref())?;
    let groups: Vec<String> = arguments.groups.iter().map(ToString::to_string).collect();
    let member = Member {
        gateway,
        profile: &profile,
        groups: &groups,
        broker: arguments.broker.as_ref().unwrap_or(&settings.broker),
        days: arguments.days,
    };
    let mut roster = Roster::open(&fleet.roster())?;
    gateways::admit(&roster.connection, gateway)?;
    let enrolment = Enrolment {
        out: arguments.out.as_deref(),
        fleet: &fleet,
        keyring: &keyring,
        member: &member,
    };
    match &arguments.csr {
        Some(csr) => enrolment.answer_request(&mut roster, csr, out),
        None => enrolment.make_everything(&mut roster, out),
    }
}

/// One gateway on its way into the fleet.
struct Enrolment<'a> {
    out: Option<&'a Path>,
    fleet: &'a FleetDirectory,
    keyring: &'a Keyring,
    member: &'a Member<'a>,
}

impl Enrolment<'_> {
    fn answer_request(
        &self,
        roster: &mut Roster,
        csr: &Path,
        out: &mut dyn Write,
    ) -> Result<(), EnrolError> {
        let Self {
            fleet,
            keyring,
            member,
            ..
        } = *self;
        let request = request_file::read(csr)?;
        let registrar = Registrar::open(fleet, keyring)?;
        let grant = || PathBuf::from(format!("{}.grant", member.gateway));
        let target = self.out.map_or_else(grant, Path::to_owned);
        let certified = roster.together(|transaction| {
            let (answer, certified) = registrar.admit(transaction, member, &request, None)?;
            file::write(&target, &answer)?;
            Ok::<_, EnrolError>(certified)
        })?;
        audit::note(
            fleet,
            "enrol",
            &format!(
                "{} on its own key, certificate {}",
                member.gateway, certified.serial
            ),
        )?;
        say(member, &certified, out)?;
        writeln!(
            out,
            "request {}: the gateway must have shown the same",
            request.fingerprint()
        )?;
        writeln!(
            out,
            "fleet CA {}: the gateway will show the same",
            pki::fingerprint(registrar.authority().certificate())?
        )?;
        writeln!(
            out,
            "next, on the gateway, with {} (nobody else can open it):",
            target.display()
        )?;
        writeln!(
            out,
            "  wardlink-agent enrol accept --dir DIR {}",
            target.display()
        )?;
        Ok(())
    }

    fn make_everything(&self, roster: &mut Roster, out: &mut dyn Write) -> Result<(), EnrolError> {
        let Self {
            fleet,
            keyring,
            member,
            ..
        } = *self;
        let gateway = member.gateway;
        let registrar = Registrar::open(fleet, keyring)?;
        let authority = registrar.authority();
        let validity = Validity::days_from(clock::now_seconds(), member.days)?;
        let issued = authority.issue(&Subject::Client(gateway.to_string()), validity)?;
        let target = self
            .out
            .map_or_else(|| fleet.gateway(gateway), Path::to_owned);
        let staging = Staging::begin(&target)?;
        let public = |name: &str, bytes: &[u8]| file::write(&staging.path().join(name), bytes);
        let secret =
            |name: &str, bytes: &[u8]| file::write_private(&staging.path().join(name), bytes);
        public("ca.pem", authority.certificate().as_bytes())?;
        public("gateway.pem", issued.certificate.as_bytes())?;
        secret("gateway.key", issued.key.as_bytes())?;
        public("operator.pub", registrar.operator().as_bytes())?;
        public("receipt.pub", registrar.receipt().as_bytes())?;
        let payload = registrar.payload_key(gateway)?;
        secret("payload.key", file::key_text(payload.expose()).as_bytes())?;
        secret(
            "store.key",
            file::key_text(&*pki::symmetric_key()?).as_bytes(),
        )?;
        public("profile.toml", member.profile.as_bytes())?;
        public(
            "agent.toml",
            agent_configuration(gateway, member.broker).as_bytes(),
        )?;
        let certified = issued.without_key();
        roster.together(|transaction| {
            let now = clock::now_seconds();
            gateways::note(transaction, gateway, member.profile, member.groups, now)?;
            certificates::note(transaction, gateway.as_str(), &certified, now)?;
            staging.commit()?;
            Ok::<_, EnrolError>(())
        })?;
        audit::note(
            fleet,
            "enrol",
            &format!(
                "{gateway} on a key made here, certificate {}",
                certified.serial
            ),
        )?;
        say(member, &certified, out)?;
        writeln!(
            out,
            "everything it needs is in {}. Its private keys were made here: for simulation and trials only.",
            target.display()
        )?;
        writeln!(
            out,
            "A real gateway makes them itself: `wardlink-agent enrol request`, then `wardlink enrol --csr`."
        )?;
        writeln!(out, "next:")?;
        writeln!(
            out,
            "  wardlink-agent run --config {}",
            target.join("agent.toml").display()
        )?;
        Ok(())
    }
}

fn say(member: &Member<'_>, certified: &Certified, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "enrolled {} for the broker at {}, certificate until {}",
        member.gateway,
        member.broker,
        clock::text_of_seconds(certified.not_after)
    )
}

/// Refuses names that other parties or topics have.
///
/// # Errors
/// When it is one of them.
pub fn refuse_reserved(gateway: &GatewayId) -> Result<(), EnrolError> {
    if [MONITOR, OPERATOR, CLAIM, "broker", "group", "serve"].contains(&gateway.as_str()) {
        return Err(EnrolError::Reserved(gateway.clone()));
    }
    Ok(())
}

/// The text of a profile that was read without fault.
///
/// # Errors
/// When it cannot be read or has faults.
pub fn profile_text(path: Option<&Path>) -> Result<String, EnrolError> {
    let Some(path) = path else {
        return Ok(DEFAULT_PROFILE.to_owned());
    };
    let profile = String::from_utf8_lossy(&file::read(path)?).into_owned();
    match Profile::parse(&profile) {
        Ok(_) => Ok(profile),
        Err(faults) => Err(EnrolError::Profile {
            path: path.to_owned(),
            faults,
        }),
    }
}

/// Why a gateway was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No name.
    #[error("name the gateway")]
    Nobody,
    /// A name that others have.
    #[error("{0} is the name of another party of the fleet: choose another name for the gateway")]
    Reserved(GatewayId),
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// Faults in the profile.
    #[error("{}: the profile has faults\n{faults}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Faults,
    },
    /// The request.
    #[error(transparent)]
    Request(#[from] RequestFileError),
    /// The authority.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// Certificates and keys.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
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
            Self::Roster(error) => error.exit(),
            Self::Registrar(error) => error.exit(),
            Self::Nobody
            | Self::Reserved(_)
            | Self::Profile { .. }
            | Self::Request(_)
            | Self::File(_)
            | Self::Pki(PkiError::PastAuthority(_) | PkiError::TooLong(_)) => Exit::BadInput,
            Self::Pki(_) | Self::Audit(_) | Self::Staging(_) | Self::Report(_) => Exit::Failed,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink enrol gw-0001 --csr gw-0001.request --group ward-3
  wardlink enrol gw-0002 --csr gw-0002.request --profile icu.toml --broker broker.example:8883
  wardlink enrol serve
  wardlink enrol simulation

With --csr the gateway's private keys never leave it. `wardlink-agent enrol request` makes them and the
request, `wardlink-agent enrol accept` takes the grant.";
