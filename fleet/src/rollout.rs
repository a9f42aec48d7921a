//! `wardlink profile`: check a profile, sign it, push it to a gateway and hear what became of it.
//!
//! Promises that a profile with faults is never signed, that versions rise for each gateway and are on the
//! disk before anything is published, and that the answer reported is about exactly the bytes that were
//! sent. A ready bundle is published as it is: the gateway judges it.

mod exchange;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use exchange::ExchangeError;
use wardlink_link::file::{self, FileError};
use wardlink_wire::SCHEMA;
use wardlink_wire::bundle::{Bundle, BundleError, Manifest, Target};
use wardlink_wire::document::Faults;
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;
use wardlink_wire::receipt::SignError;
use wardlink_wire::state::Outcome;

use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory};
use crate::exit::{Exit, Verdict};
use crate::keyring::{Keyring, KeyringError};
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::roster::{Roster, RosterError};

/// What `wardlink profile` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Read a profile and name every fault in it
    Check {
        /// The profile
        file: PathBuf,
    },
    /// Sign a profile for a gateway and write the bundle to a file
    Sign(SignArguments),
    /// Sign a profile, publish it and wait for the gateway's answer
    Push(PushArguments),
}

/// What `wardlink profile sign` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = SIGN_EXAMPLES)]
pub struct SignArguments {
    /// The gateway it is for
    #[arg(long, value_name = "ID")]
    pub gateway: GatewayId,
    /// The profile
    pub file: PathBuf,
    /// The bundle to write; a file that exists is not overwritten
    #[arg(long, value_name = "BUNDLE")]
    pub out: PathBuf,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// How long gateways take it
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    pub valid: Duration,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// What `wardlink profile push` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = PUSH_EXAMPLES)]
pub struct PushArguments {
    /// The gateway it is for
    #[arg(long, value_name = "ID")]
    pub gateway: GatewayId,
    /// The profile
    #[arg(required_unless_present = "bundle", conflicts_with = "bundle")]
    pub file: Option<PathBuf>,
    /// A bundle that was signed before, published as it is
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// How long gateways take it
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    pub valid: Duration,
    /// How long to wait for the gateway's answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub wait: Duration,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// Does it. What the gateway answered becomes the exit code; none is success.
///
/// # Errors
/// When the profile has faults, or it cannot be signed, published or written.
pub async fn run(command: &Command, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    match command {
        Command::Check { file } => check(file, out),
        Command::Sign(arguments) => sign(arguments, out),
        Command::Push(arguments) => push(arguments, out).await,
    }
}

fn check(path: &Path, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    let (_, profile) = read_profile(path)?;
    writeln!(
        out,
        "{}: no faults, {} devices",
        path.display(),
        profile.devices.len()
    )?;
    for device in &profile.devices {
        writeln!(
            out,
            "  {} ({} on {})",
            device.id,
            device.driver.name(),
            device.bus.name()
        )?;
    }
    Ok(None)
}

fn sign(arguments: &SignArguments, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let bundle = signed(
        &fleet,
        &keyring,
        &arguments.gateway,
        &arguments.file,
        arguments.valid,
    )?;
    file::write(&arguments.out, &bundle.bytes)?;
    writeln!(
        out,
        "signed version {} for {}, valid until {}, in {}",
        bundle.version,
        arguments.gateway,
        clock::text_of_seconds(bundle.expires),
        arguments.out.display()
    )?;
    Ok(None)
}

async fn push(
    arguments: &PushArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, RolloutError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let broker = match &arguments.broker {
        Some(broker) => broker.clone(),
        None => fleet.settings()?.broker,
    };
    let gateway = &arguments.gateway;
    // Loaded before a version is drawn: a slip in the fleet directory should cost no number.
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let identity = keyring.identity(&fleet.operator())?;
    let bytes = match (&arguments.bundle, &arguments.file) {
        (Some(bundle), _) => file::read(bundle)?,
        (None, Some(profile)) => {
            let bundle = signed(&fleet, &keyring, gateway, profile, arguments.valid)?;
            writeln!(out, "signed version {} for {gateway}", bundle.version)?;
            bundle.bytes
        }
        (None, None) => return Err(RolloutError::NothingToPush),
    };
    let answer = exchange::push(&identity, &broker, gateway, bytes, arguments.wait).await?;
    let Some(answer) = answer else {
        let wait = humantime::format_duration(arguments.wait);
        writeln!(
            out,
            "no answer within {wait}: the bundle stays on the broker and is applied when the gateway connects"
        )?;
        return Ok(Some(Exit::NoAnswer));
    };
    let version = answer
        .version
        .map_or_else(|| "unknown".to_owned(), |version| version.to_string());
    match answer.outcome {
        Outcome::Applied => {
            writeln!(out, "applied version {version}")?;
            Ok(None)
        }
        Outcome::Refused => {
            writeln!(out, "refused: {}", answer.reason.escape_debug())?;
            Ok(Some(Exit::Failed))
        }
    }
}

struct Signed {
    bytes: Vec<u8>,
    version: u64,
    expires: i64,
}

/// Signs a profile that has no faults, under the gateway's next version.
fn signed(
    fleet: &FleetDirectory,
    keyring: &Keyring,
    gateway: &GatewayId,
    path: &Path,
    valid: Duration,
) -> Result<Signed, RolloutError> {
    let (profile, _) = read_profile(path)?;
    let settings = fleet.settings();
    settings.map(drop)?;
    let key = keyring.signing_key(&fleet.operator().join("operator.key"))?;
    let issued = clock::now_seconds();
    let expires = i64::try_from(valid.as_secs())
        .ok()
        .and_then(|valid| issued.checked_add(valid));
    let mut manifest = Manifest {
        schema: SCHEMA,
        version: u64::MAX,
        target: Target::Gateway(gateway.clone()),
        issued,
        expires: expires.ok_or(RolloutError::TooLong)?,
        profile,
    };
    let operators = [key.verifying_key()];
    // What a gateway could not take, for its size, must not use up a version: tried with the longest one.
    Bundle::verify(&manifest.sign(&key)?, &operators)?;
    manifest.version = Roster::open(&fleet.roster())?.draw_version(gateway.as_str())?;
    Ok(Signed {
        bytes: manifest.sign(&key)?,
        version: manifest.version,
        expires: manifest.expires,
    })
}

fn read_profile(path: &Path) -> Result<(String, Profile), RolloutError> {
    let bytes = file::read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| RolloutError::NoText(path.to_owned()))?;
    match Profile::parse(&text) {
        Ok(profile) => Ok((text, profile)),
        Err(faults) => Err(RolloutError::Profile {
            path: path.to_owned(),
            faults,
        }),
    }
}

/// Why a profile was not checked, signed or pushed.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// Faults in the profile.
    #[error("{}: the profile has faults\n{faults}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        faults: Faults,
    },
    /// Not UTF-8.
    #[error("{}: a profile is a text in UTF-8", .0.display())]
    NoText(PathBuf),
    /// Neither profile nor bundle.
    #[error("name a profile, or a bundle with --bundle")]
    NothingToPush,
    /// Beyond the calendar.
    #[error("--valid reaches past the end of time")]
    TooLong,
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operator's keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The signature.
    #[error("cannot sign: {0}")]
    Sign(#[from] SignError),
    /// What no gateway would take.
    #[error("no gateway would take it: {0}")]
    Bundle(#[from] BundleError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The broker.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for RolloutError {
    fn exit(&self) -> Exit {
        match self {
            Self::Profile { .. }
            | Self::NoText(_)
            | Self::NothingToPush
            | Self::TooLong
            | Self::Directory(_)
            | Self::File(_)
            | Self::Keyring(_)
            | Self::Bundle(_) => Exit::BadInput,
            Self::Roster(error) => error.exit(),
            Self::Sign(_) | Self::Exchange(_) | Self::Report(_) => Exit::Failed,
        }
    }
}

const SIGN_EXAMPLES: &str = "\
Example:
  wardlink profile sign --gateway gw-0001 icu.toml --out icu.bundle";

const PUSH_EXAMPLES: &str = "\
Examples:
  wardlink profile push --gateway gw-0001 icu.toml
  wardlink profile push --gateway gw-0001 icu.toml --valid 1h --wait 2m
  wardlink profile push --gateway gw-0001 --bundle icu.bundle

Exit code: 0 applied, 1 refused or failed, 2 faults in the input, 3 no answer in time.";
