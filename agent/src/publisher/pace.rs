//! How long the publisher waits for what, in one place, so that a simulation can stretch it.

use std::time::Duration;

/// The times of the publisher.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Reconnecting: the first ceiling of the back-off, and the last one.
    pub(super) delays: (Duration, Duration),
    /// A connection that held this long resets the back-off.
    pub(super) proven: Duration,
    /// How often the state is published.
    pub(super) state: Duration,
    /// What was committed longer ago, and is not on its way, is backlog and no longer live.
    pub(super) live: Duration,
    /// The first patience with receipts that stay away, and the last one.
    pub(super) patience: (Duration, Duration),
    /// A broker that acknowledges nothing of what it was sent for so long is given up.
    pub(super) wedged: Duration,
    /// Backlog is held back while the broker takes longer than this to acknowledge a message.
    pub(super) hop: Duration,
    /// Backlog is held back while the monitor takes longer than this to give its receipt.
    pub(super) receipt: Duration,
    /// How often identity, clock and the age of what waits are looked at.
    pub(super) look: Duration,
    /// When a batch that was set aside is tried again.
    pub(super) aside: Duration,
}

impl Pace {
    /// The pace of a gateway.
    pub(super) const NORMAL: Self = Self {
        delays: (Duration::from_millis(500), Duration::from_secs(8)),
        proven: Duration::from_secs(10),
        state: Duration::from_secs(10),
        live: Duration::from_secs(10),
        patience: (Duration::from_secs(10), Duration::from_secs(300)),
        wedged: Duration::from_secs(60),
        hop: Duration::from_millis(250),
        receipt: Duration::from_millis(600),
        look: Duration::from_secs(10),
        aside: Duration::from_secs(3600),
    };
}
