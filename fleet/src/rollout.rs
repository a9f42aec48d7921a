//! `wardlink profile`: check a profile, say what it changes, sign it, roll it out and hear what became of it.
//!
//! Promises that a profile with faults is never signed, that versions rise for each gateway and are on the
//! disk before anything is published, and that the answer reported is about exactly the bytes that were
//! sent. A ready bundle is published as it is: the gateway judges it.

mod arguments;
mod conduct;
pub mod difference;
mod error;
pub(crate) mod exchange;
pub mod plan;
mod progress;
mod signing;
mod watched;
mod waves;

use std::io::Write;
use std::path::Path;

pub use arguments::{
    Canary, Command, CosignArguments, DiffArguments, PushArguments, RollbackArguments,
    SignArguments, StatusArguments, TrialArguments,
};
pub use error::RolloutError;
use signing::{Signing, read_profile};
use wardlink_link::file;
use wardlink_wire::bundle::{Manifest, Parcel};
use wardlink_wire::id::GatewayId;
use wardlink_wire::signature::Purpose;
use wardlink_wire::signature::joint;
use wardlink_wire::state::Outcome;

use crate::audit;
use crate::clock;
use crate::directory::FleetDirectory;
use crate::exit::Exit;
use crate::keyring::Keyring;
use crate::passphrase::Passphrase;
use crate::roster::Roster;

/// Does it. What the gateway answered becomes the exit code; none is success.
///
/// # Errors
/// When the profile has faults, or it cannot be signed, published or written.
pub async fn run(command: &Command, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    match command {
        Command::Check { file } => check(file, out),
        Command::Diff(arguments) => diff(arguments, out),
        Command::Sign(arguments) => sign(arguments, out),
        Command::Cosign(arguments) => cosign(arguments, out),
        Command::Push(arguments) if arguments.resume => waves::resume(arguments, out).await,
        Command::Push(arguments) => match &arguments.gateway {
            Some(gateway) => push(arguments, gateway, out).await,
            None => waves::push(arguments, out).await,
        },
        Command::Status(arguments) => waves::status(arguments, out),
        Command::Rollback(arguments) => waves::rollback(arguments, out).await,
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

fn diff(arguments: &DiffArguments, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    let (text, _) = read_profile(&arguments.file)?;
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let roster = Roster::open(&fleet.roster())?;
    let gateways = match (&arguments.gateway, &arguments.group) {
        (Some(gateway), _) => vec![gateway.clone()],
        (None, Some(group)) => roster.members(group.as_str())?,
        (None, None) => Vec::new(),
    };
    if gateways.is_empty() {
        return Err(RolloutError::Nobody);
    }
    for gateway in gateways {
        let (before, version) = roster.good_profile(&gateway)?;
        let lines = difference::between(&before, &text);
        writeln!(out, "{gateway} (profile {version}):")?;
        if lines.is_empty() {
            writeln!(out, "  nothing changes")?;
        }
        for line in lines {
            writeln!(
                out,
                "  {}",
                line.escape_debug().to_string().replace("\\\"", "\"")
            )?;
        }
    }
    Ok(None)
}

fn sign(arguments: &SignArguments, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let (profile, _) = read_profile(&arguments.file)?;
    let valid = arguments.valid.as_secs();
    let signing = Signing::open(&fleet, &keyring, valid, arguments.trial.trial())?;
    let gateway = &arguments.gateway;
    signing.try_out(gateway, &profile)?;
    let version = Roster::open(&fleet.roster())?.draw_version(gateway.as_str())?;
    let bytes = signing.parcel(gateway, version, &profile, None)?;
    audit::note(&fleet, "sign", &format!("version {version} for {gateway}"))?;
    file::write(&arguments.out, &bytes)?;
    writeln!(
        out,
        "signed version {version} for {gateway}, valid until {}, in {}",
        clock::text_of_seconds(signing.expires()),
        arguments.out.display()
    )?;
    Ok(None)
}

/// Adds the signature of another operator to a bundle. What it says is shown, so that it can be judged.
fn cosign(arguments: &CosignArguments, out: &mut dyn Write) -> Result<Option<Exit>, RolloutError> {
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let parcel = Parcel::decode(&file::read(&arguments.bundle)?)?;
    let bundle = parcel.bundle.clone().ok_or(RolloutError::NothingToPush)?;
    let manifest = Manifest::unverified(&bundle)?;
    let key = keyring.signing_key(&arguments.key)?;
    let signed = joint::countersign(&bundle, Purpose::Bundle, &key)?;
    let signed = Parcel {
        bundle: Some(signed.into()),
        ..parcel
    };
    let bytes = signed
        .encode()
        .map_err(wardlink_wire::receipt::SignError::from)?;
    file::write(&arguments.out, &bytes)?;
    writeln!(
        out,
        "signed too, as {}: version {} for {}, valid until {}, in {}",
        key.verifying_key().fingerprint(),
        manifest.version.number,
        manifest.gateway,
        clock::text_of_seconds(manifest.expires),
        arguments.out.display()
    )?;
    writeln!(out, "what it says:")?;
    for line in manifest.profile.lines() {
        writeln!(
            out,
            "  {}",
            line.escape_debug().to_string().replace("\\\"", "\"")
        )?;
    }
    Ok(None)
}

async fn push(
    arguments: &PushArguments,
    gateway: &GatewayId,
    out: &mut dyn Write,
) -> Result<Option<Exit>, RolloutError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let broker = match &arguments.broker {
        Some(broker) => broker.clone(),
        None => fleet.settings()?.broker,
    };
    // Loaded before a version is drawn: a slip in the fleet directory should cost no number.
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let identity = keyring.identity(&fleet.operator())?;
    let (bytes, profile) = match (&arguments.bundle, &arguments.file) {
        (Some(bundle), _) => (file::read(bundle)?, None),
        (None, Some(path)) => {
            let (profile, _) = read_profile(path)?;
            let valid = arguments.valid.as_secs();
            let signing = Signing::open(&fleet, &keyring, valid, arguments.trial.trial())?;
            signing.try_out(gateway, &profile)?;
            let version = Roster::open(&fleet.roster())?.draw_version(gateway.as_str())?;
            writeln!(out, "signed version {version} for {gateway}")?;
            let bytes = signing.parcel(gateway, version, &profile, None)?;
            (bytes, Some(profile))
        }
        (None, None) => return Err(RolloutError::NothingToPush),
    };
    audit::note(&fleet, "push", &format!("a bundle for {gateway}"))?;
    let answer = exchange::push(
        &identity,
        &broker,
        gateway,
        bytes,
        arguments.patience(PROMPT),
    )
    .await?;
    let Some(answer) = answer else {
        let wait = humantime::format_duration(arguments.patience(PROMPT));
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
            if let (Some(profile), Some(version)) = (profile, answer.version) {
                Roster::open(&fleet.roster())?.note_good(gateway, version, &profile)?;
            }
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

/// How long one gateway may take to answer, unless told otherwise.
const PROMPT: std::time::Duration = std::time::Duration::from_secs(30);
