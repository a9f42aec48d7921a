//! What comes in: receipts and bundles.

use tokio::time::Instant;
use wardlink_link::session::SessionError;
use wardlink_wire::lane::Lane;
use wardlink_wire::receipt::Receipt;
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
            self.deliver(lane.lane, lane.ranges);
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
