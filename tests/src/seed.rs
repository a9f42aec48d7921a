//! Chance that can be repeated: the seed is printed, and `WARDLINK_TEST_SEED` sets it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Random numbers from a seed (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug)]
pub struct Seed(u64);

impl Seed {
    /// The seed of this run, printed.
    #[must_use]
    pub fn of(test: &str) -> Self {
        let given = std::env::var("WARDLINK_TEST_SEED").ok();
        let seed = match given {
            Some(text) => text.parse().expect("WARDLINK_TEST_SEED is a number"),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |now| u64::from(now.subsec_nanos()) ^ now.as_secs()),
        };
        println!("{test}: seed {seed} (WARDLINK_TEST_SEED={seed} repeats it)");
        Self(seed)
    }

    /// This seed and no other.
    #[must_use]
    pub const fn fixed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A time below `bound`.
    pub fn moment(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)))
    }
}
