//! What the publisher is connected with besides network and store.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use wardlink_wire::profile::Profile;
use wardlink_wire::signature::VerifyingKey;

use super::super::Outside;
use super::truth::gateway;
use crate::config::Delivery;
use crate::health::Health;
use crate::record::Capture;
use crate::recorder::last_words;

/// What keeps the publisher's other arrows open.
#[derive(Debug)]
pub(super) struct Neighbours {
    profile: watch::Sender<Arc<Profile>>,
    attached: watch::Sender<Vec<wardlink_wire::birth::Device>>,
    config_state: watch::Sender<Option<wardlink_wire::state::ConfigState>>,
    health: Health,
}

impl Neighbours {
    pub(super) fn new(newest_first: bool, health: Health) -> Self {
        let mut profile = Profile::parse("schema = 1\n").unwrap();
        profile.uplink.newest_first = newest_first;
        Self {
            profile: watch::Sender::new(Arc::new(profile)),
            attached: watch::Sender::new(Vec::new()),
            config_state: watch::Sender::new(None),
            health,
        }
    }

    pub(super) fn outside(
        &self,
        receipt_keys: Vec<VerifyingKey>,
        delivery: Delivery,
        committed: watch::Receiver<u64>,
        captures: mpsc::WeakSender<Capture>,
    ) -> Outside {
        let (bundles, _) = mpsc::channel(1);
        let (last_words, _) = last_words();
        Outside {
            gateway: gateway(),
            broker: "memory".to_owned(),
            in_flight: 8,
            rate: None,
            receipt_keys,
            delivery,
            committed,
            attached: self.attached.subscribe(),
            config_state: self.config_state.subscribe(),
            profile: self.profile.subscribe(),
            bundles,
            captures,
            last_words,
            health: self.health.clone(),
        }
    }
}
