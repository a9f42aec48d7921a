//! What is going on, gathered from all parts.
//!
//! Owns one [`Snapshot`] behind a watch: parts say what happened to them, readers see the latest. Promises
//! that a number here comes from progress that was made, never from an intention.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use wardlink_wire::id::DeviceId;
use wardlink_wire::lane::Lane;

/// The latest state of every part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The connection to the broker.
    pub link: Link,
    /// Messages the broker acknowledged.
    pub published: u64,
    /// Receipts of the monitor that were verified.
    pub receipts: u64,
    /// Gap records committed since the start.
    pub gaps: u64,
    /// Version of the profile in force.
    pub profile: u64,
    /// When the oldest undelivered record of a lane was measured: UTC, nanoseconds since 1970-01-01.
    pub oldest: BTreeMap<Lane, i64>,
    /// Devices of the profile.
    pub devices: BTreeMap<DeviceId, DeviceHealth>,
    /// What is wrong now, by the part that says so.
    pub faults: BTreeMap<Part, String>,
}

/// The connection to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Trying to connect, or waiting to try again.
    Connecting,
    /// Connected.
    Connected,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHealth {
    /// Its driver's name.
    pub driver: &'static str,
    /// Whether it measures.
    pub state: DeviceState,
    /// Readings since it was attached.
    pub readings: u64,
    /// Why it does not measure.
    pub fault: Option<String>,
}

/// Whether a device measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Not yet.
    Starting,
    /// Yes.
    Reading,
    /// No longer.
    Lost,
    /// Its recording came to its end.
    Ended,
}

impl DeviceState {
    /// The word for people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Reading => "reading",
            Self::Lost => "lost",
            Self::Ended => "ended",
        }
    }
}

/// A part that can have something wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The store.
    Store,
    /// Whether the store is the one that was here before.
    History,
    /// The connection to the broker.
    Link,
    /// Certificate and key.
    Identity,
    /// Receipts.
    Receipts,
    /// Configuration.
    Profile,
    /// Batches that the broker does not take.
    Delivery,
}

/// The shared health.
#[derive(Debug, Clone)]
pub struct Health {
    snapshot: Arc<watch::Sender<Snapshot>>,
    turns: Arc<AtomicU64>,
}

impl Health {
    /// Everything is starting.
    #[must_use]
    pub fn new(profile: u64) -> Self {
        let snapshot = Snapshot {
            link: Link::Connecting,
            published: 0,
            receipts: 0,
            gaps: 0,
            profile,
            oldest: BTreeMap::new(),
            devices: BTreeMap::new(),
            faults: BTreeMap::new(),
        };
        Self {
            snapshot: Arc::new(watch::Sender::new(snapshot)),
            turns: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Changes the snapshot.
    pub fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshot.send_modify(change);
    }

    /// Says what is wrong with a part, once until it changes.
    pub fn fault(&self, part: Part, text: String) {
        self.snapshot.send_if_modified(|snapshot| {
            if snapshot.faults.get(&part) == Some(&text) {
                return false;
            }
            tracing::warn!(?part, "{text}");
            snapshot.faults.insert(part, text);
            true
        });
    }

    /// Says that a part is well again.
    pub fn well(&self, part: Part) {
        self.snapshot
            .send_if_modified(|snapshot| snapshot.faults.remove(&part).is_some());
    }

    /// Says that the recorder has looked at everything that was due: it neither hangs nor waits for the medium.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the recorder said so.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// The latest.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }
}
