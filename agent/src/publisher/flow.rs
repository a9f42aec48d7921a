//! How much backlog may be under way: as much as does not make anybody wait.
//!
//! Whatever is queued before a live reading, in the socket, at the broker or at the monitor, delays it. So
//! the bytes under way grow while answers come back in time and are halved when they do not, as in
//! delay-based congestion control (RFC 6817). Promises that one message is always allowed.

use std::time::Duration;

use tokio::time::Instant;

/// The bytes that may be under way to one place.
#[derive(Debug)]
pub(super) struct Flow {
    target: Duration,
    window: usize,
    out: usize,
    cut: Option<Instant>,
}

impl Flow {
    /// Holds the time to an answer below `target`.
    pub(super) const fn new(target: Duration) -> Self {
        Self {
            target,
            window: FIRST,
            out: 0,
            cut: None,
        }
    }

    pub(super) const fn has_room(&self) -> bool {
        self.out < self.window
    }

    /// The bytes that may be under way.
    pub(super) const fn window(&self) -> usize {
        self.window
    }

    pub(super) const fn sent(&mut self, bytes: usize) {
        self.out = self.out.saturating_add(bytes);
    }

    /// Something is no longer under way, whatever became of it.
    pub(super) const fn gone(&mut self, bytes: usize) {
        self.out = self.out.saturating_sub(bytes);
    }

    /// The answer for `bytes` that were sent at `sent`.
    pub(super) fn answered(&mut self, bytes: usize, sent: Instant, now: Instant) {
        self.gone(bytes);
        if now.saturating_duration_since(sent) <= self.target {
            self.window = self.window.saturating_add(bytes).min(MOST);
        } else if self.cut.is_none_or(|cut| sent >= cut) {
            // Once for all that was sent before: the next answers are about the window of before.
            self.window = (self.window / 2).max(LEAST);
            self.cut = Some(now);
        }
    }
}

const FIRST: usize = 64 << 10;
const LEAST: usize = 4 << 10;
/// So much of the agent's memory the backlog may take at the most.
const MOST: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backlog_takes_what_the_link_gives_and_steps_back_when_answers_take_longer() {
        let mut flow = Flow::new(Duration::from_millis(250));
        let start = Instant::now();
        for round in 0..6 {
            let mut sent = 0;
            while flow.has_room() {
                flow.sent(4096);
                sent += 1;
            }
            for _ in 0..sent {
                flow.answered(4096, start, start + Duration::from_millis(10));
            }
            assert_eq!(flow.window, FIRST << (round + 1).min(5));
        }
        flow.sent(10_000);
        flow.sent(10_000);
        let late = start + Duration::from_secs(1);
        flow.answered(10_000, start, late);
        flow.answered(10_000, start, late);
        assert_eq!(flow.window, MOST / 2, "one lateness was counted twice");
        for _ in 0..30 {
            flow.sent(1);
            flow.answered(1, late, late + Duration::from_secs(1));
            flow.cut = None;
        }
        assert!(flow.has_room(), "a slow link must not stop for good");
    }
}
