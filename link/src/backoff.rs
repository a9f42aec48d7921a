//! When to try again: exponential back-off with full jitter, cut short when the network comes up.
//!
//! Promises that many clients losing the same peer at once come back spread over time, that the delay is
//! never longer than its bound and the peer's own wish, and that a machine whose link returns does not sit
//! out what is left of an old delay. The owner resets it once a connection has proven good: neither a
//! link that flaps nor a peer that accepts and drops makes the delays small again.

use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::sleep;

use crate::roads::Roads;

/// Delays that grow until told otherwise.
#[derive(Debug, Clone)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    ceiling: Duration,
    roads: Option<Roads>,
}

impl Backoff {
    /// Delays below `least` at first, doubling up to `most`.
    #[must_use]
    pub const fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            ceiling: least,
            roads: None,
        }
    }

    /// Waits until another attempt is due. A peer that wants to be left alone for a `pause`
    /// (`SessionError::pause`) is; without one, a network that comes up ends the wait.
    ///
    /// Cancelling the future loses nothing but the delay that was drawn.
    pub async fn wait(&mut self, pause: Duration) {
        let delay = self.next_delay_after(pause);
        tracing::info!("trying again in {:.1} s", delay.as_secs_f64());
        if !pause.is_zero() {
            return sleep(delay).await;
        }
        let roads = self.roads.get_or_insert_with(Roads::now);
        tokio::select! {
            () = sleep(delay) => {}
            () = roads.another() => {
                tracing::info!("the network came up: trying again at once");
                // A whole ward gets its power back at once.
                sleep(self.least.mul_f64(unit_random())).await;
            }
        }
    }

    /// The next delay: anything from zero to a ceiling that doubles with every call.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(self.most);
        ceiling.mul_f64(unit_random())
    }

    /// The next delay after a pause: at least that, and spread over as much again.
    pub fn next_delay_after(&mut self, pause: Duration) -> Duration {
        pause + self.next_delay().max(pause.mul_f64(unit_random()))
    }

    /// Starts small again.
    pub fn reset(&mut self) {
        self.ceiling = self.least;
    }
}

/// Uniform in 0..1. Without randomness from the system the middle is taken: a spread lost, no harm done.
fn unit_random() -> f64 {
    let mut bytes = [0; 4];
    match rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_bounded_spread_and_start_small_again() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
        for most in [1, 2, 4, 8, 8, 8] {
            assert!(backoff.next_delay() <= Duration::from_secs(most));
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_secs(1));
    }

    #[test]
    fn a_peer_that_wants_a_pause_gets_it_and_no_crowd_after_it() {
        let pause = Duration::from_secs(30);
        let delays: Vec<_> = (0..1000)
            .map(|_| {
                Backoff::new(Duration::from_millis(500), Duration::from_secs(8))
                    .next_delay_after(pause)
            })
            .collect();
        assert!(
            delays
                .iter()
                .all(|delay| (pause..=pause * 2).contains(delay))
        );
        let early = delays
            .iter()
            .filter(|delay| **delay < pause * 3 / 2)
            .count();
        assert!(
            (300..700).contains(&early),
            "{early} of 1000 in the first half"
        );
    }

    #[test]
    fn ten_thousand_clients_do_not_come_back_together() {
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let delay = Backoff::new(Duration::from_secs(10), Duration::from_secs(10)).next_delay();
            tenths[(delay.as_millis() as usize / 1000).min(9)] += 1;
        }
        assert!(
            tenths.iter().all(|count| (700..1300).contains(count)),
            "{tenths:?}"
        );
    }
}
