//! The task that drives a connection until it ends, and the watch that ends one which only seems alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::error::SessionError;
use super::protocol::Events;
use super::{Heard, Incoming};

/// Publications that were handed over and not yet acknowledged.
#[derive(Debug, Default)]
pub(super) struct Debt(AtomicU64);

impl Debt {
    pub(super) fn grow(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn shrink(&self) {
        let less = |debt: u64| debt.checked_sub(1);
        // At zero there is nothing to take: an acknowledgement that nobody asked for changes nothing.
        let _at_zero = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn is_some(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Drives the connection until it ends, and says why.
pub(super) async fn drive(
    mut events: Events,
    sender: mpsc::Sender<Result<Incoming, SessionError>>,
    debt: Arc<Debt>,
    keep_alive: Duration,
) {
    // A ping goes out every keep-alive and its answer must be back before the next one is due.
    let silence = keep_alive.saturating_mul(3);
    let mut watch = Watch::new(keep_alive);
    let reason = loop {
        match timeout(silence, events.next()).await {
            Err(_) => break SessionError::Silent(silence),
            Ok(Err(error)) => break error,
            Ok(Ok(Heard::Message(incoming))) => {
                if sender.send(Ok(incoming)).await.is_err() {
                    return;
                }
            }
            Ok(Ok(Heard::Acknowledgement)) => {
                debt.shrink();
                watch.progress(Instant::now());
            }
            Ok(Ok(Heard::Nothing)) => {}
        }
        // Looked at after every step; pings alone make one step every keep-alive.
        if let Some(stalled) = watch.look(debt.is_some(), Instant::now()) {
            break SessionError::Stalled(stalled);
        }
    };
    tracing::debug!(%reason, "session over");
    if sender.send(Err(reason)).await.is_err() {
        tracing::trace!("nobody waits for the end of this session");
    }
}

/// Watches that what is owed gets less. A broker, or the library between it and us, that answers pings and
/// acknowledges nothing would otherwise hold a gateway's records for ever.
struct Watch {
    patience: Duration,
    /// Since when something is owed without an acknowledgement.
    since: Option<Instant>,
}

impl Watch {
    fn new(keep_alive: Duration) -> Self {
        Self {
            patience: keep_alive.saturating_mul(3).max(LEAST_PATIENCE),
            since: None,
        }
    }

    fn progress(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// How long nothing was acknowledged, if that is too long.
    fn look(&mut self, owed: bool, now: Instant) -> Option<Duration> {
        if !owed {
            self.since = None;
            return None;
        }
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        (waited >= self.patience).then_some(waited)
    }
}

/// A busy broker may take so long over one message.
const LEAST_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_debt_that_nobody_pays_ends_a_session() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = Watch::new(Duration::from_secs(30));
        assert_eq!(watch.look(false, at(1000)), None, "nothing is owed");
        assert_eq!(watch.look(true, at(1000)), None, "owed since now");
        assert_eq!(watch.look(true, at(1089)), None);
        watch.progress(at(1089));
        assert_eq!(watch.look(true, at(1178)), None, "one acknowledgement came");
        assert_eq!(watch.look(true, at(1179)), Some(Duration::from_secs(90)));
        assert_eq!(watch.look(false, at(1180)), None, "all is paid");
        assert_eq!(watch.look(true, at(2000)), None, "and owed anew");
    }

    #[test]
    fn a_debt_never_becomes_negative() {
        let debt = Debt::default();
        debt.shrink();
        debt.grow();
        assert!(debt.is_some());
        debt.shrink();
        assert!(!debt.is_some());
    }
}
