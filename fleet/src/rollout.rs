//! `wardlink profile`: check a profile, sign it, push it to a gateway and hear what became of it.
//!
//! Promises that a profile with faults is never signed, that versions rise for each gateway and are on the
//! disk before anything is published, and that the answer reported is about exactly the bytes that were
//! sent. A ready bundle is published as it is: the gateway judges it.

pub mod counter;
mod exchange;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use counter::CounterError;
use exchange::ExchangeError;
use wardlink_link::file::{self, FileError};
use wardlink_link::identity::{Identity, IdentityError};
use wardlink_wire::bundle::{self, Bundle, BundleError, Manifest, Parcel, Trial, Version};
use wardlink_wire::document::Faults;
use wardlink_wire::id::GatewayId;
use wardlink_wire::profile::Profile;
use wardlink_wire::receipt::SignError;
use wardlink_wire::root::{RootError, Trust};
use wardlink_wire::state::Outcome;

use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory, identity_files};
use crate::exit::{Exit, Verdict};

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
    /// How it has to prove itself
    #[command(flatten)]
    pub trial: TrialArguments,
}

/// How a profile has to prove itself on the gateway.
#[derive(Debug, Clone, Args)]
pub struct TrialArguments {
    /// The gateway confirms it no earlier, seconds after it was applied
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub soak: u32,
    /// The gateway rolls it back if it is not healthy by then, seconds after it was applied
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub deadline: u32,
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
    /// How it has to prove itself
    #[command(flatten)]
    pub trial: TrialArguments,
    /// How long to wait for the gateway's answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub wait: Duration,
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
    let bundle = signed(
        &fleet,
        &arguments.gateway,
        &arguments.file,
        (arguments.valid, &arguments.trial),
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
    let identity = Identity::load(&identity_files(&fleet.operator()))?;
    let bytes = match (&arguments.bundle, &arguments.file) {
        (Some(bundle), _) => file::read(bundle)?,
        (None, Some(profile)) => {
            let bundle = signed(
                &fleet,
                gateway,
                profile,
                (arguments.valid, &arguments.trial),
            )?;
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
        Outcome::Applied | Outcome::Confirmed => {
            writeln!(out, "applied version {version}")?;
            Ok(None)
        }
        Outcome::Staged | Outcome::OnTrial => {
            writeln!(out, "version {version} has not proven itself yet")?;
            Ok(Some(Exit::NoAnswer))
        }
        Outcome::RolledBack => {
            let reason = answer.reason.escape_debug();
            writeln!(out, "rolled back: {reason}")?;
            Ok(Some(Exit::Failed))
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
    gateway: &GatewayId,
    path: &Path,
    (valid, trial): (Duration, &TrialArguments),
) -> Result<Signed, RolloutError> {
    let (profile, _) = read_profile(path)?;
    let settings = fleet.settings();
    settings.map(drop)?;
    let key = file::read_signing_key(&fleet.operator().join("operator.key"))?;
    let trust = Trust::pinned(vec![key.verifying_key()], 1, FIRST_ROOT)?;
    let issued = clock::now_seconds();
    let expires = i64::try_from(valid.as_secs())
        .ok()
        .and_then(|valid| issued.checked_add(valid));
    let mut manifest = Manifest {
        schema: bundle::SCHEMA,
        gateway: gateway.clone(),
        version: Version {
            root: FIRST_ROOT,
            number: u64::MAX,
        },
        issued,
        not_before: issued,
        expires: expires.ok_or(RolloutError::TooLong)?,
        stale: None,
        trial: Trial {
            soak: trial.soak,
            deadline: trial.deadline,
        },
        rollout: None,
        profile,
    };
    // What a gateway could not take, for its size, must not use up a version: tried with the longest one.
    Bundle::verify(&manifest.sign(&[&key])?, &trust)?;
    manifest.version.number = counter::draw(&fleet.versions(), gateway)?;
    Ok(Signed {
        bytes: Parcel::of(manifest.sign(&[&key])?)
            .encode()
            .map_err(SignError::from)?,
        version: manifest.version.number,
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
    /// The operator's TLS identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The signature.
    #[error("cannot sign: {0}")]
    Sign(#[from] SignError),
    /// What no gateway would take.
    #[error("no gateway would take it: {0}")]
    Bundle(#[from] BundleError),
    /// The operators.
    #[error("operators: {0}")]
    Root(#[from] RootError),
    /// The version.
    #[error(transparent)]
    Counter(#[from] CounterError),
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
            | Self::Identity(_)
            | Self::Bundle(_)
            | Self::Root(_)
            | Self::Counter(CounterError::Damaged(_)) => Exit::BadInput,
            Self::Sign(_) | Self::Counter(_) | Self::Exchange(_) | Self::Report(_) => Exit::Failed,
        }
    }
}

/// The root that gateways are enrolled with.
const FIRST_ROOT: u64 = 1;

const SIGN_EXAMPLES: &str = "\
Example:
  wardlink profile sign --gateway gw-0001 icu.toml --out icu.bundle";

const PUSH_EXAMPLES: &str = "\
Examples:
  wardlink profile push --gateway gw-0001 icu.toml
  wardlink profile push --gateway gw-0001 icu.toml --valid 1h --wait 2m
  wardlink profile push --gateway gw-0001 --bundle icu.bundle

Exit code: 0 applied, 1 refused or failed, 2 faults in the input, 3 no answer in time.";
