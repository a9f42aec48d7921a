//! Time: the only caller of now().
//!
//! Owns UTC, monotonic time, the boot id and what is known of the clock's discipline. Promises that
//! schedules never see a stepped clock, because they run on monotonic time, and that a step is noticed.

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wardlink_link::floor;
use wardlink_wire::id::BootId;
use wardlink_wire::time::{Clock, ClockState};

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// UTC, nanoseconds since 1970-01-01.
    pub utc_ns: i64,
    /// Since boot, nanoseconds.
    pub monotonic_ns: u64,
}

impl Moment {
    /// The moment `nanos` earlier.
    #[must_use]
    pub fn before(self, nanos: u64) -> Self {
        Self {
            utc_ns: self
                .utc_ns
                .saturating_sub(i64::try_from(nanos).unwrap_or(i64::MAX)),
            monotonic_ns: self.monotonic_ns.saturating_sub(nanos),
        }
    }
}

/// Now.
#[must_use]
pub fn now() -> Moment {
    let utc = clock_gettime(ClockId::Realtime);
    Moment {
        utc_ns: utc.tv_sec.saturating_mul(NANOS).saturating_add(utc.tv_nsec),
        monotonic_ns: u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX),
    }
}

/// Monotonic time since boot.
#[must_use]
pub fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// UTC in whole seconds since 1970-01-01.
#[must_use]
pub fn utc_seconds() -> i64 {
    now().utc_ns.div_euclid(NANOS)
}

/// What is known of the UTC clock now.
///
/// Synchronised is said only where systemd-timesyncd states it (its marker file); any other discipline is
/// not recognised and the time is stated as unsynchronised: rather doubted than believed wrongly.
#[must_use]
pub fn discipline() -> Clock {
    let state = if floor::is_unset(utc_seconds()) {
        ClockState::Unset
    } else if Path::new(TIMESYNC_MARKER).exists() {
        ClockState::Synchronised
    } else {
        ClockState::Unsynchronised
    };
    Clock {
        state,
        error_ms: None,
    }
}

/// The boot that monotonic times belong to. Where the kernel does not tell, a boot of zeros.
#[must_use]
pub fn boot_id() -> BootId {
    let text = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    let mut bytes = [0_u8; 16];
    let digits = text.chars().filter_map(|c| c.to_digit(16));
    for (index, digit) in digits.take(32).enumerate() {
        if let Some(byte) = bytes.get_mut(index / 2) {
            *byte = (*byte << 4) | u8::try_from(digit).unwrap_or(0);
        }
    }
    BootId::from_bytes(bytes)
}

/// Notices when UTC is stepped against monotonic time.
#[derive(Debug)]
pub struct StepDetector {
    offset_ns: i64,
}

impl StepDetector {
    /// Starts from this moment.
    #[must_use]
    pub fn starting(moment: Moment) -> Self {
        Self {
            offset_ns: offset(moment),
        }
    }

    /// The step since the last call, nanoseconds, if there was one of more than half a second.
    pub fn step(&mut self, moment: Moment) -> Option<i64> {
        let step = offset(moment).saturating_sub(self.offset_ns);
        self.offset_ns = offset(moment);
        (step.saturating_abs() > STEP_NS).then_some(step)
    }
}

fn offset(moment: Moment) -> i64 {
    moment
        .utc_ns
        .saturating_sub(i64::try_from(moment.monotonic_ns).unwrap_or(i64::MAX))
}

const NANOS: i64 = 1_000_000_000;
const STEP_NS: i64 = 500_000_000;
const TIMESYNC_MARKER: &str = "/run/systemd/timesync/synchronized";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_clock_is_noticed_once_and_a_slow_one_is_not() {
        let at = |utc_ns, monotonic_ns| Moment {
            utc_ns,
            monotonic_ns,
        };
        let mut detector = StepDetector::starting(at(100 * NANOS, 0));
        assert_eq!(detector.step(at(101 * NANOS + 1000, 1_000_000_000)), None);
        assert_eq!(
            detector.step(at(3702 * NANOS, 2_000_000_000)),
            Some(3600 * NANOS - 1000)
        );
        assert_eq!(detector.step(at(3703 * NANOS, 3_000_000_000)), None);
    }
}
