//! Store -> broker: what is acknowledged leaves the store, everything else is sent again.
//!
//! Owns connecting, the order of service and the window of what is under way (docs/uplink.md). Promises that
//! nothing leaves the store before it is delivered (by receipt or by PUBACK, as configured), that after
//! every reconnect everything undelivered is sent again, that an alarm waits for nothing but the link and
//! that no batch can hold up its lane for good. Refuses to trust the broker with more than the next hop.
//!
//! | file | what it decides |
//! | --- | --- |
//! | `link`, `source` | what a network and a store have to offer; `dial` is the real network |
//! | `uplink`, `serve` | connection after connection; one connection |
//! | `supply`, `marks` | what is to be sent, and what of it is live |
//! | `order`, `bucket`, `window`, `flow` | what goes next, and when it may |
//! | `suspects`, `cut`, `join` | what a broker does not want; how messages are made |
//! | `messages`, `expiry` | what else is said |

mod bucket;
mod cut;
mod dial;
mod expiry;
mod flow;
mod join;
mod link;
mod marks;
mod messages;
mod order;
mod pace;
mod serve;
mod source;
mod supply;
mod suspects;
mod uplink;
mod window;

#[cfg(test)]
mod simulation;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wardlink_wire::birth;
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::Sealer;
use wardlink_wire::profile::Profile;
use wardlink_wire::signature::VerifyingKey;
use wardlink_wire::state::ConfigState;

use crate::config::{Broker, Delivery, Monitor};
use crate::health::Health;
use crate::record::Capture;
use crate::recorder::LastWords;
use crate::store::Store;
use pace::Pace;
use source::StoreSource;
use uplink::Uplink;

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
    /// The profile in force, for its share of the uplink.
    pub profile: watch::Receiver<Arc<Profile>>,
    /// Where bundles go.
    pub bundles: mpsc::Sender<Vec<u8>>,
    /// Where events go. Weak: the recorder ends when nobody measures any more.
    pub captures: mpsc::WeakSender<Capture>,
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
    pub async fn run(self, stop: Stop) -> Result<(), PublisherError> {
        let dial = dial::Broker::new(
            self.gateway.clone(),
            self.broker.clone(),
            self.health.clone(),
        );
        let key = &self.monitor.payload_key;
        let sealer = Sealer::new(self.gateway.clone(), self.store.epoch(), key)
            .map_err(|error| PublisherError::Seal(error.to_string()))?;
        let source = StoreSource {
            store: self.store,
            sealer: Arc::new(sealer),
            health: self.health.clone(),
        };
        let outside = Outside {
            gateway: self.gateway,
            broker: format!("{}:{}", self.broker.host, self.broker.port),
            in_flight: self.broker.in_flight,
            rate: self.broker.rate,
            receipt_keys: self.monitor.receipt_keys,
            delivery: self.monitor.delivery,
            committed: self.committed,
            attached: self.attached,
            config_state: self.config_state,
            profile: self.profile,
            bundles: self.bundles,
            captures: self.captures,
            last_words: self.last_words,
            health: self.health,
        };
        Uplink::new(outside, dial, source, Pace::NORMAL)
            .run(stop)
            .await
    }
}

/// The publisher's neighbours and settings, without network and store.
#[derive(Debug)]
struct Outside {
    gateway: GatewayId,
    /// Where it is, for people.
    broker: String,
    in_flight: u16,
    rate: Option<u32>,
    receipt_keys: Vec<VerifyingKey>,
    delivery: Delivery,
    committed: watch::Receiver<u64>,
    attached: watch::Receiver<Vec<birth::Device>>,
    config_state: watch::Receiver<Option<ConfigState>>,
    profile: watch::Receiver<Arc<Profile>>,
    bundles: mpsc::Sender<Vec<u8>>,
    captures: mpsc::WeakSender<Capture>,
    last_words: LastWords,
    health: Health,
}

/// Why the publisher ended early.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The thread that reads died.
    #[error("the store's reader ended unexpectedly")]
    Worker,
    /// A batch cannot be sealed for the monitor.
    #[error("a batch cannot be sealed for the monitor: {0}")]
    Seal(String),
}
