//! What goes out: batches in the order of service, and what describes the gateway.

use tokio::time::Instant;
use wardlink_link::session::{Publication, SessionError};
use wardlink_wire::topic::{Subject, Topic};

use super::super::link::{Delivery as _, Dial, Link as _};
use super::super::messages::Described;
use super::super::order::{Age, Class};
use super::super::source::{Ready, Source};
use super::super::supply::Stock;
use super::super::window::Sent;
use super::Connection;

impl<D: Dial, S: Source> Connection<'_, D, S> {
    /// Sends what the window and the bucket allow, in the order of service.
    pub(super) fn fill(&mut self, now: Instant) -> Result<Option<Instant>, SessionError> {
        let mut paid: Option<Instant> = None;
        loop {
            let Self {
                window,
                bucket,
                supply,
                ..
            } = &*self;
            let waits = |class: Class| supply.stock(class) != Stock::Nothing;
            let may = |class: Class| window.allows(class) && bucket.wait(class).is_none();
            let Some(class) = self.order.choose(|class| waits(class) && may(class)) else {
                let waits = Class::ALL
                    .into_iter()
                    .filter(|class| waits(*class) && window.allows(*class))
                    .filter_map(|class| bucket.wait(class));
                paid = waits.min().map(|wait| now + wait);
                return Ok(paid);
            };
            // What is not read yet is worth waiting for: nothing of less weight goes before it.
            let Stock::Ready(ready) = supply.stock(class) else {
                return Ok(paid);
            };
            let alone = self.uplink.suspects.must_go_alone(ready.lane, ready.range);
            if (alone || self.alone) && !window.is_clear() {
                return Ok(paid);
            }
            let backlog_waits = Class::ALL
                .into_iter()
                .any(|class| class.age == Age::Backlog && waits(class));
            self.alone = alone;
            if let Some(ready) = self.supply.take(class) {
                self.order.served(class, ready.payload.len(), backlog_waits);
                self.send(ready, now)?;
            }
        }
    }

    fn send(&mut self, ready: Ready, now: Instant) -> Result<(), SessionError> {
        let sent = Sent::of(&ready, now);
        let Sent {
            lane, range, bytes, ..
        } = sent;
        let delivery = self.link.publish(Publication {
            topic: self.topic(Subject::Lane(lane)),
            payload: ready.payload,
            retain: false,
        });
        let delivery = match delivery {
            Ok(delivery) => delivery,
            // It is one record, or it would have been cut.
            Err(SessionError::TooLarge { .. }) => {
                self.uplink.put_aside(lane, range, bytes);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.bucket.pay(bytes);
        self.uplink.was_sent(lane, range);
        let number = self.window.sent(sent);
        self.on_their_way
            .spawn(async move { (number, delivery.acknowledged().await) });
        Ok(())
    }

    pub(super) fn describe(&self, message: &Described) -> Result<(), SessionError> {
        match message.publication() {
            // Retained descriptions are sent again on every connection: nobody waits for their PUBACK.
            Ok(publication) => self.link.publish(publication).map(drop),
            Err(error) => Err(SessionError::Broken(error.to_string())),
        }
    }

    pub(super) fn topic(&self, subject: Subject) -> String {
        Topic::new(self.uplink.outside.gateway.clone(), subject).to_string()
    }
}
