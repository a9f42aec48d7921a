//! Waiting for something that can be seen, and never longer than a deadline.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Looks until there is something to see; panics with `what` after [`LONG`].
#[track_caller]
pub fn until<T>(what: impl Display, look: impl FnMut() -> Option<T>) -> T {
    within(LONG, what, look)
}

/// Looks until there is something to see; panics with `what` after `limit`.
#[track_caller]
pub fn within<T>(limit: Duration, what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "waited {} s in vain: {what}",
            limit.as_secs()
        );
        thread::sleep(GLANCE);
    }
}

/// Longer than anything takes on a busy machine, the longest back-off included.
pub const LONG: Duration = Duration::from_secs(90);
/// Between two looks; how often one looks decides nothing.
const GLANCE: Duration = Duration::from_millis(20);
