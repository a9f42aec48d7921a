//! Counts conversions by the times of edges, across edges that were dropped.

/// What is known of the edges so far.
#[derive(Debug)]
pub(super) struct Edges {
    /// Time of the last one, in nanoseconds of some clock.
    last: Option<u64>,
    /// Time between two, in nanoseconds, as measured: the chip's clock is its own.
    spacing: u64,
}

impl Edges {
    pub(super) fn at_rate(rate: u32) -> Self {
        Self {
            last: None,
            spacing: SECOND / u64::from(rate.max(1)),
        }
    }

    /// The next edge is the first: the time since the last one says nothing.
    pub(super) fn begin(&mut self) {
        self.last = None;
    }

    /// How many conversions completed from the last edge to this one; at least this one.
    pub(super) fn count(&mut self, time: u64) -> u64 {
        let Some(last) = self.last.replace(time) else {
            return 1;
        };
        let passed = time.saturating_sub(last);
        let spacings = (passed.saturating_add(self.spacing / 2) / self.spacing.max(1)).max(1);
        if spacings == 1 && passed > 0 {
            self.spacing = (self.spacing * (MEMORY - 1) + passed) / MEMORY;
        }
        spacings
    }
}

const SECOND: u64 = 1_000_000_000;
/// Edges over which the measured spacing is averaged.
const MEMORY: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_does_not_count_the_time_of_the_pause() {
        let mut edges = Edges::at_rate(250);
        edges.count(0);
        edges.begin();
        assert_eq!(edges.count(3_000_000_000), 1);
    }

    #[test]
    fn dropped_edges_are_counted_on_a_clock_that_is_three_percent_off() {
        let mut edges = Edges::at_rate(250);
        let spacing = 4_120_000;
        let mut counted = 0;
        let mut edge = 0_u64;
        for (kept, dropped) in [(300, 40), (1, 0), (100, 25), (16, 11), (50, 0)] {
            for _ in 0..kept {
                let jitter = edge.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 400_000;
                counted += edges.count(10_000_000 + edge * spacing + jitter);
                edge += 1;
            }
            edge += dropped;
        }
        assert_eq!(counted, edge);
    }
}
