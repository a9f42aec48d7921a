//! The messages of a gateway besides its batches: birth, state, what became of a bundle.

use wardlink_link::session::Publication;
use wardlink_wire::birth::{Birth, Device};
use wardlink_wire::codec::{self, EncodeError};
use wardlink_wire::state::{ConfigState, Health, LaneHealth, State};
use wardlink_wire::topic::{Subject, Topic};

use super::Publisher;
use crate::clock;
use crate::health::DeviceState;

/// A message that describes the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described {
    /// Its devices and streams.
    Birth(Birth),
    /// Its health.
    State(State),
    /// What became of a bundle.
    ConfigState(ConfigState),
}

impl Described {
    /// The retained message.
    ///
    /// # Errors
    /// When it cannot be encoded, which these types never cause.
    pub fn publication(&self) -> Result<Publication, EncodeError> {
        let (gateway, subject, payload) = match self {
            Self::Birth(birth) => (&birth.gateway, Subject::Birth, codec::encode(birth)?),
            Self::State(state) => (&state.gateway, Subject::State, codec::encode(state)?),
            Self::ConfigState(state) => {
                (&state.gateway, Subject::ConfigState, codec::encode(state)?)
            }
        };
        Ok(Publication {
            topic: Topic::new(gateway.clone(), subject).to_string(),
            payload,
            retain: true,
        })
    }
}

impl Publisher {
    pub(super) fn birth(&self, devices: Vec<Device>) -> Described {
        Described::Birth(Birth {
            schema: wardlink_wire::SCHEMA,
            gateway: self.gateway.clone(),
            epoch: self.store.epoch(),
            boot: clock::boot_id(),
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            profile: self.health.snapshot().profile,
            utc_ns: clock::now().utc_ns,
            devices,
        })
    }

    pub(super) fn state(&self, certificate_ends: i64) -> Described {
        let snapshot = self.health.snapshot();
        let lost = |state: DeviceState| state == DeviceState::Lost;
        let lanes = self.store.usage().lanes;
        Described::State(State {
            schema: wardlink_wire::SCHEMA,
            gateway: self.gateway.clone(),
            online: true,
            health: Some(Health {
                utc_ns: clock::now().utc_ns,
                clock: clock::discipline(),
                epoch: self.store.epoch(),
                lanes: lanes
                    .iter()
                    .map(|lane| LaneHealth {
                        lane: lane.lane,
                        next: lane.next,
                        backlog: lane.unacknowledged,
                    })
                    .collect(),
                devices_lost: snapshot
                    .devices
                    .iter()
                    .filter(|(_, device)| lost(device.state))
                    .map(|(id, _)| id.to_string())
                    .collect(),
                faults: snapshot.faults.into_values().collect(),
                certificate_ends,
                audit: None,
            }),
        })
    }
}
