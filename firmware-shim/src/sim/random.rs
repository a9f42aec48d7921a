//! Random numbers of the simulated world: the same seed gives the same ones.

/// A row of random numbers (`SplitMix64`: Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// A row of its own for a purpose.
    pub(super) const fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    /// The next 64 bits.
    pub(super) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scatter(self.0)
    }

    /// From 0 to below `end`; 0 for an end of 0.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        match self.bits().checked_rem(end) {
            Some(number) => number,
            None => 0,
        }
    }
}

/// Other bits for each number.
pub(super) const fn mix(state: u64) -> u64 {
    scatter(state.wrapping_add(STEP))
}

const fn scatter(state: u64) -> u64 {
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}

/// The upper 32 bits, from 0 to below 1.
pub(super) fn unit(bits: u64) -> f64 {
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
