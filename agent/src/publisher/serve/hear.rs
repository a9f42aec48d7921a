//! What comes in: acknowledgements, receipts and bundles.

use tokio::task::JoinError;
use tokio::time::Instant;
use wardlink_link::session::SessionError;
use wardlink_wire::lane::Lane;
use wardlink_wire::receipt::{LaneReceipt, Receipt};
use wardlink_wire::sequence::SequenceRange;
use wardlink_wire::topic::{Subject, Topic};

use super::super::link::{Dial, Heard, Link};
use super::super::source::Source;
use super::Connection;
use crate::config::Delivery;
use crate::health::Part;

impl<D: Dial, S: Source> Connection<'_, D, S> {
    pub(super) fn hear(&mut self, heard: &<D::Link as Link>::Heard) -> Result<(), SessionError> {
        match Topic::parse(heard.topic()).map(|topic| topic.subject) {
            Ok(Subject::Receipt) => self.receipt(heard.payload()),
            Ok(Subject::Config) => {
                let bundles = &self.uplink.outside.bundles;
                if bundles.try_send(heard.payload().to_vec()).is_err() {
                    tracing::warn!(
                        "a bundle came while another one is being looked at: it waits at the broker"
                    );
                }
            }
            _ => tracing::warn!(topic = heard.topic(), "a message that nobody asked for"),
        }
        self.link.acknowledge(heard)
    }

    /// One publication came to its end.
    pub(super) fn answered(
        &mut self,
        done: Result<(u64, Result<(), SessionError>), JoinError>,
    ) -> Result<(), SessionError> {
        match done {
            Ok((number, Ok(()))) => self.taken(number),
            Ok((_, Err(error))) => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }

    /// The broker has a batch: with `delivery = "broker"` that is all we want.
    pub(super) fn taken(&mut self, number: u64) {
        let Some((lane, range, bytes)) = self.window.taken(number, Instant::now()) else {
            return;
        };
        self.uplink.suspects.taken(lane, range, bytes);
        let outside = &self.uplink.outside;
        outside
            .health
            .update(|snapshot| snapshot.published = snapshot.published.saturating_add(1));
        if outside.delivery == Delivery::Broker {
            self.deliver(lane, [range]);
        }
    }

    fn receipt(&mut self, bytes: &[u8]) {
        let outside = &self.uplink.outside;
        let health = &outside.health;
        let receipt = match Receipt::verify(bytes, &outside.gateway, &outside.receipt_keys) {
            Ok(receipt) => receipt,
            Err(error) => {
                let text = format!("a receipt is not believed: {error}");
                health.fault(Part::Receipts, text);
                return;
            }
        };
        health.well(Part::Receipts);
        health.update(|snapshot| snapshot.receipts = snapshot.receipts.saturating_add(1));
        if outside.delivery == Delivery::Broker {
            return;
        }
        let epoch = self.uplink.source.epoch();
        for lane in receipt.lanes.into_iter().filter(|lane| lane.epoch == epoch) {
            self.doubt(&lane);
            self.deliver(lane.lane, lane.ranges);
        }
    }

    /// A monitor that has what this store never gave out has it from a store that this one is a copy of.
    fn doubt(&self, lane: &LaneReceipt) {
        let next = self.uplink.source.next(lane.lane);
        if lane.ranges.iter().any(|range| range.last() >= next) {
            let text = format!(
                "the monitor has {} records that this store never gave out: was an old copy of it put back?",
                lane.lane
            );
            self.uplink.outside.health.fault(Part::Receipts, text);
        }
    }

    /// Notes as delivered what is named and was sent.
    pub(super) fn deliver(&mut self, lane: Lane, named: impl IntoIterator<Item = SequenceRange>) {
        let delivered = self.uplink.is_delivered(lane, named);
        if delivered.is_empty() {
            return;
        }
        self.window.delivered(lane, &delivered, Instant::now());
        for range in delivered.runs() {
            self.supply.settled(lane, range);
        }
    }
}
