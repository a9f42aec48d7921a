//! Operators of a test's own: what they sign is not bound by what their program would sign.

use std::fs;
use std::path::Path;

use wardlink_agent::update::record::sha256;
use wardlink_wire::bundle::{self, Manifest, Parcel, Trial, Version};
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::id::GatewayId;
use wardlink_wire::root::Root;
use wardlink_wire::signature::SigningKey;
use wardlink_wire::signature::joint::Signer;
use wardlink_wire::state::{BundleOutcome, ConfigState, State};
use wardlink_wire::topic::Subject;

use crate::client::{Client, topic};
use crate::fleet::now;
use crate::gateway::Gateway;
use crate::ward::Ward;

/// Some operators, so many of whom have to sign.
#[derive(Debug)]
pub struct Operators {
    keys: Vec<SigningKey>,
    threshold: u16,
    /// The root under which they sign.
    pub root: u64,
}

impl Operators {
    /// New ones.
    #[must_use]
    pub fn new(count: usize, threshold: u16, root: u64) -> Self {
        let keys = (0..count).map(|_| SigningKey::generate().expect("a key"));
        Self {
            keys: keys.collect(),
            threshold,
            root,
        }
    }

    /// Makes them those that a gateway is enrolled with.
    pub fn install(&self, gateway: &Gateway) {
        let mut names = Vec::new();
        for (number, key) in self.keys.iter().enumerate() {
            let name = format!("operator-{number}.pub");
            let text = wardlink::pki::verifying_key_pem(&key.verifying_key());
            fs::write(gateway.join(&name), text).expect("a public key is written");
            names.push(format!("{name:?}"));
        }
        let keys = format!(
            "keys = [{}]\nthreshold = {}",
            names.join(", "),
            self.threshold
        );
        gateway.reconfigure(&[("keys = [\"operator.pub\"]", &keys)]);
    }

    /// A right manifest, which is confirmed as soon as the profile is healthy.
    #[must_use]
    pub fn manifest(&self, gateway: &Gateway, number: u64, profile: &str) -> Manifest {
        Manifest {
            schema: bundle::SCHEMA,
            gateway: gateway.id(),
            version: Version {
                root: self.root,
                number,
            },
            issued: now(),
            not_before: now(),
            expires: now() + 3600,
            stale: None,
            trial: Trial {
                soak: 0,
                deadline: 3600,
            },
            rollout: None,
            profile: profile.to_owned(),
        }
    }

    /// A bundle signed by these operators, by their numbers.
    #[must_use]
    pub fn sign_as(&self, manifest: &Manifest, who: &[usize]) -> Vec<u8> {
        let keys: Vec<_> = who.iter().map(|number| self.signer(*number)).collect();
        manifest.sign(&keys).expect("a bundle")
    }

    /// A bundle signed by as many as it takes.
    #[must_use]
    pub fn sign(&self, manifest: &Manifest) -> Vec<u8> {
        self.sign_as(manifest, &self.enough())
    }

    /// A parcel signed by as many as it takes.
    #[must_use]
    pub fn parcel(&self, manifest: &Manifest) -> Vec<u8> {
        Parcel::of(self.sign(manifest)).encode().expect("a parcel")
    }

    /// The root document with which these hand over to others.
    #[must_use]
    pub fn hand_over(&self, to: &Self) -> Vec<u8> {
        let root = Root {
            schema: wardlink_wire::SCHEMA,
            version: to.root,
            threshold: to.threshold,
            operators: to.keys.iter().map(SigningKey::verifying_key).collect(),
            issued: now(),
            expires: now() + 86_400,
        };
        let mut keys: Vec<_> = self.enough().iter().map(|at| self.signer(*at)).collect();
        keys.extend(to.enough().iter().map(|at| to.signer(*at)));
        root.sign(&keys).expect("a root document")
    }

    fn enough(&self) -> Vec<usize> {
        (0..usize::from(self.threshold)).collect()
    }

    fn signer(&self, number: usize) -> &dyn Signer {
        &self.keys[number]
    }
}

/// Where operators publish and hear what gateways answer.
#[derive(Debug)]
pub struct Desk {
    client: Client,
    gateway: GatewayId,
}

impl Desk {
    /// One that cares for a gateway.
    #[track_caller]
    #[must_use]
    pub fn of(ward: &Ward, gateway: &Gateway) -> Self {
        let gateway = gateway.id();
        let folder = ward.fleet.join("operator");
        let mut client = Client::of_party(&folder, ward.broker.port());
        for subject in [Subject::ConfigState, Subject::State] {
            let subscribed = client.subscribe(&topic(&gateway, subject));
            subscribed.expect("an operator hears gateways");
        }
        Self { client, gateway }
    }

    /// Publishes a parcel.
    #[track_caller]
    pub fn send(&self, parcel: &[u8]) {
        let topic = topic(&self.gateway, Subject::Config);
        self.client.publish(&topic, parcel.to_vec(), true);
    }

    /// Publishes a parcel and waits for the last word about it.
    #[track_caller]
    pub fn push(&mut self, parcel: &[u8]) -> BundleOutcome {
        self.send(parcel);
        self.last_word(parcel)
    }

    /// Waits for the last word about a parcel.
    #[track_caller]
    pub fn last_word(&mut self, parcel: &[u8]) -> BundleOutcome {
        let state = self.after(parcel);
        state.bundle.expect("the state is about a bundle")
    }

    /// Waits for the last word about a parcel, and gives out with it where the gateway stands.
    #[track_caller]
    pub fn after(&mut self, parcel: &[u8]) -> ConfigState {
        let digest = sha256(parcel);
        let last = |said: &BundleOutcome| said.digest == digest && said.outcome.is_final();
        self.until(|state| state.bundle.as_ref().is_some_and(last))
    }

    /// Waits until the gateway says something of its configuration.
    #[track_caller]
    pub fn until(&mut self, mut is_so: impl FnMut(&ConfigState) -> bool) -> ConfigState {
        let topic = topic(&self.gateway, Subject::ConfigState);
        loop {
            let bytes = self.client.hear_of(&topic);
            let state: ConfigState = codec::decode(&bytes, LIMIT).expect("a config state");
            if is_so(&state) {
                return state;
            }
        }
    }

    /// Waits until the gateway says something of its health.
    #[track_caller]
    pub fn until_state(&mut self, mut is_so: impl FnMut(&State) -> bool) -> State {
        let topic = topic(&self.gateway, Subject::State);
        loop {
            let bytes = self.client.hear_of(&topic);
            let state: State = codec::decode(&bytes, LIMIT).expect("a state");
            if is_so(&state) {
                return state;
            }
        }
    }
}

/// The parts of a gateway's audit log that are there, oldest first.
#[must_use]
pub fn audit_log(state: &Path) -> Vec<Vec<u8>> {
    let parts = [
        wardlink_agent::audit::BEFORE,
        wardlink_agent::audit::CURRENT,
    ];
    let read = parts.map(|name| fs::read(state.join(name)));
    read.into_iter().flatten().collect()
}

const LIMIT: Limit = Limit {
    bytes: 64 << 10,
    depth: 8,
};
