//! Opens, starts, supervises, stops: the whole agent.
//!
//! Owns every task in one set. Promises that a part which ends by itself stops the agent in order, and that
//! stopping flows downstream: devices give out what they hold, the recorder commits it, the publisher goes
//! on until everything is delivered or the grace time ends. What is not delivered stays in the store.

mod start;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wardlink_wire::profile::LogLevel;
use wardlink_wire::record::EventKind;

use crate::clock;
use crate::config::Settings;
use crate::health::{Health, Part};
use crate::publisher::{PublisherError, Stop};
use crate::record::Capture;
use crate::recorder::RecorderError;
use crate::sampler::SamplerError;
use crate::sandbox::{self, Confinement, Grants, SandboxError};
use crate::status::{Report, Status, StatusError};
use crate::store::{self, Recovery, Store, StoreError};
use crate::update::UpdateError;
use crate::update::disk::Folder;
use crate::update::keeper::Keeper;

/// An agent that is ready to start.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    store: Arc<Store>,
    recovery: Recovery,
    keeper: Keeper,
    health: Health,
}

/// How the agent is stopped.
#[derive(Debug, Clone)]
pub struct Stopping {
    /// Asks for an orderly stop.
    pub stop: CancellationToken,
    /// How long deliveries may go on after that.
    pub grace: Duration,
}

impl Agent {
    /// Opens the store and reads the profile in force.
    ///
    /// # Errors
    /// When the store cannot be opened: another agent has it, it is another gateway's, the key does not fit.
    pub fn open(settings: Settings) -> Result<Self, AgentError> {
        let mut opening = store::Settings::new(&settings.store.path, settings.store.budget);
        opening.engine = settings.store.engine;
        opening.mark = Some(settings.profile.state.join(STORE_MARK));
        let (store, recovery) =
            Store::open(opening, &settings.gateway, settings.store.key.as_ref())?;
        let folder = Folder::at(settings.profile.state.clone());
        let (keeper, faults) = Keeper::open(
            Box::new(folder),
            settings.gateway.clone(),
            &settings.operators,
            clock::now().utc_ns,
        );
        let health = Health::new(keeper.number());
        if !faults.is_empty() {
            health.fault(Part::Profile, faults.join("; "));
        }
        if let Some(text) = start::told(&recovery.history) {
            health.fault(Part::History, text);
        }
        Ok(Self {
            settings,
            store: Arc::new(store),
            recovery,
            keeper,
            health,
        })
    }

    /// Gives up every file and system call that this agent does not need, on this thread and those it starts:
    /// call it before [`Agent::run`], while there is one thread. A recording in a folder that the profile
    /// in force does not name cannot be played until the next start.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn confine(&self) -> Result<Confinement, SandboxError> {
        let enrolled = &self.settings.profile.enrolled;
        let profile = self.keeper.profile().unwrap_or(enrolled);
        sandbox::confine(&Grants::of(&self.settings, profile))
    }

    /// Runs until asked to stop; returns what was reached.
    ///
    /// `log` is told how much to log, now and with every profile.
    ///
    /// # Errors
    /// When a part ended by itself. Everything committed stays in the store.
    pub async fn run(
        self,
        stopping: Stopping,
        log: impl Fn(LogLevel) + Send + 'static,
    ) -> Result<Report, AgentError> {
        let status = Status {
            gateway: self.settings.gateway.clone(),
            store: Arc::clone(&self.store),
            health: self.health.clone(),
            started_utc_ns: clock::now().utc_ns,
        };
        let mut running = self.start(&status, log).await?;
        let outcome = tokio::select! {
            biased; // an asked-for stop wins over the endings it causes
            () = stopping.stop.cancelled() => Ok(()),
            ended = running.parts.join_next() => Err(early(ended)),
        };
        let stopped = running.stop(stopping.grace).await;
        outcome.and(stopped).map(|()| status.report())
    }
}

/// Which part ended, and how.
type End = (Name, Result<(), AgentError>);

struct Running {
    parts: JoinSet<End>,
    /// Stops devices and configuration.
    sampling: CancellationToken,
    /// Cancelled by the recorder when everything measured is committed.
    recorded: CancellationToken,
    publishing: Stop,
    /// Stops the status socket and the word to the service manager.
    telling: CancellationToken,
    captures: mpsc::Sender<Capture>,
    wires: start::Wires,
}

impl Running {
    fn spawn(
        &mut self,
        name: Name,
        part: impl Future<Output = Result<(), AgentError>> + Send + 'static,
    ) {
        self.parts.spawn(async move { (name, part.await) });
    }

    /// Stops part after part, in the direction data flows.
    async fn stop(self, grace: Duration) -> Result<(), AgentError> {
        let until = Instant::now() + grace;
        tracing::info!("stopping: measuring ends, everything recorded is committed");
        self.sampling.cancel();
        let stopped = Capture::of_gateway(EventKind::Stopped, "in order".to_owned());
        if self.captures.send(stopped).await.is_err() {
            tracing::warn!("the recorder is gone before its end");
        }
        let Self {
            mut parts,
            recorded,
            publishing,
            telling,
            captures,
            wires,
            ..
        } = self;
        drop(captures);
        let mut committed = wait_for(&mut parts, Name::Recorder, &recorded, until).await;
        publishing.drained.cancel();
        let never = CancellationToken::new();
        let delivered = wait_for(&mut parts, Name::Publisher, &never, until).await;
        publishing.now.cancel();
        telling.cancel();
        if recorded.is_cancelled() {
            let last = until.max(Instant::now() + LAST);
            committed = wait_for(&mut parts, Name::Recorder, &never, last).await;
        }
        if matches!(delivered, Err(AgentError::Slow(_))) {
            tracing::warn!("not everything is delivered: the rest stays in the store");
        }
        while let Ok(Some(_)) =
            timeout_at(until.max(Instant::now() + LAST), parts.join_next()).await
        {}
        parts.shutdown().await;
        drop(wires);
        match delivered {
            Err(AgentError::Slow(_)) => committed,
            other => committed.and(other),
        }
    }
}

/// Waits until one part ends or reaches something, and meanwhile for whichever others end.
async fn wait_for(
    parts: &mut JoinSet<End>,
    name: Name,
    reached: &CancellationToken,
    until: Instant,
) -> Result<(), AgentError> {
    loop {
        let ended = tokio::select! {
            biased;
            () = reached.cancelled() => return Ok(()),
            ended = timeout_at(until, parts.join_next()) => ended,
        };
        match ended {
            Err(_) => return Err(AgentError::Slow(name)),
            Ok(None) => return Ok(()),
            Ok(Some(Err(_))) => return Err(AgentError::Panicked),
            Ok(Some(Ok((ended, outcome)))) if ended == name => return outcome,
            Ok(Some(Ok((_, Ok(()))))) => {}
            Ok(Some(Ok((ended, Err(error))))) => tracing::error!(part = ?ended, "{error}"),
        }
    }
}

fn early(ended: Option<Result<End, JoinError>>) -> AgentError {
    match ended {
        Some(Ok((_, Err(error)))) => error,
        Some(Ok((name, Ok(())))) => AgentError::Ended(name),
        Some(Err(_)) | None => AgentError::Panicked,
    }
}

/// The parts of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Polls devices.
    Sampler,
    /// Commits records.
    Recorder,
    /// Delivers them.
    Publisher,
    /// Takes profiles.
    Updater,
    /// Renews the certificate.
    Renewer,
    /// Answers questions.
    Status,
    /// Follows the log level.
    Log,
    /// Tells the service manager.
    Supervision,
}

/// Why the agent did not start or ended early.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recorder.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The sampler.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// The publisher.
    #[error(transparent)]
    Publisher(#[from] PublisherError),
    /// The updater.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The status socket.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// A part ended without being asked.
    #[error("the {0:?} ended by itself")]
    Ended(Name),
    /// A part did not end in time.
    #[error("the {0:?} did not end within the grace time")]
    Slow(Name),
    /// A part panicked.
    #[error("a part of the agent panicked: the log says where")]
    Panicked,
}

/// What the last parts get to end, whatever the grace time.
const LAST: Duration = Duration::from_secs(2);

/// Beside the kept profile: outside the store, so that an older copy of the store does not bring it along.
const STORE_MARK: &str = "store.mark";
