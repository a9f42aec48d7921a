//! The time of the simulated world: somebody else's clock, at any speed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A clock that is read, never slept on.
#[derive(Clone)]
pub struct SimClock {
    source: Arc<dyn Fn() -> Duration + Send + Sync>,
    start: Duration,
    speed: f64,
}

impl SimClock {
    /// Starts at zero now and runs `speed` times as fast as `source`, a monotonic time.
    pub fn new(source: impl Fn() -> Duration + Send + Sync + 'static, speed: f64) -> Self {
        let start = source();
        Self {
            source: Arc::new(source),
            start,
            speed,
        }
    }

    /// Simulated time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        let elapsed = (self.source)().saturating_sub(self.start);
        Duration::try_from_secs_f64(elapsed.as_secs_f64() * self.speed).unwrap_or(Duration::MAX)
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimClock(x{})", self.speed)
    }
}
