//! A network and a broker in memory: connections that are slow, fall silent and break.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use wardlink_link::session::{Limits, Publication, SessionError};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceSet;
use wardlink_wire::topic::{Subject, Topic};

use super::super::link::{Delivery, Dial, Heard, Link, Rest};
use super::super::pace::Pace;
use super::chance::Chance;
use super::minutes;
use super::plan::Plan;
use super::store::{MemoryStore, named};
use super::truth::Truth;
use crate::health::{Health, Part};

/// Opens connections of the plan's kind.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) plan: Plan,
    pub(super) chance: Chance,
    pub(super) truth: Arc<Mutex<Truth>>,
    pub(super) store: MemoryStore,
    pub(super) health: Health,
}

/// How long one connection lives, and how it behaves.
#[derive(Debug, Clone, Copy)]
struct Fate {
    ends: Instant,
    /// From here on nothing comes back.
    silent: Instant,
    latency: Duration,
    /// The largest message that does not end the connection.
    largest: usize,
}

#[derive(Debug)]
pub(super) struct MemoryLink {
    pipe: mpsc::UnboundedSender<(Publication, oneshot::Sender<()>)>,
    incoming: mpsc::UnboundedReceiver<Result<Message, SessionError>>,
    store: MemoryStore,
    health: Health,
    /// Alarms handed to this connection.
    alarms: Mutex<SequenceSet>,
}

#[derive(Debug)]
pub(super) struct Message {
    topic: String,
    payload: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Puback(oneshot::Receiver<()>);

impl Dial for Network {
    type Link = MemoryLink;
    type Rest = Delays;

    async fn dial(&mut self) -> Result<MemoryLink, Duration> {
        let now = Instant::now();
        if now < self.truth.lock().unwrap().away_until {
            return Err(Duration::ZERO);
        }
        let far = now + minutes(60 * 24 * 365 * 100);
        let calm = self.truth.lock().unwrap().calm;
        let breaks = self.plan.cuts && !calm;
        let ends = if breaks {
            now + self.chance.around(minutes(600))
        } else {
            far
        };
        let falls_silent = breaks && self.plan.withheld && self.chance.one_in(2);
        let fate = Fate {
            ends,
            silent: if falls_silent {
                now + self.chance.around(minutes(300))
            } else {
                far
            },
            latency: Duration::from_secs(if self.plan.slow {
                self.chance.below(1200)
            } else {
                1
            }),
            largest: if self.plan.picky { 5 << 10 } else { usize::MAX },
        };
        let (pipe, out) = mpsc::unbounded_channel();
        let (to_gateway, incoming) = mpsc::unbounded_channel();
        let truth = Arc::clone(&self.truth);
        tokio::spawn(carry(fate, out, to_gateway, truth));
        Ok(MemoryLink {
            pipe,
            incoming,
            store: self.store.clone(),
            health: self.health.clone(),
            alarms: Mutex::default(),
        })
    }

    fn rest(&self, pace: Pace) -> Delays {
        Delays {
            chance: Chance::new(self.plan.seed ^ 0xbac_0ff),
            pace,
            ceiling: pace.delays.0,
        }
    }

    fn has_news(&mut self) -> bool {
        self.plan.renews && self.chance.one_in(20)
    }

    fn certificate_ends(&mut self) -> Option<i64> {
        None
    }
}

/// Carries what is published to the broker, and what the broker says back, as fate has it.
async fn carry(
    fate: Fate,
    mut out: mpsc::UnboundedReceiver<(Publication, oneshot::Sender<()>)>,
    to_gateway: mpsc::UnboundedSender<Result<Message, SessionError>>,
    truth: Arc<Mutex<Truth>>,
) {
    let number = truth
        .lock()
        .unwrap()
        .connected(to_gateway.clone(), fate.silent);
    let (mut reason, mut unheard) = ("cut", Vec::new());
    loop {
        let published = tokio::select! {
            biased;
            () = sleep_until(fate.ends) => break,
            published = out.recv() => published,
        };
        let Some((publication, puback)) = published else {
            break;
        };
        if Instant::now() + fate.latency >= fate.ends {
            sleep_until(fate.ends).await;
            break;
        }
        sleep(fate.latency).await;
        if publication.payload.len() > fate.largest || truth.lock().unwrap().is_poison(&publication)
        {
            reason = "not wanted";
            break;
        }
        truth.lock().unwrap().published(&publication);
        if Instant::now() < fate.silent {
            let _unheard_of = puback.send(());
        } else {
            // The broker has it, and nobody will ever hear of that on this connection.
            unheard.push(puback);
        }
    }
    truth.lock().unwrap().disconnected(number);
    drop(to_gateway.send(Err(SessionError::Broken(reason.to_owned()))));
}

impl Link for MemoryLink {
    type Delivery = Puback;
    type Heard = Message;

    fn limits(&self) -> Limits {
        Limits {
            in_flight: 8,
            largest: usize::MAX,
        }
    }

    async fn subscribe(&mut self, _: &[String]) -> Result<(), SessionError> {
        Ok(())
    }

    fn publish(&self, publication: Publication) -> Result<Puback, SessionError> {
        if let Ok(Topic {
            subject: Subject::Lane(lane),
            ..
        }) = Topic::parse(&publication.topic)
        {
            let mut alarms = self.alarms.lock().unwrap();
            if lane == Lane::Alarm {
                alarms.insert(named(&publication.payload));
            } else if !self.health.snapshot().faults.contains_key(&Part::Delivery) {
                let waits = self.store.waiting_alarm(&alarms);
                assert_eq!(waits, None, "an alarm waits behind {lane}");
            }
        }
        let (puback, heard) = oneshot::channel();
        self.pipe
            .send((publication, puback))
            .map_err(|_| SessionError::Over)?;
        Ok(Puback(heard))
    }

    async fn next(&mut self) -> Result<Message, SessionError> {
        self.incoming
            .recv()
            .await
            .unwrap_or(Err(SessionError::Over))
    }

    fn acknowledge(&self, _: &Message) -> Result<(), SessionError> {
        Ok(())
    }

    async fn close(self) {}
}

impl Delivery for Puback {
    async fn acknowledged(self) -> Result<(), SessionError> {
        self.0.await.map_err(|_| SessionError::Over)
    }
}

impl Message {
    pub(super) const fn new(topic: String, payload: Vec<u8>) -> Self {
        Self { topic, payload }
    }
}

impl Heard for Message {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// Back-off without the system's randomness.
#[derive(Debug)]
pub(super) struct Delays {
    chance: Chance,
    pace: Pace,
    ceiling: Duration,
}

impl Rest for Delays {
    async fn wait(&mut self, pause: Duration) {
        let delay = self.chance.below(self.ceiling.as_secs());
        self.ceiling = (self.ceiling * 2).min(self.pace.delays.1);
        sleep(pause + Duration::from_secs(delay)).await;
    }

    fn reset(&mut self) {
        self.ceiling = self.pace.delays.0;
    }
}
