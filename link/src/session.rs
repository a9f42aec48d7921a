//! One connection to a broker: the only file that names `rumqttc`.
//!
//! Owns the MQTT 3.1.1 client and the task that drives it. Promises a mutually authenticated connection
//! that is known to be good (CONNACK) before it is handed out, publications that are reported delivered
//! only on their own PUBACK, messages that are acknowledged only when the owner says so, and an end that
//! is noticed also when the peer falls silent. Refuses to reconnect or to resend: rumqttc alone loses
//! messages there (docs/decisions/0002-mqtt-client.md), so the owner keeps the ledger and opens a new
//! session, with a new client, each time.

use std::collections::VecDeque;
use std::error::Error as _;
use std::time::Duration;

use rumqttc::{
    AckMode, AsyncClient, Broker, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Packet, Publish, PublishNotice, PublishOptions, QoS, SubscribeFilterInput,
    TlsConfiguration, Transport,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::identity::Identity;

/// How to reach a broker and what to ask of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name or address; the server's certificate must carry it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// MQTT client id.
    pub client_id: String,
    /// How often the connection is proven alive, whole seconds, at least one.
    pub keep_alive: Duration,
    /// Whether the broker forgets the session when the connection ends.
    pub clean: bool,
    /// Most publications on their way at once.
    pub in_flight: u16,
    /// What the broker says when the connection breaks.
    pub will: Option<Publication>,
}

/// One message to publish, always at QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// One message that came in.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Whether it is a kept message from before the subscription.
    pub retain: bool,
    publish: Publish,
}

/// A live connection. Dropping it cuts it, and the broker publishes the will.
#[derive(Debug)]
pub struct Session {
    client: AsyncClient,
    incoming: mpsc::Receiver<Result<Incoming, SessionError>>,
    /// What came in while a subscription was waited for.
    early: VecDeque<Result<Incoming, SessionError>>,
    present: bool,
    driver: JoinSet<()>,
}

/// A publication on its way.
#[derive(Debug)]
pub struct Delivery(PublishNotice);

impl Session {
    /// Connects, and returns once the broker accepted.
    ///
    /// # Errors
    /// When the name does not resolve, the peer cannot be reached, is not the right one, refuses, or does
    /// not answer in time.
    pub async fn open(identity: &Identity, options: Options) -> Result<Self, SessionError> {
        let keep_alive = options.keep_alive;
        let (client, mut events) = AsyncClient::builder(mqtt_options(identity, options))
            .capacity(REQUESTS)
            .try_build()
            .map_err(|error| SessionError::Options(error.to_string()))?;
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT.as_secs());
        events.set_network_options(network);
        let present = timeout(CONNECT, accepted(&mut events))
            .await
            .map_err(|_| SessionError::Silent(CONNECT))??;
        let (sender, incoming) = mpsc::channel(INCOMING);
        let mut driver = JoinSet::new();
        // A ping goes out every keep-alive and its answer must be back before the next one is due.
        driver.spawn(drive(events, sender, keep_alive.saturating_mul(3)));
        Ok(Self {
            client,
            incoming,
            early: VecDeque::new(),
            present,
            driver,
        })
    }

    /// Whether the broker still had a session of this client.
    #[must_use]
    pub const fn was_present(&self) -> bool {
        self.present
    }

    /// Subscribes at QoS 1 and returns once the broker granted every filter.
    ///
    /// # Errors
    /// When the broker refuses a filter, or the session is over.
    pub async fn subscribe(&mut self, filters: &[String]) -> Result<(), SessionError> {
        let inputs = filters
            .iter()
            .map(|filter| SubscribeFilterInput::new(filter.as_str(), QoS::AtLeastOnce));
        let notice = self
            .client
            .try_subscribe_many_tracked(inputs)
            .map_err(|_| SessionError::Over)?;
        let granted = timeout(CONNECT, notice.wait_completion_async());
        tokio::pin!(granted);
        loop {
            // A kept session delivers before it answers: what comes is taken in, or nothing would move on.
            tokio::select! {
                biased;
                granted = &mut granted => {
                    return granted
                        .map_err(|_| SessionError::Silent(CONNECT))?
                        .map_err(|error| SessionError::Subscription(filters.join(", "), error.to_string()));
                }
                Some(incoming) = self.incoming.recv() => self.early.push_back(incoming),
            }
        }
    }

    /// Hands one message to the connection.
    ///
    /// # Errors
    /// When the session is over, or has more than it can hold on its way already.
    pub fn publish(&self, publication: Publication) -> Result<Delivery, SessionError> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(publication.retain);
        self.client
            .try_publish_tracked(publication.topic, publication.payload, options)
            .map(Delivery)
            .map_err(|_| SessionError::Over)
    }

    /// The next message that came in.
    ///
    /// Cancelling the future loses nothing.
    ///
    /// # Errors
    /// When the session is over, once, with the reason.
    pub async fn next(&mut self) -> Result<Incoming, SessionError> {
        if let Some(early) = self.early.pop_front() {
            return early;
        }
        self.incoming
            .recv()
            .await
            .unwrap_or(Err(SessionError::Over))
    }

    /// The next message if one is here already. The reason of an end stays for [`Session::next`].
    pub fn next_now(&mut self) -> Option<Incoming> {
        if self.early.is_empty() {
            self.early.extend(self.incoming.try_recv());
        }
        self.early.pop_front_if(|early| early.is_ok())?.ok()
    }

    /// Tells the broker that a message is safely here.
    ///
    /// # Errors
    /// When the session is over.
    pub fn acknowledge(&self, incoming: &Incoming) -> Result<(), SessionError> {
        self.client
            .try_ack(&incoming.publish)
            .map_err(|_| SessionError::Over)
    }

    /// Ends the connection in order; the will is not published.
    pub async fn close(mut self) {
        if self.client.try_disconnect_with_timeout(CLOSE).is_ok() {
            // Whether the peer hears it or not, the connection is gone afterwards.
            drop(timeout(CLOSE, self.driver.join_next()).await);
        }
    }
}

impl Delivery {
    /// Waits for the broker's acknowledgement of this message.
    ///
    /// # Errors
    /// When the session ended before it came.
    pub async fn acknowledged(self) -> Result<(), SessionError> {
        self.0
            .wait_async()
            .await
            .map(drop)
            .map_err(|_| SessionError::Over)
    }
}

fn mqtt_options(identity: &Identity, options: Options) -> MqttOptions {
    let mut mqtt = MqttOptions::new(options.client_id, Broker::tcp(options.host, options.port));
    mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
        identity.tls(),
    )));
    mqtt.set_keep_alive(u16::try_from(options.keep_alive.as_secs().max(1)).unwrap_or(u16::MAX));
    mqtt.set_clean_session(options.clean);
    mqtt.set_inflight(options.in_flight.max(1));
    mqtt.set_max_packet_size(LARGEST, LARGEST);
    mqtt.set_ack_mode(AckMode::Manual);
    if let Some(will) = options.will {
        mqtt.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
        ));
    }
    mqtt
}

/// Drives the connection up to the broker's answer; says whether a session was present.
async fn accepted(events: &mut EventLoop) -> Result<bool, SessionError> {
    loop {
        if let Event::Incoming(Packet::ConnAck(answer)) =
            events.poll().await.map_err(|error| explain(&error))?
        {
            return Ok(answer.session_present);
        }
    }
}

/// Drives the connection until it ends, and says why.
async fn drive(
    mut events: EventLoop,
    sender: mpsc::Sender<Result<Incoming, SessionError>>,
    silence: Duration,
) {
    let reason = loop {
        match timeout(silence, events.poll()).await {
            Err(_) => break SessionError::Silent(silence),
            Ok(Err(error)) => break explain(&error),
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                if sender.send(Ok(Incoming::from(publish))).await.is_err() {
                    return;
                }
            }
            Ok(Ok(_)) => {}
        }
    };
    tracing::debug!(%reason, "session over");
    if sender.send(Err(reason)).await.is_err() {
        tracing::trace!("nobody waits for the end of this session");
    }
}

impl From<Publish> for Incoming {
    fn from(publish: Publish) -> Self {
        Self {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            retain: publish.retain,
            publish,
        }
    }
}

/// Puts a connection's end into words for the person who must act.
fn explain(error: &ConnectionError) -> SessionError {
    if let ConnectionError::ConnectionRefused(code) = error {
        return SessionError::Refused(format!("{code:?}"));
    }
    if matches!(error, ConnectionError::RequestsDone) {
        return SessionError::Over;
    }
    if matches!(
        error,
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout
    ) {
        return SessionError::Silent(CONNECT);
    }
    let mut words = error.to_string();
    if words.contains(UNFINISHED) {
        return SessionError::Broken("the broker closed the connection".to_owned());
    }
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !words.contains(&said) {
            words.push_str(": ");
            words.push_str(&said);
        }
        source = cause.source();
    }
    SessionError::Broken(format!("{words}{}", remedy(&words)))
}

/// What to do, for the failures of a handshake that people meet most.
fn remedy(words: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 10] = [
        (
            "InvalidContentType",
            " (what answers on this port does not speak TLS)",
        ),
        (
            "UnknownIssuer",
            " (the broker's certificate is not from the fleet CA)",
        ),
        (
            "BadSignature",
            " (the broker's certificate is not from the fleet CA)",
        ),
        (
            "not valid for name",
            " (the broker's certificate does not carry the configured host name)",
        ),
        (
            "alert: CertificateExpired",
            " (the broker refuses this certificate as expired: renew it)",
        ),
        (
            "alert: CertificateRequired",
            " (the broker wants a client certificate)",
        ),
        (
            "alert: UnknownCA",
            " (the broker does not know the CA of this certificate)",
        ),
        (
            "certificate not valid yet",
            " (the broker's certificate is not valid yet: check this machine's clock)",
        ),
        (
            "certificate expired",
            " (the broker's certificate is expired, or this machine's clock is wrong)",
        ),
        // Last: the alerts above come wrapped in it.
        (
            "deserialization error",
            " (what answers on this port does not speak MQTT)",
        ),
    ];
    let found = REMEDIES.iter().find(|(sign, _)| words.contains(sign));
    found.map_or("", |(_, remedy)| remedy)
}

/// Why a session did not come about, or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The settings cannot be used.
    #[error("connection settings: {0}")]
    Options(String),
    /// The broker answered no.
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    /// The broker said nothing for too long.
    #[error("the broker did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The connection failed or broke.
    #[error("{0}")]
    Broken(String),
    /// The broker does not let this party hear a topic.
    #[error("the broker refused the subscription to {0}: {1}")]
    Subscription(String, String),
    /// Closed before.
    #[error("the session is over")]
    Over,
}

/// What rustls says of a peer that ends TCP without ending TLS, as every killed broker does.
const UNFINISHED: &str = "without sending TLS close_notify";
const CONNECT: Duration = Duration::from_secs(10);
const CLOSE: Duration = Duration::from_secs(2);
/// Messages that may wait on either side of the client before somebody has to wait.
const REQUESTS: usize = 4096;
const INCOMING: usize = 1024;
/// A batch has at most 8 MiB; seal and headers come on top.
const LARGEST: usize = (8 << 20) + (64 << 10);
