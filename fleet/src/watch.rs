//! `wardlink watch`: the fleet as a live table, worst first.
//!
//! The connection is followed here, the terminal is drawn by a thread of its own: a broker that does not answer
//! must not keep the keys from being heard. Promises to go on while the broker is away, and to say so. Refuses
//! to run where there is no terminal.

mod picture;
pub(crate) mod trouble;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::spawn_blocking;
use wardlink_link::backoff::Backoff;
use wardlink_link::identity::Identity;
use wardlink_terminal::Screen;
use wardlink_wire::topic::{Subject, Topic};

use crate::broker_address::BrokerAddress;
use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory};
use crate::exit::{Exit, Verdict};
use crate::gateways::heard::{self, AwayError, Heard};
use crate::gateways::report::Report;
use crate::keyring::{Keyring, KeyringError};
use crate::passphrase::{Passphrase, PassphraseArguments};
use crate::roster::{Roster, RosterError};

/// What `wardlink watch` is told.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Only the gateways of this group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<wardlink_wire::id::GatewayId>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
    /// Where the broker is [default: as in fleet.toml]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub broker: Option<BrokerAddress>,
    /// Where the passphrase of the fleet's keys comes from
    #[command(flatten)]
    pub passphrase: PassphraseArguments,
}

/// What the connection tells the picture.
#[derive(Debug, Default)]
struct News {
    heard: Heard,
    /// Why nothing is heard.
    away: Option<String>,
}

type Shared = Arc<Mutex<News>>;

/// Draws until it is asked to end.
///
/// # Errors
/// When there is no terminal, or the fleet cannot be used.
pub async fn run(arguments: &Arguments) -> Result<(), WatchError> {
    let fleet = FleetDirectory::at(&arguments.fleet);
    let settings = fleet.settings()?;
    let broker = arguments.broker.clone().unwrap_or(settings.broker);
    let roster = Roster::open(&fleet.roster())?;
    let keyring = Keyring::new(Passphrase::from(arguments.passphrase.clone()));
    let identity = keyring.identity(&fleet.operator())?;
    let screen = Screen::open().map_err(WatchError::NoTerminal)?;
    let shared = Shared::default();
    let group = arguments.group.as_ref().map(ToString::to_string);
    let drawn = {
        let shared = Arc::clone(&shared);
        spawn_blocking(move || draw(screen, &roster, group.as_deref(), &shared))
    };
    tokio::select! {
        drawn = drawn => drawn.map_err(|_| WatchError::Ended)?,
        never = follow(&identity, &broker, &shared) => never,
    }
}

/// Keeps what is heard up to date, for ever.
async fn follow(
    identity: &Identity,
    broker: &BrokerAddress,
    shared: &Shared,
) -> Result<(), WatchError> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    loop {
        let Err(error) = session(identity, broker, shared, &mut backoff).await;
        locked(shared).away = Some(error.to_string());
        backoff.wait(Duration::ZERO).await;
    }
}

async fn session(
    identity: &Identity,
    broker: &BrokerAddress,
    shared: &Shared,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, AwayError> {
    let filters = [Subject::State, Subject::Birth, Subject::ConfigState].map(Topic::filter);
    let mut session = heard::connect(identity, broker, &filters).await?;
    backoff.reset();
    locked(shared).away = None;
    loop {
        let incoming = heard::next(&mut session).await?;
        locked(shared)
            .heard
            .take(&incoming.topic, &incoming.payload);
    }
}

fn draw(
    mut screen: Screen,
    roster: &Roster,
    group: Option<&str>,
    shared: &Shared,
) -> Result<(), WatchError> {
    let mut entries = Vec::new();
    let mut read: Option<Instant> = None;
    loop {
        if read.is_none_or(|read| read.elapsed() >= ROSTER) {
            entries = roster.gateways()?;
            entries.retain(|entry| {
                let is_in = |group: &str| entry.groups.iter().any(|name| name == group);
                entry.revoked.is_none() && group.is_none_or(is_in)
            });
            read = Some(Instant::now());
        }
        let now = clock::now_seconds();
        let (reports, away) = {
            let news = locked(shared);
            let reports = entries
                .iter()
                .map(|entry| Report::new(entry, news.heard.of(&entry.gateway), now));
            (reports.collect::<Vec<_>>(), news.away.clone())
        };
        screen.draw(|frame| picture::draw(frame, reports, away.as_deref()))?;
        if screen.is_left(FRAME)? {
            return Ok(());
        }
    }
}

/// What is shared is whole at every moment, also after a panic.
fn locked(shared: &Shared) -> MutexGuard<'_, News> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why nothing is watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No terminal.
    #[error("{0}: use `wardlink gateways list`")]
    NoTerminal(io::Error),
    /// The terminal is gone.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// The thread that draws.
    #[error("drawing ended early")]
    Ended,
    /// The fleet.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The fleet's file.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The operator's keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

impl Verdict for WatchError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoTerminal(_) | Self::Directory(_) | Self::Keyring(_) => Exit::BadInput,
            Self::Roster(error) => error.exit(),
            Self::Terminal(_) | Self::Ended => Exit::Failed,
        }
    }
}

const FRAME: Duration = Duration::from_millis(250);
/// How often the fleet's file is read: gateways come and go.
const ROSTER: Duration = Duration::from_secs(5);
