//! Gateway, broker and monitor in one world, and what is true in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wardlink_link::session::{Publication, SessionError};
use wardlink_wire::id::{Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::profile::Profile;
use wardlink_wire::receipt::{LaneReceipt, Receipt};
use wardlink_wire::sequence::{SequenceRange, SequenceSet};
use wardlink_wire::signature::SigningKey;
use wardlink_wire::topic::{Subject, Topic};

use super::super::uplink::Uplink;
use super::super::{Outside, Stop};
use super::chance::Chance;
use super::network::{Message, Network};
use super::store::{EPOCH, MemoryStore, named};
use super::{PACE, minutes};
use crate::config::Delivery;
use crate::health::{Health, Part};
use crate::record::Capture;
use crate::recorder::last_words;

/// What goes wrong in a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Connections end at any moment.
    pub(super) cuts: bool,
    /// Some fall silent before.
    pub(super) withheld: bool,
    /// The broker cannot be reached for days.
    pub(super) outages: bool,
    /// The broker loses what it holds for the monitor.
    pub(super) forgets: bool,
    /// The broker is put back to what it was some time ago.
    pub(super) rolled_back: bool,
    /// Messages reach the monitor twice, and in another order.
    pub(super) disorder: bool,
    pub(super) slow: bool,
    /// The store has room for little.
    pub(super) evicts: bool,
    /// The broker closes the connection on messages that it finds too large.
    pub(super) picky: bool,
    /// The identity's files change.
    pub(super) renews: bool,
    /// Receipts come that nobody may believe.
    pub(super) forged: bool,
    pub(super) newest_first: bool,
    /// This place of the vital lane ends every connection.
    pub(super) poison: Option<u64>,
    pub(super) delivery: Delivery,
}

impl Plan {
    pub(super) const CALM: Self = Self {
        seed: 0,
        cuts: false,
        withheld: false,
        outages: false,
        forgets: false,
        rolled_back: false,
        disorder: false,
        slow: false,
        evicts: false,
        picky: false,
        renews: false,
        forged: false,
        newest_first: false,
        poison: None,
        delivery: Delivery::EndToEnd,
    };
    pub(super) const STORM: Self = Self {
        cuts: true,
        withheld: true,
        outages: true,
        forgets: true,
        rolled_back: true,
        disorder: true,
        picky: true,
        renews: true,
        forged: true,
        ..Self::CALM
    };
}

/// What broker and monitor hold, and what must be so.
#[derive(Debug)]
pub(super) struct Truth {
    plan: Plan,
    chance: Chance,
    pub(super) away_until: Instant,
    /// Faults are over.
    pub(super) calm: bool,
    link: Option<(
        u64,
        mpsc::UnboundedSender<Result<Message, SessionError>>,
        Instant,
    )>,
    links: u64,
    broker: Broker,
    before: Broker,
    /// What the monitor has.
    held: BTreeMap<Lane, SequenceSet>,
    /// What the broker once acknowledged.
    taken: BTreeMap<Lane, SequenceSet>,
    arrived: u64,
    /// What gap records in the event lane say, by their place.
    gaps: BTreeMap<u64, (Lane, SequenceRange)>,
    monitor: SigningKey,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Clone, Default)]
struct Broker {
    queue: VecDeque<(Lane, SequenceRange)>,
    receipt: Option<Vec<u8>>,
}

impl Truth {
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
    fn take_in(&mut self) {
        while let Some((lane, range)) = self.broker.queue.pop_front() {
            self.held.entry(lane).or_default().insert(range);
            self.arrived += range.count();
        }
    }

    fn receipt(&mut self) {
        let lanes = |epoch: Epoch, held: &BTreeMap<Lane, SequenceSet>| {
            held.iter()
                .map(|(lane, set)| LaneReceipt {
                    epoch,
                    lane: *lane,
                    ranges: set.runs().collect(),
                })
                .collect()
        };
        let receipt = Receipt {
            schema: wardlink_wire::SCHEMA,
            gateway: gateway(),
            issued_ns: 0,
            lanes: lanes(EPOCH, &self.held),
        };
        let signed = receipt.sign(&self.monitor).unwrap();
        self.say(signed.clone());
        self.broker.receipt = Some(signed);
        if self.plan.forged && self.chance.one_in(8) {
            let all: BTreeMap<_, _> = Lane::ALL
                .map(|lane| {
                    let mut set = SequenceSet::new();
                    set.insert(SequenceRange::ALL);
                    (lane, set)
                })
                .into();
            let mut forged = receipt;
            forged.lanes = lanes(EPOCH, &all);
            self.say(forged.sign(&SigningKey::generate().unwrap()).unwrap());
            let mut foreign = forged.clone();
            foreign.lanes = lanes(Epoch::from_bytes([8; 16]), &all);
            self.say(foreign.sign(&self.monitor).unwrap());
            forged.gateway = "another".parse().unwrap();
            self.say(forged.sign(&self.monitor).unwrap());
        }
    }

    fn misfortune(&mut self) {
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
}

/// One world.
#[derive(Debug)]
pub(super) struct World {
    plan: Plan,
}

/// What happened in a world.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) recorded: u64,
    pub(super) arrived: u64,
    pub(super) links: u64,
    pub(super) set_aside: u64,
    pub(super) events: usize,
}

impl World {
    /// A world of its own seed, or of the one that the environment gives.
    pub(super) fn of(name: &str, plan: Plan) -> Self {
        let given = std::env::var("WARDLINK_TEST_SEED").ok();
        let given = given.map(|text| text.parse().expect("WARDLINK_TEST_SEED is a number"));
        let seed = given.unwrap_or_else(|| name.bytes().map(u64::from).sum());
        println!("{name}: seed {seed} (WARDLINK_TEST_SEED={seed} repeats it)");
        Self::with_seed(seed, plan)
    }

    pub(super) const fn with_seed(seed: u64, plan: Plan) -> Self {
        Self {
            plan: Plan { seed, ..plan },
        }
    }

    /// Lives for some hours with faults, then until everything is delivered; panics if that is not so.
    pub(super) fn run(self, hours: u64) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(self.live(hours))
    }

    async fn live(self, hours: u64) -> Outcome {
        let monitor = SigningKey::generate().unwrap();
        let receipt_keys = vec![monitor.verifying_key()];
        let (changed, changes) = watch::channel(0);
        let truth = Arc::new(Mutex::new(Truth {
            plan: self.plan,
            chance: Chance::new(self.plan.seed),
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
        }));
        let health = Health::new(0);
        let store = MemoryStore::new(Arc::clone(&truth));
        let network = Network {
            plan: self.plan,
            chance: Chance::new(self.plan.seed ^ 0x6e65_7477),
            truth: Arc::clone(&truth),
            store: store.clone(),
            health: health.clone(),
        };
        let (committed, commits) = watch::channel(0);
        let (captures, mut captured) = mpsc::channel::<Capture>(64);
        let neighbours = Neighbours::new(self.plan.newest_first);
        let outside = neighbours.outside(
            receipt_keys,
            self.plan.delivery,
            commits,
            captures.downgrade(),
            health.clone(),
        );
        let stop = Stop {
            drained: CancellationToken::new(),
            now: CancellationToken::new(),
        };
        let uplink = Uplink::new(outside, network, store.clone(), PACE);
        let publisher = tokio::spawn(uplink.run(stop.clone()));
        tokio::spawn(monitor_at_work(Arc::clone(&truth), changes, self.plan.seed));
        let recorded = self.record(hours, &truth, &store, &committed).await;
        truth.lock().unwrap().calm = true;
        stop.drained.cancel();
        if self.plan.poison.is_none() {
            let patience = minutes(60 * 24 * 60);
            let ended = timeout(patience, publisher).await;
            let lanes = Lane::ALL.map(|lane| super::super::source::Source::backlog(&store, lane));
            ended
                .unwrap_or_else(|_| panic!("not delivered after 60 calm days: {lanes:?}"))
                .unwrap()
                .unwrap();
            assert!(store.is_empty());
        } else {
            sleep(minutes(60 * 24 * 30)).await;
        }
        let mut events = 0;
        while captured.try_recv().is_ok() {
            events += 1;
        }
        drop(captures);
        let truth = truth.lock().unwrap();
        truth.account(&recorded, self.plan.poison);
        Outcome {
            recorded: recorded.values().sum(),
            arrived: truth.arrived,
            links: truth.links,
            set_aside: u64::from(health.snapshot().faults.contains_key(&Part::Delivery)),
            events,
        }
    }

    /// Records for some hours; gives how many records each lane has.
    async fn record(
        &self,
        hours: u64,
        truth: &Mutex<Truth>,
        store: &MemoryStore,
        committed: &watch::Sender<u64>,
    ) -> BTreeMap<Lane, u64> {
        let mut chance = Chance::new(self.plan.seed ^ 0x7265_636f);
        let end = Instant::now() + minutes(60 * hours);
        let mut recorded = BTreeMap::new();
        while Instant::now() < end {
            sleep(chance.around(minutes(24))).await;
            let lane = match chance.below(12) {
                0 => Lane::Alarm,
                1..6 => Lane::Vital,
                6..8 => Lane::Event,
                _ => Lane::Wave,
            };
            let range = store.append(lane, 1 + chance.below(8));
            *recorded.entry(lane).or_default() += range.count();
            for lane in [Lane::Wave, Lane::Vital] {
                if self.plan.evicts
                    && let Some(evicted) = store.evict(lane, 12)
                {
                    let gap = store.append(Lane::Event, 1);
                    *recorded.entry(Lane::Event).or_default() += 1;
                    let mut truth = truth.lock().unwrap();
                    truth.gaps.insert(gap.first().0, (lane, evicted));
                }
            }
            committed.send_modify(|count| *count += 1);
            if chance.one_in(60) {
                truth.lock().unwrap().misfortune();
            }
        }
        recorded
    }
}

impl Truth {
    /// Panics unless every record is held or explained, and nothing else is.
    fn account(&self, recorded: &BTreeMap<Lane, u64>, poison: Option<u64>) {
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
                if *of == lane && events.contains(wardlink_wire::sequence::Sequence(*place)) {
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

/// Takes in what comes and says so from time to time.
async fn monitor_at_work(truth: Arc<Mutex<Truth>>, mut changes: watch::Receiver<u64>, seed: u64) {
    let mut chance = Chance::new(seed ^ 0x6d6f_6e69);
    while changes.changed().await.is_ok() {
        sleep(chance.around(minutes(30))).await;
        changes.borrow_and_update();
        let mut truth = truth.lock().unwrap();
        truth.take_in();
        truth.receipt();
    }
}

/// What keeps the publisher's other arrows open.
#[derive(Debug)]
struct Neighbours {
    profile: watch::Sender<Arc<Profile>>,
    attached: watch::Sender<Vec<wardlink_wire::birth::Device>>,
    config_state: watch::Sender<Option<wardlink_wire::state::ConfigState>>,
}

impl Neighbours {
    fn new(newest_first: bool) -> Self {
        let mut profile = Profile::parse("schema = 1\n").unwrap();
        profile.uplink.newest_first = newest_first;
        Self {
            profile: watch::Sender::new(Arc::new(profile)),
            attached: watch::Sender::new(Vec::new()),
            config_state: watch::Sender::new(None),
        }
    }

    fn outside(
        &self,
        receipt_keys: Vec<wardlink_wire::signature::VerifyingKey>,
        delivery: Delivery,
        committed: watch::Receiver<u64>,
        captures: mpsc::WeakSender<Capture>,
        health: Health,
    ) -> Outside {
        let (bundles, _) = mpsc::channel(1);
        let (last_words, _) = last_words();
        Outside {
            gateway: gateway(),
            broker: "memory".to_owned(),
            in_flight: 8,
            rate: None,
            receipt_keys,
            delivery,
            committed,
            attached: self.attached.subscribe(),
            config_state: self.config_state.subscribe(),
            profile: self.profile.subscribe(),
            bundles,
            captures,
            last_words,
            health,
        }
    }
}

fn gateway() -> GatewayId {
    "gw-1".parse().unwrap()
}
