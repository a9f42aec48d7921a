//! The agent's publisher over a real store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{Event, Packet, QoS};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wardlink_agent::config;
use wardlink_agent::health::Health;
use wardlink_agent::publisher::{Publisher, Stop};
use wardlink_agent::recorder::last_words;
use wardlink_agent::store::{NewBatch, Settings, Store, StoreKey};
use wardlink_link::session::Version;
use wardlink_wire::lane::Lane;
use wardlink_wire::message::{Message, PayloadKey};
use wardlink_wire::profile::Profile;
use wardlink_wire::sequence::SequenceRange;

use super::bare::{self, IN_FLIGHT};
use super::broker::Broker;
use crate::{Rate, cpu};

/// A publisher at work on a store.
struct AtWork {
    store: Arc<Store>,
    committed: watch::Sender<u64>,
    now: CancellationToken,
    publisher: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
    _ends: Ends,
}

/// What the publisher must not see the end of.
type Ends = (
    watch::Sender<Vec<wardlink_wire::birth::Device>>,
    watch::Sender<Option<wardlink_wire::state::ConfigState>>,
    watch::Sender<Arc<Profile>>,
);

/// Fills a store and waits until the broker has acknowledged all of it.
pub(crate) async fn drain(broker: &Broker, payload: usize, messages: u32) -> Rate {
    let (folder, store) = filled(payload, messages);
    let (began, before) = (Instant::now(), cpu());
    let work = begin(broker, folder, store);
    while left(&work.store) > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let rate = Rate::of(messages, began.elapsed(), cpu() - before);
    work.end().await;
    rate
}

/// Drains a backlog while live vitals are committed; gives the time to the first delivery, and how long each
/// vital took from its commit to a subscriber.
pub(crate) async fn live_while_draining(
    broker: &Broker,
    payload: usize,
    messages: u32,
) -> (Duration, Vec<Duration>) {
    let (client, mut events) = bare::connect(broker, "hears").await;
    for lane in ["wave", "vital"] {
        client
            .try_subscribe(format!("wardlink/1/gw-bench/{lane}"), QoS::AtLeastOnce)
            .expect("a subscription");
    }
    let (folder, store) = filled(payload, messages);
    let began = Instant::now();
    let work = begin(broker, folder, store);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let (mut first, mut heard, mut place) = (None, 0, 0_u64);
    let (mut sent, mut took) = (BTreeMap::new(), Vec::new());
    while heard < u64::from(messages) {
        tokio::select! {
            event = events.poll() => {
                let Event::Incoming(Packet::Publish(publish)) = event.expect("a connection") else { continue };
                first.get_or_insert_with(|| began.elapsed());
                let message = Message::decode(&publish.payload).expect("a message");
                let head = message.head();
                if head.lane == Lane::Wave {
                    heard += head.range.count();
                } else if let Some(at) = sent.remove(&head.range.first().0) {
                    let at: Instant = at;
                    took.push(at.elapsed());
                }
            }
            _ = ticks.tick() => {
                sent.insert(place, Instant::now());
                append(&work.store, Lane::Vital, &[vec![1; 300]]);
                place += 1;
                work.committed.send_modify(|count| *count += 1);
            }
        }
    }
    work.end().await;
    (first.unwrap_or_default(), took)
}

impl AtWork {
    async fn end(self) {
        self.now.cancel();
        self.publisher.await.expect("the publisher ends in order");
    }
}

fn filled(payload: usize, messages: u32) -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir_in(place()).expect("a folder");
    let settings = Settings::new(folder.path().join("store"), 1 << 30);
    let gateway = "gw-bench".parse().expect("a name");
    let key = StoreKey::from_bytes([3; 32]);
    let (store, _) = Store::open(settings, &gateway, &key).expect("a store");
    let mut left = usize::try_from(messages).expect("a number");
    while left > 0 {
        let group = left.min(64);
        append(&store, Lane::Wave, &vec![vec![0xa5; payload]; group]);
        left -= group;
    }
    (folder, Arc::new(store))
}

/// Each batch counts as one record: what is in it matters to nobody on this way.
fn append(store: &Store, lane: Lane, batches: &[Vec<u8>]) {
    let next = store.next_sequence(lane);
    let batches: Vec<_> = (0..)
        .zip(batches)
        .map(|(more, bytes)| NewBatch {
            lane,
            range: SequenceRange::starting(next.plus(more), 1).expect("one place"),
            bytes,
        })
        .collect();
    store.append(&batches).expect("the store takes them");
}

fn begin(broker: &Broker, folder: tempfile::TempDir, store: Arc<Store>) -> AtWork {
    let profile = Arc::new(Profile::parse("schema = 1\n").expect("a profile"));
    let ends: Ends = (
        watch::Sender::new(Vec::new()),
        watch::Sender::new(None),
        watch::Sender::new(profile),
    );
    let committed = watch::Sender::new(0);
    let (bundles, _) = mpsc::channel(1);
    let (captures, _) = mpsc::channel(1);
    let (last_words, _) = last_words();
    let publisher = Publisher {
        gateway: "gw-bench".parse().expect("a name"),
        broker: config::Broker {
            host: "localhost".to_owned(),
            port: broker.port,
            mqtt: Version::default(),
            files: broker.files(),
            keep_alive: Duration::from_secs(30),
            in_flight: IN_FLIGHT,
            rate: None,
        },
        monitor: config::Monitor {
            receipt_keys: Vec::new(),
            payload_key: PayloadKey::from_bytes([4; 32]),
            delivery: config::Delivery::Broker,
        },
        store: Arc::clone(&store),
        committed: committed.subscribe(),
        attached: ends.0.subscribe(),
        config_state: ends.1.subscribe(),
        profile: ends.2.subscribe(),
        bundles,
        captures: captures.downgrade(),
        last_words,
        health: Health::new(0),
    };
    let now = CancellationToken::new();
    let stop = Stop {
        drained: CancellationToken::new(),
        now: now.clone(),
    };
    let publisher = tokio::spawn(async move { publisher.run(stop).await.expect("it publishes") });
    AtWork {
        store,
        committed,
        now,
        publisher,
        _folder: folder,
        _ends: ends,
    }
}

fn left(store: &Store) -> u64 {
    let lanes = store.usage().lanes;
    lanes.iter().map(|lane| lane.unacknowledged).sum()
}

/// Under the target directory: a real medium.
fn place() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}
