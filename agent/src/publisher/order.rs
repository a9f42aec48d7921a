//! The order of service: what goes next.
//!
//! Alarms first, live or not. Then what is live, vitals before events before waves, and of every byte that
//! live lanes send while backlog waits a share is owed to the backlog: neither starves. Within the backlog
//! lanes take turns by weight (start-time fair queueing, Goyal, Vin and Cheng 1996). Decides, sends nothing.

use wardlink_wire::lane::Lane;

/// What is told apart when something has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    pub(super) age: Age,
    pub(super) lane: Lane,
}

/// Whether a batch is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// Committed a moment ago.
    Live,
    /// Committed while nothing could be delivered, or not as fast.
    Backlog,
}

impl Class {
    /// Every class, in the order in which the next message is looked for when nothing is owed.
    pub(super) const ALL: [Self; 8] = [
        Self::of(Age::Live, Lane::Alarm),
        Self::of(Age::Backlog, Lane::Alarm),
        Self::of(Age::Live, Lane::Vital),
        Self::of(Age::Live, Lane::Event),
        Self::of(Age::Live, Lane::Wave),
        Self::of(Age::Backlog, Lane::Vital),
        Self::of(Age::Backlog, Lane::Event),
        Self::of(Age::Backlog, Lane::Wave),
    ];

    const fn of(age: Age, lane: Lane) -> Self {
        Self { age, lane }
    }

    fn is_backlog(self) -> bool {
        self.age == Age::Backlog && self.lane != Lane::Alarm
    }
}

/// Who was served how much.
#[derive(Debug)]
pub(super) struct Order {
    /// What the backlog gets of each 100 bytes while both wait.
    share: i64,
    /// Hundredths of bytes that the backlog is owed.
    owed: i64,
    /// Backlog lanes: when the next message of each may start, in virtual time.
    vital: u64,
    event: u64,
    wave: u64,
    /// Virtual time: when the message that went last started.
    now: u64,
}

impl Order {
    /// `share`: per cent of the uplink that backlog gets while live records wait as well.
    pub(super) fn new(share: u8) -> Self {
        Self {
            share: i64::from(share.clamp(1, 99)),
            owed: 0,
            vital: 0,
            event: 0,
            wave: 0,
            now: 0,
        }
    }

    /// The class that goes next, of those that have something and may send.
    pub(super) fn choose(&self, has: impl Fn(Class) -> bool) -> Option<Class> {
        let mut waiting = Class::ALL.into_iter().filter(|class| has(*class));
        let first = waiting.next()?;
        if first.lane == Lane::Alarm {
            return Some(first);
        }
        let backlog = [Lane::Vital, Lane::Event, Lane::Wave]
            .map(|lane| Class::of(Age::Backlog, lane))
            .into_iter()
            .filter(|class| has(*class))
            .min_by_key(|class| self.start(class.lane));
        if self.owed > 0 || first.is_backlog() {
            return backlog.or(Some(first));
        }
        Some(first)
    }

    /// Notes what went, and whether backlog was waiting then.
    pub(super) fn served(&mut self, class: Class, bytes: usize, backlog_waits: bool) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 100);
        if class.is_backlog() {
            let start = self.start(class.lane);
            self.now = start;
            *self.turn(class.lane) = start.saturating_add(cost(class.lane, bytes));
            if self.owed > 0 {
                self.owed -= bytes.saturating_mul(100 - self.share);
            }
        } else if class.lane != Lane::Alarm && backlog_waits {
            self.owed = self
                .owed
                .saturating_add(bytes.saturating_mul(self.share))
                .min(MOST_OWED);
        }
    }

    fn start(&self, lane: Lane) -> u64 {
        let turn = match lane {
            Lane::Vital => self.vital,
            Lane::Event => self.event,
            Lane::Alarm | Lane::Wave => self.wave,
        };
        turn.max(self.now)
    }

    const fn turn(&mut self, lane: Lane) -> &mut u64 {
        match lane {
            Lane::Vital => &mut self.vital,
            Lane::Event => &mut self.event,
            Lane::Alarm | Lane::Wave => &mut self.wave,
        }
    }
}

/// Vitals and events have twice the weight of waves.
fn cost(lane: Lane, bytes: i64) -> u64 {
    let weight = match lane {
        Lane::Vital | Lane::Event => 1,
        Lane::Alarm | Lane::Wave => 2,
    };
    bytes.unsigned_abs().saturating_mul(weight)
}

/// A debt from long ago must not become a wall before what is live: 64 KiB.
const MOST_OWED: i64 = 100 * (64 << 10);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIVE_WAVE: Class = Class::of(Age::Live, Lane::Wave);
    const OLD_WAVE: Class = Class::of(Age::Backlog, Lane::Wave);
    const OLD_VITAL: Class = Class::of(Age::Backlog, Lane::Vital);

    proptest! {
        #[test]
        fn alarms_go_before_everything_else(
            share in 1_u8..100,
            rounds in prop::collection::vec((0_u8..=255, 1_usize..100_000), 1..200),
        ) {
            let mut order = Order::new(share);
            for (has, bytes) in rounds {
                let has = |class| Class::ALL.iter().position(|c| *c == class).is_some_and(|i| has >> i & 1 == 1);
                let Some(chosen) = order.choose(has) else { continue };
                prop_assert!(has(chosen));
                let alarm = Class::ALL.into_iter().any(|class| class.lane == Lane::Alarm && has(class));
                prop_assert_eq!(chosen.lane == Lane::Alarm, alarm);
                order.served(chosen, bytes, Class::ALL.into_iter().any(|class| class.is_backlog() && has(class)));
            }
        }

        #[test]
        fn backlog_gets_its_share_however_much_is_live(
            share in 5_u8..60,
            sizes in prop::collection::vec((1_usize..8_000, 1_usize..8_000), 2000),
        ) {
            let mut order = Order::new(share);
            let (mut live, mut old) = (0.0, 0.0);
            for (fresh, stale) in sizes {
                let chosen = order.choose(|class| class == LIVE_WAVE || class == OLD_WAVE).unwrap();
                let bytes = if chosen == LIVE_WAVE { fresh } else { stale };
                if chosen == LIVE_WAVE { live += bytes as f64 } else { old += bytes as f64 }
                order.served(chosen, bytes, true);
            }
            let got = 100.0 * old / (live + old);
            prop_assert!((got - f64::from(share)).abs() < 3.0, "{got} of {share} per cent");
        }
    }

    #[test]
    fn backlog_gets_everything_that_nobody_else_wants_and_owes_nothing_for_it() {
        let mut order = Order::new(20);
        for _ in 0..1000 {
            assert_eq!(order.choose(|class| class == OLD_WAVE), Some(OLD_WAVE));
            order.served(OLD_WAVE, 4096, true);
        }
        let both = |class| class == OLD_WAVE || class == LIVE_WAVE;
        assert_eq!(order.choose(both), Some(LIVE_WAVE));
        order.served(LIVE_WAVE, 4096, true);
        assert_eq!(order.choose(both), Some(OLD_WAVE));
    }

    #[test]
    fn a_lane_of_the_backlog_that_was_empty_for_long_does_not_push_the_others_out() {
        let mut order = Order::new(20);
        for _ in 0..1000 {
            order.served(OLD_WAVE, 4096, true);
        }
        let mut vitals = 0;
        for _ in 0..300 {
            let chosen = order.choose(|class| class == OLD_WAVE || class == OLD_VITAL);
            let chosen = chosen.unwrap();
            vitals += u32::from(chosen == OLD_VITAL);
            order.served(chosen, 4096, true);
        }
        assert!(
            (199..=201).contains(&vitals),
            "{vitals} of 300: vitals have twice the weight"
        );
    }
}
