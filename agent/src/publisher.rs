//! Store -> broker: what is acknowledged leaves the store, everything else is sent again.
//!
//! Owns the connection and its ledger. Promises that nothing leaves the store before it is delivered (by
//! receipt or by PUBACK, as configured), that after every reconnect everything undelivered is sent again,
//! and that certificate and key are read anew for each connection. Refuses to trust the broker with more
//! than the next hop.

mod ledger;
mod messages;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use wardlink_link::backoff::Backoff;
use wardlink_link::floor;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Options, Publication, Session};
use wardlink_wire::birth;
use wardlink_wire::id::GatewayId;
use wardlink_wire::state::{ConfigState, State};
use wardlink_wire::topic::{Subject, Topic};

use crate::clock;
use crate::config::{Broker, Monitor};
use crate::health::{Health, Link, Part};
use crate::recorder::LastWords;
use crate::store::Store;

pub use messages::Described;

/// The publisher.
#[derive(Debug)]
pub struct Publisher {
    /// Who publishes.
    pub gateway: GatewayId,
    /// Where to.
    pub broker: Broker,
    /// For whom, and what counts as delivered.
    pub monitor: Monitor,
    /// What.
    pub store: Arc<Store>,
    /// Told after each commit.
    pub committed: watch::Receiver<u64>,
    /// The devices there are.
    pub attached: watch::Receiver<Vec<birth::Device>>,
    /// What became of the last bundle.
    pub config_state: watch::Receiver<Option<ConfigState>>,
    /// Where bundles go.
    pub bundles: mpsc::Sender<Vec<u8>>,
    /// Asked before the end, when everything seems delivered.
    pub last_words: LastWords,
    /// Where it says how it does.
    pub health: Health,
}

/// The two ways in which the publisher is told to end.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Nothing new will be recorded: end once everything is delivered.
    pub drained: CancellationToken,
    /// End now.
    pub now: CancellationToken,
}

impl Publisher {
    /// Connects, serves and reconnects until told to stop.
    ///
    /// # Errors
    /// When the store's reader is gone. A broker that cannot be reached is no error: the store keeps.
    pub async fn run(mut self, stop: Stop) -> Result<(), PublisherError> {
        let mut backoff = Backoff::new(FIRST_DELAY, LAST_DELAY);
        loop {
            let connected = tokio::select! {
                biased;
                () = stop.now.cancelled() => return Ok(()),
                connected = self.connect() => connected,
            };
            if let Some(session) = connected {
                let since = Instant::now();
                self.health
                    .update(|snapshot| snapshot.link = Link::Connected);
                self.health.well(Part::Link);
                tracing::info!(host = %self.broker.host, port = self.broker.port, "connected");
                let ended = serve::serve(&mut self, session, &stop).await?;
                self.health
                    .update(|snapshot| snapshot.link = Link::Connecting);
                match ended {
                    serve::Ended::Stopped => return Ok(()),
                    serve::Ended::Broken(reason) => self.health.fault(Part::Link, reason),
                }
                // A link that never was good for long has not earned a fresh start.
                if since.elapsed() >= PROVEN {
                    backoff.reset();
                }
            }
            if stop.drained.is_cancelled() && self.is_done().await {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.now.cancelled() => return Ok(()),
                () = sleep(backoff.next_delay()) => {}
            }
        }
    }

    async fn connect(&self) -> Option<Session> {
        let identity = match Identity::load(&self.broker.files) {
            Ok(identity) => identity,
            Err(error) => {
                self.health.fault(Part::Identity, error.to_string());
                return None;
            }
        };
        if identity.common_name() != self.gateway.as_str() {
            let text = format!(
                "the certificate is for {:?}, not for {}",
                identity.common_name(),
                self.gateway
            );
            self.health.fault(Part::Identity, text);
            return None;
        }
        if identity.not_after() <= floor::judged_at(clock::utc_seconds()) {
            let text =
                "the certificate is expired: recording goes on, delivery waits for a new one";
            self.health.fault(Part::Identity, text.to_owned());
        } else {
            self.health.well(Part::Identity);
        }
        let options = Options {
            version: self.broker.mqtt,
            host: self.broker.host.clone(),
            port: self.broker.port,
            client_id: self.gateway.to_string(),
            keep_alive: self.broker.keep_alive,
            clean: true,
            in_flight: self.broker.in_flight,
            will: self.will(),
        };
        match Session::open(&identity, options).await {
            Ok(session) => Some(session),
            Err(error) => {
                let place = format!("{}:{}", self.broker.host, self.broker.port);
                self.health.fault(Part::Link, format!("{place}: {error}"));
                None
            }
        }
    }

    fn will(&self) -> Option<Publication> {
        let offline = State {
            schema: wardlink_wire::SCHEMA,
            gateway: self.gateway.clone(),
            online: false,
            health: None,
        };
        let payload = wardlink_wire::codec::encode(&offline).ok()?;
        Some(Publication {
            topic: Topic::new(self.gateway.clone(), Subject::State).to_string(),
            payload,
            retain: true,
        })
    }

    /// Whether nothing is left to deliver, and the recorder has nothing to add.
    async fn is_done(&self) -> bool {
        self.backlog() == 0 && !self.last_words.ask().await
    }

    fn backlog(&self) -> u64 {
        self.store
            .usage()
            .lanes
            .iter()
            .map(|lane| lane.unacknowledged)
            .sum()
    }
}

/// Why the publisher ended early.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The thread that reads died.
    #[error("the store's reader ended unexpectedly")]
    Worker,
}

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LAST_DELAY: Duration = Duration::from_secs(8);
/// A connection that held this long resets the back-off.
const PROVEN: Duration = Duration::from_secs(10);
