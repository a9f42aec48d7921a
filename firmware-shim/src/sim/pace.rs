//! When a converter that runs at a fixed rate completes its conversions, exactly.

use std::time::Duration;

/// A rate and the moment it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begin: Duration,
    /// Time of one conversion in nanoseconds, as a ratio.
    numerator: u128,
    denominator: u128,
}

impl Pace {
    /// `rate` conversions per second from `begin` on.
    pub(super) fn at_rate(begin: Duration, rate: u32) -> Self {
        Self {
            begin,
            numerator: SECOND,
            denominator: u128::from(rate.max(1)),
        }
    }

    /// The same conversions by a clock that runs so many millionths too fast.
    pub(super) fn drifting(self, ppm: i32) -> Self {
        let hundred_percent = MILLION.saturating_add_signed(ppm.into());
        Self {
            begin: self.begin,
            numerator: self.numerator * MILLION,
            denominator: self.denominator * hundred_percent.max(1),
        }
    }

    /// A conversion every `cycle`.
    pub(super) fn of_cycle(begin: Duration, cycle: Duration) -> Self {
        Self {
            begin,
            numerator: cycle.as_nanos().max(1),
            denominator: 1,
        }
    }

    /// How many are complete at a time.
    pub(super) fn completed(&self, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.begin).as_nanos();
        u64::try_from(passed * self.denominator / self.numerator).unwrap_or(u64::MAX)
    }

    /// When a conversion, counted from 0, is complete.
    pub(super) fn time(&self, conversion: u64) -> Duration {
        let passed = (u128::from(conversion) + 1) * self.numerator;
        let nanoseconds = u64::try_from(passed.div_ceil(self.denominator)).unwrap_or(u64::MAX);
        self.begin.saturating_add(Duration::from_nanos(nanoseconds))
    }
}

/// A value in a converter's steps, at its ends if it lies beyond them; the lower end if it is no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of an i32 before the cast"
)]
pub(super) fn steps(value: f64, lowest: i32, highest: i32) -> i32 {
    let rounded = value.round().max(f64::from(lowest));
    rounded.min(f64::from(highest)) as i32
}

const SECOND: u128 = 1_000_000_000;
const MILLION: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_is_complete_at_its_time_and_not_before() {
        for pace in [
            Pace::at_rate(Duration::from_millis(7), 75),
            Pace::of_cycle(Duration::ZERO, Duration::from_micros(15_500)),
            Pace::at_rate(Duration::ZERO, 250).drifting(-80),
        ] {
            for conversion in 0..1000 {
                let time = pace.time(conversion);
                assert_eq!(pace.completed(time), conversion + 1);
                assert_eq!(pace.completed(time - Duration::from_nanos(1)), conversion);
            }
        }
    }

    #[test]
    fn a_clock_that_runs_fast_converts_more_in_the_same_time() {
        let hour = Duration::from_secs(3600);
        for (ppm, expected) in [(0, 900_000), (100, 900_090), (-100, 899_910)] {
            let pace = Pace::at_rate(Duration::ZERO, 250).drifting(ppm);
            assert_eq!(pace.completed(hour), expected);
        }
    }
}
