//! How the parts are made and wired: each arrow is one bounded channel or one watch.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wardlink_wire::birth::Device;
use wardlink_wire::id::{DeviceId, GatewayId};
use wardlink_wire::profile::{GATEWAY, LogLevel, Profile};
use wardlink_wire::record::EventKind;
use wardlink_wire::state::ConfigState;

use super::{Agent, AgentError, Name, Running};
use crate::devices;
use crate::enrolment::renewal::Renewer;
use crate::publisher::{Publisher, Stop};
use crate::record::Capture;
use crate::recorder::{Asked, Recorder, last_words};
use crate::sampler::Sampler;
use crate::status::Status;
use crate::store::{History, Recovery, Rotation};
use crate::supervision;
use crate::update::Updater;

/// The ends that are kept so that no part sees a neighbour's end as news.
pub(super) struct Wires {
    profile: watch::Sender<Arc<Profile>>,
    committed: watch::Sender<u64>,
    attached: watch::Sender<Vec<Device>>,
    config_state: watch::Sender<Option<ConfigState>>,
}

struct Parts {
    recorder: Recorder,
    asked: Asked,
    sampler: Sampler,
    updater: Updater,
    publisher: Publisher,
    renewer: Renewer,
}

impl Agent {
    pub(super) async fn start(
        mut self,
        status: &Status,
        log: impl Fn(LogLevel) + Send + 'static,
    ) -> Result<Running, AgentError> {
        let (captures, captured) = mpsc::channel(CAPTURES);
        let (bundles, arrived) = mpsc::channel(BUNDLES);
        announce(&captures, &self.settings.gateway, &self.recovery).await;
        let wires = self.wires();
        let socket = self.settings.status_socket.take();
        let parts = self.parts(&wires, &captures, bundles, status.started_utc_ns)?;
        let levels = wires.profile.subscribe();
        let stop = CancellationToken::new();
        let publishing = Stop {
            drained: CancellationToken::new(),
            now: CancellationToken::new(),
        };
        let mut running = Running {
            parts: JoinSet::new(),
            sampling: stop.clone(),
            recorded: CancellationToken::new(),
            publishing: publishing.clone(),
            telling: CancellationToken::new(),
            captures,
            wires,
        };
        let (devices, configuration) = (stop.clone(), stop.clone());
        let recorded = running.recorded.clone();
        running.spawn(Name::Recorder, async move {
            Ok(parts.recorder.run(captured, recorded, parts.asked).await?)
        });
        running.spawn(Name::Sampler, async move {
            Ok(parts.sampler.run(devices).await?)
        });
        running.spawn(Name::Updater, async move {
            Ok(parts.updater.run(arrived, configuration).await?)
        });
        // Ends with the devices: the recorder waits for everybody who could still tell it something.
        let renewing = stop.clone();
        running.spawn(Name::Renewer, async move {
            parts.renewer.run(renewing).await;
            Ok(())
        });
        running.spawn(Name::Log, follow(levels, log, stop));
        running.spawn(Name::Publisher, async move {
            Ok(parts.publisher.run(publishing).await?)
        });
        let (supervised, told) = (status.health.clone(), running.telling.clone());
        running.spawn(Name::Supervision, async move {
            supervision::tell(supervised, told).await;
            Ok(())
        });
        if let Some(socket) = socket {
            let (status, stop) = (status.clone(), running.telling.clone());
            running.spawn(Name::Status, async move {
                Ok(status.serve(socket, stop).await?)
            });
        }
        Ok(running)
    }

    fn wires(&self) -> Wires {
        let enrolled = &self.settings.profile.enrolled;
        let profile = self.keeper.profile().unwrap_or(enrolled).clone();
        Wires {
            profile: watch::Sender::new(Arc::new(profile)),
            committed: watch::Sender::new(0),
            attached: watch::Sender::new(Vec::new()),
            config_state: watch::Sender::new(None),
        }
    }

    fn parts(
        self,
        wires: &Wires,
        captures: &mpsc::Sender<Capture>,
        bundles: mpsc::Sender<Vec<u8>>,
        started_utc_ns: i64,
    ) -> Result<Parts, AgentError> {
        let Self {
            settings,
            store,
            recovery,
            keeper,
            health,
        } = self;
        let own: DeviceId = GATEWAY
            .parse()
            .map_err(|_| AgentError::Ended(Name::Sampler))?;
        let recorder = Recorder {
            store: Arc::clone(&store),
            gateway: settings.gateway.clone(),
            events: devices::event_stream(own, 0, false, started_utc_ns),
            committed: wires.committed.clone(),
            profile: wires.profile.subscribe(),
            damage: recovery.damage,
            health: health.clone(),
        };
        let sampler = Sampler {
            profile: wires.profile.subscribe(),
            captures: captures.clone(),
            attached: wires.attached.clone(),
            health: health.clone(),
        };
        let updater = Updater {
            keeper,
            enrolled: settings.profile.enrolled,
            profile: wires.profile.clone(),
            attached: wires.attached.subscribe(),
            config_state: wires.config_state.clone(),
            captures: captures.clone(),
            health: health.clone(),
            watched: None,
        };
        let renewer = Renewer {
            gateway: settings.gateway.clone(),
            broker: settings.broker.clone(),
            captures: captures.clone(),
            health: health.clone(),
        };
        let (last_words, asked) = last_words();
        let publisher = Publisher {
            gateway: settings.gateway,
            broker: settings.broker,
            monitor: settings.monitor,
            store,
            committed: wires.committed.subscribe(),
            attached: wires.attached.subscribe(),
            config_state: wires.config_state.subscribe(),
            profile: wires.profile.subscribe(),
            bundles,
            captures: captures.downgrade(),
            last_words,
            health,
        };
        Ok(Parts {
            recorder,
            asked,
            sampler,
            updater,
            publisher,
            renewer,
        })
    }
}

/// What there is to say of the store's history: for the log, for health and as an event.
pub(super) fn told(history: &History) -> Option<String> {
    match history {
        History::Consistent => None,
        History::TakenBack(places) => {
            let places = places.iter().map(|(lane, range)| {
                format!("{lane} records {} to {}", range.first(), range.last())
            });
            let places: Vec<_> = places.collect();
            Some(format!(
                "an older copy of the store was put back, or its medium lost what it had promised: it knows nothing of {}, \
                 which were stored here before",
                places.join(", ")
            ))
        }
        History::Replaced { epoch, records } => Some(format!(
            "another store was here before, of epoch {epoch} with {records} records: unless it was moved away on \
             purpose, what it had not delivered is gone"
        )),
        History::Unwatched(error) => Some(format!(
            "nobody would notice if an older copy of the store were put back: {error}"
        )),
    }
}

/// Says that the agent starts, and what opening the store found.
async fn announce(captures: &mpsc::Sender<Capture>, gateway: &GatewayId, recovery: &Recovery) {
    let text = format!("agent {} on {gateway}", env!("CARGO_PKG_VERSION"));
    let mut events = vec![Capture::of_gateway(EventKind::Started, text)];
    if recovery.torn_tail_bytes > 0 {
        let text = format!(
            "{} bytes of an unfinished commit were cut off",
            recovery.torn_tail_bytes
        );
        tracing::warn!("{text}");
        events.push(Capture::of_gateway(EventKind::StoreDamaged, text));
    }
    if recovery.acknowledgements_lost {
        let text = "the acknowledgements were lost: what is in the store is sent again".to_owned();
        tracing::warn!("{text}");
        events.push(Capture::of_gateway(EventKind::StoreDamaged, text));
    }
    match &recovery.rotation {
        Rotation::None => {}
        Rotation::Finished => {
            tracing::info!("the store key was rotated, and the old one is destroyed")
        }
        Rotation::Unfinished(error) => {
            tracing::warn!("the rotation of the store key is not finished: {error}");
        }
    }
    if let Some(text) = told(&recovery.history) {
        events.push(Capture::of_gateway(EventKind::StoreDamaged, text));
    }
    for event in events {
        if captures.send(event).await.is_err() {
            tracing::warn!("the recorder does not take events");
        }
    }
}

/// Logs as much as the profile in force says.
async fn follow(
    mut profile: watch::Receiver<Arc<Profile>>,
    log: impl Fn(LogLevel) + Send + 'static,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    loop {
        log(profile.borrow_and_update().log);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = profile.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Captures that may wait for the recorder; then devices wait.
const CAPTURES: usize = 1024;
const BUNDLES: usize = 4;
