//! When to try again: exponential back-off with full jitter.
//!
//! Promises that many clients losing the same peer at once come back spread over time, and that the
//! delay is never longer than its bound. The owner resets it once a connection has proven good.

use std::time::Duration;

use aws_lc_rs::rand;

/// Delays that grow until told otherwise.
#[derive(Debug, Clone)]
pub struct Backoff {
    least: Duration,
    most: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Delays below `least` at first, doubling up to `most`.
    #[must_use]
    pub const fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            ceiling: least,
        }
    }

    /// The next delay: anything from zero to a ceiling that doubles with every call.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(self.most);
        ceiling.mul_f64(unit_random())
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
