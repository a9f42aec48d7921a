//! The outage: when the broker goes and when it comes back.

use std::time::{Duration, Instant};

/// One planned outage. Times are since the agent's first record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outage {
    begins: Duration,
    lasts: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Ahead,
    /// The broker was killed at this instant, this far into the run.
    Now {
        since: Instant,
        begun: Duration,
    },
    Over {
        lasted: Duration,
    },
}

/// What has to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Kill the broker.
    Cut,
    /// Start it again.
    Restore,
}

impl Outage {
    /// An outage in the middle of a run, or a while after the start of a run without end.
    ///
    /// # Errors
    /// When the run is too short for it.
    pub(super) fn plan(run: Option<Duration>, lasts: Duration) -> Result<Self, OutageError> {
        let begins = match run {
            Some(run) if run <= lasts => return Err(OutageError { run, lasts }),
            Some(run) => (run - lasts) / 2,
            None => BEGINS,
        };
        Ok(Self {
            begins,
            lasts,
            state: State::Ahead,
        })
    }

    /// What is due, `elapsed` into the run.
    pub(super) fn due(&self, elapsed: Duration) -> Option<Step> {
        match self.state {
            State::Ahead => (elapsed >= self.begins).then_some(Step::Cut),
            State::Now { since, .. } => (since.elapsed() >= self.lasts).then_some(Step::Restore),
            State::Over { .. } => None,
        }
    }

    /// The broker is being killed now.
    pub(super) fn begin(&mut self, elapsed: Duration) {
        self.state = State::Now {
            since: Instant::now(),
            begun: elapsed,
        };
    }

    /// The broker listens again now.
    pub(super) fn end(&mut self) {
        if let State::Now { since, .. } = self.state {
            self.state = State::Over {
                lasted: since.elapsed(),
            };
        }
    }

    /// Whether the broker is down.
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.state, State::Now { .. })
    }

    /// How long it goes on, while it is on.
    pub(super) fn left(&self, elapsed: Duration) -> Option<Duration> {
        match self.state {
            State::Now { begun, .. } => Some((begun + self.lasts).saturating_sub(elapsed)),
            State::Ahead | State::Over { .. } => None,
        }
    }

    /// How long the broker was down: from just before its kill until a new one listened.
    pub(super) const fn lasted(&self) -> Duration {
        match self.state {
            State::Over { lasted } => lasted,
            State::Ahead | State::Now { .. } => Duration::ZERO,
        }
    }
}

/// The run is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an outage of {} s does not fit into a run of {} s: make --for longer or --outage shorter", lasts.as_secs_f64(), run.as_secs_f64())]
pub struct OutageError {
    run: Duration,
    lasts: Duration,
}

/// In a run without end.
const BEGINS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn an_outage_lies_in_the_middle_of_the_run_and_happens_once() {
        let mut outage = Outage::plan(Some(S(30)), S(10)).unwrap();
        assert_eq!(outage.due(S(9)), None);
        assert_eq!(outage.due(S(10)), Some(Step::Cut));
        outage.begin(S(10));
        assert!(outage.is_on());
        assert_eq!(outage.left(S(13)), Some(S(7)));
        assert_eq!(outage.due(S(13)), None);
        outage.end();
        assert_eq!(outage.due(S(29)), None);
        assert_eq!(outage.left(S(29)), None);
        assert!(!outage.is_on() && outage.lasted() > Duration::ZERO);
    }

    #[test]
    fn an_outage_that_fills_the_run_is_refused() {
        let said = Outage::plan(Some(S(10)), S(10)).unwrap_err().to_string();
        assert!(said.contains("--for longer"), "{said}");
        assert!(Outage::plan(None, S(600)).is_ok());
    }
}
