//! What broker and monitor hold, and what must be so at any moment and in the end.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use wardlink_link::session::{Publication, SessionError};
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::receipt::{LaneReceipt, Receipt};
use wardlink_wire::sequence::{Sequence, SequenceRange, SequenceSet};
use wardlink_wire::signature::SigningKey;
use wardlink_wire::topic::{Subject, Topic};

use super::chance::Chance;
use super::minutes;
use super::network::Message;
use super::plan::Plan;
use super::store::{EPOCH, named};
use crate::config::Delivery;

/// What broker and monitor hold, and what must be so.
#[derive(Debug)]
pub(super) struct Truth {
    plan: Plan,
    chance: Chance,
    pub(super) away_until: Instant,
    /// Faults are over.
    pub(super) calm: bool,
    link: Option<Listener>,
    pub(super) links: u64,
    broker: Broker,
    before: Broker,
    /// What the monitor has.
    held: BTreeMap<Lane, SequenceSet>,
    /// What the broker once acknowledged.
    taken: BTreeMap<Lane, SequenceSet>,
    pub(super) arrived: u64,
    /// What gap records in the event lane say, by their place.
    gaps: BTreeMap<u64, (Lane, SequenceRange)>,
    monitor: SigningKey,
    changed: watch::Sender<u64>,
}

/// A connection's number, where it hears, and when it falls silent.
type Listener = (
    u64,
    mpsc::UnboundedSender<Result<Message, SessionError>>,
    Instant,
);

#[derive(Debug, Clone, Default)]
struct Broker {
    queue: VecDeque<(Lane, SequenceRange)>,
    receipt: Option<Vec<u8>>,
}

impl Truth {
    /// Nothing happened yet. `changed` is told of each message that the broker takes.
    pub(super) fn new(plan: Plan, monitor: SigningKey, changed: watch::Sender<u64>) -> Self {
        Self {
            plan,
            chance: Chance::new(plan.seed),
            away_until: Instant::now(),
            calm: false,
            link: None,
            links: 0,
            broker: Broker::default(),
            before: Broker::default(),
            held: BTreeMap::new(),
            taken: BTreeMap::new(),
            arrived: 0,
            gaps: BTreeMap::new(),
            monitor,
            changed,
        }
    }

    pub(super) fn connected(
        &mut self,
        link: mpsc::UnboundedSender<Result<Message, SessionError>>,
        silent: Instant,
    ) -> u64 {
        self.links += 1;
        self.link = Some((self.links, link, silent));
        if let Some(receipt) = self.broker.receipt.clone() {
            self.say(receipt);
        }
        if self.plan.promises && self.links == 1 {
            let promise = self.unsigned(&everything());
            self.say(promise.sign(&self.monitor).unwrap());
        }
        self.links
    }

    pub(super) fn disconnected(&mut self, number: u64) {
        if self.link.as_ref().is_some_and(|link| link.0 == number) {
            self.link = None;
        }
    }

    fn say(&self, receipt: Vec<u8>) {
        if let Some((_, link, silent)) = &self.link
            && Instant::now() < *silent
        {
            let topic = Topic::new(gateway(), Subject::Receipt).to_string();
            drop(link.send(Ok(Message::new(topic, receipt))));
        }
    }

    /// The broker takes a message.
    pub(super) fn published(&mut self, publication: &Publication) {
        let Ok(Topic {
            subject: Subject::Lane(lane),
            ..
        }) = Topic::parse(&publication.topic)
        else {
            return;
        };
        let message = (lane, named(&publication.payload));
        self.taken.entry(lane).or_default().insert(message.1);
        let place = match self.broker.queue.len() as u64 {
            length if self.plan.disorder && length > 0 => self.chance.below(length + 1),
            length => length,
        };
        self.broker
            .queue
            .insert(usize::try_from(place).unwrap(), message);
        if self.plan.disorder && self.chance.one_in(4) {
            self.broker.queue.push_back(message);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn is_poison(&self, publication: &Publication) -> bool {
        let Some(poison) = self.plan.poison else {
            return false;
        };
        let vital = Topic::new(gateway(), Subject::Lane(Lane::Vital)).to_string();
        publication.topic == vital && {
            let range = named(&publication.payload);
            (range.first().0..=range.last().0).contains(&poison)
        }
    }

    /// Panics if a place leaves the store that nobody has.
    pub(super) fn may_leave(&self, lane: Lane, range: SequenceRange) {
        let of = match self.plan.delivery {
            Delivery::EndToEnd => &self.held,
            Delivery::Broker => &self.taken,
        };
        let held = of.get(&lane).is_some_and(|held| held.covers(range));
        assert!(held, "{lane} {range:?} left the store, and nobody has it");
    }

    /// The monitor takes what the broker holds for it.
    pub(super) fn take_in(&mut self) {
        while let Some((lane, range)) = self.broker.queue.pop_front() {
            self.held.entry(lane).or_default().insert(range);
            self.arrived += range.count();
        }
    }

    /// A receipt of these places, yet to be signed.
    fn unsigned(&self, held: &BTreeMap<Lane, SequenceSet>) -> Receipt {
        let lanes = held.iter().map(|(lane, set)| LaneReceipt {
            epoch: EPOCH,
            lane: *lane,
            ranges: set.runs().collect(),
        });
        Receipt {
            schema: wardlink_wire::SCHEMA,
            gateway: gateway(),
            issued_ns: 0,
            lanes: lanes.collect(),
        }
    }

    /// The monitor says what it has.
    pub(super) fn receipt(&mut self) {
        let signed = self.unsigned(&self.held).sign(&self.monitor).unwrap();
        self.say(signed.clone());
        self.broker.receipt = Some(signed);
        if self.plan.forged && self.chance.one_in(8) {
            let mut forged = self.unsigned(&everything());
            self.say(forged.sign(&SigningKey::generate().unwrap()).unwrap());
            for lane in &mut forged.lanes {
                lane.epoch = Epoch::from_bytes([8; 16]);
            }
            self.say(forged.sign(&self.monitor).unwrap());
            let mut other = self.unsigned(&everything());
            other.gateway = "another".parse().unwrap();
            self.say(other.sign(&self.monitor).unwrap());
        }
    }

    pub(super) fn misfortune(&mut self) {
        if self.calm {
            return;
        }
        if self.plan.forgets && self.chance.one_in(3) {
            self.broker = Broker::default();
        }
        if self.plan.rolled_back {
            if self.chance.one_in(2) {
                self.before = self.broker.clone();
            } else {
                self.broker = self.before.clone();
            }
        }
        if self.plan.outages && self.chance.one_in(4) {
            self.away_until = Instant::now() + self.chance.around(minutes(60 * 24));
            if let Some((_, link, _)) = self.link.take() {
                drop(link.send(Err(SessionError::Broken("outage".to_owned()))));
            }
        }
    }
    /// A batch was evicted, and the record at `gap` in the event lane says so.
    pub(super) fn evicted(&mut self, gap: Sequence, lane: Lane, range: SequenceRange) {
        self.gaps.insert(gap.0, (lane, range));
    }

    /// Panics unless every record is held or explained, and nothing else is.
    pub(super) fn account(&self, recorded: &BTreeMap<Lane, u64>, poison: Option<u64>) {
        let none = SequenceSet::new();
        let arrived = match self.plan.delivery {
            Delivery::EndToEnd => &self.held,
            Delivery::Broker => &self.taken,
        };
        let events = arrived.get(&Lane::Event).unwrap_or(&none);
        for (&lane, &count) in recorded {
            let held = arrived.get(&lane).unwrap_or(&none);
            let mut known = held.clone();
            for (place, (of, range)) in &self.gaps {
                if *of == lane && events.contains(Sequence(*place)) {
                    known.insert(*range);
                }
            }
            if let Some(place) = poison.filter(|_| lane == Lane::Vital) {
                let missing = count - known.count();
                assert!(
                    (1..=8).contains(&missing),
                    "{missing} missing around {place}"
                );
                continue;
            }
            assert_eq!(known.count(), count, "{lane}: {:?}", known.holes());
            assert!(
                known.below().0 == count,
                "{lane}: places that were never recorded"
            );
        }
    }
}

fn everything() -> BTreeMap<Lane, SequenceSet> {
    let mut all = SequenceSet::new();
    all.insert(SequenceRange::ALL);
    Lane::ALL.map(|lane| (lane, all.clone())).into()
}

pub(super) fn gateway() -> GatewayId {
    "gw-1".parse().unwrap()
}
