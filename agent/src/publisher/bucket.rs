//! A token bucket for links that are paid by the byte.
//!
//! Promises that over any time no more than the rate and one burst is sent, alarms and the debt they make
//! excepted: an alarm never waits, and everything after it pays. A live vital may overdraw by one burst, so
//! it does not wait for the wave before it to be paid for.

use std::time::Duration;

use tokio::time::Instant;
use wardlink_wire::lane::Lane;

use super::order::{Age, Class};

/// The bucket; without a rate it is never empty.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Bytes a second.
    rate: Option<u32>,
    /// Bytes; below zero is debt.
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(rate: Option<u32>, now: Instant) -> Self {
        Self {
            rate,
            tokens: rate.map_or(0.0, f64::from),
            at: now,
        }
    }

    /// The largest message that still leaves room for others: what the rate carries in half a second.
    pub(super) fn largest(&self) -> usize {
        self.rate.map_or(usize::MAX, |rate| {
            usize::try_from(rate / 2).unwrap_or(usize::MAX).max(LEAST)
        })
    }

    /// Fills up with the time that passed.
    pub(super) fn refill(&mut self, now: Instant) {
        let Some(rate) = self.rate.map(f64::from) else {
            return;
        };
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(rate);
        self.at = now;
    }

    /// How long a message of a class has to wait from the last [`Bucket::refill`] on; none when it may go.
    pub(super) fn wait(&self, class: Class) -> Option<Duration> {
        let rate = f64::from(self.rate?);
        let least = match (class.lane, class.age) {
            (Lane::Alarm, _) => return None,
            (Lane::Vital, Age::Live) => -rate,
            _ => 0.0,
        };
        let missing = least - self.tokens;
        // A microsecond more than the quotient: rounding must not make a loop of nothing.
        (missing > 0.0).then(|| Duration::from_secs_f64(missing / rate) + Duration::from_micros(1))
    }

    /// Pays for one message of so many bytes.
    pub(super) fn pay(&mut self, bytes: usize) {
        if self.rate.is_some() {
            let bytes = u32::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX);
            self.tokens -= f64::from(bytes);
        }
    }
}

/// What a message costs beside its payload: MQTT and topic, TLS record, TCP and IP headers, PUBACK.
const OVERHEAD: usize = 160;
const LEAST: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const fn class(lane: Lane, age: Age) -> Class {
        Class { lane, age }
    }

    #[test]
    fn a_live_vital_does_not_wait_for_the_wave_before_it_to_be_paid() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(8 << 10), start);
        bucket.pay(12 << 10);
        let wave = class(Lane::Wave, Age::Live);
        let waits = bucket.wait(wave).unwrap();
        assert!(waits > Duration::from_millis(500) && waits < Duration::from_millis(550));
        assert_eq!(bucket.wait(class(Lane::Vital, Age::Live)), None);
        assert_eq!(bucket.wait(class(Lane::Alarm, Age::Backlog)), None);
        bucket.refill(start + waits);
        assert_eq!(bucket.wait(wave), None);
    }

    #[test]
    fn over_an_hour_no_more_than_the_rate_is_sent() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(Some(1000), now);
        let (mut sent, end) = (0, now + Duration::from_secs(3600));
        while now < end {
            match bucket.wait(class(Lane::Wave, Age::Backlog)) {
                Some(wait) => {
                    now += wait;
                    bucket.refill(now);
                }
                None => {
                    bucket.pay(500);
                    sent += 500 + OVERHEAD;
                }
            }
        }
        assert!((3_600_000..=3_603_000).contains(&sent), "{sent} bytes");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut bucket = Bucket::new(None, Instant::now());
        bucket.pay(usize::MAX);
        assert_eq!(bucket.wait(class(Lane::Wave, Age::Backlog)), None);
    }
}
