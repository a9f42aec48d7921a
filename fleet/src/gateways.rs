//! `wardlink gateways`: who is in the fleet, and how each does.
//!
//! Reads the fleet's file and, as the operator, what gateways say of themselves on the broker. Promises to
//! show what the file knows also when the broker is away, and then to say so. Changes groups and tags, which
//! are the operator's own words and reach no gateway.

mod arguments;
pub(crate) mod heard;
pub mod report;
mod text;

use std::io::{self, Write};

pub use arguments::{Command, GroupArguments, ListArguments, Reach, ShowArguments, TagArguments};
use heard::{AwayError, Heard};
use report::Report;
use wardlink_link::identity::Identity;
use wardlink_wire::topic::{Subject, Topic};

use crate::archive::{Archive, ArchiveError};
use crate::audit::{self, AuditLogError};
use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory};
use crate::exit::{Exit, Verdict};
use crate::keyring::{Keyring, KeyringError};
use crate::passphrase::Passphrase;
use crate::roster::{Entry, Roster, RosterError};

/// Does it. An exit other than success when the broker was away.
///
/// # Errors
/// When the fleet cannot be used, a gateway is not enrolled, or the report cannot be written.
pub async fn run(command: &Command, out: &mut dyn Write) -> Result<Option<Exit>, GatewaysError> {
    match command {
        Command::List(arguments) => list(arguments, out).await,
        Command::Show(arguments) => show(arguments, out).await,
        Command::Group(arguments) => group(arguments, out),
        Command::Tag(arguments) => tag(arguments, out),
    }
}

async fn list(
    arguments: &ListArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, GatewaysError> {
    let mut entries = arguments.reach.roster()?.gateways()?;
    if let Some(group) = &arguments.group {
        entries.retain(|entry| entry.groups.iter().any(|name| name == group.as_str()));
    }
    let filters = [Topic::filter(Subject::State)];
    let is_enough = |heard: &Heard| {
        entries
            .iter()
            .filter(|entry| entry.revoked.is_none())
            .all(|entry| heard.of(&entry.gateway).is_some())
    };
    let (heard, away) = listen(&arguments.reach, &filters, is_enough).await?;
    let now = clock::now_seconds();
    let report = |entry: &Entry| Report::new(entry, heard.of(&entry.gateway), now);
    let reports: Vec<Report> = entries.iter().map(report).collect();
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &reports)?;
        writeln!(out)?;
    } else {
        text::table(&reports, out)?;
    }
    Ok(tell(away))
}

async fn show(
    arguments: &ShowArguments,
    out: &mut dyn Write,
) -> Result<Option<Exit>, GatewaysError> {
    let gateway = &arguments.gateway;
    let entries = arguments.reach.roster()?.gateways()?;
    let entry = entries.into_iter().find(|entry| entry.gateway == *gateway);
    let entry = entry.ok_or_else(|| RosterError::Unknown(gateway.clone()))?;
    let (gaps, audit) = match &arguments.data {
        Some(data) => {
            let archive = Archive::read_only(data)?;
            let gaps = archive.last_gaps(gateway, MOST_GAPS)?;
            (Some(gaps), archive.audit_of(gateway)?)
        }
        None => (None, None),
    };
    let topic = |subject| Topic::new(gateway.clone(), subject).to_string();
    let filters = [Subject::State, Subject::Birth, Subject::ConfigState].map(topic);
    let is_enough = |heard: &Heard| {
        heard.of(gateway).is_some_and(|said| {
            said.state.is_some() && said.birth.is_some() && said.config.is_some()
        })
    };
    let (heard, away) = listen(&arguments.reach, &filters, is_enough).await?;
    let mut report = Report::new(&entry, heard.of(gateway), clock::now_seconds());
    report.audit = audit.map(Into::into);
    report.gaps = gaps.map(|gaps| gaps.into_iter().map(Into::into).collect());
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        text::one(&report, out)?;
    }
    Ok(tell(away))
}

/// Puts a gateway into groups, or takes it out.
fn group(arguments: &GroupArguments, out: &mut dyn Write) -> Result<Option<Exit>, GatewaysError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let mut roster = Roster::open(&fleet.roster())?;
    let (gateway, member) = (&arguments.gateway, !arguments.remove);
    let word = if member { "in" } else { "out of" };
    for group in &arguments.groups {
        roster.assign(gateway, group.as_str(), member)?;
        audit::note(&fleet, "group", &format!("{gateway} {word} {group}"))?;
        writeln!(out, "{gateway} is {word} {group}")?;
    }
    Ok(None)
}

/// Gives a gateway tags, or takes them away.
fn tag(arguments: &TagArguments, out: &mut dyn Write) -> Result<Option<Exit>, GatewaysError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    fleet.settings().map(drop)?;
    let mut roster = Roster::open(&fleet.roster())?;
    let gateway = &arguments.gateway;
    for (name, value) in &arguments.tags {
        roster.tag(gateway, name, Some(value))?;
        let what = format!("{gateway}: {name}={}", value.escape_debug());
        audit::note(&fleet, "tag", &what)?;
        writeln!(out, "{what}")?;
    }
    for name in &arguments.remove {
        roster.tag(gateway, name.as_str(), None)?;
        audit::note(&fleet, "tag", &format!("{gateway}: no {name}"))?;
        writeln!(out, "{gateway}: no {name}")?;
    }
    Ok(None)
}

async fn listen(
    reach: &Reach,
    filters: &[String],
    is_enough: impl Fn(&Heard) -> bool,
) -> Result<(Heard, Option<AwayError>), GatewaysError> {
    if reach.offline {
        return Ok((Heard::default(), None));
    }
    let (identity, broker) = reach.credentials()?;
    Ok(heard::listen(&identity, &broker, filters, reach.wait, is_enough).await)
}

/// Says on standard error that the broker was away; what that means for the caller.
fn tell(away: Option<AwayError>) -> Option<Exit> {
    away.map(|away| {
        tracing::warn!("{away}; shown is what fleet.db knows and what was heard before");
        Exit::NoAnswer
    })
}

impl Reach {
    /// The fleet's file.
    pub(crate) fn roster(&self) -> Result<Roster, GatewaysError> {
        let fleet = FleetDirectory::at(&self.fleet);
        fleet.settings().map(drop)?;
        Ok(Roster::open(&fleet.roster())?)
    }

    /// Who the operator is, and where the broker.
    pub(crate) fn credentials(&self) -> Result<(Identity, BrokerAddress), GatewaysError> {
        let fleet = FleetDirectory::at(&self.fleet);
        let broker = match &self.broker {
            Some(broker) => broker.clone(),
            None => fleet.settings()?.broker,
        };
        let keyring = Keyring::new(Passphrase::from(self.passphrase.clone()));
        Ok((keyring.identity(&fleet.operator())?, broker))
    }
}

/// Why gateways were not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum GatewaysError {
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The operator's keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The monitor's archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditLogError),
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
    /// The output, as JSON.
    #[error("cannot write the report: {0}")]
    Json(#[from] serde_json::Error),
}

impl Verdict for GatewaysError {
    fn exit(&self) -> Exit {
        match self {
            Self::Directory(_) | Self::Keyring(_) => Exit::BadInput,
            Self::Roster(error) => error.exit(),
            Self::Archive(error) => error.exit(),
            Self::Audit(_) | Self::Report(_) | Self::Json(_) => Exit::Failed,
        }
    }
}

const MOST_GAPS: u32 = 10;
