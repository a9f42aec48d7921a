//! When which places were committed, for as long as that tells live from backlog.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::Sequence;

/// The next place of each lane at some moments of the last while.
#[derive(Debug)]
pub(super) struct Marks {
    span: Duration,
    marks: VecDeque<(Instant, [Sequence; 4])>,
}

impl Marks {
    /// Remembers for `span`, in steps of a tenth of it.
    pub(super) const fn over(span: Duration) -> Self {
        Self {
            span,
            marks: VecDeque::new(),
        }
    }

    /// Notes the next places of this moment.
    pub(super) fn note(&mut self, now: Instant, next: impl Fn(Lane) -> Sequence) {
        let step = self.span / 10;
        if self.marks.back().is_some_and(|(at, _)| now < *at + step) {
            return;
        }
        self.marks.push_back((now, Lane::ALL.map(next)));
        // The first mark stands for everything before the span, so one that is older is kept.
        while self
            .marks
            .get(1)
            .is_some_and(|(at, _)| *at + self.span <= now)
        {
            self.marks.pop_front();
        }
    }

    /// From which place on a lane is live; none when nothing is known of it.
    pub(super) fn live_from(&self, lane: Lane, now: Instant) -> Option<Sequence> {
        let old = self
            .marks
            .iter()
            .rev()
            .find(|(at, _)| *at + self.span <= now);
        let (_, next) = old.or_else(|| self.marks.front())?;
        let mut lanes = Lane::ALL.into_iter().zip(next);
        lanes.find(|(of, _)| *of == lane).map(|(_, next)| *next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_within_the_span_is_live() {
        let start = Instant::now();
        let mut marks = Marks::over(Duration::from_secs(10));
        assert_eq!(marks.live_from(Lane::Vital, start), None);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            marks.note(now, |_| Sequence(second * 5));
            let live = marks.live_from(Lane::Vital, now).unwrap().0;
            assert_eq!(live, second.saturating_sub(10) * 5);
        }
        assert!(marks.marks.len() <= 12);
    }
}
