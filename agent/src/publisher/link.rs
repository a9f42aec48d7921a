//! What the publisher needs of a connection, and how it gets one.
//!
//! Behind small traits, so that a simulation with paused time can take the network's place. The real ones
//! are [`Session`], [`Backoff`] and [`super::dial::Broker`].

use std::time::Duration;

use wardlink_link::backoff::Backoff;
use wardlink_link::session::{self, Incoming, Publication, Session, SessionError};

use super::pace::Pace;

/// Opens connections.
pub(super) trait Dial: Send {
    type Link: Link;
    type Rest: Rest;

    /// Connects. When it does not work now, which was told to health, gives the time that must pass at the
    /// least before the next attempt.
    fn dial(&mut self) -> impl Future<Output = Result<Self::Link, Duration>> + Send;

    /// The times between attempts.
    fn rest(&self, pace: Pace) -> Self::Rest;

    /// Looks at what the next connection would be made with. `true`: it is not what this one was made
    /// with, and can be used.
    fn has_news(&mut self) -> bool;

    /// When our certificate ends, UTC, seconds since 1970-01-01.
    fn certificate_ends(&mut self) -> Option<i64>;
}

/// The times between attempts.
pub(super) trait Rest: Send {
    /// Waits until another attempt is due, and at least for `pause`.
    fn wait(&mut self, pause: Duration) -> impl Future<Output = ()> + Send;

    /// The connection held long enough: the next attempts come soon again.
    fn reset(&mut self);
}

/// A live connection.
pub(super) trait Link: Send + Sync {
    type Delivery: Delivery;
    type Heard: Heard;

    /// Subscribes; returns once granted.
    fn subscribe(
        &mut self,
        filters: &[String],
    ) -> impl Future<Output = Result<(), SessionError>> + Send;

    /// Hands one message over.
    fn publish(&self, publication: Publication) -> Result<Self::Delivery, SessionError>;

    /// The next message that came in, or the reason of the end. Cancelling loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Self::Heard, SessionError>> + Send;

    /// Tells the broker that a message is here.
    fn acknowledge(&self, heard: &Self::Heard) -> Result<(), SessionError>;

    /// Ends it in order.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// A message on its way to the broker.
pub(super) trait Delivery: Send + 'static {
    /// Waits for the broker's acknowledgement.
    fn acknowledged(self) -> impl Future<Output = Result<(), SessionError>> + Send;
}

/// A message that came in.
pub(super) trait Heard: Send + Sync {
    fn topic(&self) -> &str;
    fn payload(&self) -> &[u8];
}

impl Rest for Backoff {
    async fn wait(&mut self, pause: Duration) {
        Self::wait(self, pause).await;
    }

    fn reset(&mut self) {
        Self::reset(self);
    }
}

impl Link for Session {
    type Delivery = session::Delivery;
    type Heard = Incoming;

    async fn subscribe(&mut self, filters: &[String]) -> Result<(), SessionError> {
        Self::subscribe(self, filters).await
    }

    fn publish(&self, publication: Publication) -> Result<session::Delivery, SessionError> {
        Self::publish(self, publication)
    }

    async fn next(&mut self) -> Result<Incoming, SessionError> {
        Self::next(self).await
    }

    fn acknowledge(&self, heard: &Incoming) -> Result<(), SessionError> {
        Self::acknowledge(self, heard)
    }

    async fn close(self) {
        Self::close(self).await;
    }
}

impl Delivery for session::Delivery {
    async fn acknowledged(self) -> Result<(), SessionError> {
        Self::acknowledged(self).await
    }
}

impl Heard for Incoming {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }
}
