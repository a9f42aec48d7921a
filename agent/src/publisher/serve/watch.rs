//! What happens when nothing comes: time runs out, and files change.

use tokio::time::Instant;
use wardlink_link::session::SessionError;

use super::super::PublisherError;
use super::super::link::Dial;
use super::super::source::Source;
use super::Connection;
use crate::health::Part;

impl<D: Dial, S: Source> Connection<'_, D, S> {
    /// Time passed and nothing came.
    pub(super) fn overdue(&mut self) -> Result<(), SessionError> {
        let now = Instant::now();
        if self.window.wedged().is_some_and(|wedged| wedged <= now) {
            return Err(SessionError::Stalled(self.uplink.pace.wedged));
        }
        if self
            .window
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            tracing::warn!("no receipts for what was sent: sending it again");
            let text = "the monitor gives no receipts".to_owned();
            self.uplink.outside.health.fault(Part::Receipts, text);
            for (lane, range) in self.window.start_over(now) {
                self.supply.again(lane, range);
            }
        }
        Ok(())
    }

    /// Looks at what changes without a message. `true`: the connection should be made anew.
    pub(super) async fn look(&mut self) -> Result<bool, PublisherError> {
        for (lane, range) in self.uplink.look().await? {
            self.supply.again(lane, range);
        }
        let news = self.uplink.dial.has_news();
        if news {
            tracing::info!("the identity's files changed: connecting anew with them");
        }
        Ok(news)
    }
}
