//! What gateways say while a rollout goes on: their answers to bundles, and whether they are well.
//!
//! A gateway is well when it has confirmed its bundle and then says that it is connected and has no fault
//! that it did not have before. One that says [`TOLERANCE`] times in a row that it has is not.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::id::GatewayId;
use wardlink_wire::state::{ConfigState, Outcome, State};
use wardlink_wire::topic::{Subject, Topic};

use super::plan::Step;

/// What is known of the gateways.
#[derive(Debug, Default)]
pub(super) struct Watched(HashMap<GatewayId, Gateway>);

#[derive(Debug, Default)]
struct Gateway {
    /// The digest of the parcel that it is asked about.
    asked: Option<Vec<u8>>,
    before: Vec<String>,
    /// When it confirmed, by its own clock.
    confirmed_ns: Option<i64>,
    ended: Option<Verdict>,
    /// What is wrong by its newest state, and when that was.
    faults: Vec<String>,
    state_ns: i64,
    unwell: u32,
}

/// What became of a bundle on a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not known yet.
    Open,
    /// Confirmed, and nothing is wrong that was not before.
    Well,
    /// Refused, for this reason.
    Refused(String),
    /// Tried and left again, for this reason.
    RolledBack(String),
    /// Confirmed, but this is wrong since.
    Unwell(String),
}

impl Verdict {
    pub(super) fn is_last(&self) -> bool {
        *self != Self::Open
    }
}

impl Watched {
    /// From now on, answers to these parcels count.
    pub(super) fn expect(&mut self, steps: &[Step]) {
        for step in steps {
            let gateway = self.0.entry(step.gateway.clone()).or_default();
            let parcel = step.parcel.as_deref().unwrap_or_default();
            gateway.asked = Some(digest(&SHA256, parcel).as_ref().to_vec());
            gateway.before.clone_from(&step.faults);
            gateway.confirmed_ns = None;
            gateway.ended = None;
            gateway.unwell = 0;
        }
    }

    /// What is wrong with a gateway by its newest state.
    pub(super) fn faults(&self, gateway: &GatewayId) -> Vec<String> {
        self.0
            .get(gateway)
            .map_or_else(Vec::new, |gateway| gateway.faults.clone())
    }

    /// What became of the last bundle.
    pub(super) fn verdict(&self, gateway: &GatewayId) -> Verdict {
        let ended = self
            .0
            .get(gateway)
            .and_then(|gateway| gateway.ended.clone());
        ended.unwrap_or(Verdict::Open)
    }

    /// Takes in one message; what is none of ours is passed over.
    pub(super) fn hear(&mut self, topic: &str, payload: &[u8]) {
        let Ok(topic) = Topic::parse(topic) else {
            return;
        };
        match topic.subject {
            Subject::ConfigState => {
                if let Ok(state) = codec::decode::<ConfigState>(payload, LIMIT)
                    && state.gateway == topic.gateway
                {
                    self.0.entry(topic.gateway).or_default().answered(&state);
                }
            }
            Subject::State => {
                if let Ok(state) = codec::decode::<State>(payload, LIMIT)
                    && state.gateway == topic.gateway
                {
                    self.0.entry(topic.gateway).or_default().said(&state);
                }
            }
            _ => {}
        }
    }
}

impl Gateway {
    fn answered(&mut self, state: &ConfigState) {
        let Some(bundle) = &state.bundle else {
            return;
        };
        if self.asked.as_ref() != Some(&bundle.digest) || self.ended.is_some() {
            return;
        }
        let reason = bundle.reason.escape_debug().to_string();
        match bundle.outcome {
            Outcome::Applied | Outcome::Confirmed => {
                if self.confirmed_ns.is_none() {
                    self.confirmed_ns = Some(state.utc_ns);
                    self.judge();
                }
            }
            Outcome::Refused => self.ended = Some(Verdict::Refused(reason)),
            Outcome::RolledBack => self.ended = Some(Verdict::RolledBack(reason)),
            Outcome::Staged | Outcome::OnTrial => {}
        }
    }

    fn said(&mut self, state: &State) {
        let Some(health) = state.health.as_ref().filter(|_| state.online) else {
            return;
        };
        let lost = health
            .devices_lost
            .iter()
            .map(|device| format!("device {device} gives no readings"));
        self.faults = lost.chain(health.faults.iter().cloned()).collect();
        self.faults.dedup();
        self.state_ns = health.utc_ns;
        self.judge();
    }

    fn judge(&mut self) {
        let Some(confirmed) = self.confirmed_ns.filter(|_| self.ended.is_none()) else {
            return;
        };
        if self.state_ns <= confirmed {
            return;
        }
        let new: Vec<&String> = self
            .faults
            .iter()
            .filter(|fault| !self.before.contains(fault))
            .collect();
        if new.is_empty() {
            self.ended = Some(Verdict::Well);
            return;
        }
        self.unwell += 1;
        if self.unwell >= TOLERANCE {
            let words: Vec<&str> = new.iter().map(|fault| fault.as_str()).collect();
            self.ended = Some(Verdict::Unwell(words.join("; ").escape_debug().to_string()));
        }
    }
}

/// A device that is restarted may be missing once.
const TOLERANCE: u32 = 3;
const LIMIT: Limit = Limit {
    bytes: 64 << 10,
    depth: 8,
};

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_wire::SCHEMA;
    use wardlink_wire::state::{BundleOutcome, Health};
    use wardlink_wire::time::{Clock, ClockState};

    fn name() -> GatewayId {
        "gw-1".parse().unwrap()
    }

    fn step() -> Step {
        Step {
            gateway: name(),
            wave: 0,
            profile: String::new(),
            before: String::new(),
            state: super::super::plan::StepState::Sent,
            reason: String::new(),
            faults: vec!["old".to_owned()],
            version: Some(1),
            parcel: Some(b"parcel".to_vec()),
        }
    }

    fn watched() -> Watched {
        let mut watched = Watched::default();
        watched.expect(&[step()]);
        watched
    }

    fn answer(watched: &mut Watched, bytes: &[u8], outcome: Outcome, utc_ns: i64) {
        let state = ConfigState {
            schema: SCHEMA,
            gateway: name(),
            utc_ns,
            profile: 1,
            bundle: Some(BundleOutcome {
                digest: digest(&SHA256, bytes).as_ref().to_vec(),
                version: Some(1),
                outcome,
                reason: "why".to_owned(),
                code: None,
                rollout: None,
            }),
            held: None,
        };
        let topic = Topic::new(name(), Subject::ConfigState).to_string();
        watched.hear(&topic, &codec::encode(&state).unwrap());
    }

    fn say(watched: &mut Watched, online: bool, utc_ns: i64, faults: &[&str]) {
        let health = Health {
            utc_ns,
            clock: Clock {
                state: ClockState::Synchronised,
                error_ms: None,
            },
            epoch: wardlink_wire::id::Epoch::from_bytes([1; 16]),
            lanes: Vec::new(),
            devices_lost: Vec::new(),
            faults: faults.iter().map(ToString::to_string).collect(),
            certificate_ends: 0,
            audit: None,
        };
        let state = State {
            schema: SCHEMA,
            gateway: name(),
            online,
            health: Some(health),
        };
        let topic = Topic::new(name(), Subject::State).to_string();
        watched.hear(&topic, &codec::encode(&state).unwrap());
    }

    #[test]
    fn a_gateway_is_well_only_by_a_state_it_says_after_it_confirmed_these_bytes() {
        let mut watched = watched();
        answer(&mut watched, b"another", Outcome::Confirmed, 5);
        answer(&mut watched, b"parcel", Outcome::OnTrial, 6);
        say(&mut watched, true, 7, &[]);
        assert_eq!(watched.verdict(&name()), Verdict::Open);
        answer(&mut watched, b"parcel", Outcome::Confirmed, 8);
        assert_eq!(
            watched.verdict(&name()),
            Verdict::Open,
            "its state is older"
        );
        say(&mut watched, false, 9, &[]);
        assert_eq!(watched.verdict(&name()), Verdict::Open, "it is offline");
        say(&mut watched, true, 10, &["old"]);
        assert_eq!(watched.verdict(&name()), Verdict::Well);
    }

    #[test]
    fn a_fault_that_stays_stops_the_rollout_and_one_that_passes_does_not() {
        let mut watched = watched();
        answer(&mut watched, b"parcel", Outcome::Confirmed, 8);
        say(&mut watched, true, 9, &["old", "new"]);
        say(&mut watched, true, 10, &["new"]);
        assert_eq!(watched.verdict(&name()), Verdict::Open);
        say(&mut watched, true, 11, &["new"]);
        assert_eq!(watched.verdict(&name()), Verdict::Unwell("new".to_owned()));
        watched.expect(&[step()]);
        answer(&mut watched, b"parcel", Outcome::Confirmed, 12);
        say(&mut watched, true, 13, &["new"]);
        say(&mut watched, true, 14, &[]);
        assert_eq!(watched.verdict(&name()), Verdict::Well);
    }

    #[test]
    fn a_refusal_and_a_return_are_last_words() {
        for outcome in [Outcome::Refused, Outcome::RolledBack] {
            let mut watched = watched();
            answer(&mut watched, b"parcel", outcome, 8);
            assert!(watched.verdict(&name()).is_last(), "{outcome:?}");
            assert_ne!(watched.verdict(&name()), Verdict::Well);
        }
    }
}
