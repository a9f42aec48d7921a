//! What people and programs ask a running agent: one JSON object on a Unix socket.
//!
//! Owns the [`Report`] and the socket. Promises that only the user of the agent and root can ask, and that
//! asking disturbs nothing. Refuses commands: it only tells.

mod show;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wardlink_wire::id::GatewayId;

use crate::clock;
use crate::health::{Health, Link};
use crate::store::Store;

/// What the agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Who.
    pub gateway: String,
    /// Its store, hexadecimal.
    pub epoch: String,
    /// Version of the agent.
    pub agent: String,
    /// When it started, UTC, nanoseconds since 1970-01-01.
    pub started_utc_ns: i64,
    /// `connected` or `connecting`.
    pub link: String,
    /// Version of the profile in force; 0 is the one it was enrolled with.
    pub profile: u64,
    /// Records committed in this store since it was created.
    pub recorded: u64,
    /// Records in the store that are not acknowledged.
    pub backlog: u64,
    /// Gap records committed since the start.
    pub gaps: u64,
    /// Messages the broker acknowledged since the start.
    pub published: u64,
    /// Receipts verified since the start.
    pub receipts: u64,
    /// Bytes that the store takes on disk.
    pub store_bytes: u64,
    /// The most it may take.
    pub store_budget: u64,
    /// Per lane.
    pub lanes: Vec<LaneReport>,
    /// Per device.
    pub devices: Vec<DeviceReport>,
    /// What is wrong now.
    pub faults: Vec<String>,
}

/// How one lane does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneReport {
    /// Which.
    pub lane: String,
    /// Records committed.
    pub recorded: u64,
    /// Of them acknowledged.
    pub acknowledged: u64,
    /// Of them not.
    pub backlog: u64,
    /// Age of the oldest of those, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_s: Option<u64>,
}

/// How one device does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Which.
    pub id: String,
    /// Its driver.
    pub driver: String,
    /// `starting`, `reading`, `lost` or `ended`.
    pub state: String,
    /// Readings since it was attached.
    pub readings: u64,
    /// Why it does not measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// The part that answers.
#[derive(Debug, Clone)]
pub struct Status {
    /// Who.
    pub gateway: GatewayId,
    /// Its store.
    pub store: Arc<Store>,
    /// Its health.
    pub health: Health,
    /// When it started.
    pub started_utc_ns: i64,
}

impl Status {
    /// The report of this moment.
    #[must_use]
    pub fn report(&self) -> Report {
        let snapshot = self.health.snapshot();
        let usage = self.store.usage();
        let lanes: Vec<_> = usage
            .lanes
            .iter()
            .map(|lane| LaneReport {
                lane: lane.lane.to_string(),
                recorded: lane.next.0,
                acknowledged: lane.next.0.saturating_sub(lane.unacknowledged),
                backlog: lane.unacknowledged,
                oldest_s: snapshot.oldest.get(&lane.lane).map(|since| age(*since)),
            })
            .collect();
        Report {
            gateway: self.gateway.to_string(),
            epoch: self.store.epoch().to_string(),
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            started_utc_ns: self.started_utc_ns,
            link: match snapshot.link {
                Link::Connected => "connected".to_owned(),
                Link::Connecting => "connecting".to_owned(),
            },
            profile: snapshot.profile,
            recorded: lanes.iter().map(|lane| lane.recorded).sum(),
            backlog: lanes.iter().map(|lane| lane.backlog).sum(),
            gaps: snapshot.gaps,
            published: snapshot.published,
            receipts: snapshot.receipts,
            store_bytes: usage.used,
            store_budget: usage.budget,
            lanes,
            devices: snapshot
                .devices
                .into_iter()
                .map(|(id, device)| DeviceReport {
                    id: id.to_string(),
                    driver: device.driver.to_owned(),
                    state: device.state.as_str().to_owned(),
                    readings: device.readings,
                    fault: device.fault,
                })
                .collect(),
            faults: snapshot.faults.into_values().collect(),
        }
    }

    /// Answers until told to stop, then takes the socket away.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub async fn serve(self, socket: PathBuf, stop: CancellationToken) -> Result<(), StatusError> {
        let listener = listen(&socket)?;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.answer(stream).await,
                    Err(error) => tracing::warn!(%error, "status socket"),
                },
            }
        }
        if let Err(error) = fs::remove_file(&socket) {
            tracing::debug!(%error, "status socket");
        }
        Ok(())
    }

    async fn answer(&self, mut stream: UnixStream) {
        let answered = async {
            let mut text = serde_json::to_vec(&self.report()).map_err(io::Error::other)?;
            text.push(b'\n');
            stream.write_all(&text).await?;
            stream.shutdown().await
        };
        match timeout(PATIENCE, answered).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "status"),
            Err(_) => tracing::debug!("status: nobody reads the answer"),
        }
    }
}

impl Report {
    /// Asks the agent that listens on `socket`.
    ///
    /// # Errors
    /// When no agent listens, or it answers something else.
    pub fn ask(socket: &Path) -> Result<Self, StatusError> {
        let io = |error| StatusError::Ask {
            path: socket.to_owned(),
            error,
        };
        let mut stream = std::os::unix::net::UnixStream::connect(socket).map_err(io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).map_err(io)?;
        serde_json::from_slice(&text).map_err(|error| io(io::Error::other(error)))
    }
}

/// Seconds since a moment; zero if it is yet to come.
fn age(since_utc_ns: i64) -> u64 {
    let age = clock::now().utc_ns.saturating_sub(since_utc_ns);
    u64::try_from(age / 1_000_000_000).unwrap_or(0)
}

/// A socket that was left behind is replaced; whoever holds the store is the only agent here.
fn listen(socket: &Path) -> Result<UnixListener, StatusError> {
    let error = |error| StatusError::Listen {
        path: socket.to_owned(),
        error,
    };
    if socket.exists() {
        fs::remove_file(socket).map_err(error)?;
    }
    let listener = UnixListener::bind(socket).map_err(error)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).map_err(error)?;
    Ok(listener)
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The socket cannot be made.
    #[error("{}: status socket cannot be made: {error}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nobody answers.
    #[error("{}: no agent answers: {error} (is it running, and is this its configuration?)", path.display())]
    Ask {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

const PATIENCE: Duration = Duration::from_secs(5);
