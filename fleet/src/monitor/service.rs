//! The running monitor: one session after another, one group of messages after another.
//!
//! Owns the archive and hands it to a blocking thread for each group, so that a slow disk does not stop
//! the connection from being answered.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wardlink_link::backoff::Backoff;
use wardlink_link::identity::{Identity, IdentityError};
use wardlink_link::session::{
    Delivery, Incoming, Options, Publication, Session, SessionError, Version,
};
use wardlink_wire::SCHEMA;
use wardlink_wire::id::GatewayId;
use wardlink_wire::lane::Lane;
use wardlink_wire::receipt::{Receipt, SignError};
use wardlink_wire::topic::{Subject, Topic};

use super::Credentials;
use super::intake::{self, Arrival, Stored};
use super::schedule::Schedule;
use crate::archive::{Archive, ArchiveError};
use crate::broker_address::BrokerAddress;
use crate::clock;

/// The monitor at work.
#[derive(Debug)]
pub(super) struct Service {
    credentials: Arc<Credentials>,
    broker: BrokerAddress,
    mqtt: Version,
    data: PathBuf,
    client_id: String,
    /// None after the archive failed: it is opened anew.
    archive: Option<Archive>,
    tally: Tally,
}

impl Service {
    pub(super) fn new(
        credentials: Credentials,
        (broker, mqtt): (BrokerAddress, Version),
        data: PathBuf,
        archive: Archive,
    ) -> Result<Self, ArchiveError> {
        let client_id = format!("monitor-{}", archive.name()?);
        Ok(Self {
            credentials: Arc::new(credentials),
            broker,
            mqtt,
            data,
            client_id,
            archive: Some(archive),
            tally: Tally::default(),
        })
    }

    /// Works until told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let pause = match self.session(&stop).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!("{error}");
                    error.pause()
                }
            };
            if begun.elapsed() >= GOOD {
                backoff.reset();
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = backoff.wait(pause) => {}
            }
        }
        self.tally.say();
        tracing::info!("stopped");
    }

    /// One session: from connecting to its end. `Ok` when told to stop.
    async fn session(&mut self, stop: &CancellationToken) -> Result<(), ServiceError> {
        let mut schedule = Schedule::default();
        for gateway in self.archive()?.gateways()? {
            schedule.mark(gateway, Instant::now());
        }
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            opened = self.connect() => opened,
        };
        let mut session = opened?;
        loop {
            let due = schedule.next_due();
            tokio::select! {
                () = stop.cancelled() => break,
                first = session.next() => {
                    let group = gather(first?, &mut session);
                    let group = self.store(group, &mut schedule).await?;
                    for incoming in &group {
                        session.acknowledge(incoming)?;
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    let gateways = schedule.take_due(Instant::now());
                    self.send_receipts(gateways, &session).await?;
                }
            }
        }
        let deliveries = self.send_receipts(schedule.take_all(), &session).await?;
        let told = async {
            for delivery in deliveries {
                delivery.acknowledged().await?;
            }
            Ok::<_, SessionError>(())
        };
        if !matches!(timeout(PARTING, told).await, Ok(Ok(()))) {
            tracing::warn!(
                "the last receipts may not have reached the broker; they are sent again at the next start"
            );
        }
        session.close().await;
        Ok(())
    }

    async fn connect(&self) -> Result<Session, ServiceError> {
        let broker = &self.broker;
        let options = Options {
            version: self.mqtt,
            host: broker.host().to_owned(),
            port: broker.port(),
            client_id: self.client_id.clone(),
            keep_alive: KEEP_ALIVE,
            clean: false,
            in_flight: IN_FLIGHT,
            will: None,
        };
        let unreachable = |error| ServiceError::Broker(broker.clone(), error);
        let identity = Identity::load(&self.credentials.identity)?;
        let mut session = Session::open(&identity, options)
            .await
            .map_err(unreachable)?;
        // Also when the broker kept the session: a broker that was killed may have kept less than it says.
        session.subscribe(&filters()).await.map_err(unreachable)?;
        tracing::info!(client = %self.client_id, "connected to {broker}");
        Ok(session)
    }

    /// Stores a group and hands it back for acknowledgement.
    async fn store(
        &mut self,
        group: Vec<Incoming>,
        schedule: &mut Schedule,
    ) -> Result<Vec<Incoming>, ServiceError> {
        let credentials = Arc::clone(&self.credentials);
        let (group, stored) = self
            .with_archive(move |archive| {
                let arrivals = group.iter().map(|incoming| Arrival {
                    topic: &incoming.topic,
                    payload: &incoming.payload,
                });
                let stored =
                    intake::store(archive, &credentials.master, arrivals, clock::now_ns())?;
                Ok((group, stored))
            })
            .await?;
        let now = Instant::now();
        for gateway in &stored.gateways {
            schedule.mark(gateway.clone(), now);
        }
        self.tally.add(stored);
        Ok(group)
    }

    /// Signs and publishes the receipts of some gateways.
    async fn send_receipts(
        &mut self,
        gateways: Vec<GatewayId>,
        session: &Session,
    ) -> Result<Vec<Delivery>, ServiceError> {
        if gateways.is_empty() {
            return Ok(Vec::new());
        }
        let credentials = Arc::clone(&self.credentials);
        let signed = self
            .with_archive(move |archive| {
                let receipts = gateways
                    .into_iter()
                    .map(|gateway| receipt(archive, gateway));
                let receipts: Vec<Receipt> = receipts.collect::<Result<_, _>>()?;
                let sign = |receipt: Receipt| Ok((receipt.sign(&credentials.receipts)?, receipt));
                receipts
                    .into_iter()
                    .map(sign)
                    .collect::<Result<Vec<_>, ServiceError>>()
            })
            .await?;
        let mut deliveries = Vec::with_capacity(signed.len());
        let mut sent = Vec::with_capacity(signed.len());
        for (payload, receipt) in signed {
            let topic = Topic::new(receipt.gateway.clone(), Subject::Receipt);
            deliveries.push(session.publish(Publication {
                topic: topic.to_string(),
                payload,
                retain: true,
            })?);
            sent.push((receipt.gateway, receipt.issued_ns));
        }
        self.with_archive(move |archive| {
            let mut group = archive.group()?;
            for (gateway, issued_ns) in &sent {
                group.note_receipt(gateway, *issued_ns)?;
            }
            Ok(group.commit()?)
        })
        .await?;
        Ok(deliveries)
    }

    /// Works on the archive in a blocking thread. After an error it is opened anew.
    async fn with_archive<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Archive) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.archive()?;
        let mut archive = self.archive.take().ok_or(ServiceError::Lost)?;
        let worked = spawn_blocking(move || {
            let result = work(&mut archive);
            (archive, result)
        });
        let (archive, result) = worked.await.map_err(|_| ServiceError::Lost)?;
        if result.is_ok() {
            self.archive = Some(archive);
        }
        result
    }

    fn archive(&mut self) -> Result<&mut Archive, ArchiveError> {
        match &mut self.archive {
            Some(archive) => Ok(archive),
            empty => Ok(empty.insert(Archive::open(&self.data)?)),
        }
    }
}

/// The first message and those that are here already, so that one commit serves many.
fn gather(first: Incoming, session: &mut Session) -> Vec<Incoming> {
    let mut bytes = first.payload.len();
    let mut group = vec![first];
    while group.len() < MOST_MESSAGES
        && bytes < MOST_BYTES
        && let Some(incoming) = session.next_now()
    {
        bytes += incoming.payload.len();
        group.push(incoming);
    }
    group
}

fn filters() -> Vec<String> {
    let lanes = Lane::ALL.into_iter().map(Subject::Lane);
    lanes
        .chain([Subject::Birth, Subject::State, Subject::ConfigState])
        .map(Topic::filter)
        .collect()
}

fn receipt(archive: &Archive, gateway: GatewayId) -> Result<Receipt, ArchiveError> {
    Ok(Receipt {
        schema: SCHEMA,
        issued_ns: clock::now_ns(),
        lanes: archive.held(&gateway)?,
        gateway,
    })
}

/// What happened since it was last said.
#[derive(Debug)]
struct Tally {
    since: Instant,
    new: u64,
    duplicates: u64,
    refused: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            new: 0,
            duplicates: 0,
            refused: 0,
        }
    }
}

impl Tally {
    fn add(&mut self, stored: Stored) {
        for refusal in stored.refusals {
            self.refused += 1;
            if refusal.reason == "conflict" {
                tracing::error!("conflict: {}", refusal.detail);
            } else if self.refused <= LOUD {
                tracing::warn!(
                    "refused ({}): {}",
                    refusal.reason,
                    refusal.detail.escape_debug()
                );
            }
        }
        self.new += stored.new;
        self.duplicates += stored.duplicates;
        if self.since.elapsed() >= SAY {
            self.say();
        }
    }

    fn say(&mut self) {
        let Self {
            new,
            duplicates,
            refused,
            ..
        } = std::mem::take(self);
        if new + duplicates + refused > 0 {
            tracing::info!(
                "stored {new} records ({duplicates} came again), refused {refused} messages"
            );
        }
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum ServiceError {
    #[error("broker {0}: {1}")]
    Broker(BrokerAddress, SessionError),
    #[error("connection: {0}")]
    Session(#[from] SessionError),
    #[error("identity: {0}")]
    Identity(#[from] IdentityError),
    #[error("{0}; nothing is acknowledged until it works again")]
    Archive(#[from] ArchiveError),
    #[error("receipt: {0}")]
    Sign(#[from] SignError),
    #[error("work on the archive ended early; it is opened anew")]
    Lost,
}

impl ServiceError {
    fn pause(&self) -> Duration {
        match self {
            Self::Broker(_, error) | Self::Session(error) => error.pause(),
            _ => Duration::ZERO,
        }
    }
}

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const IN_FLIGHT: u16 = 64;
/// A session that held so long was good.
const GOOD: Duration = Duration::from_secs(30);
const PARTING: Duration = Duration::from_secs(2);
const SAY: Duration = Duration::from_secs(10);
/// So many refusals are logged one by one between two summaries.
const LOUD: u64 = 5;
const MOST_MESSAGES: usize = 256;
const MOST_BYTES: usize = 8 << 20;
