//! When which gateway is sent its receipt.
//!
//! Promises that after every change a receipt follows, at once if none was sent lately, and that a gateway
//! gets no more than four a second. Receipts are cumulative, so one stands for all changes before it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wardlink_wire::id::GatewayId;

/// The receipts that are owed.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    gateways: BTreeMap<GatewayId, Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    due: Option<Instant>,
    sent: Option<Instant>,
}

impl Schedule {
    /// Something changed for a gateway.
    pub(super) fn mark(&mut self, gateway: GatewayId, now: Instant) {
        let turn = self.gateways.entry(gateway).or_default();
        let earliest = turn.sent.map_or(now, |sent| now.max(sent + INTERVAL));
        turn.due.get_or_insert(earliest);
    }

    /// When the next receipt is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.gateways.values().filter_map(|turn| turn.due).min()
    }

    /// Takes some of the gateways whose receipts are due, those who wait longest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<GatewayId> {
        let mut due: Vec<_> = self
            .gateways
            .iter_mut()
            .filter(|(_, turn)| turn.due.is_some_and(|due| due <= now))
            .collect();
        due.sort_by_key(|(_, turn)| turn.due);
        due.into_iter()
            .take(AT_ONCE)
            .map(|(gateway, turn)| {
                *turn = Turn {
                    due: None,
                    sent: Some(now),
                };
                gateway.clone()
            })
            .collect()
    }

    /// Takes every gateway that is owed a receipt, due or not.
    pub(super) fn take_all(&mut self) -> Vec<GatewayId> {
        let owed = self
            .gateways
            .iter_mut()
            .filter(|(_, turn)| turn.due.is_some());
        owed.map(|(gateway, turn)| {
            turn.due = None;
            gateway.clone()
        })
        .collect()
    }
}

const INTERVAL: Duration = Duration::from_millis(250);
/// So many receipts are made before the next messages are looked at.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(number: usize) -> GatewayId {
        format!("gw-{number:04}").parse().unwrap()
    }

    #[test]
    fn the_last_change_is_always_followed_by_a_receipt_and_four_a_second_suffice() {
        let mut schedule = Schedule::default();
        let start = Instant::now();
        let mut sent = Vec::new();
        let mut changed = None;
        for millisecond in 0..1500 {
            let now = start + Duration::from_millis(millisecond);
            if millisecond <= 1000 {
                schedule.mark(gateway(1), now);
                changed = Some(now);
            }
            if schedule.next_due().is_some_and(|due| due <= now) {
                assert_eq!(schedule.take_due(now), [gateway(1)]);
                sent.push(now);
            }
        }
        assert_eq!(sent.first(), Some(&start));
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL));
        assert!(
            sent.last() >= changed.as_ref(),
            "the last change was not told"
        );
        assert!(sent.len() <= 6);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn no_gateway_starves_when_many_are_owed() {
        let mut schedule = Schedule::default();
        let start = Instant::now();
        for number in 0..200 {
            schedule.mark(gateway(number), start);
        }
        let mut served = std::collections::BTreeSet::new();
        for turn in 0..4 {
            let now = start + Duration::from_millis(turn);
            let due = schedule.take_due(now);
            due.iter()
                .for_each(|gateway| schedule.mark(gateway.clone(), now));
            served.extend(due);
        }
        assert_eq!(served.len(), 200);
        assert_eq!(schedule.take_all().len(), 200);
    }
}
