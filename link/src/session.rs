//! One connection to a broker, in MQTT 3.1.1 or MQTT 5.
//!
//! Owns the MQTT client and the task that drives it. Promises a mutually authenticated connection that is
//! known to be good (CONNACK) before it is handed out, publications that are reported delivered only on
//! their own PUBACK, messages that are acknowledged only when the owner says so, and an end that is noticed
//! also when the peer falls silent, or answers pings and nothing else. Refuses to reconnect or to resend:
//! client libraries alone lose messages there (docs/decisions/0002-mqtt-client.md), so the owner keeps the
//! ledger and opens a new session, with a new client, each time.

mod drive;
mod error;
mod protocol;
mod v311;
mod v5;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::drive::{Debt, drive};
pub use self::error::{Refusal, RefusalKind, SessionError};
pub use self::protocol::Version;
use self::protocol::{Client, Message, Notice};
use crate::identity::Identity;

/// How to reach a broker and what to ask of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which MQTT to speak.
    pub version: Version,
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
    message: Message,
}

/// What this broker takes. Over MQTT 3.1.1 no broker says so, and these are our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Publications on their way at once: ours, or the broker's receive maximum if that is less.
    pub in_flight: u16,
    /// Bytes of one packet.
    pub largest: usize,
}

/// A live connection. Dropping it cuts it, and the broker publishes the will.
#[derive(Debug)]
pub struct Session {
    client: Client,
    incoming: mpsc::Receiver<Result<Incoming, SessionError>>,
    /// What came in while a subscription was waited for.
    early: VecDeque<Result<Incoming, SessionError>>,
    welcome: Welcome,
    debt: Arc<Debt>,
    driver: JoinSet<()>,
}

/// A publication on its way.
#[derive(Debug)]
pub struct Delivery(Notice);

/// What the broker said to our CONNECT.
#[derive(Debug, Clone, Copy)]
struct Welcome {
    present: bool,
    limits: Limits,
}

/// What one step of a connection brought.
enum Heard {
    Message(Box<Incoming>),
    Acknowledgement,
    Nothing,
}

impl Session {
    /// Connects, and returns once the broker accepted.
    ///
    /// # Errors
    /// When the name does not resolve, the peer cannot be reached, is not the right one, refuses, or does
    /// not answer in time.
    pub async fn open(identity: &Identity, options: Options) -> Result<Self, SessionError> {
        let (keep_alive, in_flight) = (options.keep_alive, options.in_flight.max(1));
        let (client, mut events) = Client::new(identity, options)?;
        let welcome = timeout(CONNECT, events.welcome(in_flight))
            .await
            .map_err(|_| SessionError::Silent(CONNECT))??;
        let (sender, incoming) = mpsc::channel(INCOMING);
        let debt = Arc::new(Debt::default());
        let mut driver = JoinSet::new();
        driver.spawn(drive(events, sender, Arc::clone(&debt), keep_alive));
        Ok(Self {
            client,
            incoming,
            early: VecDeque::new(),
            welcome,
            debt,
            driver,
        })
    }

    /// Whether the broker still had a session of this client.
    #[must_use]
    pub const fn was_present(&self) -> bool {
        self.welcome.present
    }

    /// What this broker takes.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.welcome.limits
    }

    /// Subscribes at QoS 1 and returns once the broker granted every filter.
    ///
    /// # Errors
    /// When the broker refuses a filter, or the session is over.
    pub async fn subscribe(&mut self, filters: &[String]) -> Result<(), SessionError> {
        let granted = self.client.subscribe(filters)?.granted();
        let granted = timeout(SUBSCRIBE, granted);
        tokio::pin!(granted);
        loop {
            // A kept session delivers before it answers: what comes is taken in, or nothing would move on.
            tokio::select! {
                biased;
                granted = &mut granted => {
                    return granted
                        .map_err(|_| SessionError::Silent(SUBSCRIBE))?
                        .map_err(|error| SessionError::Subscription(filters.join(", "), error));
                }
                Some(incoming) = self.incoming.recv() => self.early.push_back(incoming),
            }
        }
    }

    /// Hands one message to the connection.
    ///
    /// # Errors
    /// When the session is over, or has more than it can hold on its way already; and, with the session
    /// going on, when the broker would not take a message of this size.
    pub fn publish(&self, publication: Publication) -> Result<Delivery, SessionError> {
        let bytes = publication.topic.len() + publication.payload.len() + AROUND;
        let most = self.welcome.limits.largest;
        if bytes > most {
            return Err(SessionError::TooLarge { bytes, most });
        }
        let notice = self.client.publish(publication)?;
        self.debt.grow();
        Ok(Delivery(notice))
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
        self.client.acknowledge(&incoming.message)
    }

    /// Ends the connection in order; the will is not published.
    pub async fn close(mut self) {
        if self.client.disconnect().is_ok() {
            // Whether the peer hears it or not, the connection is gone afterwards.
            drop(timeout(CLOSE, self.driver.join_next()).await);
        }
    }
}

impl Delivery {
    /// Waits for the broker's acknowledgement of this message.
    ///
    /// # Errors
    /// When the session ended before it came, or, with the session going on, when the broker says that it
    /// did not take the message.
    pub async fn acknowledged(self) -> Result<(), SessionError> {
        self.0.acknowledged().await
    }
}

const CONNECT: Duration = Duration::from_secs(10);
/// A clustered broker grants nothing while it elects.
const SUBSCRIBE: Duration = Duration::from_secs(20);
const CLOSE: Duration = Duration::from_secs(2);
/// Messages that are written to the socket at once if they wait: each flush costs a TLS record and a call.
const FLUSHED: usize = 32;
/// Messages that may wait on either side of the client before somebody has to wait.
const REQUESTS: usize = 4096;
const INCOMING: usize = 1024;
/// A batch has at most 8 MiB; seal and headers come on top.
const LARGEST: usize = (8 << 20) + (64 << 10);
/// The most that PUBLISH adds to topic and payload without properties (MQTT 5 section 3.3): type, length,
/// the topic's length, packet id, properties' length.
const AROUND: usize = 1 + 4 + 2 + 2 + 1;
