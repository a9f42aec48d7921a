//! Gateway, broker and monitor in one world, for some hours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wardlink_wire::lane::Lane;
use wardlink_wire::signature::SigningKey;

use super::super::Stop;
use super::super::source::Source as _;
use super::super::uplink::Uplink;
use super::chance::Chance;
use super::neighbours::Neighbours;
use super::network::Network;
use super::plan::Plan;
use super::store::MemoryStore;
use super::truth::Truth;
use super::{PACE, minutes};
use crate::health::{Health, Part};
use crate::record::Capture;

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
        let truth = Arc::new(Mutex::new(Truth::new(self.plan, monitor, changed)));
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
        let neighbours = Neighbours::new(self.plan.newest_first, health.clone());
        let outside = neighbours.outside(
            receipt_keys,
            self.plan.delivery,
            commits,
            captures.downgrade(),
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
            let lanes = Lane::ALL.map(|lane| store.backlog(lane));
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
                    truth.evicted(gap.first(), lane, evicted);
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
