//! The messages of a gateway besides its batches: birth, state, what became of a bundle.

use wardlink_link::session::Publication;
use wardlink_wire::birth::{Birth, Device};
use wardlink_wire::codec::{self, EncodeError};
use wardlink_wire::lane::Lane;
use wardlink_wire::state::{ConfigState, Health, LaneHealth, State};
use wardlink_wire::topic::{Subject, Topic};

use super::link::Dial;
use super::source::Source;
use super::uplink::Uplink;
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

impl<D: Dial, S: Source> Uplink<D, S> {
    pub(super) fn birth(&self, devices: Vec<Device>) -> Described {
        Described::Birth(Birth {
            schema: wardlink_wire::SCHEMA,
            gateway: self.outside.gateway.clone(),
            epoch: self.source.epoch(),
            boot: clock::boot_id(),
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            profile: self.outside.health.snapshot().profile,
            utc_ns: clock::now().utc_ns,
            devices,
        })
    }

    pub(super) fn state(&self) -> Described {
        let snapshot = self.outside.health.snapshot();
        let lost = |state: DeviceState| state == DeviceState::Lost;
        Described::State(State {
            schema: wardlink_wire::SCHEMA,
            gateway: self.outside.gateway.clone(),
            online: true,
            health: Some(Health {
                utc_ns: clock::now().utc_ns,
                clock: clock::discipline(),
                epoch: self.source.epoch(),
                lanes: Lane::ALL
                    .map(|lane| LaneHealth {
                        lane,
                        next: self.source.next(lane),
                        backlog: self.source.backlog(lane),
                        oldest_ns: snapshot.oldest.get(&lane).copied(),
                    })
                    .into(),
                devices_lost: snapshot
                    .devices
                    .iter()
                    .filter(|(_, device)| lost(device.state))
                    .map(|(id, _)| id.to_string())
                    .collect(),
                faults: snapshot.faults.into_values().collect(),
                certificate_ends: self.certificate_ends,
                audit: None,
            }),
        })
    }
}
