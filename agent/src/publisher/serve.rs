//! One connection, from its first message to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use wardlink_link::identity::Identity;
use wardlink_link::session::{Incoming, Publication, Session, SessionError};
use wardlink_wire::lane::Lane;
use wardlink_wire::message::{Head, Message};
use wardlink_wire::receipt::Receipt;
use wardlink_wire::sequence::SequenceRange;
use wardlink_wire::topic::{Subject, Topic};

use super::ledger::Ledger;
use super::messages::Described;
use super::{Publisher, PublisherError, Stop};
use crate::config::Delivery;
use crate::health::Part;
use crate::store::StoredBatch;

/// How a connection ended.
pub(super) enum Ended {
    /// We were told to stop.
    Stopped,
    /// It broke, for this reason.
    Broken(String),
}

/// Serves one connection until it breaks or the publisher is told to stop.
pub(super) async fn serve(
    publisher: &mut Publisher,
    session: Session,
    stop: &Stop,
) -> Result<Ended, PublisherError> {
    let certificate_ends =
        Identity::load(&publisher.broker.files).map_or(0, |identity| identity.not_after());
    let mut connection = Connection {
        publisher,
        session,
        ledger: Ledger::new(),
        on_their_way: JoinSet::new(),
        certificate_ends,
    };
    let ended = match connection.open().await {
        Ok(()) => connection.run(stop).await?,
        Err(error) => Ended::Broken(error.to_string()),
    };
    if matches!(ended, Ended::Stopped) {
        connection.close().await;
    }
    Ok(ended)
}

struct Connection<'p> {
    publisher: &'p mut Publisher,
    session: Session,
    ledger: Ledger,
    on_their_way: JoinSet<Result<(Lane, SequenceRange), SessionError>>,
    certificate_ends: i64,
}

impl Connection<'_> {
    /// Hears what is for us, and says who we are.
    async fn open(&mut self) -> Result<(), SessionError> {
        let filters = [Subject::Receipt, Subject::Config].map(|subject| self.topic(subject));
        self.session.subscribe(&filters).await?;
        let devices = self.publisher.attached.borrow_and_update().clone();
        self.describe(&self.publisher.birth(devices))?;
        let config_state = self.publisher.config_state.borrow_and_update().clone();
        if let Some(state) = config_state {
            self.describe(&Described::ConfigState(state))?;
        }
        self.describe(&self.publisher.state(self.certificate_ends))
    }

    async fn run(&mut self, stop: &Stop) -> Result<Ended, PublisherError> {
        let mut state = interval(STATE);
        state.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sent = self.fill().await?;
            if let Err(error) = sent {
                return Ok(Ended::Broken(error.to_string()));
            }
            if stop.drained.is_cancelled()
                && self.on_their_way.is_empty()
                && self.publisher.backlog() == 0
            {
                if self.publisher.is_done().await {
                    return Ok(Ended::Stopped);
                }
                continue;
            }
            let resend = self.ledger.deadline();
            let outcome = tokio::select! {
                biased;
                () = stop.now.cancelled() => return Ok(Ended::Stopped),
                incoming = self.session.next() => match incoming {
                    Ok(incoming) => self.hear(&incoming).await?,
                    Err(error) => Err(error),
                },
                Some(done) = self.on_their_way.join_next() => match done {
                    Ok(Ok((lane, range))) => self.taken(lane, range).await?,
                    Ok(Err(error)) => Err(error),
                    Err(_) => Ok(()),
                },
                changed = self.publisher.attached.changed() => {
                    let devices = self.publisher.attached.borrow_and_update().clone();
                    changed.map_or(Ok(()), |()| self.describe(&self.publisher.birth(devices)))
                }
                changed = self.publisher.config_state.changed() => {
                    let state = self.publisher.config_state.borrow_and_update().clone();
                    match (changed, state) {
                        (Ok(()), Some(state)) => self.describe(&Described::ConfigState(state)),
                        _ => Ok(()),
                    }
                }
                _ = state.tick() => self.describe(&self.publisher.state(self.certificate_ends)),
                () = sleep_until(resend.unwrap_or_else(|| Instant::now() + STATE)) => {
                    if resend.is_some() {
                        tracing::warn!("no receipts for what was sent: sending it again");
                        self.publisher.health.fault(Part::Receipts, "the monitor gives no receipts".to_owned());
                        self.ledger.start_over();
                    }
                    Ok(())
                }
                _ = self.publisher.committed.changed(), if !stop.drained.is_cancelled() => Ok(()),
                () = stop.drained.cancelled(), if !stop.drained.is_cancelled() => Ok(()),
            };
            if let Err(error) = outcome {
                return Ok(Ended::Broken(error.to_string()));
            }
        }
    }

    /// Sends what the window allows, lanes in their order of service.
    async fn fill(&mut self) -> Result<Result<(), SessionError>, PublisherError> {
        let window = usize::from(self.publisher.broker.in_flight);
        for lane in Lane::ALL {
            while self.on_their_way.len() < window && self.ledger.has_room() {
                let Some(batch) = self.read(lane).await? else {
                    break;
                };
                if let Err(error) = self.send(&batch) {
                    return Ok(Err(error));
                }
            }
        }
        Ok(Ok(()))
    }

    async fn read(&self, lane: Lane) -> Result<Option<StoredBatch>, PublisherError> {
        let store = Arc::clone(&self.publisher.store);
        let from = self.ledger.next(lane);
        if from >= store.next_sequence(lane) {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || store.read_from(lane, from))
            .await
            .map_err(|_| PublisherError::Worker)?;
        Ok(read.unwrap_or_else(|error| {
            self.publisher.health.fault(Part::Store, error.to_string());
            None
        }))
    }

    fn send(&mut self, batch: &StoredBatch) -> Result<(), SessionError> {
        let (lane, range) = (batch.lane, batch.range);
        let head = Head {
            schema: wardlink_wire::SCHEMA,
            gateway: self.publisher.gateway.clone(),
            epoch: self.publisher.store.epoch(),
            lane,
            range,
        };
        let sealed = Message::seal(head, &batch.bytes, &self.publisher.monitor.payload_key);
        let payload = match sealed.map(|message| message.encode()) {
            Ok(Ok(payload)) => payload,
            Ok(Err(error)) => return Err(SessionError::Broken(error.to_string())),
            Err(error) => return Err(SessionError::Broken(error.to_string())),
        };
        let delivery = self.session.publish(Publication {
            topic: self.topic(Subject::Lane(lane)),
            payload,
            retain: false,
        })?;
        self.ledger.sent(lane, range);
        self.on_their_way
            .spawn(async move { delivery.acknowledged().await.map(|()| (lane, range)) });
        Ok(())
    }

    /// The broker has a batch: with `delivery = "broker"` that is all we want.
    async fn taken(
        &mut self,
        lane: Lane,
        range: SequenceRange,
    ) -> Result<Result<(), SessionError>, PublisherError> {
        self.publisher
            .health
            .update(|snapshot| snapshot.published = snapshot.published.saturating_add(1));
        if self.publisher.monitor.delivery == Delivery::Broker {
            self.deliver(lane, vec![range]).await?;
        }
        Ok(Ok(()))
    }

    async fn hear(
        &mut self,
        incoming: &Incoming,
    ) -> Result<Result<(), SessionError>, PublisherError> {
        match Topic::parse(&incoming.topic).map(|topic| topic.subject) {
            Ok(Subject::Receipt) => self.receipt(&incoming.payload).await?,
            Ok(Subject::Config) => {
                if self
                    .publisher
                    .bundles
                    .try_send(incoming.payload.clone())
                    .is_err()
                {
                    tracing::warn!(
                        "a bundle came while another one is being looked at: it waits at the broker"
                    );
                }
            }
            _ => tracing::warn!(topic = %incoming.topic, "a message that nobody asked for"),
        }
        Ok(self.session.acknowledge(incoming))
    }

    async fn receipt(&mut self, bytes: &[u8]) -> Result<(), PublisherError> {
        let monitor = &self.publisher.monitor;
        let receipt = match Receipt::verify(bytes, &self.publisher.gateway, &monitor.receipt_keys) {
            Ok(receipt) => receipt,
            Err(error) => {
                self.publisher.health.fault(
                    Part::Receipts,
                    format!("a receipt is not believed: {error}"),
                );
                return Ok(());
            }
        };
        self.publisher.health.well(Part::Receipts);
        self.publisher
            .health
            .update(|snapshot| snapshot.receipts = snapshot.receipts.saturating_add(1));
        if self.publisher.monitor.delivery == Delivery::Broker {
            return Ok(());
        }
        let epoch = self.publisher.store.epoch();
        for lane in receipt.lanes.into_iter().filter(|lane| lane.epoch == epoch) {
            self.deliver(lane.lane, lane.ranges).await?;
        }
        Ok(())
    }

    async fn deliver(
        &mut self,
        lane: Lane,
        ranges: Vec<SequenceRange>,
    ) -> Result<(), PublisherError> {
        self.ledger.delivered(lane, &ranges);
        let store = Arc::clone(&self.publisher.store);
        let acknowledged = tokio::task::spawn_blocking(move || store.acknowledge(lane, &ranges))
            .await
            .map_err(|_| PublisherError::Worker)?;
        if let Err(error) = acknowledged {
            self.publisher.health.fault(Part::Store, error.to_string());
        }
        Ok(())
    }

    /// Says goodbye: after an orderly end the broker does not publish the last will, so we do.
    async fn close(self) {
        if let Some(offline) = self.publisher.will() {
            match self.session.publish(offline) {
                Ok(delivery) => drop(timeout(GOODBYE, delivery.acknowledged()).await),
                Err(error) => tracing::debug!(%error, "no goodbye"),
            }
        }
        self.session.close().await;
    }

    fn describe(&self, message: &Described) -> Result<(), SessionError> {
        match message.publication() {
            // Retained descriptions are sent again on every connection: nobody waits for their PUBACK.
            Ok(publication) => self.session.publish(publication).map(drop),
            Err(error) => Err(SessionError::Broken(error.to_string())),
        }
    }

    fn topic(&self, subject: Subject) -> String {
        Topic::new(self.publisher.gateway.clone(), subject).to_string()
    }
}

/// How often the state is published.
const STATE: Duration = Duration::from_secs(10);
/// What a broker gets to take the goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
