//! Many light gateways in one process: real certificates, real MQTT, and no devices.
//!
//! Each one hears its bundles, verifies them with the gateway's own code and answers as an agent does that
//! is well. Promises to count every message and byte of rollouts that it hears and says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use wardlink::pki::Authority;
use wardlink_link::identity::{Files, Identity};
use wardlink_link::session::{Options, Publication, Session, SessionError, Version};
use wardlink_wire::SCHEMA;
use wardlink_wire::bundle::{Bundle, Parcel};
use wardlink_wire::codec;
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::profile::Profile;
use wardlink_wire::root::Trust;
use wardlink_wire::state::{BundleOutcome, ConfigState, Health, Outcome, State};
use wardlink_wire::time::{Clock, ClockState};
use wardlink_wire::topic::{Subject, Topic};

use crate::fleet::{client, holds, install};

/// The gateways, connected.
#[derive(Debug)]
pub struct Light {
    runtime: Runtime,
    gateways: JoinSet<Result<(), SessionError>>,
    traffic: Arc<Traffic>,
}

/// What light gateways heard and said about bundles.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Messages heard and said.
    pub messages: AtomicU64,
    /// Bytes of their payloads and topics.
    pub bytes: AtomicU64,
}

impl Traffic {
    fn count(&self, topic: &str, payload: &[u8]) {
        let bytes = topic.len() + payload.len();
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Light {
    /// Connects gateways of these names; each of them is known to the broker by a certificate of its own.
    #[track_caller]
    #[must_use]
    pub fn connect(
        (authority, ca): (&Authority, &Path),
        trust: &Trust,
        folder: &Path,
        names: &[GatewayId],
        port: u16,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let traffic = Arc::new(Traffic::default());
        let mut gateways = JoinSet::new();
        for some in names.chunks(AT_ONCE) {
            let mut opening = JoinSet::new();
            for name in some {
                let identity = identity(authority, folder, ca, name);
                let one = Gateway {
                    name: name.clone(),
                    trust: trust.clone(),
                    traffic: Arc::clone(&traffic),
                };
                let open = async move {
                    let session = one.open(&identity, port).await;
                    let session = session.unwrap_or_else(|error| panic!("{}: {error}", one.name));
                    (one, session)
                };
                opening.spawn_on(open, runtime.handle());
            }
            for (one, session) in runtime.block_on(opening.join_all()) {
                gateways.spawn_on(one.serve(session), runtime.handle());
            }
        }
        Self {
            runtime,
            gateways,
            traffic,
        }
    }

    /// Messages that they heard and said so far, and the bytes of their topics and payloads.
    #[must_use]
    pub fn seen(&self) -> (u64, u64) {
        let Traffic { messages, bytes } = &*self.traffic;
        (
            messages.load(Ordering::Relaxed),
            bytes.load(Ordering::Relaxed),
        )
    }

    /// Cuts every connection.
    pub fn end(mut self) {
        let ended = self
            .runtime
            .block_on(async { self.gateways.try_join_next() });
        assert!(ended.is_none(), "a light gateway ended early: {ended:?}");
        self.gateways.abort_all();
    }
}

struct Gateway {
    name: GatewayId,
    trust: Trust,
    traffic: Arc<Traffic>,
}

impl Gateway {
    async fn open(&self, identity: &Identity, port: u16) -> Result<Session, SessionError> {
        let mut session = open(identity, &self.name, port).await?;
        let topic = Topic::new(self.name.clone(), Subject::Config).to_string();
        session.subscribe(&[topic]).await?;
        self.say(&session, Subject::State, &self.state())?;
        Ok(session)
    }

    async fn serve(self, mut session: Session) -> Result<(), SessionError> {
        loop {
            let incoming = session.next().await?;
            session.acknowledge(&incoming)?;
            self.traffic.count(&incoming.topic, &incoming.payload);
            let answer = self.answer(&incoming.payload);
            self.say(&session, Subject::ConfigState, &answer)?;
            self.say(&session, Subject::State, &self.state())?;
        }
    }

    /// What an agent says whose profile has proven itself, or of a bundle that it refuses.
    fn answer(&self, payload: &[u8]) -> Vec<u8> {
        let taken = Parcel::decode(payload).ok().and_then(|parcel| {
            let bundle = Bundle::verify(&parcel.bundle?, &self.trust).ok()?;
            let manifest = bundle.manifest().clone();
            let ours = manifest.gateway == self.name && Profile::parse(&manifest.profile).is_ok();
            ours.then_some(manifest.version.number)
        });
        let outcome = BundleOutcome {
            digest: digest(&SHA256, payload).as_ref().to_vec(),
            version: taken,
            outcome: taken.map_or(Outcome::Refused, |_| Outcome::Confirmed),
            reason: String::new(),
            code: None,
            rollout: None,
        };
        let state = ConfigState {
            schema: SCHEMA,
            gateway: self.name.clone(),
            utc_ns: now_ns(),
            profile: taken.unwrap_or(0),
            bundle: Some(outcome),
            held: None,
        };
        codec::encode(&state).expect("bytes")
    }

    fn state(&self) -> Vec<u8> {
        let health = Health {
            utc_ns: now_ns(),
            clock: Clock {
                state: ClockState::Unsynchronised,
                error_ms: None,
            },
            epoch: Epoch::from_bytes([7; 16]),
            lanes: Vec::new(),
            devices_lost: Vec::new(),
            faults: Vec::new(),
            certificate_ends: 0,
            audit: None,
        };
        let state = State {
            schema: SCHEMA,
            gateway: self.name.clone(),
            online: true,
            health: Some(health),
        };
        codec::encode(&state).expect("bytes")
    }

    fn say(&self, session: &Session, subject: Subject, payload: &[u8]) -> Result<(), SessionError> {
        let topic = Topic::new(self.name.clone(), subject).to_string();
        self.traffic.count(&topic, payload);
        let publication = Publication {
            topic,
            payload: payload.to_vec(),
            retain: true,
        };
        session.publish(publication).map(drop)
    }
}

async fn open(identity: &Identity, name: &GatewayId, port: u16) -> Result<Session, SessionError> {
    let options = Options {
        version: Version::default(),
        host: "localhost".to_owned(),
        port,
        client_id: name.to_string(),
        keep_alive: Duration::from_secs(60),
        clean: true,
        in_flight: 4,
        will: None,
    };
    Session::open(identity, options).await
}

fn identity(authority: &Authority, folder: &Path, ca: &Path, name: &GatewayId) -> Identity {
    let files = Files {
        ca: ca.to_owned(),
        certificate: folder.join("light.pem"),
        key: folder.join("light.key"),
        crl: None,
    };
    install(
        &client(authority, name.as_str(), holds()),
        &files.certificate,
        &files.key,
    );
    Identity::load(&files).expect("an identity")
}

fn now_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_nanos()).expect("before 2262")
}

/// So many connect at once: more would wait in the broker's queue of connections longer than a client does.
const AT_ONCE: usize = 64;
