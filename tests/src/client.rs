//! One MQTT client that does what a test tells it, as any party of the fleet or as none of it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use wardlink::directory::identity_files;
use wardlink_link::identity::{Files, Identity};
use wardlink_link::session::{Options, Publication, Session, SessionError, Version};
use wardlink_wire::id::GatewayId;
use wardlink_wire::topic::{Subject, Topic};

use crate::gateway::Gateway;
use crate::wait;

/// A connected client.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    session: Session,
}

impl Client {
    /// Connects with the certificate of the folder `operator/` or `monitor/`, beside the program that has it.
    #[track_caller]
    #[must_use]
    pub fn of_party(folder: &Path, port: u16) -> Self {
        Self::connect(&identity_files(folder), port).expect("the broker takes this party")
    }

    /// Connects with a gateway's certificate, beside its agent.
    #[track_caller]
    #[must_use]
    pub fn of_gateway(gateway: &Gateway, port: u16) -> Self {
        Self::connect(&gateway_files(gateway), port).expect("the broker takes this gateway")
    }

    /// Connects with any certificate.
    ///
    /// # Errors
    /// When the broker does not want it, or it does not believe the broker.
    pub fn connect(files: &Files, port: u16) -> Result<Self, SessionError> {
        Self::connect_in(Version::default(), files, port)
    }

    /// Connects with any certificate, in this version of MQTT.
    ///
    /// # Errors
    /// When the broker does not want it, or it does not believe the broker.
    pub fn connect_in(version: Version, files: &Files, port: u16) -> Result<Self, SessionError> {
        let identity = Identity::load(files).expect("an identity");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let options = Options {
            version,
            host: "localhost".to_owned(),
            port,
            client_id: format!(
                "test-{}-{}",
                identity.common_name(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            ),
            // It runs only while a test waits for it, so it must not have to answer in between.
            keep_alive: Duration::from_secs(3600),
            clean: true,
            in_flight: 32,
            will: None,
        };
        let session = runtime.block_on(Session::open(&identity, options))?;
        Ok(Self { runtime, session })
    }

    /// Subscribes, and returns once the broker has answered.
    ///
    /// # Errors
    /// When the broker refuses. One that does not may still let nothing through.
    pub fn subscribe(&mut self, filter: &str) -> Result<(), SessionError> {
        self.runtime
            .block_on(self.session.subscribe(&[filter.to_owned()]))
    }

    /// Publishes, and returns once the broker has answered. What it did with it is another question.
    #[track_caller]
    pub fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) {
        let publication = Publication {
            topic: topic.to_owned(),
            payload,
            retain,
        };
        let acknowledged = self
            .runtime
            .block_on(async { self.session.publish(publication)?.acknowledged().await });
        acknowledged.unwrap_or_else(|error| panic!("{topic}: {error}"));
    }

    /// The next message: topic and payload.
    #[track_caller]
    pub fn hear(&mut self) -> (String, Vec<u8>) {
        let session = &mut self.session;
        let heard = self.runtime.block_on(async {
            let incoming = timeout(wait::LONG, session.next())
                .await
                .expect("no message came")?;
            session.acknowledge(&incoming)?;
            Ok::<_, SessionError>((incoming.topic, incoming.payload))
        });
        heard.expect("the session holds")
    }

    /// The next message of one topic, whatever comes before it.
    #[track_caller]
    pub fn hear_of(&mut self, topic: &str) -> Vec<u8> {
        loop {
            let (of, payload) = self.hear();
            if of == topic {
                return payload;
            }
        }
    }
}

/// Two clients of one party are two to the broker.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The TLS files of a gateway.
#[must_use]
pub fn gateway_files(gateway: &Gateway) -> Files {
    Files {
        ca: gateway.join("ca.pem"),
        certificate: gateway.join("gateway.pem"),
        key: gateway.join("gateway.key"),
        crl: None,
    }
}

/// A topic's name.
#[must_use]
pub fn topic(gateway: &GatewayId, subject: Subject) -> String {
    Topic::new(gateway.clone(), subject).to_string()
}
