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
    /// When larger joins are tried again after a break that seemed to be their fault.
    pub(super) ceiling: Duration,
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
        aside: Duration::from_secs(300),
        ceiling: Duration::from_secs(3600),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_link::backoff::Backoff;

    /// Seconds after a broker is back, and how many of `gateways` reach it in each, when all lost it at once
    /// and it was away for `outage`. Every attempt meanwhile fails at once, as with a refused connection.
    fn reconnects(gateways: usize, outage: Duration) -> Vec<usize> {
        let (first, last) = Pace::NORMAL.delays;
        let mut seconds = Vec::new();
        for _ in 0..gateways {
            let (mut backoff, mut tried) = (Backoff::new(first, last), Duration::ZERO);
            while tried < outage {
                tried += backoff.next_delay();
            }
            let second = usize::try_from((tried - outage).as_secs()).unwrap();
            if seconds.len() <= second {
                seconds.resize(second + 1, 0);
            }
            seconds[second] += 1;
        }
        seconds
    }

    #[test]
    fn ten_thousand_gateways_that_lost_a_broker_at_once_come_back_over_seconds() {
        for outage in [1, 10, 60, 300].map(Duration::from_secs) {
            let seconds = reconnects(10_000, outage);
            println!("away for {outage:?}: reconnects in each second after: {seconds:?}");
            assert_eq!(seconds.iter().sum::<usize>(), 10_000);
            assert!(seconds.len() <= 8, "somebody comes back late: {seconds:?}");
        }
        // A ceiling of 8 s spreads what is left of a delay over 8 s, most of it in the first half; an even
        // spread would be 1250 a second. Chance moves these numbers by some 40.
        let seconds = reconnects(10_000, Duration::from_secs(300));
        assert!(seconds.iter().all(|count| *count < 2800), "{seconds:?}");
        assert!(
            seconds.iter().take(4).all(|count| *count > 900),
            "{seconds:?}"
        );
    }
}
